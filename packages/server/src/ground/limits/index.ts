/** Owns rate limits, shared by every dialect and every replica. */
export { addressKey } from "./address-key.ts";
export { type Allowance, type LimitKind, type Limits, makeLimits } from "./limits.ts";
