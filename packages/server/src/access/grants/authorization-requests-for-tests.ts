import { createHash, randomBytes } from "node:crypto";
import type { House } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { anonymous } from "../../ground/kernel/index.ts";
import type { Browser } from "../../testing/cookie-jar.ts";
import { openTestHouse } from "../../testing/house.ts";
import type { TestProvider } from "../../testing/provider.ts";
import { adminOf, handClock } from "../../testing/stores.ts";
import type { Client } from "../clients/index.ts";
import type { AuthorizationAsk, RequestAnswer, RequestPage, RequestStep } from "./authorization-request.ts";

export const publicUrl = "http://127.0.0.1:8700";
export const admin = adminOf("default");
export const nobody = anonymous("default", "req_page", "127.0.0.1");
export const callback = "https://app.test/callback";
export const api = "https://api.test";
export const documentId = "https://stranger.test/client.json";

export const loginOf = (step: RequestStep): string => {
  if (step.kind !== "login") throw new Error(`A login was expected, and ${step.kind} came.`);
  return step.to;
};
export const pageOf = (step: RequestStep | undefined): string => {
  if (step?.kind !== "page") throw new Error(`A page was expected, and ${step?.kind} came.`);
  return step.request;
};
export const answerOf = (step: RequestStep | undefined): RequestAnswer => {
  if (step?.kind !== "answer") throw new Error(`An answer was expected, and ${step?.kind} came.`);
  return step.answer;
};
export const codeOf = (step: RequestStep | undefined): string => {
  const { outcome } = answerOf(step);
  if ("refusal" in outcome) throw new Error(`A code was expected, and ${outcome.refusal.code} came.`);
  return outcome.code;
};
/** The error that the client hears, as one word and its reason. */
export const errorOf = (step: RequestStep | undefined): string => {
  const { outcome } = answerOf(step);
  if ("code" in outcome) return "a code";
  const { code, details } = outcome.refusal;
  return typeof details["reason"] === "string" ? `${code} ${details["reason"]}` : code;
};
export const consentOf = (page: RequestPage) => {
  if (page.kind !== "consent") throw new Error("The page of a consent was expected.");
  return page;
};

export const newVerifier = (): string => randomBytes(32).toString("base64url");
const challengeOf = (verifier: string): string => createHash("sha256").update(verifier, "ascii").digest("base64url");

export const loginClient = {
  client_id: "legate",
  client_secret: "legate-secret-at-the-issuer",
  redirect_uris: [`${publicUrl}/login/callback`],
};

/** The whole house, with an issuer where people log in, a resource, and a client of each kind: an app, an agent, a stranger's document. */
export const openRequests = async (store: StoreAddress, idp: Pick<TestProvider, "discoveryUrl" | "walk">) => {
  const hand = handClock(Date.now());
  const house: House = await openTestHouse(store, { clock: hand.clock });
  const { clients, authorizationRequests: requests } = house;
  const trust = (name: string, discoveryUrl: string) =>
    house.issuers.create(admin, {
      name,
      discoveryUrl,
      audiences: ["app"],
      login: { clientId: loginClient.client_id, clientSecret: loginClient.client_secret },
    });
  const issuer = await trust("idp", idp.discoveryUrl);
  await clients.resources.create(admin, {
    name: "files",
    identifier: api,
    clients: ["*"],
    scopes: [{ name: "read", description: "Read your files" }, { name: "write" }],
  });
  const app = await clients.apps.create(admin, {
    name: "app",
    title: "The App",
    redirectUris: [callback, "http://127.0.0.1/cb", "com.app:/cb"],
  });
  const agent = await house.agents.create(admin, { name: "scout", title: "Scout", allowedReturnUrls: [callback, "http://127.0.0.1/cb"] });
  const now = hand.clock();
  await house.db.write((tx) =>
    tx
      .insertInto("client_documents")
      .values({
        tenant_id: "default",
        id: documentId,
        document: JSON.stringify({
          name: "Your Bank",
          redirectUris: ["https://stranger.test/cb", "http://127.0.0.1/cb"],
          grantTypes: ["authorization_code", "refresh_token"],
        }),
        hash: "one",
        fetched_at: now,
        fresh_until: now + 24 * 60 * 60_000,
        used_at: now,
      })
      .execute(),
  );

  const find = async (id: string): Promise<Client> => {
    const client = await clients.find("default", id);
    if (!client) throw new Error("No such client.");
    return client;
  };
  const verifier = newVerifier();
  const plain: AuthorizationAsk = {
    scopes: ["read"],
    resource: api,
    codeChallenge: challengeOf(verifier),
    dpopThumbprint: undefined,
    state: "s 1&é",
    nonce: undefined,
    prompt: [],
    maxAge: undefined,
    foreign: false,
  };
  /** The client asks, in this browser. */
  const begin = async (browser: Browser, ask: Partial<AuthorizationAsk> = {}, id: string = app.id, redirectUri = callback) =>
    browser.take(await requests.begin(nobody, await find(id), redirectUri, { ...plain, ...ask }));
  const back = (url: string, browser: Pick<Browser, "cookies">) =>
    requests.loginCallback(nobody, new URL(url).searchParams, browser.cookies);
  /** The same, up to where the login came back. */
  const loggedIn = async (
    browser: Browser,
    ask: Partial<AuthorizationAsk> = {},
    id: string = app.id,
    redirectUri = callback,
    person = "bob",
  ) => back(await idp.walk(loginOf(await begin(browser, ask, id, redirectUri)), person), browser);
  const shown = async (browser: Browser, request: string) => requests.page(nobody, request, browser.cookies);
  const say = async (browser: Browser, request: string, decision: "allow" | "deny" = "allow") => {
    const { formToken: token } = await shown(browser, request);
    return requests.decide(nobody, request, browser.cookies, { token, decision });
  };

  return {
    ...house,
    requests,
    hand,
    issuer,
    app,
    agent,
    trust,
    find,
    verifier,
    plain,
    begin,
    back,
    loggedIn,
    shown,
    say,
    /** All the way, with our page and a yes. */
    consent: async (browser: Browser, ask: Partial<AuthorizationAsk> = {}, id: string = app.id, redirectUri = callback) =>
      say(browser, pageOf(await loggedIn(browser, ask, id, redirectUri))),
    /** What the client does with its code. */
    redeem: async (code: string, id: string = app.id, more: Readonly<Record<string, string>> = {}) => {
      const client = await find(id);
      const who = client.agent
        ? { ...nobody, caller: { kind: "agent", id } as const, agent: client.agent, actors: [id] }
        : { ...nobody, caller: { kind: "client", id } as const };
      return house.grants.token(
        { client, who },
        {
          grantType: "authorization_code",
          parameters: { code, code_verifier: verifier, redirect_uri: callback, ...more },
          scopes: undefined,
          targets: [],
          dpopThumbprint: undefined,
        },
      );
    },
    rows: async () => await house.db.read.selectFrom("authorization_requests").selectAll().execute(),
    grantRows: () => house.db.read.selectFrom("oauth_grants").selectAll().execute(),
    audited: async (action: string) => (await house.audit.list("default", { action }, { limit: 100 })).items,
  };
};
export type Requests = Awaited<ReturnType<typeof openRequests>>;
