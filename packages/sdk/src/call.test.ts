import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LegateApiError, LegateClient, LegateConnectionError, type LegateError } from "./index.ts";
import { FakeLegate, keyOf, no, operatorKey } from "./testing/fake-legate.ts";

let fake: FakeLegate;
beforeEach(async () => {
  fake = await FakeLegate.start();
});
afterEach(() => fake.stop());

/** A client whose waits take no time and are written down. */
const clientWith = (options: Partial<ConstructorParameters<typeof LegateClient>[0]> = {}) => {
  const waits: number[] = [];
  const sleep = async (ms: number, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    waits.push(ms);
  };
  return { waits, client: new LegateClient({ url: fake.url, agentKey: keyOf("a"), operatorKey, sleep, random: () => 0.5, ...options }) };
};
const refusal = (promise: Promise<unknown>): Promise<LegateApiError> =>
  promise.then(
    () => expect.unreachable("it should have been refused"),
    (error: unknown) => error as LegateApiError,
  );

describe("a limit of one call", () => {
  it.each([
    { timeoutMs: Number.NaN },
    { timeoutMs: -1 },
    { timeoutMs: Number.POSITIVE_INFINITY },
    { timeoutMs: 2 ** 31 },
    { timeoutMs: "1" as unknown as number },
    { retries: -1 },
    { retries: 0.5 },
    { retries: Number.NaN },
  ])("that is none is refused, and nothing is sent: %j", async (limits) => {
    await expect(clientWith().client.agents.list({}, limits)).rejects.toMatchObject({ name: "ConfigurationError" });
    expect(fake.seen).toEqual([]);
  });
});

describe("an answer", () => {
  it("may carry fields that this version does not know", async () => {
    fake.script("createWorkloadToken", {
      status: 200,
      body: { token: "wat.x", expiresIn: 60, agent: { id: "agt_a", name: "a", colour: "green" }, novelty: [1] },
    });
    await expect(clientWith().client.workloadTokens.create()).resolves.toMatchObject({ token: "wat.x", agent: { name: "a" } });
  });

  it("of the wrong shape, of another server, or a redirect is an error with its status and request id, and is not followed", async () => {
    for (const reply of [
      { status: 200, body: { token: 7 } },
      { status: 200, text: "<html>" },
      { status: 200, text: "" },
      { status: 302, text: "", headers: { location: `${fake.url}/v1/agents` } },
      { status: 404, text: "no such page" },
      { status: 418, body: { error: "teapot" } },
    ]) {
      fake.seen.length = 0;
      fake.script("createWorkloadToken", reply);
      const error = await refusal(clientWith().client.workloadTokens.create());
      expect(error).toBeInstanceOf(LegateApiError);
      expect(error).toMatchObject({ code: "unexpected_answer", status: reply.status, requestId: "req-header" });
      expect(fake.seen).toHaveLength(1);
    }
  });

  it("that refuses becomes a LegateApiError with all that the server said, also for a code this version does not know", async () => {
    fake.script("getAgent", no(404, "agent_unknown", { details: { name: "x" } }), no(409, "code_of_tomorrow"));
    const { client } = clientWith();
    expect(await refusal(client.agents.get("nobody"))).toMatchObject({
      ...{ name: "LegateApiError", code: "agent_unknown", status: 404, requestId: "req-1", retryAfter: undefined, details: { name: "x" } },
      message: "Refused: agent_unknown.",
    });
    expect(await refusal(client.agents.get("nobody"))).toMatchObject({ code: "code_of_tomorrow", status: 409 });
  });
});

