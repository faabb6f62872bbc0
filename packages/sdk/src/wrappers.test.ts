import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AgentContext,
  LegateClient,
  type LegateClientOptions,
  withAccessToken,
  withApiKey,
  withStsCredential,
  withWorkloadToken,
} from "./index.ts";
import { FakeLegate, keyOf, no } from "./testing/fake-legate.ts";

let fake: FakeLegate;
let time: { now: number };
let client: LegateClient;
const clientWith = (options: Partial<LegateClientOptions> = {}) =>
  new LegateClient({ url: fake.url, agentKey: keyOf("mail"), clock: () => time.now, sleep: async () => undefined, ...options });
beforeEach(async () => {
  fake = await FakeLegate.start();
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
  fake.clock = () => time.now;
  client = clientWith();
});
afterEach(() => fake.stop());

const echo = ({ accessToken }: { accessToken: string }) => accessToken;

describe("a wrapped function", () => {
  it("gets the credential as a field of a copy of its first argument, the rest as it was", async () => {
    const input = { page: 2, accessToken: "forged" };
    const wrapped = withAccessToken({ client, provider: "github" }, (given: { accessToken: string; page: number }, ...more: number[]) => ({
      given,
      more,
    }));
    const { given, more } = await wrapped(input, 7, 8);
    expect(given).toEqual({ page: 2, accessToken: expect.stringMatching(/^mail\/-\/github/) });
    expect(more).toEqual([7, 8]);
    expect(input).toEqual({ page: 2, accessToken: "forged" });
  });

  it("may be a generator, which keeps its run wherever it is iterated", async () => {
    const read = withAccessToken({ client, provider: "github" }, function* ({ accessToken }: { accessToken: string }) {
      yield accessToken.split("/")[1];
      yield AgentContext.getUserId();
    });
    const steps = await AgentContext.run({ userId: "alice" }, () => read());
    expect(AgentContext.run({ userId: "bob" }, () => [...steps])).toEqual(["alice", "alice"]);
  });

  it("may be sync or async, has its `this`, and throws its own errors", async () => {
    expect(await withApiKey({ client, provider: "search" }, ({ apiKey }) => apiKey)()).toBe("key-of-search-for-mail");
    expect(await withApiKey({ client, provider: "search", injectAs: "key" }, async ({ key }) => key)()).toBe("key-of-search-for-mail");
    const service = {
      name: "svc",
      run: withWorkloadToken({ client }, function (this: unknown, { workloadToken }: { workloadToken: string }) {
        return `${(this as { name: string }).name}:${workloadToken}`;
      }),
    };
    expect(await service.run()).toBe("svc:wat.1");
    const mine = new Error("mine");
    await expect(withApiKey({ client, provider: "x" }, () => Promise.reject(mine))()).rejects.toBe(mine);
  });

  it("may be an async generator: it stays one, fetches when first iterated, and passes values, returns and errors through", async () => {
    const talk = withAccessToken(
      { client, provider: "github" },
      async function* ({ accessToken, n }: { accessToken: string; n: number }): AsyncGenerator<string, string, number> {
        let sum = n;
        for (;;) {
          const got: number = yield `${accessToken.split("/")[2]}:${sum}`;
          if (got === 0) return "bye";
          sum += got;
        }
      },
    );
    const steps = talk({ n: 1 });
    expect(steps[Symbol.asyncIterator]()).toBeDefined();
    expect(fake.seen).toEqual([]);
    expect(await steps.next()).toEqual({ done: false, value: "github:1" });
    expect(await steps.next(5)).toEqual({ done: false, value: "github:6" });
    expect(await steps.next(0)).toEqual({ done: true, value: "bye" });
    fake.on("getOauth2Token", () => no(404, "provider_unknown"));
    const other = withAccessToken({ client, provider: "gone" }, async function* ({ accessToken }: { accessToken: string }) {
      yield accessToken;
    });
    await expect(other().next()).rejects.toMatchObject({ code: "provider_unknown" });
  });

  it("keeps the user it was called for, though a generator is first iterated elsewhere", async () => {
    const inner = withAccessToken({ client, provider: "slack" }, echo);
    const stream = withAccessToken({ client, provider: "github" }, async function* ({ accessToken }: { accessToken: string }) {
      yield accessToken;
      yield inner();
    });
    const made: AsyncGenerator<string>[] = [];
    AgentContext.run({ userId: "alice" }, () => {
      made.push(stream());
      AgentContext.setUserId("alice");
    });
    const tokens = await AgentContext.run({ userId: "bob" }, async () => {
      const all: string[] = [];
      for (const one of made) for await (const token of one) all.push(token);
      return all;
    });
    expect(tokens.map((token) => token.split("/")[1])).toEqual(["alice", "alice"]);
  });

  it("can be wrapped again for a second credential, generators too", async () => {
    const both = withApiKey(
      { client, provider: "search" },
      withAccessToken({ client, provider: "github" }, async function* (given: { accessToken: string; apiKey: string; q: string }) {
        yield [given.q, given.apiKey, given.accessToken.split("/")[2]];
      }),
    );
    expect(await both({ q: "cats" }).next()).toMatchObject({ value: ["cats", "key-of-search-for-mail", "github"] });
  });

  it("refuses a first argument that is no object before anything is fetched", async () => {
    const wrapped = withAccessToken({ client, provider: "github" }, echo) as unknown as (input: unknown) => Promise<unknown>;
    for (const input of ["text", 7, null, [1]]) await expect(wrapped(input)).rejects.toThrow(TypeError);
    expect(fake.seen).toEqual([]);
  });

  it("says that an async generator must be wrapped as such", async () => {
    const hidden = withApiKey({ client, provider: "x" }, () => (async function* () {})());
    await expect(hidden as unknown as () => Promise<unknown>).rejects.toThrow(/async function\*/);
  });
});

