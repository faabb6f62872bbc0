import { makeClients } from "./access/clients/index.ts";
import { grantsSealedColumns, makeAuthorizationRequests, makeFamilies, makeGrants, makeRevocations } from "./access/grants/index.ts";
import { makePolicies } from "./access/policy/index.ts";
import { makeProjects, projectSealedColumns } from "./access/projects/index.ts";
import { makeProviders, makeVaults, providerSealedColumns } from "./access/providers/index.ts";
import { makeRoles, type Roles } from "./access/roles/index.ts";
import { makeConnections, makeLogin, makeSessions, makeVault, vaultSealedColumns } from "./access/vault/index.ts";
import { makeAudit, makeChain } from "./ground/audit/index.ts";
import { openDb, type StoreAddress } from "./ground/db/index.ts";
import { makeEgress } from "./ground/egress/index.ts";
import { makeJobs } from "./ground/jobs/index.ts";
import { type Clock, type Random, systemClock, systemRandom } from "./ground/kernel/index.ts";
import { makeLimits } from "./ground/limits/index.ts";
import { makeReplay } from "./ground/replay/index.ts";
import {
  kekFrom,
  makeDataKeyRotation,
  makeMasterKey,
  makePeppers,
  makeSeal,
  openPepper,
  settleMasterKey,
  type Tell,
} from "./ground/seal/index.ts";
import { accessKeySealedColumns, makeAccessKeys } from "./identity/access-keys/index.ts";
import { type Agents, makeAgents } from "./identity/agents/index.ts";
import { makeAuthn } from "./identity/authn/index.ts";
import { issuerSealedColumns, makeIssuers } from "./identity/issuers/index.ts";
import { makeOperators } from "./identity/operators/index.ts";
import { makeSigning, signingSealedColumns } from "./identity/signing/index.ts";
import { defaultTenant, makeTenants } from "./identity/tenants/index.ts";
import { makeDoorTokens, makeDpop, makeStanding, makeTokens, makeWorkloadTokens } from "./identity/tokens/index.ts";
import { makeUsers } from "./identity/users/index.ts";

/** What the rooms need to be told. */
export interface HouseSettings {
  readonly store: StoreAddress;
  /** 32 bytes. */
  readonly masterKey: Buffer;
  /** Also opens what it wrapped, while one master key is changed for another: 32 bytes. */
  readonly oldMasterKey?: Buffer | undefined;
  /** Without a trailing slash. */
  readonly publicUrl: string;
  readonly secureCookies: boolean;
  readonly egressAllow: readonly string[];
  /** What the default rate limits are multiplied by; left out, nobody is limited. */
  readonly rateLimits?: number | "off";
  /** What stands as the region in ARNs; `cn-beijing` unless given. */
  readonly region?: string;
  /** Replaces the admin key; without one, the first start makes one. */
  readonly adminKey?: string | undefined;
  /** For how many days audit events are kept; for ever where it is left out. */
  readonly auditRetentionDays?: number | undefined;
  /** Hears of background work that failed; it is tried again. */
  readonly onJobFailure?: (name: string, error: unknown) => void;
  /** Hears how far background work has come that takes its time. */
  readonly onProgress?: Tell;
}

export type House = Awaited<ReturnType<typeof openHouse>>;

/**
 * Builds every room, once, by hand, and opens the store. Rooms are made in the order in which they may know each other; where a lower room must
 * tell a higher one something, the function it declared for that is introduced here.
 * @throws StoreInUse when another process has the SQLite file; SealBroken when the master key is not the store's
 */
