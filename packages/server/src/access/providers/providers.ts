import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle, makeCache } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import {
  type Clock,
  type Page,
  type PageAsk,
  type Place,
  type Principal,
  readPage,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { agentListsTable, type Agents, mayUse } from "../../identity/agents/index.ts";
import { makeChecks } from "./checks.ts";
import { changed, drafted, newValues, requireFieldsOf, requireWhole, secretIn } from "./draft.ts";
import { bindingOf, sendsPkce } from "./kinds.ts";
import { makeMetadata } from "./metadata.ts";
import { isProviderId, type NewProvider, newProviderId, type Provider, type ProviderChange, secretIdentity } from "./provider.ts";
import { providersTable } from "./providers-table.ts";
import { makeUpstream } from "./upstream.ts";
import { defaultVault } from "./vault.ts";
import type { Vaults } from "./vaults.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly egress: Pick<Egress, "fetch" | "checkUrl">;
  readonly clock: Clock;
  readonly random: Random;
  /** The issuer URL of a tenant, without a final slash. */
  readonly issuerOf: (tenant: string) => string;
  readonly agents: Pick<Agents, "entriesToIds">;
  readonly vaults: Pick<Vaults, "require" | "hold" | "countMade">;
  /** Signs a client assertion (RFC 7523 2.2). */
  readonly clientAssertion: (tenant: string, ask: { readonly clientId: string; readonly audience: string }) => Promise<string>;
  /** Ends the consents under way at a provider that is suspended. */
  readonly onSuspended: (tx: Handle, who: Principal, providerId: string) => Promise<void>;
  /** Erases what was had from a provider that goes. */
  readonly onRemoved: (tx: Handle, who: Principal, providerId: string) => Promise<void>;
  /** Drops what was had from a provider that from now on is another server, or another client there: it must never be shown to the new one. */
  readonly onRebound: (tx: Handle, who: Principal, providerId: string) => Promise<void>;
  /** Ends the consents under way at a provider whose redirect URI or PKCE is another now: what began with the former could not be finished. */
  readonly onConsentChanged: (tx: Handle, who: Principal, providerId: string) => Promise<void>;
  /** Milliseconds that one call towards a provider, and the checks of a new one, may take; 20 s and 5 s unless given. */
  readonly limits?: { readonly callMs?: number; readonly checkMs?: number };
}

/** Providers that are remembered by name. */
const remembered = 5_000;
/** How often a change is tried again that another one came before. */
const attempts = 5;

export type Providers = ReturnType<typeof makeProviders>;

/** What whoever may use a provider is told while it is suspended. */
export const suspended = (name: string): Refusal =>
  new Refusal("provider_suspended", `The credential provider ${name} is suspended.`, { provider: name });