describe("a call that is safe to repeat", () => {
  it.each([429, 502, 503, 504])("is repeated after %i, with growing, jittered waits", async (status) => {
    const busy = no(status, "unavailable");
    fake.script("createWorkloadToken", busy, busy, busy);
    const { client, waits } = clientWith();
    await expect(client.workloadTokens.create()).resolves.toMatchObject({ expiresIn: 1800 });
    expect(waits).toEqual([150, 300, 600]);
  });

  it("waits as long as Retry-After says, in either of its forms, and gives up at once when that is too long", async () => {
    const { client, waits } = clientWith({ clock: () => Date.parse("2026-01-01T00:00:00Z") });
    fake.script(
      "createWorkloadToken",
      no(429, "rate_limited", { headers: { "retry-after": "7" } }),
      no(503, "unavailable", { headers: { "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT" } }),
      no(429, "rate_limited", { headers: { "retry-after": "3600" } }),
    );
    expect(await refusal(client.workloadTokens.create())).toMatchObject({ code: "rate_limited", retryAfter: 3600 });
    expect(waits).toEqual([7000, 9000]);
  });

  it("is repeated no more often than `retries` says, and not after a definite no", async () => {
    fake.on("createWorkloadToken", () => no(503, "unavailable"));
    const { client } = clientWith({ retries: 2 });
    expect(await refusal(client.workloadTokens.create())).toMatchObject({ status: 503 });
    expect(fake.count("createWorkloadToken")).toBe(3);
    fake.seen.length = 0;
    fake.on("createWorkloadToken", () => no(500, "internal"));
    await refusal(client.workloadTokens.create());
    expect(fake.count("createWorkloadToken")).toBe(1);
  });

  it("is repeated when the connection breaks under it", async () => {
    let broken = 0;
    const fetch: typeof globalThis.fetch = (input, init) => {
      broken += 1;
      return broken === 1
        ? Promise.reject(new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "ECONNRESET" }) }))
        : globalThis.fetch(input, init);
    };
    await clientWith({ fetch }).client.workloadTokens.create();
    expect(fake.count("createWorkloadToken")).toBe(1);
  });
});

describe("a call that makes or deletes something", () => {
  it("is sent once, whatever comes back", async () => {
    const { client, waits } = clientWith();
    for (const [id, ask] of [
      ["createAgent", () => client.agents.create({ name: "abc" })],
      ["deleteAgent", () => client.agents.delete("abc")],
      ["completeAuthorization", () => client.authorizations.complete({ sessionUri: "s" })],
    ] as const) {
      fake.on(id, () => no(503, "unavailable"));
      await refusal(ask());
      expect(fake.count(id)).toBe(1);
    }
    expect(waits).toEqual([]);
  });

  it("is sent once when the connection breaks under it, and again when it was refused before anything was sent", async () => {
    for (const [code, times] of [
      ["ECONNRESET", 1],
      ["ECONNREFUSED", 4],
    ] as const) {
      let tries = 0;
      const fetch = async () => {
        tries += 1;
        throw new TypeError("fetch failed", { cause: Object.assign(new Error(), { code }) });
      };
      const error = await refusal(clientWith({ fetch }).client.agents.create({ name: "abc" }));
      expect(error).toBeInstanceOf(LegateConnectionError);
      expect(error).toMatchObject({ reason: code });
      expect(tries).toBe(times);
    }
  });

  it("reaches a server that comes up a moment later", async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const late = createServer((_, response) => response.writeHead(503).end());
    const sleep = async () => {
      if (!late.listening) await new Promise<void>((resolve) => late.listen(port, "127.0.0.1", resolve));
    };
    const client = new LegateClient({ url: `http://127.0.0.1:${port}`, operatorKey, sleep });
    expect(await refusal(client.agents.create({ name: "abc" }))).toMatchObject({ status: 503 });
    late.closeAllConnections();
    await new Promise((resolve) => late.close(resolve));
  });
});

