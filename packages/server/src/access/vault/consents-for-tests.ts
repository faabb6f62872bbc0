import type { House } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { anonymous, type Principal } from "../../ground/kernel/index.ts";
import type { Agent, AgentFields } from "../../identity/agents/index.ts";
import type { User } from "../../identity/users/index.ts";
import { type Browser } from "../../testing/cookie-jar.ts";
import { openTestHouse } from "../../testing/house.ts";
import type { TestProvider } from "../../testing/provider.ts";
import { adminOf, handClock } from "../../testing/stores.ts";
import type { Provider } from "../providers/index.ts";
import type { Step } from "./consent.ts";
import { sessionsTable } from "./sessions-table.ts";

export const publicUrl = "http://127.0.0.1:8700";
export const admin = adminOf("default");
export const nobody = anonymous("default", "req_page", "127.0.0.1");
export const backUrl = "https://app.test/back?tab=1";

/** As a workload access token names them. */
export const actingFor = (agent: Agent, user: User): Principal => ({
  tenant: "default",
  caller: { kind: "agent", id: agent.id },
  agent: { id: agent.id, name: agent.name, labels: agent.labels, origin: agent.origin, project: agent.project, epoch: agent.epoch },
  user: { id: user.id, epoch: user.epoch },
  actors: [agent.id],
  method: "workload_token",
  requestId: "req_wat",
});

/** As the user's own token names them. */
export const asUser = (user: User): Principal => ({
  tenant: "default",
  caller: { kind: "user", id: user.id },
  user: { id: user.id, epoch: user.epoch },
  actors: [],
  method: "user_token",
  requestId: "req_user",
});

/** As the agent's key names it. */
export const asAgent = (agent: Agent): Principal => {
  const { user: _, ...alone } = actingFor(agent, { id: "", epoch: 0 } as User);
  return { ...alone, method: "agent_key" };
};

export const redirectOf = (step: Step): string => {
  if (step.kind !== "redirect") throw new Error(`A redirect was expected, and ${step.kind} came.`);
  return step.to;
};

/** The whole house with a real provider, an agent and its asserted user alice. */
export const openConsents = async (store: StoreAddress, upstream: TestProvider, agentFields: Partial<AgentFields> = {}) => {
  const hand = handClock(Date.now());
  const house: House = await openTestHouse(store, { clock: hand.clock });
  const { sessions, vault } = house;
  const provider = async (name: string, more: Record<string, unknown> = {}): Promise<Provider> => {
    const made = await house.providers.create(admin, {
      name,
      type: "oauth2",
      discoveryUrl: upstream.discoveryUrl,
      clientId: name,
      clientSecret: `secret-of-${name}`,
      scopes: ["read"],
      ...more,
    } as Parameters<typeof house.providers.create>[1]);
    upstream.addClient({
      client_id: name,
      client_secret: `secret-of-${name}`,
      client_name: name,
      redirect_uris: [`${publicUrl}/callback/${made.id}`],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
    });
    return made;
  };
  const agent = await house.agents.create(admin, { name: "scout", allowedReturnUrls: [backUrl], ...agentFields });
  const alice = await house.users.asserted(admin, agent.id, "alice");
  const git = await provider("git");

  return {
    ...house,
    hand,
    agent,
    alice,
    git,
    provider,
    who: actingFor(agent, alice),

    /** Begins a consent as the agent does, and answers its id, URI and URL. */
    begin: async (ask: Record<string, unknown> = { returnUrl: backUrl, customState: "s 1&é" }, who = actingFor(agent, alice)) => {
      const begun = await vault.oauth2(who, { provider: "git", ...ask });
      if (begun.status !== "pending") throw new Error("A consent was expected.");
      const { authorizationUrl, sessionUri } = begun;
      return { id: authorizationUrl.split("/").at(-1) ?? "", url: authorizationUrl, uri: sessionUri };
    },

    /** Opens the consent in a browser and walks the provider's pages; answers the URL it sends the browser back to. */
    throughProvider: async (id: string, browser: Browser, person = "alice", answer: "allow" | "deny" = "allow") => {
      const to = redirectOf(browser.take(await sessions.visit(nobody, id)));
      return new URL(await upstream.walk(to, person, answer));
    },

    /** The browser arrives at its callback. */
    arrive: (back: URL, browser: Pick<Browser, "cookies">): Promise<Step> =>
      sessions.providerCallback(nobody, back.pathname.split("/").at(-1) ?? "", back.searchParams, browser.cookies),

    /** The row as it stands. */
    stored: (id: string) => sessionsTable.byId(house.db.read, "default", id),
    connections: async () => (await vault.listConnections("default", {}, { limit: 50 })).items,
    audited: async (action: string) => (await house.audit.list("default", { action }, { limit: 100 })).items,
  };
};
export type Consents = Awaited<ReturnType<typeof openConsents>>;
