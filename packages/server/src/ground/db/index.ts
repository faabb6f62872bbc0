/** Owns the store: SQLite or PostgreSQL behind one set of queries, its schema, its transactions. */
export { isUniqueViolation } from "./failures.ts";
export { type Db, openDb, type StoreAddress, StoreInUse } from "./open.ts";
export { prepared } from "./prepared.ts";
export type { Handle, Row, Tables } from "./tables.ts";
