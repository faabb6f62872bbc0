import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { makeHttp, makeLog } from "../../packages/server/src/front/http/index.ts";
import { makeOtherLogin, serveAuthorize, serveOauth } from "../../packages/server/src/front/oauth/index.ts";
import { servePages } from "../../packages/server/src/front/pages/index.ts";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import { systemRandom } from "../../packages/server/src/ground/kernel/index.ts";
import { freePort } from "../../packages/server/src/testing/free-port.ts";
import { openTestHouse } from "../../packages/server/src/testing/house.ts";
import { startProvider } from "../../packages/server/src/testing/provider.ts";
import { adminOf, handClock } from "../../packages/server/src/testing/stores.ts";

const admin = adminOf("default");
export const documentId = "https://assistant.test/oauth/client.json";
export const documentUri = "https://assistant.test/oauth/back";

/** An app's own site: a page that leads to Legate, and one where the browser comes back. */
const startApp = async () => {
  let leadsTo = "";
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(
      pathname === "/"
        ? `<!doctype html><a href="${leadsTo.replaceAll("&", "&amp;")}">Sign in</a>`
        : "<!doctype html><h1>Back in the app</h1>",
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    callback: `${url}/cb`,
    /** Where the link on its page leads. */
    lead: (to: string) => {
      leadsTo = to;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

/**
 * Legate on `localhost`; a user's issuer and an app's site on `127.0.0.1`: other sites to a browser, as they are in the world. A registered app, an
 * agent and the client of a metadata document may ask for the resource `Files`.
 */
export const openOauthFront = async (store: StoreAddress) => {
  const port = await freePort();
  const publicUrl = `http://localhost:${port}`;
  const hand = handClock(Date.now());
  const house = await openTestHouse(store, { clock: hand.clock }, publicUrl);
  const [issuer, app] = [await startProvider(), await startApp()];
  const login = { client_id: "legate", client_secret: "login-secret", redirect_uris: [`${publicUrl}/login/callback`] };
  const trust = async (name: string, at: typeof issuer) => {
    at.addClient({ ...login, grant_types: ["authorization_code"], response_types: ["code"] });
    await house.issuers.create(admin, {
      name,
      discoveryUrl: at.discoveryUrl,
      audiences: ["app"],
      login: { clientId: login.client_id, clientSecret: login.client_secret },
    });
  };
  await trust("Example Ltd.", issuer);
  await house.clients.resources.create(admin, {
    name: "Files",
    identifier: "https://files.example.test",
    clients: ["*"],
    scopes: [
      { name: "files:read", description: "Read your files" },
      { name: "files:write", description: "Change and delete your files" },
      { name: "audit" },
    ],
  });
  const registered = await house.clients.apps.create(admin, {
    name: "desk",
    title: "Desk <b>& friends</b>",
    redirectUris: [app.callback, "https://desk.test/back"],
  });
  const agent = await house.agents.create(admin, { name: "scout", title: "Scout", allowedReturnUrls: [app.callback] });
  const { clientSecret } = await house.agents.createClientSecret(admin, agent.id, {});
  const now = hand.clock();
  await house.db.write((tx) =>
    tx
      .insertInto("client_documents")
      .values({
        tenant_id: "default",
        id: documentId,
        document: JSON.stringify({ name: "Your Bank", redirectUris: [documentUri, app.callback], grantTypes: ["authorization_code"] }),
        hash: "one",
        fetched_at: now,
        fresh_until: now + 24 * 60 * 60_000,
        used_at: now,
      })
      .execute(),
  );

  const http = await makeHttp(
    { host: "127.0.0.1", port, publicUrl, trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve() },
  );
  await serveOauth(http.app, house);
  await serveAuthorize(http.app, house);
  await servePages(http.app, { ...house, otherLogin: makeOtherLogin(house) });
  await http.listen();

  const verifier = randomBytes(32).toString("base64url");
  const clients = {
    app: { id: registered.id, redirectUri: app.callback, proof: {} },
    agent: { id: agent.id, redirectUri: app.callback, proof: { client_secret: clientSecret } },
    document: { id: documentId, redirectUri: documentUri, proof: {} },
  } as const;
  type Kind = keyof typeof clients;

  return {
    ...house,
    hand,
    publicUrl,
    issuer,
    app,
    trust,
    admin,
    registered,
    /** Where a client sends the browser to ask. */
    authorizeUrl: (kind: Kind, more: Readonly<Record<string, string>> = {}): string => {
      const { id, redirectUri } = clients[kind];
      const url = new URL("/oauth2/authorize", publicUrl);
      const asked = {
        client_id: id,
        redirect_uri: redirectUri,
        response_type: "code",
        scope: "files:read files:write openid",
        resource: "https://files.example.test",
        state: "the app's own",
        code_challenge: createHash("sha256").update(verifier, "ascii").digest("base64url"),
        code_challenge_method: "S256",
        ...more,
      };
      for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
      return url.href;
    },
    /** What the client does with what came back. */
    redeem: async (kind: Kind, back: string) => {
      const { id, redirectUri, proof } = clients[kind];
      const code = new URL(back).searchParams.get("code") ?? "";
      const form = { grant_type: "authorization_code", code, client_id: id, redirect_uri: redirectUri, code_verifier: verifier, ...proof };
      const answer = await fetch(`${publicUrl}/oauth2/token`, { method: "POST", body: new URLSearchParams(form) });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    granted: async () => (await house.grants.list("default", {}, { limit: 50 })).items,
    close: async () => {
      await http.close();
      await issuer.stop();
      await app.stop();
      await house.close();
    },
  };
};
export type OauthFront = Awaited<ReturnType<typeof openOauthFront>>;
