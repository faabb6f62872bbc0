/** Owns the store: SQLite or PostgreSQL behind one set of queries, its schema, its transactions, and the feed of changes between replicas. */
export { makeCache, type Tag } from "./cache.ts";
export type { Change, ChangeKind, Changes } from "./changes.ts";
export { type Counter, counters } from "./counters-table.ts";
export { makeGathering } from "./gathering.ts";
export { isUniqueViolation, StoreBroken } from "./failures.ts";
export { held } from "./held.ts";
export { type Db, lockSqliteFolder, openDb, type StoreAddress, StoreInUse } from "./open.ts";
export { legatesConnected } from "./postgres-connected.ts";
export { lookup } from "./lookup.ts";
export { newerThan, olderThan } from "./place.ts";
export { isPostgres, prepared } from "./prepared.ts";
export { checkSqliteStore, copyAtRest, copySqliteStore, replaceSqliteStore } from "./sqlite-copy.ts";
export type { Handle, Row, Tables } from "./tables.ts";