export const makeProviders = (needs: Needs) => {
  const { db, audit, seal, egress, clock, random, issuerOf, agents, vaults, clientAssertion } = needs;
  const { onSuspended, onRemoved, onRebound, onConsentChanged, limits } = needs;
  const metadata = makeMetadata({ egress, clock });
  const warningsOf = makeChecks({ egress, metadata, limitMs: limits?.checkMs ?? 5_000 });

  const cached = makeCache<Provider>(db.changes, remembered, ({ id }) => [["provider", id]]);

  const callbackUrl = (tenant: string, providerId: string) => `${issuerOf(tenant)}/callback/${providerId}`;

  const redirectUri = (tenant: string, provider: Provider) => provider.redirectUri ?? callbackUrl(tenant, provider.id);

  /** What a consent is begun with, and must be finished with (RFC 6749 4.1.3, RFC 7636 4.5). */
  const consentOf = (tenant: string, provider: Provider) => `${redirectUri(tenant, provider)} ${sendsPkce(provider)}`;

  const secretOf = async (tenant: string, { id, sealedSecret }: Provider): Promise<string | undefined> =>
    sealedSecret === undefined ? undefined : seal.open(tenant, secretIdentity(id), sealedSecret);

  const unknown = (ref: string, vault: string | undefined) =>
    new Refusal("provider_unknown", `There is no credential provider ${ref} in vault ${vault ?? defaultVault}.`, {
      provider: ref,
      vault: vault ?? defaultVault,
    });

  /** An id finds its provider in whatever vault it stands, unless another is named. */
  const find = async (handle: Handle, tenant: string, vault: string | undefined, ref: string): Promise<Provider> => {
    const found = isProviderId(ref)
      ? await providersTable.byId(handle, tenant, ref)
      : await providersTable.byName(handle, tenant, vault ?? defaultVault, ref);
    if (!found || (vault !== undefined && found.vault !== vault)) throw unknown(ref, vault);
    return found;
  };

  const taken = (name: string, vault: string) =>
    new Refusal("provider_exists", `There is already a credential provider named ${name} in vault ${vault}.`, { provider: name, vault });

  const setStatus = (who: Principal, vault: string | undefined, nameOrId: string, status: Provider["status"], action: string) =>
    db.write(async (tx): Promise<Provider> => {
      const { id } = await find(tx, who.tenant, vault, nameOrId);
      const provider = await providersTable.setStatus(tx, who.tenant, id, status, clock());
      if (!provider) throw unknown(nameOrId, vault);
      if (status === "suspended") await onSuspended(tx, who, id);
      await audit.record(tx, who, action, { target: id, details: { name: provider.name, vault: provider.vault } });
      await db.changes.announce(tx, who.tenant, "provider", id);
      return provider;
    });

  return {
    /**
     * A vault that is not there yet is made, unless it must be.
     *
     * @throws Refusal provider_exists, agent_unknown, vault_unknown, too_many; invalid_request that names what is missing or may not be reached
     */
    create: async (who: Principal, wanted: NewProvider, { vaultMustBe = false } = {}): Promise<Provider> => {
      const { tenant } = who;
      const vault = wanted.vault ?? defaultVault;
      const secret = secretIn(wanted);
      if (isProviderId(wanted.name)) {
        const message = "A name may not look like a provider's id.";
        throw new Refusal("invalid_request", message, { issues: [{ path: "name", message }] });
      }
      const draft = drafted(wanted, newProviderId(random), vault, clock());
      requireWhole(draft, secret !== undefined, egress);
      if (vaultMustBe) await vaults.require(db.read, tenant, vault);
      if (await providersTable.byName(db.read, tenant, vault, wanted.name)) throw taken(wanted.name, vault);
      const warnings = await warningsOf(draft);
      return db.write(async (tx) => {
        const made = await vaults.hold(tx, who, vault, vaultMustBe);
        const provider: Provider = {
          ...draft,
          warnings,
          agents: await agents.entriesToIds(tx, tenant, draft.agents),
          sealedSecret: secret === undefined ? undefined : await seal.seal(tx, tenant, secretIdentity(draft.id), secret),
        };
        if (!(await providersTable.insert(tx, tenant, provider))) throw taken(wanted.name, vault);
        const { id, name, type, kind } = provider;
        await audit.record(tx, who, "provider.created", { target: id, details: { name, vault, type, kind, agents: provider.agents } });
        if (made) await vaults.countMade(tx, tenant);
        await counters.add(tx, tenant, `providers/${type}/${vault}`, 1);
        return provider;
      });
    },

    /** Oldest first; of every type, or of one. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, vault: string | undefined, ask: PageAsk, type?: Provider["type"]): Promise<Page<Provider>> => {
      const inVault = vault ?? defaultVault;
      const read = (place: Place | undefined, most: number) => providersTable.list(db.read, tenant, inVault, place, most, type);
      return readPage([tenant, "providers", inVault, type ?? "any"], ask, read, ({ createdAt, id }) => ({ at: createdAt, id }));
    },

    /** @throws Refusal provider_unknown */
    get: (tenant: string, vault: string | undefined, nameOrId: string): Promise<Provider> => find(db.read, tenant, vault, nameOrId),

    /** How many of one type stand in a vault. */
    count: (tenant: string, type: Provider["type"], vault: string): Promise<number> =>
      counters.read(db.read, tenant, `providers/${type}/${vault}`),

    byId: (handle: Handle, tenant: string, id: string): Promise<Provider | undefined> => providersTable.byId(handle, tenant, id),

    /**
     * Another server or client than before must bring its secret along, and what was had from the former is dropped.
     *
     * @throws Refusal provider_unknown, provider_wrong_type, agent_unknown; invalid_request that names what is missing or may not be reached
     */
    update: async (who: Principal, vault: string | undefined, nameOrId: string, change: ProviderChange): Promise<Provider> => {
      const { tenant } = who;
      const secret = secretIn(change);
      const changedBy = (current: Provider): Provider => {
        requireFieldsOf(current.type, change);
        const next = changed(current, change);
        requireWhole(next, secret !== undefined || next.sealedSecret !== undefined, egress);
        return next;
      };
      const seen = await find(db.read, tenant, vault, nameOrId);
      const proposed = changedBy(seen);
      const { agents: entries, ...others } = change;
      const warnings = Object.keys(others).length > 0 ? await warningsOf(proposed) : seen.warnings;
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        const provider = await db.write(async (tx) => {
          const current = await find(tx, tenant, vault, seen.id);
          const draft = changedBy(current);
          const next: Provider = {
            ...draft,
            warnings,
            agents: entries ? await agents.entriesToIds(tx, tenant, entries) : draft.agents,
            sealedSecret: secret === undefined ? draft.sealedSecret : await seal.seal(tx, tenant, secretIdentity(draft.id), secret),
            version: current.version + 1,
            updatedAt: clock(),
          };
          if (!(await providersTable.update(tx, tenant, next))) return undefined;
          const rebound = bindingOf(next) !== bindingOf(current);
          if (rebound) await onRebound(tx, who, next.id);
          else if (consentOf(tenant, next) !== consentOf(tenant, current)) await onConsentChanged(tx, who, next.id);
          const fields = Object.entries(change).flatMap(([field, value]) => (value === undefined ? [] : field));
          await audit.record(tx, who, "provider.updated", {
            target: next.id,
            details: { name: next.name, fields, rebound, values: newValues(current, next) },
          });
          await db.changes.announce(tx, tenant, "provider", next.id);
          return next;
        });
        if (provider) return provider;
      }
      throw new Refusal("unavailable", "The credential provider is being changed by others. Try again.");
    },

    /**
     * Stops a provider, whatever hangs on it: nothing of it is handed out, refreshed or consented to, and consents under way end. Connections stay
     * as they are, for what they hold was given to agents and not taken from them.
     * @throws Refusal provider_unknown
     */
    suspend: (who: Principal, vault: string | undefined, nameOrId: string): Promise<Provider> =>
      setStatus(who, vault, nameOrId, "suspended", "provider.suspended"),

    /** Connections serve again; consents that the suspension ended are begun anew. @throws Refusal provider_unknown */
    resume: (who: Principal, vault: string | undefined, nameOrId: string): Promise<Provider> =>
      setStatus(who, vault, nameOrId, "active", "provider.resumed"),

    /** As `byId`; nobody suspends, changes or deletes the provider until the transaction ends. */
    hold: (tx: Handle, tenant: string, id: string): Promise<Provider | undefined> => providersTable.lock(tx, tenant, id),

    /** @throws Refusal provider_unknown */
    remove: (who: Principal, vault: string | undefined, nameOrId: string): Promise<void> =>
      db.write(async (tx) => {
        const { id, name, type, vault: stood } = await find(tx, who.tenant, vault, nameOrId);
        // Deleted first, so that whoever holds the row to store something under it is done before that is erased.
        if (!(await providersTable.remove(tx, who.tenant, id))) throw unknown(nameOrId, vault);
        await onRemoved(tx, who, id);
        await audit.record(tx, who, "provider.deleted", { target: id, details: { name, vault: stood } });
        await counters.add(tx, who.tenant, `providers/${type}/${stood}`, -1);
        await db.changes.announce(tx, who.tenant, "provider", id);
      }),

    /** A deleted agent's entries go with it; a list that is then empty lets nobody in. */
    agentRemoved: async (tx: Handle, who: Principal, agentId: string): Promise<void> => {
      const ids = await agentListsTable.forget(tx, who.tenant, "providers", agentId, clock());
      for (const id of ids) await db.changes.announce(tx, who.tenant, "provider", id);
    },

    /**
     * A provider for the agent that asks: as it is remembered, else in one read.
     *
     * @throws Refusal provider_unknown, the same whether there is none or this agent may not use it; provider_suspended for one that may
     */
    usable: async (who: Principal, vault: string | undefined, name: string): Promise<Provider> => {
      const stands = vault ?? defaultVault;
      // Neither a tenant's name nor a vault's has a slash.
      const found = await cached(`${who.tenant}/${stands}/${name}`, () => providersTable.byName(db.read, who.tenant, stands, name));
      if (!found || !who.agent || !mayUse(found.agents, who.agent)) throw unknown(name, vault);
      if (found.status !== "active") throw suspended(found.name);
      return found;
    },

    /** @throws Refusal provider_wrong_type */
    apiKey: async (tenant: string, provider: Provider): Promise<string> => {
      const key = provider.type === "api_key" ? await secretOf(tenant, provider) : undefined;
      if (key === undefined)
        throw new Refusal("provider_wrong_type", `The credential provider ${provider.name} keeps no API key.`, { type: provider.type });
      return key;
    },

    /** Where the browser comes back to: what to register at the provider as the redirect URI, unless the provider has another. */
    callbackUrl,

    upstream: makeUpstream({ egress, metadata, redirectUri, secretOf, clientAssertion, limitMs: limits?.callMs ?? 20_000 }),
  };
};
