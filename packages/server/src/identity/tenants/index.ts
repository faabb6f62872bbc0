/** Owns tenants: who owns everything else. */
export { defaultTenant, type Tenant } from "./tenant.ts";
export { makeTenants, type Tenants } from "./tenants.ts";
