import { makeProviders } from "./access/providers/index.ts";
import { makeConnections, makeSessions, makeVault } from "./access/vault/index.ts";
import { makeAudit } from "./ground/audit/index.ts";
import { openDb, type StoreAddress } from "./ground/db/index.ts";
import { makeEgress } from "./ground/egress/index.ts";
import { makeJobs } from "./ground/jobs/index.ts";
import { type Clock, type Random, systemClock, systemRandom } from "./ground/kernel/index.ts";
import { makeReplay } from "./ground/replay/index.ts";
import { kekFrom, makeSeal, openPepper } from "./ground/seal/index.ts";
import { type Agents, makeAgents } from "./identity/agents/index.ts";
import { makeAuthn } from "./identity/authn/index.ts";
import { makeIssuers } from "./identity/issuers/index.ts";
import { makeOperators } from "./identity/operators/index.ts";
import { makeSigning } from "./identity/signing/index.ts";
import { makeTenants } from "./identity/tenants/index.ts";
import { makeStanding, makeTokens, makeWorkloadTokens } from "./identity/tokens/index.ts";
import { makeUsers } from "./identity/users/index.ts";

/** What the rooms need to be told. */
export interface HouseSettings {
  readonly store: StoreAddress;
  /** 32 bytes. */
  readonly masterKey: Buffer;
  /** Without a trailing slash. */
  readonly publicUrl: string;
  readonly secureCookies: boolean;
  readonly egressAllow: readonly string[];
  /** Replaces the admin key; without one, the first start makes one. */
  readonly adminKey?: string | undefined;
  /** Hears of background work that failed; it is tried again. */
  readonly onJobFailure?: (name: string, error: unknown) => void;
}

export type House = Awaited<ReturnType<typeof openHouse>>;

/**
 * Builds every room, once, by hand, and opens the store. Rooms are made in the order in which they may know each other; where a lower room must
 * tell a higher one something, the function it declared for that is introduced here.
 * @throws StoreInUse when another process has the SQLite file; SealBroken when the master key is not the store's
 */
export const openHouse = async (settings: HouseSettings, guests: { readonly clock?: Clock; readonly random?: Random } = {}) => {
  const { publicUrl, secureCookies } = settings;
  const { clock = systemClock, random = systemRandom } = guests;
  const db = await openDb(settings.store);
  try {
    const kek = kekFrom(settings.masterKey, random);
    const seal = makeSeal({ db, kek, clock, random });
    const pepper = await openPepper({ db, kek, clock, random });
    const audit = makeAudit({ db, clock, random });
    const egress = makeEgress({ allow: settings.egressAllow });
    const jobs = makeJobs({ db, clock, random, onFailure: settings.onJobFailure ?? (() => undefined) });
    const replay = makeReplay({ db, clock });
    jobs.add({ name: "changes.prune", every: 10 * 60_000, run: () => db.changes.prune() });
    jobs.add(replay.sweep);

    const tenants = makeTenants({ db, audit, clock, publicUrl });
    const operators = makeOperators({ db, audit, pepper, clock, random });
    const users = makeUsers({ db, audit, clock, random });
    const issuers = makeIssuers({
      db,
      audit,
      seal,
      egress,
      clock,
      random,
      publicUrl,
      usersNamedBy: users.claimOf,
      agentsNaming: (tx, tenant, issuerId) => agents.anyNamingIssuer(tx, tenant, issuerId),
    });
    const agents: Agents = makeAgents({
      db,
      audit,
      pepper,
      clock,
      random,
      issuerId: async (tenant, nameOrId) => (await issuers.get(tenant, nameOrId)).id,
      onRemoved: async (tx, who, agentId): Promise<void> => {
        await vault.agentRemoved(tx, who, agentId);
        await providers.agentRemoved(tx, who, agentId);
      },
    });
    const signing = makeSigning({ db, audit, seal, clock, random });
    const tokens = makeTokens({ db, signing, tenants, clock, random });
    const standing = makeStanding({ db });
    const workloadTokens = makeWorkloadTokens({ db, audit, clock, users, issuers, standing, tokens });
    const authn = makeAuthn({ audit, operators, agents, users, issuers, tokens, standing });

    const connections = makeConnections({ db, audit, clock, random, seal });
    const providers = makeProviders({
      db,
      audit,
      seal,
      egress,
      clock,
      random,
      issuerOf: tenants.issuerOf,
      agents,
      clientAssertion: tokens.clientAssertion,
      onRemoved: async (tx, who, providerId): Promise<void> => {
        await sessions.providerChanged(tx, who, providerId);
        await vault.providerRemoved(tx, who, providerId);
      },
      onRebound: async (tx, who, providerId): Promise<void> => {
        await sessions.providerChanged(tx, who, providerId);
        await vault.providerRebound(tx, who, providerId);
      },
    });
    const sessions = makeSessions({
      db,
      audit,
      seal,
      egress,
      clock,
      random,
      tenants,
      agents,
      users,
      issuers,
      clientAssertion: tokens.clientAssertion,
      providers,
      connections,
      secureCookies,
    });
    const vault = makeVault({ db, audit, clock, random, seal, agents, providers, standing, connections, sessions });

    await tenants.ensureDefault();
    const madeAdminKey = await operators.installAdminKey(settings.adminKey);
    return {
      db,
      jobs,
      replay,
      audit,
      tenants,
      operators,
      users,
      issuers,
      agents,
      signing,
      tokens,
      standing,
      workloadTokens,
      authn,
      providers,
      connections,
      sessions,
      vault,
      /** The admin key, where this start made it: the only time it can be shown. */
      madeAdminKey,
      /** Stops what runs in the background, then what it stands on. */
      close: async (): Promise<void> => {
        await jobs.close();
        await egress.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }
};
