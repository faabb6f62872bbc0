import type { StoreAddress } from "../../ground/db/index.ts";
import { makeEgress } from "../../ground/egress/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import { type Agent, makeAgents } from "../../identity/agents/index.ts";
import { makeStanding } from "../../identity/tokens/index.ts";
import { makeUsers, type User } from "../../identity/users/index.ts";
import { adminOf, type Ground, handClock, openGround } from "../../testing/stores.ts";
import {
  type ClientCredentialsAsk,
  makeProviders,
  makeVaults,
  type Provider,
  type RefreshAsk,
  type RevocationAsk,
  scopesKey,
  type Upstream,
  type UpstreamTokens,
} from "../providers/index.ts";
import { type Connections, makeConnections } from "./connections.ts";
import type { ConnectionKey, UserKey } from "./credential-key.ts";
import type { Consents } from "./oauth2.ts";
import { makeVault } from "./vault.ts";

/** A provider as a test scripts it: what each call answers, and what it was called with. */
export const scriptedUpstream = () => {
  const script = {
    refreshes: [] as { tenant: string; provider: string; ask: RefreshAsk }[],
    revocations: [] as { tenant: string; provider: Provider; ask: RevocationAsk }[],
    onRevoke: (_ask: RevocationAsk, _provider: Provider): Promise<boolean> => Promise.resolve(false),
    clients: [] as { tenant: string; provider: string; ask: ClientCredentialsAsk }[],
    onRefresh: (_ask: RefreshAsk, _provider: Provider): Promise<UpstreamTokens> => Promise.reject(new Error("no refresh expected")),
    onClient: (_ask: ClientCredentialsAsk, _provider: Provider): Promise<UpstreamTokens> =>
      Promise.reject(new Error("no client grant expected")),
  };
  const upstream: Pick<Upstream, "refresh" | "clientCredentials" | "revoke"> = {
    revoke: (tenant, provider, ask) => {
      script.revocations.push({ tenant, provider, ask });
      return script.onRevoke(ask, provider);
    },
    refresh: (tenant, provider, ask) => {
      script.refreshes.push({ tenant, provider: provider.id, ask });
      return script.onRefresh(ask, provider);
    },
    clientCredentials: (tenant, provider, ask) => {
      script.clients.push({ tenant, provider: provider.id, ask });
      return script.onClient(ask, provider);
    },
  };
  return { script, upstream };
};

/** Consents that a test finishes by hand: `finish` stores what the provider gave, as a completed session does. */
export const handConsents = (ground: Ground, connections: Connections) => {
  const begun = new Map<string, { key: UserKey; requestedScopes: readonly string[]; done?: { connectionId: string; version: number } }>();
  const consents: Consents = {
    begin: (_tx, _who, { key, requestedScopes }) => {
      const sessionUri = `urn:ietf:params:oauth:request_uri:${begun.size}`;
      begun.set(sessionUri, { key, requestedScopes });
      return Promise.resolve({ authorizationUrl: `https://legate.test/consent/${begun.size}`, sessionUri });
    },
    poll: (_who, sessionUri) => {
      const done = begun.get(sessionUri)?.done;
      return Promise.resolve(
        done
          ? { state: "completed", connectionId: done.connectionId, connectionVersion: done.version }
          : { state: "pending", authorizationUrl: "https://legate.test/consent/again" },
      );
    },
  };
  const finish = async (sessionUri: string, tokens: UpstreamTokens): Promise<void> => {
    const session = begun.get(sessionUri);
    if (!session) throw new Error("No such consent was begun.");
    const { key, requestedScopes } = session;
    session.done = await ground.db.write((tx) => connections.store(tx, key, { requestedScopes, tokens, now: ground.clock() }));
  };
  return { consents, begun, finish };
};

