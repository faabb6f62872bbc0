/** Owns tenants: who owns everything else. */
export { defaultTenant, isTenantName, type Tenant } from "./tenant.ts";
export { makeTenants, type Tenants } from "./tenants.ts";
