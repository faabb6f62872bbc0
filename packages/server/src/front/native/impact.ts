import { type impact, mostNamed, operations } from "@legate/contract";
import type { z } from "zod";
import type { Clients } from "../../access/clients/index.ts";
import type { Providers } from "../../access/providers/index.ts";
import type { Grants } from "../../access/grants/index.ts";
import type { Connections, Of, Sessions } from "../../access/vault/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { AccessKeys } from "../../identity/access-keys/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Issuers } from "../../identity/issuers/index.ts";
import type { Users } from "../../identity/users/index.ts";
import { moment } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly db: Pick<Db, "read">;
  readonly agents: Pick<Agents, "get" | "someKeys" | "someClientSecrets" | "someClientKeys" | "ofIssuer" | "entriesToNames">;
  readonly accessKeys: Pick<AccessKeys, "someOf" | "someTemporary">;
  readonly users: Pick<Users, "get" | "ofIssuer">;
  readonly issuers: Pick<Issuers, "get">;
  readonly providers: Pick<Providers, "get">;
  readonly clients: Pick<Clients, "apps">;
  readonly connections: Pick<Connections, "get" | "someOf" | "agentsAt">;
  readonly sessions: Pick<Sessions, "someOf" | "someAtIssuer">;
  readonly grants: Pick<Grants, "someOf">;
}

type Impact = z.input<typeof impact>;

const defaultVault = "default";

/** An agent that acts on its own account has no user. */
const held = <T extends { readonly user: string }>({ user, ...rest }: T) => ({ ...rest, ...(user !== "" && { user }) });

const encodeConnections = ({ count, some }: Awaited<ReturnType<Connections["someOf"]>>): NonNullable<Impact["connections"]> => ({
  count,
  some: some.map(held),
});
const encodeAuthorizations = ({ count, some }: Awaited<ReturnType<Sessions["someOf"]>>): NonNullable<Impact["authorizations"]> => ({
  count,
  some: some.map(({ expiresAt, ...rest }) => ({ ...held(rest), expiresAt: moment(expiresAt) })),
});

/** What a revocation would end, gathered from the rooms that hold it. */
export const serveImpact = (serve: Serve, rooms: Rooms): void => {
  const { db, agents, accessKeys, users, issuers, providers, clients, connections, sessions, grants } = rooms;

  const vaultOf = async (tenant: string, of: Of) => ({
    connections: encodeConnections(await connections.someOf(tenant, of, mostNamed)),
    authorizations: encodeAuthorizations(await sessions.someOf(tenant, of, mostNamed)),
  });

  const temporaryKeysOf = async (tenant: string, of: Parameters<AccessKeys["someTemporary"]>[1]): Promise<Impact["temporaryKeys"]> => {
    const { count, some } = await accessKeys.someTemporary(tenant, of, mostNamed);
    return { count, some: some.map(({ expiresAt, ...rest }) => ({ ...rest, expiresAt: moment(expiresAt) })) };
  };

  serve(operations.getAgentImpact, async ({ who: { tenant }, params }): Promise<Impact> => {
    const { id } = await agents.get(tenant, params.name);
    return {
      workloadTokens: "minted_before",
      agentKeys: await agents.someKeys(tenant, id, mostNamed),
      clientSecrets: await agents.someClientSecrets(tenant, id, mostNamed),
      clientKeys: await agents.someClientKeys(tenant, id, mostNamed),
      accessKeys: await accessKeys.someOf(tenant, id, mostNamed),
      temporaryKeys: await temporaryKeysOf(tenant, { kind: "agent", id }),
      ...(await vaultOf(tenant, { kind: "agent", id })),
      grants: await grants.someOf(tenant, { kind: "agent", id }, mostNamed),
    };
  });

  serve(operations.getUserImpact, async ({ who: { tenant }, params }): Promise<Impact> => {
    const { id } = await users.get(tenant, params.id);
    return {
      workloadTokens: "minted_before",
      temporaryKeys: await temporaryKeysOf(tenant, { kind: "user", id }),
      ...(await vaultOf(tenant, { kind: "user", id })),
      grants: await grants.someOf(tenant, { kind: "user", id }, mostNamed),
    };
  });

  serve(operations.getProviderImpact, async ({ who: { tenant }, params, query: { vault = defaultVault } }): Promise<Impact> => {
    const { id, agents: entries } = await providers.get(tenant, vault, params.name);
    return {
      workloadTokens: "unaffected",
      ...(await vaultOf(tenant, { kind: "provider", id })),
      agents: await connections.agentsAt(tenant, id, mostNamed),
      mayUse: [...(await agents.entriesToNames(db.read, tenant, entries))],
    };
  });

  serve(operations.getConnectionImpact, async ({ who: { tenant }, params }): Promise<Impact> => {
    const { id, agent, user, provider, state } = await connections.get(tenant, params.id);
    const itself = { id, agent: agent.id, ...(user && { user: user.id }), provider: provider.id };
    return { workloadTokens: "unaffected", connections: state === "active" ? { count: 1, some: [itself] } : { count: 0, some: [] } };
  });

  serve(operations.getIssuerImpact, async ({ who: { tenant }, params }): Promise<Impact> => {
    const { id, issuer } = await issuers.get(tenant, params.name);
    return {
      workloadTokens: "until_they_expire",
      agents: await agents.ofIssuer(tenant, id, mostNamed),
      clients: await clients.apps.ofIssuer(tenant, id, mostNamed),
      users: await users.ofIssuer(tenant, issuer, mostNamed),
      authorizations: encodeAuthorizations(await sessions.someAtIssuer(tenant, issuer, mostNamed)),
    };
  });
};
