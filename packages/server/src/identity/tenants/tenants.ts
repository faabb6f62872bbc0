import type { Audit } from "../../ground/audit/index.ts";
import { type Db, type Handle, makeCache } from "../../ground/db/index.ts";
import {
  anonymous,
  type Clock,
  type Page,
  type PageAsk,
  type Principal,
  readPage,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import { makeErasure } from "./erasure.ts";
import { erasureTable } from "./erasure-table.ts";
import { defaultTenant, isTenantName, newAccountId, type Tenant } from "./tenant.ts";
import { tenantsTable } from "./tenants-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  /** Without a trailing slash. */
  readonly publicUrl: string;
  /** Makes the first admin of a new tenant and answers its key. */
  readonly firstAdmin: (tx: Handle, who: Principal) => Promise<string>;
  /** Gives a new tenant what every tenant has. */
  readonly onCreated: (tx: Handle, tenant: string) => Promise<void>;
  /** Ends what is under way in a tenant that is suspended and would outlive its epoch. */
  readonly onSuspended: (tx: Handle, who: Principal) => Promise<void>;
}

export type Tenants = ReturnType<typeof makeTenants>;

/** Tenants that are remembered at most. */
const remembered = 10_000;

const unknown = (name: string) => new Refusal("tenant_unknown", `There is no tenant ${name}.`, { name });
const isDefault = () => new Refusal("tenant_default", "Tenant default can be neither suspended nor deleted.");