export const openHouse = async (settings: HouseSettings, guests: { readonly clock?: Clock; readonly random?: Random } = {}) => {
  const { publicUrl, secureCookies, region = "cn-beijing" } = settings;
  const { clock = systemClock, random = systemRandom } = guests;
  const db = await openDb(settings.store);
  try {
    const kek = kekFrom(settings.masterKey, random, settings.oldMasterKey);
    await settleMasterKey({ db, kek });
    const seal = makeSeal({ db, kek, clock, random });
    const pepper = await openPepper({ db, kek, clock, random });
    const audit = makeAudit({ db, clock, random });
    const egress = makeEgress({ allow: settings.egressAllow });
    const jobs = makeJobs({ db, clock, random, onFailure: settings.onJobFailure ?? (() => undefined) });
    const replay = makeReplay({ db, clock });
    jobs.add({ name: "changes.prune", every: 10 * 60_000, run: () => db.changes.prune() });
    jobs.add(replay.sweep);
    const limits = makeLimits({
      db,
      clock,
      scale: settings.rateLimits ?? "off",
      onFailure: (error) => settings.onJobFailure?.("limits.share", error),
    });
    jobs.add(limits.prune);

    const tenants = makeTenants({
      db,
      audit,
      clock,
      random,
      publicUrl,
      firstAdmin: (tx, who): Promise<string> => operators.firstAdmin(tx, who),
      onCreated: (tx, tenant): Promise<void> => projects.makeDefault(tx, tenant),
      onSuspended: (tx, who): Promise<void> => sessions.stopAll(tx, who, "tenant_suspended"),
    });
    jobs.add(tenants.erase);
    const operators = makeOperators({
      db,
      audit,
      pepper,
      clock,
      random,
      onAdminGone: (tx, who, id): Promise<void> => accessKeys.operatorRemoved(tx, who, id),
    });
    const users = makeUsers({
      db,
      audit,
      clock,
      random,
      onSuspended: (tx, who, id): Promise<void> => sessions.stop(tx, who, { kind: "user", id }, "user_suspended"),
      // Consents first: one that ends now stores nothing more, and one that has just stored something is found.
      onRevoked: async (tx, who, id): Promise<void> => {
        await accessKeys.userRevoked(tx, who, id);
        await sessions.stop(tx, who, { kind: "user", id }, "user_revoked");
        await connections.userRevoked(tx, who, id);
      },
    });
    const issuers = makeIssuers({
      db,
      audit,
      seal,
      egress,
      clock,
      random,
      issuerOf: tenants.issuerOf,
      usersNamedBy: users.claimOf,
      agentsNaming: async (tx, tenant, issuerId): Promise<boolean> =>
        (await agents.anyNamingIssuer(tx, tenant, issuerId)) || clients.apps.anyNamingIssuer(tx, tenant, issuerId),
    });
    const agents: Agents = makeAgents({
      db,
      audit,
      pepper,
      clock,
      random,
      holdIssuer: issuers.hold,
      holdProject: (tx, tenant, project): Promise<boolean> => projects.hold(tx, tenant, project),
      onSuspended: (tx, who, id): Promise<void> => sessions.stop(tx, who, { kind: "agent", id }, "agent_suspended"),
      onRemoved: async (tx, who, agentId): Promise<void> => {
        await accessKeys.agentRemoved(tx, who, agentId);
        await sessions.stop(tx, who, { kind: "agent", id: agentId }, "agent_removed");
        await connections.agentRemoved(tx, who, agentId);
        await roles.agentRemoved(tx, who, agentId);
        await providers.agentRemoved(tx, who, agentId);
        await clients.agentRemoved(tx, who, agentId);
        await projects.agentRemoved(tx, who, agentId);
      },
    });
    const accessKeys = makeAccessKeys({ db, audit, seal, replay, clock, random, operators, agents });
    jobs.add(accessKeys.prune);
    const signing = makeSigning({ db, audit, seal, clock, random });
    const chain = makeChain({
      db,
      clock,
      signer: { sign: signing.sign, publicKeys: signing.publicKeys, issuerOf: tenants.issuerOf },
      isOpen: tenants.isOpen,
      retentionDays: settings.auditRetentionDays,
    });
    for (const job of chain.jobs) jobs.add(job);
    const families = makeFamilies({ db, audit, clock, random });
    const revocations = makeRevocations({ db });
    const tokens = makeTokens({ db, signing, tenants, clock, random, isRevoked: revocations.isRevoked });
    const standing = makeStanding({ db });
    const dpop = makeDpop({ clock, replay, pepper });
    const workloadTokens = makeWorkloadTokens({ db, audit, clock, users, issuers, standing, tokens });
    const doorTokens = makeDoorTokens({ audit, clock, standing, tokens });
    const authn = makeAuthn({
      audit,
      limits,
      accessKeys,
      rightsOf: (tenant, of) => roles.rightsOf(tenant, of),
      tenants,
      operators,
      agents,
      users,
      issuers,
      tokens,
      standing,
      dpop,
    });
    const roles: Roles = makeRoles({
      db,
      audit,
      egress,
      clock,
      random,
      tenants,
      agents,
      tokens,
      standing,
      accessKeys,
      region,
      publicUrl,
    });

    const connections = makeConnections({ db, audit, clock, random, seal });
    const tokenVaults = makeVaults({ db, audit, clock, tenantMadeAt: async (tenant) => (await tenants.get(tenant)).createdAt });
    const providers = makeProviders({
      db,
      audit,
      seal,
      egress,
      clock,
      random,
      issuerOf: tenants.issuerOf,
      agents,
      vaults: tokenVaults,
      clientAssertion: tokens.clientAssertion,
      onSuspended: (tx, who, id): Promise<void> => sessions.stop(tx, who, { kind: "provider", id }, "provider_suspended"),
      onRemoved: async (tx, who, id): Promise<void> => {
        await sessions.stop(tx, who, { kind: "provider", id }, "provider_changed");
        await connections.providerRemoved(tx, who, id);
        await projects.providerRemoved(tx, who, id);
      },
      onRebound: async (tx, who, id): Promise<void> => {
        await sessions.stop(tx, who, { kind: "provider", id }, "provider_changed");
        await connections.providerRebound(tx, who, id);
      },
      onConsentChanged: (tx, who, id): Promise<void> => sessions.stop(tx, who, { kind: "provider", id }, "provider_changed"),
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
    const vault = makeVault({ db, audit, clock, random, seal, agents, roles, providers, standing, connections, sessions });
    const projects = makeProjects({ db, audit, seal, clock, random, agents, providers, vault });
    const policies = makePolicies({ db, audit, clock, random });

    const clients = makeClients({
      db,
      audit,
      clock,
      random,
      egress,
      replay,
      limits,
      guard: authn.guard,
      tenants,
      agents,
      holdIssuer: issuers.hold,
      onDocumentForgotten: (tenant, id, signal): Promise<void> => grants.forgetClient(tenant, id, signal),
    });
    const grants = makeGrants({
      db,
      audit,
      clock,
      random,
      replay,
      issuerOf: tenants.issuerOf,
      users,
      issuers,
      tokens,
      standing,
      clients,
      families,
      revocations,
    });
    jobs.add(clients.prune);
    jobs.add(grants.sweep);
    const authorizationRequests = makeAuthorizationRequests({
      db,
      audit,
      seal,
      clock,
      random,
      users,
      issuers,
      standing,
      login: makeLogin({ egress, issuers, clientAssertion: tokens.clientAssertion }),
      clients,
      families,
      secureCookies,
    });

    const keeping = { db, kek, clock, random, seal, record: audit.record, tell: settings.onProgress ?? (() => undefined) };
    const masterKey = makeMasterKey(keeping);
    const dataKeys = makeDataKeyRotation({
      ...keeping,
      columns: [
        ...providerSealedColumns,
        ...issuerSealedColumns,
        ...accessKeySealedColumns,
        ...signingSealedColumns,
        ...vaultSealedColumns,
        ...projectSealedColumns,
        ...grantsSealedColumns,
      ],
    });
    const peppers = makePeppers({ ...keeping, tables: ["agent_keys", "client_secrets", "operators"], installation: defaultTenant });
    for (const job of [masterKey.job, dataKeys.job, peppers.job, signing.erase]) jobs.add(job);

    await tenants.ensureDefault();
    const madeAdminKey = await operators.installAdminKey(settings.adminKey);
    return {
      db,
      seal,
      jobs,
      replay,
      limits,
      audit,
      chain,
      tenants,
      operators,
      users,
      issuers,
      agents,
      accessKeys,
      signing,
      dataKeys,
      masterKey,
      peppers,
      tokens,
      standing,
      dpop,
      workloadTokens,
      doorTokens,
      authn,
      roles,
      providers,
      tokenVaults,
      connections,
      sessions,
      vault,
      clients,
      families,
      grants,
      authorizationRequests,
      projects,
      policies,
      clock,
      region,
      /** The admin key, where this start made it: the only time it can be shown. */
      madeAdminKey,
      /** Stops what runs in the background, then what it stands on. */
      close: async (): Promise<void> => {
        await jobs.close();
        await limits.close();
        await vault.close();
        await egress.close();
        await audit.close().catch(() => undefined);
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }
};
