/** Owns the one guarded door for outbound requests: where they may go, how long they may take and how much may come back. */
export { type Egress, type EgressLimits, type EgressSettings, makeEgress } from "./egress.ts";
export { type BlockedReason, EgressBlocked, EgressFailed, type FailedReason } from "./errors.ts";
