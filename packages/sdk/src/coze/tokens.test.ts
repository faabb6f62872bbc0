import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeCoze } from "../testing/fake-coze.ts";
import { Client, type ClientOptions, type LogEvent, OutboundError, TokenRetrievalError } from "./index.ts";
import { IdentityStore, storeFor } from "./tokens.ts";

const patient = { timeout: 20_000 };
let fake: FakeCoze;
let now: number;
let clock: () => number;
beforeEach(async () => {
  fake = await FakeCoze.start();
  now = Date.parse("2026-01-01T00:00:00Z");
  clock = () => now;
});
afterEach(() => fake.stop());

const clientWith = (options: ClientOptions = {}) => new Client({ ...fake.options, clock, sleep: async () => undefined, ...options });
const flows = () => [fake.count("id"), fake.count("access")];

describe("an access token", () => {
  it("is fetched once by 64 callers who find none, of whichever client", async () => {
    const tokens = await Promise.all(Array.from({ length: 64 }, () => clientWith().getAccessToken()));
    expect(new Set(tokens).size).toBe(1);
    expect(flows()).toEqual([1, 1]);
  });

  it("fails once for all who wait, and is fetched anew by the next", async () => {
    fake.script("id", { status: 400 });
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => clientWith().getAccessToken()));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: expect.any(TokenRetrievalError) as Error });
    expect(fake.count("id")).toBe(1);
    await expect(clientWith().getAccessToken()).resolves.toMatch(/^access\./);
  });

  it("is not lost to others when one of them aborts, not even the first", async () => {
    let answer: (() => void) | undefined;
    fake.on("id", async () => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return undefined;
    });
    const controller = new AbortController();
    const first = clientWith().getAccessToken({ signal: controller.signal });
    const others = Array.from({ length: 3 }, () => clientWith().getAccessToken());
    await vi.waitFor(() => expect(answer).toBeDefined(), patient);
    controller.abort();
    await expect(first).rejects.toMatchObject({ name: "AbortError" });
    answer?.();
    expect(new Set(await Promise.all(others)).size).toBe(1);
    expect(flows()).toEqual([1, 1]);
  });

  it("is not fetched at all for a caller who has aborted", async () => {
    await expect(clientWith().getAccessToken({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
    expect(fake.seen).toEqual([]);
  });

  it.each([
    [3600, 3540],
    [600, 540],
    [300, 270],
    [60, 54],
    [10, 9],
    [1, 0.9],
  ])("of %i s is used for %d s, and then another is fetched", async (life, used) => {
    fake.accessTokenLife = life;
    const start = now;
    for (const [lane, at, same] of [
      ["just-before", used * 1000 - 1, true],
      ["just-then", used * 1000, false],
    ] as const) {
      now = start;
      const client = clientWith({ lane });
      const token = await client.getAccessToken();
      now = start + at;
      expect((await client.getAccessToken()) === token).toBe(same);
    }
  });

  it("of which nobody says how long it lives is used for an hour's, and of no life only once", async () => {
    fake.accessTokenLife = undefined;
    const client = clientWith();
    const token = await client.getAccessToken();
    now += 3_000_000;
    expect(await client.getAccessToken()).toBe(token);
    client.clearCache();
    for (const life of [0, -5]) {
      fake.accessTokenLife = life;
      expect(await client.getAccessToken()).not.toBe(await client.getAccessToken());
    }
  });

  it("with a life beyond all reason is used for a year", async () => {
    fake.on("access", () => ({ text: '{"access_token":"for-ever","expires_in":1e999}' }));
    const client = clientWith();
    await client.getAccessToken();
    now += 364 * 24 * 3_600_000;
    await client.getAccessToken();
    expect(fake.count("access")).toBe(1);
    now += 3 * 24 * 3_600_000;
    await client.getAccessToken();
    expect(fake.count("access")).toBe(2);
  });

  it("is renewed ahead of its end, and nobody waits for that", async () => {
    const client = clientWith();
    const token = await client.getAccessToken();
    now += 3_490_000;
    fake.on("access", () => ({ way: "hang" }));
    expect(await client.getAccessToken()).toBe(token);
    await vi.waitFor(() => expect(fake.count("access")).toBe(2), patient);
    client.clearCache();
    fake.on("access", () => undefined);
    const second = await client.getAccessToken();
    now += 3_490_000;
    expect(await client.getAccessToken()).toBe(second);
    await vi.waitFor(async () => expect(await client.getAccessToken()).not.toBe(second), patient);
    expect(fake.count("access")).toBe(4);
  });

  it("goes on being used when the renewal fails, which the log hears of and which is not tried at each call", async () => {
    const events: LogEvent[] = [];
    const client = clientWith({ log: (event) => events.push(event), retries: 0 });
    const token = await client.getAccessToken();
    fake.on("id", () => ({ status: 500 }));
    now += 3_490_000;
    for (let call = 0; call < 10; call += 1) expect(await client.getAccessToken()).toBe(token);
    await vi.waitFor(
      () =>
        expect(events).toContainEqual(expect.objectContaining({ level: "warn", message: expect.stringContaining("renewed") as string })),
      patient,
    );
    for (let call = 0; call < 10; call += 1) expect(await client.getAccessToken()).toBe(token);
    expect(fake.count("id")).toBe(2);
    now += 20_000;
    expect(await client.getAccessToken()).toBe(token);
    await vi.waitFor(() => expect(fake.count("id")).toBe(3), patient);
  });

  it("is its identity's alone: endpoints, client, secret and lane", async () => {
    fake.on("id", ({ text }) => {
      const form = new URLSearchParams(text);
      const token = `id.${form.get("client_id")}.${form.get("client_secret")}`;
      fake.idTokens.add(token);
      return { body: { access_token: token, expires_in: 120 } };
    });
    const others: readonly ClientOptions[] = [
      {},
      { clientId: "client-2" },
      { clientSecret: "another" },
      { lane: "ppe_x" },
      { lane: "" },
      { tokenEndpoint: `${fake.url}/token` },
      { accessTokenEndpoint: `${fake.url}/token` },
    ];
    const tokens = await Promise.all(others.map((options) => clientWith(options).getAccessToken()));
    expect(new Set(tokens).size).toBe(others.length);
    expect(await Promise.all(others.map((options) => clientWith(options).getAccessToken()))).toEqual(tokens);
    // Where variables are read has no part in it.
    expect(await clientWith({ outboundEndpoint: "http://127.0.0.1:1", timeout: 1 }).getAccessToken()).toBe(tokens[0]);
  });

  it("is forgotten by clearCache, also one that is just being fetched", async () => {
    const client = clientWith();
    const token = await client.getAccessToken();
    client.clearCache();
    const second = client.getAccessToken();
    client.clearCache();
    const third = await client.getAccessToken();
    expect(new Set([token, await second, third]).size).toBe(3);
    expect(await client.getAccessToken()).toBe(third);
  });
});

describe("an ID token", () => {
  it("is used again while it lives, also for a second access token", async () => {
    fake.idTokenLife = 7200;
    fake.accessTokenLife = 60;
    const client = clientWith();
    await client.getAccessToken();
    now += 60_000;
    await client.getAccessToken();
    expect(flows()).toEqual([1, 2]);
    now += 7_140_000;
    await client.getAccessToken();
    expect(flows()).toEqual([2, 3]);
  });

  it.each([undefined, null, "120", 0])("whose life is %j is used once", async (life) => {
    fake.idTokenLife = life;
    fake.accessTokenLife = 60;
    const client = clientWith();
    await client.getAccessToken();
    now += 60_000;
    await client.getAccessToken();
    expect(flows()).toEqual([2, 2]);
  });

  it("that is refused before its time is replaced once, without the caller's knowing", async () => {
    fake.accessTokenLife = 60;
    const client = clientWith();
    await client.getAccessToken();
    fake.idTokens.clear();
    now += 60_000;
    await expect(client.getAccessToken()).resolves.toMatch(/^access\./);
    expect(flows()).toEqual([2, 3]);
  });

  it("that was fetched a moment ago and is refused is the caller's error", async () => {
    fake.on("access", () => ({ status: 400, body: { error: "invalid_grant" } }));
    await expect(clientWith().getAccessToken()).rejects.toMatchObject({ code: "invalid_grant", status: 400 });
    expect(flows()).toEqual([1, 1]);
  });
});

describe("an access token that an outbound call refuses", () => {
  it("is replaced once, and the call repeated", async () => {
    const client = clientWith();
    const token = await client.getAccessToken();
    fake.accessTokens.clear();
    expect(await client.getIntegrationCredential("github")).toBe("credential-of-github");
    expect(await client.getAccessToken()).not.toBe(token);
    expect(flows()).toEqual([2, 2]);
    expect(fake.count("integration")).toBe(2);
  });

  it("is replaced once for all who were refused", async () => {
    const client = clientWith();
    await client.getAccessToken();
    fake.accessTokens.clear();
    await Promise.all(Array.from({ length: 16 }, () => client.getProjectEnvVars()));
    expect(flows()[1]).toBeLessThanOrEqual(3);
  });

  it("and so is its successor: then the caller hears of it, and the next call begins anew", async () => {
    fake.on("env", () => ({ status: 401, body: { code: 401, msg: "suspended" } }));
    const client = clientWith();
    const error: unknown = await client.getProjectEnvVars().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OutboundError);
    expect(error).toMatchObject({
      message: "Client error (401): Project environment variables request failed with status 401: suspended",
      code: 401,
    });
    expect(fake.count("env")).toBe(2);
    expect(flows()).toEqual([2, 2]);
    fake.on("env", () => undefined);
    await client.getProjectEnvVars();
    expect(flows()).toEqual([3, 3]);
  });
});

describe("the store", () => {
  it("is one for the process, and holds a thousand identities, the latest used", () => {
    expect(storeFor(Date.now)).toBe(storeFor(Date.now));
    const store = new IdentityStore(clock);
    const first = store.of("0");
    for (let at = 1; at < 1000; at += 1) store.of(String(at));
    expect(store.of("0")).toBe(first);
    const second = store.of("1");
    store.of("1000");
    expect(store.size).toBe(1000);
    expect([store.of("0"), store.of("1")]).toEqual([first, second]);
    expect(store.of("0")).toBe(first);
  });
});