describe("what is asked for", () => {
  it("is sent as the contract has it, with the context's custom state", async () => {
    const full = withAccessToken(
      {
        ...{ client, provider: "github", vault: "v", scopes: ["b", "a"], flow: "USER_FEDERATION", resource: "https://r.example/x" },
        ...{ audience: "aud", callbackUrl: "https://app.example/callback", customParameters: { prompt: "consent" } },
      },
      echo,
    );
    await AgentContext.run({ userId: "alice", customState: "st/ate" }, full);
    expect(fake.bodies("getOauth2Token")).toEqual([
      {
        ...{
          provider: "github",
          vault: "v",
          scopes: ["b", "a"],
          flow: "USER_FEDERATION",
          resource: "https://r.example/x",
          audience: "aud",
        },
        ...{ returnUrl: "https://app.example/callback", customState: "st/ate", customParameters: { prompt: "consent" } },
      },
    ]);
  });

  it("of flow M2M carries nothing of a consent", async () => {
    const machine = withAccessToken(
      {
        client,
        provider: "github",
        flow: "M2M",
        callbackUrl: "https://app.example/c",
        forceAuthentication: true,
        customParameters: { a: "b" },
      },
      echo,
    );
    await AgentContext.run({ userId: "alice", customState: "state" }, machine);
    expect(fake.bodies("getOauth2Token")).toEqual([{ provider: "github", flow: "M2M" }]);
  });

  it("is what a role's session is made with", async () => {
    const asked = { provider: "cloud", vault: "v", durationSeconds: 900, policy: '{"Version":"1"}', sessionName: "nightly" };
    await withStsCredential({ client, ...asked }, ({ stsCredential }) => stsCredential)();
    await withStsCredential({ client }, ({ stsCredential }) => stsCredential)();
    expect(fake.bodies("getStsCredential")).toEqual([asked, {}]);
  });
});

describe("a cached access token", () => {
  it("serves the same identity, whatever the order of scopes, and none that differs in any part", async () => {
    const base = { client, provider: "github", scopes: ["a", "b"] };
    const first = await withAccessToken(base, echo)();
    expect(await withAccessToken({ ...base, scopes: ["b", "a"] }, echo)()).toBe(first);
    expect(fake.count("getOauth2Token")).toBe(1);
    const others = [
      { ...base, provider: "other" },
      { ...base, vault: "v" },
      { ...base, scopes: ["a"] },
      { ...base, flow: "M2M" as const },
      { ...base, resource: "https://r.example" },
      { ...base, audience: "aud" },
    ];
    const tokens = await Promise.all(others.map((options) => withAccessToken(options, echo)()));
    tokens.push(await AgentContext.run({ userId: "alice" }, withAccessToken(base, echo)));
    tokens.push(await AgentContext.run({ userId: "bob" }, withAccessToken(base, echo)));
    expect(new Set([first, ...tokens]).size).toBe(9);
  });

  it("is asked for once by 64 callers", async () => {
    const read = withAccessToken({ client, provider: "github" }, echo);
    expect(new Set(await Promise.all(Array.from({ length: 64 }, () => read()))).size).toBe(1);
    expect(fake.count("getOauth2Token")).toBe(1);
    expect(fake.count("createWorkloadToken")).toBe(1);
  });

  it("is refreshed ahead of its expiry by a tenth of its life", async () => {
    fake.accessTokenLife = 40_000;
    const read = withAccessToken({ client, provider: "github" }, echo);
    const first = await read();
    time.now += 35_000;
    expect(await read()).toBe(first);
    time.now += 1_500;
    expect(await read()).not.toBe(first);
  });

  it("is served for a minute at most, so that a revocation bites, or as the client says", async () => {
    const read = withAccessToken({ client, provider: "github" }, echo);
    const first = await read();
    time.now += 60_000;
    expect(await read()).not.toBe(first);
    const careful = withAccessToken({ client: clientWith({ cache: { accessTokenMs: 0 } }), provider: "github" }, echo);
    expect(await careful()).not.toBe(await careful());
    const lasting = withAccessToken({ client: clientWith({ cache: { accessTokenMs: 3_600_000 } }), provider: "github" }, echo);
    const kept = await lasting();
    time.now += 1_800_000;
    expect(await lasting()).toBe(kept);
  });

  it("is passed by with `fresh`: a suspended agent is refused at the very next call", async () => {
    const read = withAccessToken({ client, provider: "github", fresh: true }, echo);
    expect(await read()).not.toBe(await read());
    fake.on("getOauth2Token", () => no(403, "agent_suspended"));
    await expect(read()).rejects.toMatchObject({ code: "agent_suspended" });
  });

  it("is not kept when its expiry is unknown", async () => {
    fake.accessTokenLife = undefined;
    const read = withAccessToken({ client, provider: "github" }, echo);
    expect(await read()).not.toBe(await read());
  });

  it("that is due for a refresh still serves while the server is away, but not once it has expired", async () => {
    fake.accessTokenLife = 40_000;
    const read = withAccessToken({ client, provider: "github" }, echo);
    const first = await read();
    fake.on("getOauth2Token", () => no(503, "unavailable"));
    time.now += 37_000;
    expect(await read()).toBe(first);
    time.now += 3_000;
    await expect(read()).rejects.toMatchObject({ code: "unavailable" });
  });
});

