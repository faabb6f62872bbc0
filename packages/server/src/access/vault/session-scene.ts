import type { Handle } from "../../ground/db/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { type Agent, mayUse } from "../../identity/agents/index.ts";
import type { User } from "../../identity/users/index.ts";
import { type Provider, suspended } from "../providers/index.ts";
import type { Session } from "./session.ts";
import type { SessionsNeeds } from "./sessions-needs.ts";

/** Who and what a consent is about, as long as they stand. */
export interface Scene {
  readonly agent: Agent;
  readonly user: User;
  readonly provider: Provider;
}

/** Looks whether agent, user and provider still stand as they did when the session began; answers the refusal where one does not. */
export const makeSceneOf =
  ({ agents, users, providers }: Pick<SessionsNeeds, "agents" | "users" | "providers">) =>
  async (handle: Handle, { key, agentEpoch, userEpoch, returnUrl }: Session): Promise<Scene | Refusal> => {
    const agent = await agents.byId(handle, key.tenant, key.agent);
    if (agent?.status !== "active" || agent.epoch !== agentEpoch) {
      return new Refusal("agent_suspended", "The agent has been suspended or revoked since the consent began.");
    }
    if (returnUrl !== undefined && !agent.allowedReturnUrls.includes(returnUrl)) {
      return new Refusal("return_url_not_allowed", "The return URL has been taken off the agent's list since the consent began.");
    }
    const user = await users.byId(handle, key.tenant, key.user);
    if (user?.status !== "active" || user.epoch !== userEpoch) {
      return new Refusal("user_suspended", "The user has been suspended since the consent began.");
    }
    const provider = await providers.byId(handle, key.tenant, key.provider);
    if (!provider || !mayUse(provider.agents, agent)) {
      return new Refusal("provider_unknown", "The credential provider is gone, or this agent may no longer use it.");
    }
    if (provider.status !== "active") return suspended(provider.name);
    return { agent, user, provider };
  };
export type SceneOf = ReturnType<typeof makeSceneOf>;
