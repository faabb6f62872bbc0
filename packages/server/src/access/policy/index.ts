/** Owns policy sets, their Cedar policies, and the gateways they are attached to. */
export type { Gateway, GatewayConfig } from "./attachments.ts";
export { type Policies, makePolicies, type PolicyFields } from "./policies.ts";
export type { Attachment, EnforcementMode, GatewayType, Policy, PolicySet } from "./policy.ts";
export type { PolicySetFields } from "./policy-sets.ts";
export type { Issue } from "./statement.ts";
