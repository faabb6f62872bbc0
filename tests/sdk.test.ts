import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AgentContext,
  AuthorizationDeniedError,
  AuthorizationRequiredError,
  type CallbackSession,
  callbackHandler,
  IdentityError,
  LegateApiError,
  LegateClient,
  LegateConnectionError,
  PollTimeoutError,
  withAccessToken,
  withApiKey,
  withWorkloadToken,
} from "../packages/sdk/src/index.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Server } from "../packages/server/src/index.ts";
import { startTestIssuer, type TestIssuer } from "../packages/server/src/testing/openid.ts";
import { startProvider, type TestProvider } from "../packages/server/src/testing/provider.ts";
import { eachStore } from "../packages/server/src/testing/stores.ts";
import { consent, openLegate } from "./sdk-server.ts";

const adminKey = "admin_key_of_the_sdk_tests_0123456789";
/** Life of an access token that is to expire while one waits; all others outlive the tests, however slow the machine. A refresh is due a tenth of it ahead. */
const lifeSeconds = 3;
const pollQuickly = { intervalMs: 20, maxIntervalMs: 100 };

/** Whose token this is, as its issuer says: the user and what was granted. */
const whose = async (upstream: TestProvider, token: string): Promise<{ user?: string; scopes: string[] }> =>
  (await (await fetch(`${upstream.url}/api/me`, { headers: { authorization: `Bearer ${token}` } })).json()) as never;