/** The rooms the vault stands on, a scripted provider above them, and the vault. */
export const openVault = async (address: StoreAddress, hand = handClock()) => {
  const ground = await openGround(address, hand.clock);
  const connections = makeConnections(ground);
  const agents = makeAgents({
    ...ground,
    holdIssuer: () => Promise.reject(new Error("no issuers here")),
    holdProject: () => Promise.resolve(false),
    onSuspended: () => Promise.resolve(),
    onRemoved: connections.agentRemoved,
  });
  const users = makeUsers({ ...ground, onSuspended: () => Promise.resolve(), onRevoked: connections.userRevoked });
  const { script, upstream } = scriptedUpstream();
  const egress = makeEgress({ allow: ["127.0.0.1"] });
  const providers = makeProviders({
    ...ground,
    egress,
    agents,
    vaults: makeVaults({ ...ground, tenantMadeAt: () => Promise.resolve(ground.clock()) }),
    issuerOf: () => "http://127.0.0.1:8700",
    clientAssertion: () => Promise.reject(new Error("no client assertions here")),
    onSuspended: () => Promise.resolve(),
    onRemoved: connections.providerRemoved,
    onRebound: connections.providerRebound,
    onConsentChanged: () => Promise.resolve(),
  });
  const { consents, begun, finish } = handConsents(ground, connections);
  const standing = makeStanding(ground);
  const roles = { assume: () => Promise.reject(new Error("no roles here")) };
  const needs = { ...ground, agents, roles, standing, connections, sessions: consents, providers: { ...providers, upstream } };

  const tenants = new Set<string>();
  const ensureTenant = async (tenant: string) => {
    if (tenants.has(tenant)) return;
    tenants.add(tenant);
    await ground.db.write(async (tx) => {
      await tx.insertInto("tenants").values({ id: tenant, status: "active", epoch: 0, created_at: ground.clock() }).execute();
    });
  };

  return {
    ground,
    hand,
    connections,
    agents,
    users,
    providers,
    script,
    begun,
    finish,
    needs,
    vault: makeVault(needs),
    /** As many more as other processes would have. */
    anotherVault: () => makeVault(needs),

    agent: async (tenant: string, name: string): Promise<Agent> => {
      await ensureTenant(tenant);
      return agents.create(adminOf(tenant), { name });
    },
    user: (tenant: string, subject: string): Promise<User> => users.proven(adminOf(tenant), "https://idp.test", subject),
    provider: (tenant: string, name: string, scopes: readonly string[] = ["read"], more: Partial<ProviderFields> = {}): Promise<string> =>
      addProvider(ground, tenant, name, scopes, more),
    close: async () => {
      await egress.close();
      await ground.db.close();
    },
  };
};
export type OpenVault = Awaited<ReturnType<typeof openVault>>;

/** As a workload access token names them. */
export const acting = (
  tenant: string,
  agent: Pick<Agent, "id" | "name" | "labels" | "origin" | "project" | "epoch">,
  user?: Pick<User, "id" | "epoch">,
): Principal => ({
  tenant,
  caller: { kind: "agent", id: agent.id },
  agent: { id: agent.id, name: agent.name, labels: agent.labels, origin: agent.origin, project: agent.project, epoch: agent.epoch },
  ...(user && { user: { id: user.id, epoch: user.epoch } }),
  actors: [agent.id],
  method: "workload_token",
  requestId: "req_test",
});

/** The key of what is asked without resource and audience. */
export const keyFor = (who: Principal, provider: string, scopes: readonly string[]): ConnectionKey => {
  const asked = { tenant: who.tenant, agent: who.agent?.id ?? "", provider, resource: "", audience: "", scopes: scopesKey(scopes) };
  return who.user ? { kind: "user", user: who.user.id, ...asked } : { kind: "agent", ...asked };
};

interface ProviderFields {
  readonly agents: readonly string[];
  readonly flows: readonly string[];
  readonly type: "api_key" | "oauth2";
  readonly vault: string;
}

const addProvider = async (ground: Ground, tenant: string, name: string, scopes: readonly string[], more: Partial<ProviderFields>) => {
  const id = `prv_${ground.random(16).toString("hex")}`;
  const now = ground.clock();
  await ground.db.write((tx) =>
    tx
      .insertInto("providers")
      .values({
        tenant_id: tenant,
        id,
        vault: more.vault ?? "default",
        name,
        type: more.type ?? "oauth2",
        kind: "oauth2",
        agents: JSON.stringify(more.agents ?? ["*"]),
        discovery_url: null,
        authorization_endpoint: "https://provider.test/authorize",
        token_endpoint: "https://provider.test/token",
        issuer: null,
        client_id: "legate",
        client_auth: "none",
        sealed_secret: null,
        scopes: JSON.stringify(scopes),
        scopes_key: scopesKey(scopes),
        flows: more.flows ? JSON.stringify(more.flows) : null,
        warnings: "[]",
        version: 1,
        created_at: now,
        updated_at: now,
      })
      .execute(),
  );
  return id;
};
