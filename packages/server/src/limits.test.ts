import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";
import { afterEach, expect, test } from "vitest";
import { readConfig } from "./config/index.ts";
import type { StoreAddress } from "./ground/db/index.ts";
import { openServer } from "./server.ts";
import { startProvider } from "./testing/provider.ts";
import { eachStore } from "./testing/stores.ts";

const adminKey = "op_limits_admin_key_0123456789abcdef";
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & { readonly error?: { readonly code: string; readonly details?: Record<string, unknown> } };
}

/** A server as it starts, and a way to ask it. */
const open = async (store: StoreAddress, rateLimits?: string) => {
  const server = await openServer(
    readConfig({
      LEGATE_PORT: "0",
      LEGATE_LOG_LEVEL: "silent",
      LEGATE_ADMIN_KEY: adminKey,
      LEGATE_MASTER_KEY: "07".repeat(32),
      LEGATE_EGRESS_ALLOW: "127.0.0.1",
      ...(store.engine === "sqlite" ? { LEGATE_DATA_DIR: dirname(store.path) } : { LEGATE_DATABASE_URL: store.url }),
      ...(rateLimits !== undefined && { LEGATE_RATE_LIMITS: rateLimits }),
    }),
  );
  closers.push(() => server.close());
  const ask = async (method: string, path: string, key = adminKey, body?: unknown): Promise<Answer> => {
    const answer = await fetch(`${server.address}${path}`, {
      method,
      headers: {
        ...(key !== "" && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text === "" ? {} : (JSON.parse(text) as Answer["body"]) };
  };
  const agentKey = async (name: string): Promise<string> => {
    await ask("POST", "/v1/agents", adminKey, { name });
    const { body } = await ask("POST", `/v1/agents/${name}/keys`, adminKey, {});
    return String(body["apiKey"]);
  };
  const mint = (key: string) => ask("POST", "/v1/workload-tokens", key, {});
  return { address: server.address, ask, agentKey, mint };
};

/** How often it was answered with this status, of `times`. */
const counting = async (times: number, status: number, ask: () => Promise<Answer>): Promise<number> => {
  let count = 0;
  for (let at = 0; at < times; at += 1) if ((await ask()).status === status) count += 1;
  return count;
};

eachStore("a caller who asks too often", (fresh) => {
  test("is held on every route together, hears when to come again, holds up nobody else, and is one row in the audit", async () => {
    const { ask, agentKey, mint } = await open(await fresh(), "0.01");
    const [eager, calm] = [await agentKey("eager"), await agentKey("calm")];
    const first = await mint(eager);
    expect([first.status, first.headers.get("ratelimit-limit"), first.headers.get("ratelimit-remaining")]).toEqual([200, "120", "119"]);
    expect(Number(first.headers.get("ratelimit-reset"))).toBeGreaterThan(0);
    // What it may not do at all is counted too.
    expect(await counting(60, 403, () => ask("GET", "/v1/agents", eager))).toBe(60);
    await counting(70, 200, () => mint(eager));
    const over = await mint(eager);
    expect([over.status, over.body.error?.code, over.body.error?.details?.["limit"]]).toEqual([429, "rate_limited", "agent"]);
    expect(over.headers.get("ratelimit-remaining")).toBe("0");
    expect(Number(over.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await ask("GET", "/v1/agents", eager)).status).toBe(429);
    expect((await mint(calm)).status).toBe(200);
    expect((await ask("GET", "/v1/agents")).status).toBe(200);
    for (let more = 0; more < 30; more += 1) expect((await mint(eager)).status).toBe(429);
    const { body } = await ask("GET", "/v1/audit-events?action=request.refused&limit=500");
    const rows = (body["items"] as { details: Record<string, unknown> }[]).filter(({ details }) => details["reason"] === "rate_limited");
    expect(rows.map(({ details }) => details["limit"])).toEqual(["agent"]);
    const metrics = await (await fetch(`${(await ask("GET", "/")).body["health"] as string}`.replace("/readyz", "/metrics"))).text();
    expect(metrics).toMatch(/legate_rate_limited_total\{limit="agent"\} [34]\d\n/);
    expect(metrics).not.toContain("eager");
  });

  test("who guesses keys is not looked at any more after so many; what needs no credential still goes", async () => {
    const { ask, agentKey } = await open(await fresh(), "0.1");
    const key = await agentKey("scout");
    const wrong = (at: number) =>
      ask("GET", "/v1/agents", at % 2 ? `op_guess_${at}_${"x".repeat(40)}` : `${key.slice(0, -10)}${String(at).padStart(10, "0")}`);
    const statuses: number[] = [];
    for (let at = 0; at < 30; at += 1) statuses.push((await wrong(at)).status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(12);
    expect(statuses.filter((status) => status === 429)).toHaveLength(18);
    // The right key does not tell itself from the wrong ones by being let through.
    const right = await ask("GET", "/v1/agents");
    expect([right.status, right.body.error?.details?.["limit"]]).toEqual([429, "guesses"]);
    expect((await ask("GET", "/", "")).status).toBe(200);
    expect((await ask("GET", "/.well-known/jwks.json", "")).status).toBe(200);
  });

  test("who was proven lately goes on where strangers guess, with a key that nobody could guess or any token of ours", async () => {
    const { address, ask, agentKey, mint } = await open(await fresh(), "0.1");
    const [key, unused] = [await agentKey("scout"), await agentKey("idle")];
    const made = String((await ask("POST", "/v1/operators", adminKey, { name: "ops", role: "operator" })).body["key"]);
    const token = String((await mint(key)).body["token"]);
    expect((await ask("GET", "/v1/agents", made)).status).toBe(200);
    const secretOf = async (name: string) => {
      const { body } = await ask("POST", `/v1/agents/${name}/client-secrets`, adminKey, {});
      return { client_id: String(body["clientId"]), client_secret: String(body["clientSecret"]) };
    };
    const [client, idle] = [await secretOf("scout"), await secretOf("idle")];
    /** Whoever is a client is told that no such grant is given, and whoever is none that it is none. */
    const granted = async (by: Readonly<Record<string, string>>) =>
      (await fetch(`${address}/oauth2/token`, { method: "POST", body: new URLSearchParams({ ...by, grant_type: "none" }) })).status;
    expect(await granted(client)).toBe(400);
    const bad = (at: number) => `${key.slice(0, -10)}${String(at).padStart(10, "0")}`;
    for (let at = 0; at < 12; at += 1) expect((await ask("GET", "/v1/agents", bad(at))).status).toBe(401);
    const hears = async (asked: Promise<Answer>) => {
      const { status, body } = await asked;
      return [status, body.error?.details?.["limit"]];
    };
    expect(await hears(mint(bad(12)))).toEqual([429, "guesses"]);
    expect(await hears(mint(key))).toEqual([200, undefined]);
    expect(await hears(ask("GET", "/v1/agents", made))).toEqual([200, undefined]);
    expect([await granted(client), await granted(idle)]).toEqual([400, 429]);
    // A token that was never seen before, for wrong keys say nothing of tokens.
    const credential = { provider: "none" };
    expect((await ask("POST", "/v1/credentials/api-key", token, credential)).status).toBe(404);
    // Nobody knows these yet, or somebody may have chosen it.
    expect(await hears(mint(unused))).toEqual([429, "guesses"]);
    expect(await hears(ask("GET", "/v1/agents"))).toEqual([429, "guesses"]);
    for (let at = 0; at < 130; at += 1) await ask("POST", "/v1/credentials/api-key", `${token.slice(0, -4)}AAAA`, credential);
    expect((await ask("POST", "/v1/credentials/api-key", `${token.slice(0, -4)}AAAA`, credential)).status).toBe(429);
    expect((await ask("POST", "/v1/credentials/api-key", token, credential)).status).toBe(404);
  });

  test("with the defaults, a busy minute of one agent and its operator meets no limit", async () => {
    const { ask, agentKey, mint } = await open(await fresh());
    const key = await agentKey("busy");
    expect(await counting(300, 200, () => mint(key))).toBe(300);
    expect(await counting(100, 200, () => ask("GET", "/v1/agents"))).toBe(100);
    expect((await mint(key)).headers.get("ratelimit-limit")).toBe("12000");
  });

  test("with limits off, no answer speaks of any", async () => {
    const { ask } = await open(await fresh(), "off");
    expect(await counting(400, 401, () => ask("GET", "/v1/agents", "op_wrong_key_0123456789abcdef0123456789"))).toBe(400);
    expect((await ask("GET", "/v1/agents")).headers.get("ratelimit-limit")).toBeNull();
  });

  test("on two replicas is held by both together within two seconds", async () => {
    const store = await fresh();
    if (store.engine === "sqlite") return;
    const [a, b] = [await open(store, "0.01"), await open(store, "0.01")];
    const key = await a.agentKey("eager");
    expect(await counting(60, 200, () => a.mint(key))).toBe(60);
    await counting(60, 200, () => b.mint(key));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // One each may tell what the other does not know yet.
    await Promise.all([a.mint(key), b.mint(key)]);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // While a minute turns, a little of the last one has already been given back.
    expect(await counting(20, 200, () => a.mint(key))).toBeLessThan(12);
    expect(await counting(20, 200, () => b.mint(key))).toBeLessThan(12);
  });
});

eachStore("a provider that hangs", (fresh) => {
  test("holds up no other provider's callers and no tokens of ours, and beyond its share is unavailable at once", async () => {
    const { ask, agentKey, mint } = await open(await fresh());
    const held: ServerResponse[] = [];
    const hanging = createServer((_request, response) => held.push(response));
    await new Promise<void>((resolve) => {
      hanging.listen(0, "127.0.0.1", resolve);
    });
    closers.push(
      () =>
        new Promise((resolve) => {
          hanging.closeAllConnections();
          hanging.close(resolve);
        }),
    );
    const healthy = await startProvider({ clients: [] });
    closers.push(() => healthy.stop());
    healthy.addClient({
      client_id: "legate",
      client_secret: "secret-of-the-client",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: "client_secret_post",
    });
    const provider = { type: "oauth2", clientId: "legate", clientSecret: "secret-of-the-client", flows: ["M2M"] };
    const url = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}`;
    expect(
      (await ask("POST", "/v1/credential-providers", adminKey, { ...provider, name: "hanging", tokenEndpoint: `${url}/token` })).status,
    ).toBe(201);
    expect(
      (await ask("POST", "/v1/credential-providers", adminKey, { ...provider, name: "healthy", discoveryUrl: healthy.discoveryUrl }))
        .status,
    ).toBe(201);
    const key = await agentKey("scout");
    const { token } = (await mint(key)).body as unknown as { token: string };
    const get = (name: string, scope: string) =>
      ask("POST", "/v1/credentials/oauth2", token, { provider: name, flow: "M2M", scopes: [scope] });

    const answers: Answer[] = [];
    const all = Array.from({ length: 300 }, (_, at) => get("hanging", `scope-${at}`).then((answer) => answers.push(answer)));
    await expect.poll(() => answers.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(20);
    for (const answer of [...answers]) {
      expect([answer.status, answer.body.error?.code]).toEqual([503, "provider_unavailable"]);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    const started = performance.now();
    expect((await mint(key)).status).toBe(200);
    expect((await get("healthy", "read")).status).toBe(200);
    expect((await ask("GET", "/v1/agents")).status).toBe(200);
    expect(performance.now() - started).toBeLessThan(3_000);

    const letting = setInterval(() => {
      for (const response of held.splice(0))
        response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ access_token: "at", token_type: "bearer", expires_in: 3600 }));
    }, 10);
    await Promise.all(all);
    const served = answers.filter(({ status }) => status === 200).length;
    expect(served).toBeGreaterThanOrEqual(200);
    expect(served).toBeLessThanOrEqual(280);
    expect((await get("hanging", "scope-299")).status).toBe(200);
    clearInterval(letting);
  });
});
