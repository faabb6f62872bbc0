/** Owns the record of what happened. */
export { type About, type Audit, makeAudit } from "./audit.ts";
export type { AuditEvent, AuditFilter } from "./audit-event.ts";
export { type Chain, makeChain } from "./chain.ts";
export type { ExportAsk } from "./export.ts";