describe("time", () => {
  it("an abort ends a call at once, also while it waits to repeat, with the caller's own reason", async () => {
    const reason = new Error("enough");
    fake.on("createWorkloadToken", () => new Promise(() => undefined));
    const during = new AbortController();
    const hanging = clientWith().client.workloadTokens.create({}, { signal: during.signal });
    setTimeout(() => during.abort(reason), 20);
    await expect(hanging).rejects.toBe(reason);

    fake.on("createWorkloadToken", () => no(503, "unavailable", { headers: { "retry-after": "20" } }));
    const waiting = new AbortController();
    const client = new LegateClient({ url: fake.url, agentKey: keyOf("a") });
    const repeated = client.workloadTokens.create({}, { signal: waiting.signal });
    setTimeout(() => waiting.abort(reason), 50);
    const began = Date.now();
    await expect(repeated).rejects.toBe(reason);
    expect(Date.now() - began).toBeLessThan(5_000);

    const before = fake.seen.length;
    await expect(client.workloadTokens.create({}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(fake.seen).toHaveLength(before);
  });

  it("has a limit for the whole call, also where a custom fetch ignores its signal", async () => {
    fake.on("createWorkloadToken", () => new Promise(() => undefined));
    const slow = clientWith({ timeoutMs: 50 }).client.workloadTokens.create();
    await expect(slow).rejects.toMatchObject({ name: "LegateConnectionError", reason: "timeout" });
    const deaf = clientWith({ timeoutMs: 50, fetch: () => new Promise(() => undefined) }).client.workloadTokens.create();
    await expect(deaf).rejects.toMatchObject({ reason: "timeout" });
  });

  it("does not begin a wait that would outlast the limit", async () => {
    fake.on("createWorkloadToken", () => no(503, "unavailable", { headers: { "retry-after": "10" } }));
    const { client, waits } = clientWith({ timeoutMs: 5_000 });
    expect(await refusal(client.workloadTokens.create())).toMatchObject({ retryAfter: 10 });
    expect(waits).toEqual([]);
  });
});

describe("what leaves the process", () => {
  it("goes to the operation's own address: a name cannot climb to another", async () => {
    const { client } = clientWith();
    for (const name of ["..", ".", ""]) expect(await refusal(client.agents.get(name))).toMatchObject({ name: "ConfigurationError" });
    expect(fake.seen).toEqual([]);
    await refusal(client.agents.get("a/../../b?c#d"));
    expect(fake.seen[0]).toMatchObject({ id: "getAgent", params: { name: "a/../../b?c#d" } });
  });

  it("carries the agent's key where an agent may ask, else the operator's, else nothing is sent", async () => {
    const { client } = clientWith();
    await client.workloadTokens.create();
    await client.agents.list();
    expect(fake.seen.map((seen) => seen.bearer)).toEqual([keyOf("a"), operatorKey]);
    const keyless = new LegateClient({ url: fake.url });
    expect(await refusal(keyless.agents.list())).toMatchObject({ name: "ConfigurationError" });
    expect(fake.seen).toHaveLength(2);
  });
});

describe("secrets", () => {
  const secret = "sk_SECRETSECRET";
  const shown = (value: unknown) =>
    [
      inspect(value, { depth: 20, showHidden: true }),
      JSON.stringify(value),
      String(value),
      (value as Error).message,
      (value as Error).stack,
    ].join("\n");

  it("stand in no client, however it is printed", () => {
    const client = new LegateClient({ url: fake.url, agentKey: secret, operatorKey: `op_${secret}`, workloadToken: `wat_${secret}` });
    expect(shown(client)).not.toContain("SECRET");
    expect(shown(Object.assign({}, client))).not.toContain("SECRET");
    expect(shown(client)).toContain(fake.url);
  });

  it("stand in no error: of the server, of the network, of options, of a header that fetch refuses", async () => {
    const errors: LegateError[] = [];
    const client = new LegateClient({ url: fake.url, agentKey: secret, retries: 0 });
    errors.push(await refusal(client.agents.get("nobody", { bearer: secret })));
    errors.push(await refusal(client.workloadTokens.create({ userToken: secret }, { bearer: `${secret}\n` })));
    const leaky = async (_: unknown, init?: RequestInit) => {
      throw new TypeError(`cannot send ${JSON.stringify(init?.headers)}`, { cause: new Error(JSON.stringify(init?.body)) });
    };
    const broken = new LegateClient({ url: fake.url, agentKey: secret, retries: 0, fetch: leaky as typeof fetch });
    errors.push(await refusal(broken.workloadTokens.create({ userToken: secret })));
    for (const options of [
      { url: fake.url, agentKey: `${secret} with a space` },
      { url: `http://user:${secret}@127.0.0.1` },
      { url: `not a url ${secret}` },
      { url: `http://127.0.0.1/?key=${secret}` },
    ]) {
      try {
        new LegateClient(options);
        expect.unreachable();
      } catch (error) {
        errors.push(error as LegateError);
      }
    }
    expect(errors).toHaveLength(7);
    for (const error of errors) {
      expect(error.name).toMatch(/^(LegateApiError|LegateConnectionError|ConfigurationError)$/);
      expect(shown(error)).not.toContain("SECRET");
    }
  });
});
