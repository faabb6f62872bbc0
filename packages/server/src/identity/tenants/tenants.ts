import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import { anonymous, type Clock } from "../../ground/kernel/index.ts";
import { defaultTenant } from "./tenant.ts";
import { tenantsTable } from "./tenants-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  /** Without a trailing slash. */
  readonly publicUrl: string;
}

export type Tenants = ReturnType<typeof makeTenants>;

export const makeTenants = ({ db, audit, clock, publicUrl }: Needs) => ({
  /** The issuer URL of a tenant: what its tokens carry as `iss`, and what its addresses begin with. */
  issuerOf: (tenant: string): string => (tenant === defaultTenant ? publicUrl : `${publicUrl}/t/${tenant}`),

  /** The tenant whose issuer URL this is. */
  ofIssuer: (issuer: string): string | undefined => {
    if (issuer === publicUrl) return defaultTenant;
    const [, tenant] = issuer.startsWith(`${publicUrl}/t/`)
      ? (/^\/t\/([a-z][a-z0-9-]{1,38})$/.exec(issuer.slice(publicUrl.length)) ?? [])
      : [];
    return tenant === defaultTenant ? undefined : tenant;
  },

  /** Reads one row, to see that the store answers. @throws when it does not */
  ping: (): Promise<void> => tenantsTable.ping(db.read),

  /** Makes tenant `default` at first start. */
  ensureDefault: (): Promise<void> =>
    db.write(async (tx) => {
      if (await tenantsTable.insertOnce(tx, { id: defaultTenant, status: "active", epoch: 0 }, clock())) {
        await audit.record(tx, anonymous(defaultTenant, "start"), "tenant.created", { target: defaultTenant });
      }
    }),
});
