import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, type Place, type Principal, readPage, Refusal } from "../../ground/kernel/index.ts";
import type { Provider } from "./provider.ts";
import { providersTable } from "./providers-table.ts";
import { defaultVault, mostVaults, type TokenVault, type TokenVaultFields } from "./vault.ts";
import { vaultsTable } from "./vaults-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  /** When a tenant was made, and with it its vault `default`. */
  readonly tenantMadeAt: (tenant: string) => Promise<number>;
}

export type Vaults = ReturnType<typeof makeVaults>;

/** Before every vault that has a row. */
const first: Place = { at: 0, id: defaultVault };
const types: readonly Provider["type"][] = ["api_key", "oauth2", "sts"];

const unknown = (name: string) => new Refusal("vault_unknown", `There is no token vault ${name}.`, { vault: name });
const taken = (name: string) => new Refusal("vault_exists", `There is already a token vault named ${name}.`, { vault: name });

const withFields = (vault: TokenVault, { description, foreign }: TokenVaultFields): TokenVault => ({
  ...vault,
  description: description === undefined ? vault.description : description || undefined,
  foreign: { ...vault.foreign, ...foreign },
});

export const makeVaults = ({ db, audit, clock, tenantMadeAt }: Needs) => {
  const blank = (name: string, at: number): TokenVault => ({ name, description: undefined, foreign: {}, createdAt: at, updatedAt: at });

  /** The vault that every tenant has gets a row when it is first changed. */
  const find = async (handle: Handle, tenant: string, name: string): Promise<TokenVault> => {
    const found = await vaultsTable.byName(handle, tenant, name);
    if (found) return found;
    if (name !== defaultVault) throw unknown(name);
    return blank(name, await tenantMadeAt(tenant));
  };

  /** After all else in the transaction. @throws Refusal too_many */
  const countMade = async (tx: Handle, tenant: string): Promise<void> => {
    // Whoever counts waits for the counter, so that two at once are counted right.
    if ((await counters.add(tx, tenant, "token_vaults", 1)) > mostVaults)
      throw new Refusal("too_many", `A tenant has at most ${mostVaults} token vaults beside default.`, { limit: mostVaults });
  };

  const recordMade = (tx: Handle, who: Principal, name: string) => audit.record(tx, who, "token_vault.created", { target: name });

  return {
    /** @throws Refusal vault_exists, also for `default`; too_many */
    create: (who: Principal, { name, ...fields }: { readonly name: string } & TokenVaultFields): Promise<TokenVault> =>
      db.write(async (tx) => {
        const vault = withFields(blank(name, clock()), fields);
        if (name === defaultVault || !(await vaultsTable.insert(tx, who.tenant, vault))) throw taken(name);
        await recordMade(tx, who, name);
        await countMade(tx, who.tenant);
        return vault;
      }),

    /** @throws Refusal vault_unknown */
    get: (tenant: string, name: string): Promise<TokenVault> => find(db.read, tenant, name),

    /** `default` first, then the others, oldest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<TokenVault>> => {
      const read = async (place: Place | undefined, most: number) => {
        const rows = await vaultsTable.list(db.read, tenant, place, most);
        return place ? rows : [await find(db.read, tenant, defaultVault), ...rows];
      };
      return readPage([tenant, "token_vaults"], ask, read, ({ createdAt, name }) =>
        name === defaultVault ? first : { at: createdAt, id: name },
      );
    },

    /** How many a tenant has, with `default`. */
    count: async (tenant: string): Promise<number> => 1 + (await counters.read(db.read, tenant, "token_vaults")),

    /** @throws Refusal vault_unknown */
    update: async (who: Principal, name: string, change: TokenVaultFields): Promise<TokenVault> => {
      const { tenant } = who;
      const madeAt = name === defaultVault ? await tenantMadeAt(tenant) : 0;
      return db.write(async (tx) => {
        if (name === defaultVault) await vaultsTable.insert(tx, tenant, blank(name, madeAt));
        const current = await vaultsTable.lock(tx, tenant, name);
        if (!current) throw unknown(name);
        const vault = { ...withFields(current, change), updatedAt: clock() };
        await vaultsTable.update(tx, tenant, vault);
        const fields = (["description", "foreign"] as const).filter((field) => change[field] !== undefined);
        await audit.record(tx, who, "token_vault.updated", { target: name, details: { fields } });
        return vault;
      });
    },

    /** @throws Refusal vault_unknown; vault_in_use while providers stand in it, and for `default` */
    remove: (who: Principal, name: string): Promise<void> =>
      db.write(async (tx) => {
        const { tenant } = who;
        if (name === defaultVault) throw new Refusal("vault_in_use", "Every tenant keeps its token vault default.", { vault: name });
        // Deleted first, so that whoever puts a provider there at this moment waits for our answer.
        if (!(await vaultsTable.remove(tx, tenant, name))) throw unknown(name);
        if (await providersTable.anyIn(tx, tenant, name))
          throw new Refusal("vault_in_use", `Credential providers stand in the token vault ${name}.`, { vault: name });
        await audit.record(tx, who, "token_vault.deleted", { target: name });
        await counters.add(tx, tenant, "token_vaults", -1);
        for (const type of types) await counters.forget(tx, tenant, `providers/${type}/${name}`);
      }),

    countMade,

    /** @throws Refusal vault_unknown */
    require: async (handle: Handle, tenant: string, name: string): Promise<void> => {
      if (name !== defaultVault && !(await vaultsTable.byName(handle, tenant, name))) throw unknown(name);
    },

    /**
     * Keeps others from deleting a vault until the transaction ends, and makes one that is not there unless it must be.
     *
     * @returns Whether it was made: then it has to be counted, after all else
     * @throws Refusal vault_unknown
     */
    hold: async (tx: Handle, who: Principal, name: string, mustBe: boolean): Promise<boolean> => {
      if (name === defaultVault) return false;
      while (!(await vaultsTable.lock(tx, who.tenant, name))) {
        if (mustBe) throw unknown(name);
        // Whoever makes it at this moment is waited for; then it is theirs.
        if (!(await vaultsTable.insert(tx, who.tenant, blank(name, clock())))) continue;
        await recordMade(tx, who, name);
        return true;
      }
      return false;
    },
  };
};
