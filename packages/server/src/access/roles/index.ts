/** Owns roles: what an agent may be turned into, here or at a cloud, and what that lets it do. */
export { type Arns, arnsIn, type Realm } from "./arn.ts";
export type { AssumeAsk, Assumed } from "./assume.ts";
export type { Permits, RightsAsk } from "./known-roles.ts";
export type { PolicyRef, PolicyType, Role, RoleCloud, RoleFields, RolePolicy } from "./role.ts";
export { makeRoles, type Roles } from "./roles.ts";