describe("an API key", () => {
  it("is asked for each time, once by many at the same time, and kept only where the client says so, a minute at most", async () => {
    const read = withApiKey({ client, provider: "search" }, ({ apiKey }) => apiKey);
    await Promise.all(Array.from({ length: 16 }, () => read()));
    expect(fake.count("getApiKey")).toBe(1);
    await read();
    expect(fake.count("getApiKey")).toBe(2);
    const kept = withApiKey({ client: clientWith({ cache: { apiKeyMs: 60_000 } }), provider: "search" }, ({ apiKey }) => apiKey);
    await kept();
    await kept();
    expect(fake.count("getApiKey")).toBe(3);
    expect(() => clientWith({ cache: { apiKeyMs: 60_001 } })).toThrow(/apiKeyMs/);
  });
});

describe("temporary credentials", () => {
  const read = (options: Omit<Parameters<typeof withStsCredential>[0], "injectAs" | "client"> = {}) =>
    withStsCredential({ client, ...options }, ({ stsCredential }) => stsCredential)();

  it("are had once by many, and kept for ten minutes at most, so that a revocation bites", async () => {
    const all = await Promise.all(Array.from({ length: 64 }, () => read()));
    expect(new Set(all.map(({ accessKeySecret }) => accessKeySecret)).size).toBe(1);
    expect(fake.count("getStsCredential")).toBe(1);
    expect(fake.count("createWorkloadToken")).toBe(1);
    time.now += 8 * 60_000;
    expect((await read()).accessKeySecret).toBe(all[0]?.accessKeySecret);
    time.now += 2 * 60_000;
    const next = await read();
    expect(next.accessKeySecret).not.toBe(all[0]?.accessKeySecret);
    expect(Date.parse(next.expiration)).toBe(time.now + 3_600_000);
  });

  it("are another's for another user, provider, vault, policy, session name or life", async () => {
    const others = [{ provider: "cloud" }, { vault: "v" }, { policy: "{}" }, { sessionName: "nightly" }, { durationSeconds: 900 }];
    const each = [await read(), ...(await Promise.all(others.map(read)))];
    each.push(await AgentContext.run({ userId: "alice" }, () => read()), await AgentContext.run({ userId: "bob" }, () => read()));
    expect(new Set(each.map(({ accessKeySecret }) => accessKeySecret)).size).toBe(8);
    expect(fake.count("getStsCredential")).toBe(8);
  });

  it("are not given on once a call has learnt that their workload token is dead", async () => {
    const first = await read();
    fake.workloadTokens.clear();
    await withApiKey({ client, provider: "search" }, () => undefined)();
    expect((await read()).accessKeySecret).not.toBe(first.accessKeySecret);
    expect(fake.count("getStsCredential")).toBe(2);
  });

  it("are asked for anew with `fresh`, and a refusal is not outlived", async () => {
    const first = await read();
    expect((await read({ fresh: true })).accessKeySecret).not.toBe(first.accessKeySecret);
    fake.on("getStsCredential", () => no(403, "role_refused"));
    await expect(read({ fresh: true })).rejects.toMatchObject({ code: "role_refused" });
  });
});

describe("an abort", () => {
  it("of one caller leaves the others their token", async () => {
    const gate: { open: () => void } = { open: () => undefined };
    fake.on("getOauth2Token", async () => {
      await new Promise<void>((resolve) => {
        gate.open = resolve;
      });
      return undefined;
    });
    const leaving = new AbortController();
    const left = withAccessToken({ client, provider: "github", signal: leaving.signal }, echo)();
    const stayed = withAccessToken({ client, provider: "github" }, echo)();
    while (fake.count("getOauth2Token") === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    gate.open();
    await expect(stayed).resolves.toMatch(/^mail/);
    expect(fake.count("getOauth2Token")).toBe(1);
  });
});