eachStore("the SDK against a running server", (fresh) => {
  let legate: Server;
  let upstream: TestProvider;
  const lives = { accessTokenSeconds: 3600 };
  let idp: TestIssuer;
  let admin: LegateClient;
  /** An agent whose consents need nobody's check, one that its application binds, and their keys. */
  const keys = { scout: "", app: "" };
  const returnUrls: string[] = [];

  const clientOf = (agent: keyof typeof keys, more: Partial<ConstructorParameters<typeof LegateClient>[0]> = {}) =>
    new LegateClient({ url: legate.address, agentKey: keys[agent], ...more });

  /** A provider of this name whose tokens come from `upstream`. */
  const register = async (name: string) => {
    const { id, callbackUrl = "" } = await admin.providers.create({
      type: "oauth2",
      name,
      discoveryUrl: upstream.discoveryUrl,
      clientId: name,
      clientSecret: `${name}-secret`,
      scopes: ["read"],
    });
    upstream.addClient({
      client_id: name,
      client_secret: `${name}-secret`,
      grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
      redirect_uris: [callbackUrl],
    });
    return id;
  };

  beforeAll(async () => {
    upstream = await startProvider(lives);
    idp = await startTestIssuer();
    legate = await openLegate(await fresh(), adminKey);
    admin = new LegateClient({ url: legate.address, operatorKey: adminKey });
    await register("drive");
    await admin.providers.create({ type: "api_key", name: "weather", apiKey: "weather-key" });
    await admin.issuers.create({ name: "idp", discoveryUrl: idp.url, audiences: ["shop"] });
    await admin.agents.create({ name: "scout", binding: "none", issuer: "idp" });
    await admin.agents.create({ name: "app" });
    for (const agent of ["scout", "app"] as const) keys[agent] = (await admin.keys.create(agent)).apiKey;
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(async () => {
    await legate.close();
    await upstream.stop();
    await idp.stop();
  });

  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  test("twenty users at once consent, and each sees only what is theirs", async () => {
    const client = clientOf("scout");
    const me = withAccessToken(
      {
        client,
        provider: "drive",
        scopes: ["read"],
        poll: pollQuickly,
        onAuthUrl: async (url) => {
          await consent(upstream, url, AgentContext.getUserId() ?? "nobody");
        },
      },
      async ({ accessToken }: { accessToken: string }) => whose(upstream, accessToken),
    );
    const users = Array.from({ length: 20 }, (_, at) => `user-${at}`);
    const first = await Promise.all(users.map((userId) => AgentContext.run({ userId }, () => me())));
    expect(first.map(({ user }) => user)).toEqual(users);
    // Shuffled, twice over and interleaved: nothing is left of whoever asked before.
    const again = [...users, ...users].sort((a, b) => (a.at(-1) ?? "").localeCompare(b.at(-1) ?? ""));
    const second = await Promise.all(again.map((userId) => AgentContext.run({ userId }, () => me())));
    expect(second.map(({ user }) => user)).toEqual(again);
  });

  test("64 processes that find one token expired cause one refresh upstream", async () => {
    const token = async (client: LegateClient, onAuthUrl?: (url: string) => Promise<void>) =>
      AgentContext.run({ userId: "rosa" }, () =>
        withAccessToken(
          { client, provider: "drive", scopes: ["read"], poll: pollQuickly, onAuthUrl },
          ({ accessToken }: { accessToken: string }) => accessToken,
        )(),
      );
    lives.accessTokenSeconds = lifeSeconds;
    const old = await token(clientOf("scout"), async (url) => {
      await consent(upstream, url, "rosa");
    });
    // The next one lives as long as all others.
    lives.accessTokenSeconds = 3600;
    await new Promise((later) => setTimeout(later, lifeSeconds * 1000 + 100));
    const before = upstream.tokenCalls().refresh_token;
    const clients = Array.from({ length: 64 }, () => clientOf("scout"));
    const tokens = await Promise.all(clients.map((client) => token(client)));
    expect(upstream.tokenCalls().refresh_token - before).toBe(1);
    expect(new Set(tokens).size).toBe(1);
    expect(tokens[0]).not.toBe(old);
    expect(await whose(upstream, tokens[0] ?? "")).toMatchObject({ user: "rosa" });
  });

  test("the agent's own token needs no user and no consent", async () => {
    const own = withAccessToken({ client: clientOf("app"), provider: "drive", scopes: ["read"] }, async ({ accessToken }) =>
      whose(upstream, accessToken),
    );
    expect(await own()).toEqual({ client: "drive", scopes: ["read"] });
  });

  describe("a consent that comes to nothing", () => {
    test("denied", async () => {
      const onAuthUrl = async (url: string) => {
        await consent(upstream, url, "dora", "deny");
      };
      const asked = withAccessToken({ client: clientOf("scout"), provider: "drive", poll: pollQuickly, onAuthUrl }, () => "never");
      const error: unknown = await AgentContext.run({ userId: "dora" }, () => asked()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(AuthorizationDeniedError);
      expect(error).toMatchObject({ code: "authorization_denied", requestId: expect.stringMatching(/^req_/) as string });
    });

    test("nobody goes there in time", async () => {
      const poll = { ...pollQuickly, timeoutMs: 300 };
      const asked = withAccessToken({ client: clientOf("scout"), provider: "drive", poll, onAuthUrl: () => undefined }, () => "never");
      const error: unknown = await AgentContext.run({ userId: "tom" }, () => asked()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(PollTimeoutError);
      expect(error).toMatchObject({ url: expect.stringContaining(`${legate.address}/consent/`) as string });
    });

    test("nobody is told", async () => {
      const asked = withAccessToken({ client: clientOf("scout"), provider: "drive" }, () => "never");
      const error: unknown = await AgentContext.run({ userId: "una" }, () => asked()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(AuthorizationRequiredError);
      expect(error).toMatchObject({ sessionUri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:/) as string });
    });
  });

  describe("binding application", () => {
    const sessions = new Map<string, CallbackSession>([
      ["sid=ada", { customState: "state-of-ada-0123456789", userId: "ada" }],
      ["sid=eve", { customState: "state-of-eve-0123456789", userId: "eve" }],
    ]);
    let application: ReturnType<typeof createServer>;

    beforeAll(async () => {
      const handler = callbackHandler({
        client: clientOf("app"),
        sessionOf: (request: IncomingMessage) => sessions.get(request.headers.cookie ?? ""),
      });
      application = createServer((request, response) => void handler(request, response));
      await new Promise<void>((listening) => application.listen(0, "127.0.0.1", listening));
      returnUrls.push(`http://127.0.0.1:${(application.address() as AddressInfo).port}/callback`);
      await admin.agents.update("app", { allowedReturnUrls: returnUrls });
    });
    afterAll(() => new Promise((closed) => application.close(closed)));

    const begin = async (userId: "ada" | "eve") => {
      const asked = withAccessToken({ client: clientOf("app"), provider: "drive", callbackUrl: returnUrls[0] ?? "" }, ({ accessToken }) =>
        whose(upstream, accessToken),
      );
      const ask = () => AgentContext.run({ userId, customState: `state-of-${userId}-0123456789` }, () => asked());
      const pending: unknown = await ask().catch((thrown: unknown) => thrown);
      if (!(pending instanceof AuthorizationRequiredError)) throw new Error("No consent was asked for.", { cause: pending });
      return { url: pending.url, sessionUri: pending.sessionUri, ask };
    };

    test("the browser's way back completes it, and only that way", async () => {
      const { url, sessionUri, ask } = await begin("ada");
      const back = (await consent(upstream, url, "ada")) ?? "";
      expect(new URL(back).searchParams.get("state")).toBe("state-of-ada-0123456789");

      const other = await fetch(back, { headers: { cookie: "sid=eve" } });
      expect([other.status, await other.text()]).toEqual([400, expect.stringContaining("not begun in this browser session")]);
      // What the agent was told names the consent, and does not prove that this browser walked it.
      await expect(clientOf("app").authorizations.complete({ sessionUri, userId: "ada" })).rejects.toMatchObject({
        code: "session_unknown",
      });
      await expect(ask()).rejects.toBeInstanceOf(AuthorizationRequiredError);

      const own = await fetch(back, { headers: { cookie: "sid=ada" } });
      expect([own.status, await own.text()]).toEqual([200, expect.stringContaining("<html")]);
      expect(await ask()).toMatchObject({ user: "ada" });
      expect((await fetch(back, { headers: { cookie: "sid=ada" } })).status).toBe(409);
    });

    test("a person who says no ends at the application, which says so", async () => {
      const { url, ask } = await begin("eve");
      const back = (await consent(upstream, url, "eve", "deny")) ?? "";
      expect(new URL(back).searchParams.get("error")).toBe("access_denied");
      expect((await fetch(back, { headers: { cookie: "sid=eve" } })).status).toBeLessThan(500);
      await expect(ask()).rejects.toBeInstanceOf(AuthorizationRequiredError);
    });
  });

  describe("who the agent acts for", () => {
    const subject = async (client: LegateClient) => {
      const token = await withWorkloadToken({ client }, ({ workloadToken }) => workloadToken)();
      const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
      return { iss: claims["user_iss"], sub: claims["user_sub"] };
    };

    test("a user's token proves the user; one that does not is never replaced by the id beside it", async () => {
      const client = clientOf("scout");
      const userToken = await idp.sign({ sub: "proven-pia", aud: "shop" });
      const anothers = await idp.sign({ sub: "proven-pia", aud: "another shop" });
      expect(await AgentContext.run({ userToken, userId: "somebody" }, () => subject(client))).toEqual({ iss: idp.url, sub: "proven-pia" });
      await expect(AgentContext.run({ userToken: anothers, userId: "somebody" }, () => subject(client))).rejects.toMatchObject({
        name: "LegateApiError",
        code: "user_token_invalid",
      });
      await expect(AgentContext.run({ userToken: "no jwt", userId: "somebody" }, () => subject(client))).rejects.toBeInstanceOf(
        IdentityError,
      );
    });

    test("an agent that trusts no issuer takes no user token", async () => {
      const userToken = await idp.sign({ sub: "proven-pia", aud: "shop" });
      await expect(AgentContext.run({ userToken }, () => subject(clientOf("app")))).rejects.toMatchObject({ code: "user_token_invalid" });
    });

    test("a workload token in the context comes first, and needs no key", async () => {
      const { token } = await admin.workloadTokens.create({ agent: "scout", userId: "wanda" });
      const keyless = new LegateClient({ url: legate.address });
      const apiKey = withApiKey({ client: keyless, provider: "weather" }, (input: { apiKey: string }) => input.apiKey);
      expect(await AgentContext.run({ workloadToken: token, userId: "another" }, () => apiKey())).toBe("weather-key");
    });

    test("the environment says where, who, and for whom, in that order", async () => {
      const { token } = await admin.workloadTokens.create({ agent: "scout", userId: "envy" });
      const from = withWorkloadToken({}, ({ workloadToken }) => workloadToken);
      vi.stubEnv("LEGATE_URL", legate.address);
      vi.stubEnv("AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN", token);
      expect(await from()).toBe(token);
      vi.stubEnv("LEGATE_AGENT_KEY", keys.app);
      expect(await from()).toBe(token);
      await expect(AgentContext.run({ userId: "not envy" }, () => from())).rejects.toBeInstanceOf(IdentityError);
      vi.stubEnv("AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN", "");
      expect(await AgentContext.run({ userId: "zoe" }, () => subject(LegateClient.fromEnvironment()))).toMatchObject({ sub: "zoe" });
    });
  });

  test("an operator key without an agent makes one, and finds it again", async () => {
    const folder = mkdtempSync(join(tmpdir(), "legate-sdk-"));
    folders.push(folder);
    const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const make = () =>
      new LegateClient({
        url: legate.address,
        operatorKey: adminKey,
        localAgent: { file: join(folder, "agent.json"), register: { title: "Mine" } },
      });
    const key = async (client: LegateClient) => withApiKey({ client, provider: "weather" }, ({ apiKey }) => apiKey)();
    const count = async () => {
      const names: string[] = [];
      for await (const { name, title } of admin.agents.all({ limit: 2 })) if (title === "Mine") names.push(name);
      return names;
    };
    expect(await Promise.all([make(), make()].map(key))).toEqual(["weather-key", "weather-key"]);
    expect(await key(make())).toBe("weather-key");
    expect(await count()).toEqual([expect.stringMatching(/^workload-[0-9a-f]{8}$/)]);
    expect(said.mock.calls.flat().join("")).toContain("was made up");
    said.mockRestore();
  });

  describe("what goes wrong has a type", () => {
    test("a suspended agent is told so at its next call", async () => {
      await admin.agents.create({ name: "sleeper" });
      const { apiKey } = await admin.keys.create("sleeper");
      const client = new LegateClient({ url: legate.address, agentKey: apiKey });
      const ask = withApiKey({ client, provider: "weather" }, (input: { apiKey: string }) => input.apiKey);
      expect(await ask()).toBe("weather-key");
      await admin.agents.suspend("sleeper");
      const error: unknown = await ask().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(LegateApiError);
      expect(error).toMatchObject({ code: "agent_suspended", status: 403 });
      await admin.agents.resume("sleeper");
      expect(await ask()).toBe("weather-key");
    });

    test("an unknown provider, a scope that was not granted, a server that is not there", async () => {
      const unknown = withApiKey({ client: clientOf("app"), provider: "nobody" }, () => "never");
      await expect(unknown()).rejects.toMatchObject({ code: "provider_unknown", status: 404 });
      const gone = new LegateClient({ url: "http://127.0.0.1:1", agentKey: keys.app, retries: 0 });
      await expect(withApiKey({ client: gone, provider: "weather" }, () => "never")()).rejects.toBeInstanceOf(LegateConnectionError);
      await expect(new LegateClient({ url: legate.address, agentKey: "sk_wrong" }).workloadTokens.create()).rejects.toMatchObject({
        code: "unauthenticated",
        status: 401,
      });
    });
  });
});
