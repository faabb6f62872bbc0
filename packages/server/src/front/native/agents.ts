import { type agentKey as agentKeyWire, type agent as agentWire, operations } from "@legate/contract";
import type { z } from "zod";
import type { Agent, AgentKey, Agents } from "../../identity/agents/index.ts";
import type { Issuers } from "../../identity/issuers/index.ts";
import { moment, momentOrNone, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly agents: Agents;
  readonly issuers: Pick<Issuers, "get">;
}

/** An agent's API key, or client secret, as it may be shown. */
export const encodeKey = ({ id, description, hint, createdAt, lastUsedAt }: AgentKey): z.input<typeof agentKeyWire> => ({
  id,
  description,
  hint,
  createdAt: moment(createdAt),
  lastUsedAt: momentOrNone(lastUsedAt),
});

export const serveAgents = (serve: Serve, { agents, issuers }: Rooms): void => {
  /** Agents know their issuer by id; this wire tells its name. */
  const encoder = (tenant: string) => {
    const names = new Map<string, Promise<string>>();
    const nameOf = (issuerId: string): Promise<string> => {
      const known = names.get(issuerId) ?? issuers.get(tenant, issuerId).then(({ name }) => name);
      names.set(issuerId, known);
      return known;
    };
    return async (agent: Agent): Promise<z.input<typeof agentWire>> => ({
      id: agent.id,
      name: agent.name,
      title: agent.title,
      description: agent.description,
      ownerEmail: agent.ownerEmail,
      status: agent.status,
      origin: agent.origin,
      permissions: [...agent.permissions],
      allowedReturnUrls: [...agent.allowedReturnUrls],
      issuer: agent.issuerId === undefined ? undefined : await nameOf(agent.issuerId),
      roleArn: agent.roleArn,
      binding: agent.binding,
      assertedUsers: agent.assertedUsers,
      tier: agent.tier,
      project: agent.project,
      labels: { ...agent.labels },
      createdAt: moment(agent.createdAt),
      updatedAt: moment(agent.updatedAt),
    });
  };

  serve(operations.createAgent, async ({ who, body }) => encoder(who.tenant)(await agents.create(who, body)));
  serve(operations.listAgents, async ({ who, query }) => pageOf(await agents.list(who.tenant, query), encoder(who.tenant)));
  serve(operations.getAgent, async ({ who, params }) => encoder(who.tenant)(await agents.get(who.tenant, params.name)));
  serve(operations.updateAgent, async ({ who, params, body }) => encoder(who.tenant)(await agents.update(who, params.name, body)));
  serve(operations.deleteAgent, ({ who, params }) => agents.remove(who, params.name));
  serve(operations.suspendAgent, async ({ who, params }) => encoder(who.tenant)(await agents.suspend(who, params.name)));
  serve(operations.resumeAgent, async ({ who, params }) => encoder(who.tenant)(await agents.resume(who, params.name)));
  serve(operations.revokeAgent, async ({ who, params }) => encoder(who.tenant)(await agents.revoke(who, params.name)));

  serve(operations.createAgentKey, ({ who, params, body }) => agents.createKey(who, params.name, body));
  serve(operations.listAgentKeys, async ({ who, params, query }) =>
    pageOf(await agents.listKeys(who.tenant, params.name, query), encodeKey),
  );
  serve(operations.deleteAgentKey, ({ who, params }) => agents.deleteKey(who, params.name, params.id));
};
