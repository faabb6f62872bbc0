import { isPostgres } from "./prepared.ts";
import type { Handle } from "./tables.ts";

/**
 * Has a query of a transaction keep the rows that it reads: until the transaction ends nobody else changes or deletes them, though others may keep them
 * too. Whoever would delete one locks it before looking whether anything needs it. On SQLite whoever writes is alone.
 */
export const held = <Query extends { forShare(): Query }>(tx: Handle, query: Query): Query => (isPostgres(tx) ? query.forShare() : query);
