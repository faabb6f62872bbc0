/** Owns tenants: who owns everything else. */
export { defaultTenant } from "./tenant.ts";
export { makeTenants, type Tenants } from "./tenants.ts";
