import { operations } from "@legate/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testAdminKey } from "../../testing/house.ts";
import { eachStore } from "../../testing/stores.ts";
import { type Failure, openWire, type Wire } from "./wire-for-tests.ts";

type Page = { items: Record<string, unknown>[]; nextCursor?: string };

eachStore("the native wire", (fresh) => {
  let wire: Wire;
  beforeAll(async () => {
    wire = await openWire(await fresh());
  });
  afterAll(() => wire.close());
  const post = (url: string, body: unknown, key?: string) => wire.ask({ method: "POST", url, body, key });

  test("serves every operation of the contract, and counts it under its id", async () => {
    for (const op of Object.values(operations)) {
      const url = op.path.replaceAll(/\{\w+\}/g, ":x");
      const answer = await wire.ask({ method: op.method, url, key: "" });
      expect([op.id, answer.statusCode]).toEqual([op.id, 401]);
      expect(answer.headers["www-authenticate"]).toBe('Bearer realm="legate"');
    }
    const { body } = await wire.ask({ url: "/metrics", key: "" });
    for (const op of Object.values(operations)) expect(body).toContain(`operation="${op.id}"`);
  });

  test("an agent is made, read, changed, stopped and deleted", async () => {
    const made = await post("/v1/agents", {
      name: "scout",
      title: "Scout",
      labels: { team: "a" },
      allowedReturnUrls: ["https://a.example/b"],
    });
    expect([made.statusCode, made.json()]).toEqual([
      201,
      {
        id: expect.stringMatching(/^agt_[0-9a-f]{32}$/) as string,
        name: "scout",
        title: "Scout",
        status: "active",
        origin: "operator",
        permissions: [],
        allowedReturnUrls: ["https://a.example/b"],
        assertedUsers: true,
        project: "default",
        labels: { team: "a" },
        createdAt: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/) as string,
        updatedAt: expect.any(String) as string,
      },
    ]);
    const { id } = made.json<{ id: string }>();
    expect((await wire.ask({ url: `/v1/agents/${id}` })).json()).toEqual(made.json());
    const changed = await wire.ask({ method: "PATCH", url: "/v1/agents/scout", body: { title: null, tier: "gold" } });
    expect(changed.json()).toMatchObject({ tier: "gold", labels: { team: "a" } });
    expect(changed.json()).not.toHaveProperty("title");
    expect((await post("/v1/agents/scout/suspend", {})).json()).toMatchObject({ status: "suspended" });
    expect((await post("/v1/agents/scout/resume", undefined)).json()).toMatchObject({ status: "active" });
    expect((await post("/v1/agents/scout/revoke", {})).json()).toMatchObject({ status: "revoked" });
    const again = await post("/v1/agents/scout/resume", {});
    expect([again.statusCode, again.json<Failure>().error.code]).toEqual([409, "agent_revoked"]);
    const deleted = await wire.ask({ method: "DELETE", url: "/v1/agents/scout" });
    expect([deleted.statusCode, deleted.body]).toEqual([204, ""]);
    expect((await wire.ask({ url: "/v1/agents/scout" })).statusCode).toBe(404);
  });

  test("a list is walked by its cursor, each thing once", async () => {
    for (let at = 0; at < 7; at += 1) await post("/v1/agents", { name: `walker-${at}` });
    const names: unknown[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page: Page = (
        await wire.ask({ url: `/v1/agents?limit=3${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}` })
      ).json();
      names.push(...page.items.map(({ name }) => name));
      expect(page.items.length).toBeLessThanOrEqual(3);
      cursor = page.nextCursor;
      pages += 1;
    } while (cursor !== undefined);
    expect(pages).toBeGreaterThan(2);
    expect(new Set(names.filter((name) => String(name).startsWith("walker-")))).toEqual(
      new Set(Array.from({ length: 7 }, (_, at) => `walker-${at}`)),
    );
    expect(new Set(names).size).toBe(names.length);
  });

  test("an agent's key gets a token, the token gets an API key, and none of them is ever shown again", async () => {
    await post("/v1/agents", { name: "runner" });
    const made = await post("/v1/agents/runner/keys", { description: "ci" });
    const { apiKey, id } = made.json<{ apiKey: string; id: string }>();
    expect([made.statusCode, apiKey]).toEqual([201, expect.stringMatching(/^sk_[0-9a-f]{64}$/)]);
    const token = await post("/v1/workload-tokens", { userId: "alice" }, apiKey);
    expect([token.statusCode, token.json()]).toMatchObject([200, { agent: { name: "runner" }, user: { subject: "alice" } }]);
    const secret = "weather-secret-0123456789";
    const provider = await post("/v1/credential-providers", {
      name: "weather",
      type: "api_key",
      apiKey: secret,
      agents: ["runner", "label:x"],
    });
    expect([provider.statusCode, provider.json()]).toMatchObject([
      201,
      { name: "weather", vault: "default", agents: ["runner", "label:x"] },
    ]);
    const credential = await post("/v1/credentials/api-key", { provider: "weather" }, token.json<{ token: string }>().token);
    expect([credential.statusCode, credential.json()]).toEqual([200, { apiKey: secret }]);

    const shown = await Promise.all(
      [
        "agents",
        "agents/runner",
        "agents/runner/keys",
        "credential-providers",
        "credential-providers/weather",
        "users",
        "connections",
        "audit-events?limit=500",
      ].map(async (url) => (await wire.ask({ url: `/v1/${url}` })).body),
    );
    for (const hidden of [secret, apiKey, token.json<{ token: string }>().token, testAdminKey])
      expect(shown.join("")).not.toContain(hidden);
    expect(shown[2]).toContain(`"hint":"${apiKey.slice(0, 9)}"`);
    expect(shown[7]).toContain("credential.read");

    expect((await wire.ask({ method: "DELETE", url: `/v1/agents/runner/keys/${id}` })).statusCode).toBe(204);
    expect((await post("/v1/workload-tokens", {}, apiKey)).statusCode).toBe(401);
  });

  test("an OAuth 2 provider tells what to register at the other side", async () => {
    const made = await post("/v1/credential-providers", {
      name: "calendar",
      type: "oauth2",
      clientId: "us",
      clientAuth: "private_key_jwt",
      authorizationEndpoint: "http://127.0.0.1:9/authorize",
      tokenEndpoint: "http://127.0.0.1:9/token",
      scopes: ["b", "a"],
      flows: ["M2M"],
    });
    const provider = made.json<{ id: string }>();
    expect([made.statusCode, provider]).toMatchObject([
      201,
      {
        callbackUrl: `http://127.0.0.1:8700/callback/${provider.id}`,
        jwksUrl: "http://127.0.0.1:8700/.well-known/jwks.json",
        scopes: ["b", "a"],
        flows: ["M2M"],
        agents: ["*"],
      },
    ]);
    const elsewhere = await wire.ask({ url: "/v1/credential-providers/calendar?vault=other" });
    expect([elsewhere.statusCode, elsewhere.json<Failure>().error.code]).toEqual([404, "provider_unknown"]);
  });

  test("audit is newest first, filtered by time, agent and action", async () => {
    await post("/v1/agents", { name: "watched" });
    await post("/v1/agents/watched/suspend", {});
    const { id } = (await wire.ask({ url: "/v1/agents/watched" })).json<{ id: string }>();
    const events = (await wire.ask({ url: `/v1/audit-events?agent=${id}` })).json<Page>().items;
    expect(events.map(({ action }) => action)).toEqual(["agent.suspended", "agent.created"]);
    expect(events[0]).toMatchObject({ outcome: "done", caller: { kind: "operator" }, requestId: expect.stringMatching(/^req_/) as string });
    const from = encodeURIComponent(new Date(Date.now() + 60_000).toISOString());
    expect((await wire.ask({ url: `/v1/audit-events?from=${from}` })).json<Page>().items).toEqual([]);
    const created = (await wire.ask({ url: "/v1/audit-events?action=agent.*" })).json<Page>().items;
    expect(created.length).toBeGreaterThan(1);
    expect(created.every(({ action }) => String(action).startsWith("agent."))).toBe(true);
  });

  describe("without a credential", () => {
    test("are the key set, the OpenAPI document and the reference", async () => {
      const keys = await wire.ask({ url: "/.well-known/jwks.json", key: "" });
      expect([keys.statusCode, keys.headers["cache-control"]]).toEqual([200, "public, max-age=300"]);
      const set = keys.json<{ keys: Record<string, unknown>[] }>().keys;
      expect(set[0]).toMatchObject({ kty: "EC", alg: "ES256", use: "sig" });
      for (const key of set) expect(key).not.toHaveProperty("d");
      const document = (await wire.ask({ url: "/v1/openapi.json", key: "" })).json<{ openapi: string; paths: object; servers: unknown }>();
      expect([document.openapi, document.servers]).toEqual(["3.1.0", [{ url: "http://127.0.0.1:8700" }]]);
      expect(Object.keys(document.paths)).toContain("/v1/credentials/oauth2");
      expect((await wire.ask({ url: "/docs", key: "" })).statusCode).toBe(200);
    });
  });
});
