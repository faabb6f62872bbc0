import { makeHttp, makeLog } from "../../packages/server/src/front/http/index.ts";
import { servePages } from "../../packages/server/src/front/pages/index.ts";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import { systemRandom } from "../../packages/server/src/ground/kernel/index.ts";
import { freePort } from "../../packages/server/src/testing/free-port.ts";
import { openTestHouse } from "../../packages/server/src/testing/house.ts";
import { adminOf, handClock } from "../../packages/server/src/testing/stores.ts";
import { startProvider } from "../../packages/server/src/testing/provider.ts";

const admin = adminOf("default");
export const agentTitle = "Scout <b>& friends</b>";

/**
 * Legate's pages on `localhost`, with a user's issuer and a provider on `127.0.0.1`: other sites to a browser, as they are in the world. Agent
 * `scout` acts for user `bob` at provider `github`.
 */
export const openFront = async (store: StoreAddress) => {
  const port = await freePort();
  const publicUrl = `http://localhost:${port}`;
  const hand = handClock(Date.now());
  const house = await openTestHouse(store, { clock: hand.clock }, publicUrl);
  const client = { grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] as ["code"] };
  const issuer = await startProvider();
  const upstream = await startProvider();
  issuer.addClient({ ...client, client_id: "legate", client_secret: "login-secret", redirect_uris: [`${publicUrl}/login/callback`] });
  await house.issuers.create(admin, {
    name: "idp",
    discoveryUrl: issuer.discoveryUrl,
    audiences: ["app"],
    login: { clientId: "legate", clientSecret: "login-secret" },
  });
  const provider = await house.providers.create(admin, {
    name: "github",
    agents: ["*"],
    type: "oauth2",
    discoveryUrl: upstream.discoveryUrl,
    clientId: "legate",
    clientSecret: "vault-secret",
    clientAuth: "client_secret_basic",
    scopes: ["read", "write"],
  } as Parameters<typeof house.providers.create>[1]);
  upstream.addClient({
    ...client,
    client_id: "legate",
    client_name: "Legate",
    client_secret: "vault-secret",
    redirect_uris: [`${publicUrl}/callback/${provider.id}`],
  });
  const agent = await house.agents.create(admin, {
    name: "scout",
    title: agentTitle,
    description: "Reads your repositories and opens pull requests.",
    issuer: "idp",
  });
  const bob = await house.users.proven(admin, issuer.issuer, "bob");
  const who = {
    ...admin,
    caller: { kind: "agent", id: agent.id },
    agent: { id: agent.id, name: agent.name, labels: agent.labels, origin: agent.origin, project: agent.project, epoch: agent.epoch },
    user: { id: bob.id, epoch: bob.epoch },
    method: "workload_token",
  } as const;

  const http = await makeHttp(
    { host: "127.0.0.1", port, publicUrl, trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve() },
  );
  await servePages(http.app, house);
  await http.listen();

  return {
    ...house,
    app: http.app,
    hand,
    publicUrl,
    provider,
    upstream,
    issuer,
    /** Begins a consent as the agent does. */
    /** @param scopes The provider's own, unless given. */
    begin: async (scopes?: string[]) => {
      const begun = await house.vault.oauth2(who, { provider: "github", ...(scopes && { scopes }) });
      if (begun.status !== "pending") throw new Error("A consent was expected.");
      return begun;
    },
    poll: (sessionUri: string) => house.vault.oauth2(who, { provider: "github", sessionUri }),
    connections: async () => (await house.vault.listConnections("default", {}, { limit: 50 })).items,
    close: async () => {
      await http.close();
      await issuer.stop();
      await upstream.stop();
      await house.close();
    },
  };
};
export type Front = Awaited<ReturnType<typeof openFront>>;