export const makeTenants = ({ db, audit, clock, random, publicUrl, firstAdmin, onCreated, onSuspended }: Needs) => {
  const cached = makeCache<Tenant>(db.changes, remembered, ({ id }) => [["tenant", id]]);

  /** Who acts, as the record of the tenant acted upon tells it: what the installation's admins are called is not its business. */
  const within = (who: Principal, tenant: string): Principal => anonymous(tenant, who.requestId);

  const freeAccountId = async (tx: Handle): Promise<string> => {
    for (;;) {
      const id = newAccountId(random);
      if (!(await tenantsTable.hasAccount(tx, id))) return id;
    }
  };

  const living = async (handle: Handle, name: string): Promise<Tenant> => {
    const tenant = await tenantsTable.byId(handle, name);
    if (!tenant || tenant.status === "deleted") throw unknown(name);
    return tenant;
  };

  /** Does nothing where it is so already: resuming what was never suspended kills no token. */
  const move = (who: Principal, name: string, from: "active" | "suspended", to: "active" | "suspended", action: string) =>
    db.write(async (tx) => {
      const moved = await tenantsTable.move(tx, name, from, to);
      if (!moved) return living(tx, name);
      if (to === "suspended") await onSuspended(tx, within(who, name));
      await audit.record(tx, who, action, { target: name });
      await audit.record(tx, within(who, name), action, { target: name });
      await db.changes.announce(tx, name, "tenant", name);
      return moved;
    });

  return {
    /** The issuer URL of a tenant: what its tokens carry as `iss`, and what its addresses begin with. */
    issuerOf: (tenant: string): string => (tenant === defaultTenant ? publicUrl : `${publicUrl}/t/${tenant}`),

    /** The tenant whose issuer URL this would be, whether there is one or not. */
    ofIssuer: (issuer: string): string | undefined => {
      if (issuer === publicUrl) return defaultTenant;
      const begin = `${publicUrl}/t/`;
      const name = issuer.startsWith(begin) ? issuer.slice(begin.length) : "";
      return isTenantName(name) && name !== defaultTenant ? name : undefined;
    },

    /** Whether there is such a tenant, neither suspended nor deleted. */
    isOpen: async (name: string): Promise<boolean> =>
      isTenantName(name) && (await cached(name, () => tenantsTable.byId(db.read, name)))?.status === "active",

    /** The 16 digits by which ARNs name a tenant; they never change. @throws Refusal tenant_unknown */
    accountOf: async (name: string): Promise<string> => {
      const tenant = await cached(name, () => tenantsTable.byId(db.read, name));
      if (!tenant) throw unknown(name);
      return tenant.accountId;
    },

    /** Reads one row, to see that the store answers. @throws when it does not */
    ping: (): Promise<void> => tenantsTable.ping(db.read),

    /** Makes tenant `default` at first start. */
    ensureDefault: (): Promise<void> =>
      db.write(async (tx) => {
        const known = await tenantsTable.byId(tx, defaultTenant);
        if (known && known.accountId !== "") return;
        const accountId = await freeAccountId(tx);
        if (known) {
          await tenantsTable.setAccountOnce(tx, defaultTenant, accountId);
        } else if (await tenantsTable.insertOnce(tx, { id: defaultTenant, status: "active", epoch: 0, accountId, createdAt: clock() })) {
          await onCreated(tx, defaultTenant);
          await audit.record(tx, anonymous(defaultTenant, "start"), "tenant.created", { target: defaultTenant });
        }
      }),

    /**
     * Makes a tenant and its first admin.
     * @returns with the admin's key, which nobody can read again
     * @throws Refusal tenant_exists, also where a deleted tenant had the name
     */
    create: (who: Principal, name: string): Promise<{ tenant: Tenant; adminKey: string }> =>
      db.write(async (tx) => {
        const tenant: Tenant = { id: name, status: "active", epoch: 0, accountId: await freeAccountId(tx), createdAt: clock() };
        if (!(await tenantsTable.insertOnce(tx, tenant))) {
          throw new Refusal("tenant_exists", `There is, or once was, a tenant named ${name}.`, { name });
        }
        await onCreated(tx, name);
        await audit.record(tx, who, "tenant.created", { target: name, details: { accountId: tenant.accountId } });
        await audit.record(tx, within(who, name), "tenant.created", { target: name });
        return { tenant, adminKey: await firstAdmin(tx, within(who, name)) };
      }),

    /** @throws Refusal tenant_unknown */
    get: (name: string): Promise<Tenant> => living(db.read, name),

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: (ask: PageAsk): Promise<Page<Tenant>> =>
      readPage(
        [defaultTenant, "tenants"],
        ask,
        (place, most) => tenantsTable.list(db.read, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      ),

    /** Every credential of the tenant dies. @throws Refusal tenant_unknown, tenant_default */
    suspend: async (who: Principal, name: string): Promise<Tenant> => {
      if (name === defaultTenant) throw isDefault();
      return move(who, name, "active", "suspended", "tenant.suspended");
    },

    /** Its keys work again; what was handed out before stays dead. @throws Refusal tenant_unknown */
    resume: (who: Principal, name: string): Promise<Tenant> => move(who, name, "suspended", "active", "tenant.resumed"),

    /**
     * Leaves a tombstone and erases the tenant's data keys, so that nothing it sealed opens again, not even in a copy of its rows; the rows
     * themselves are erased by {@link erase}. The record of it is the default tenant's, with the last link of the chain that goes.
     * @throws Refusal tenant_unknown, tenant_default
     */
    remove: async (who: Principal, name: string): Promise<void> => {
      if (name === defaultTenant) throw isDefault();
      await db.write(async (tx) => {
        const head = await erasureTable.chainHead(tx, name);
        if (!(await tenantsTable.bury(tx, name, clock()))) throw unknown(name);
        const dataKeys = await erasureTable.eraseDataKeys(tx, name);
        await audit.record(tx, who, "tenant.deleted", { target: name, details: { ...(head && { auditChain: head }) } });
        for (const id of dataKeys) await db.changes.announce(tx, name, "data_key", id);
        await db.changes.announce(tx, name, "tenant", name);
      });
    },

    /** The job that erases what deleted tenants owned. */
    erase: makeErasure({ db, clock }),
  };
};
