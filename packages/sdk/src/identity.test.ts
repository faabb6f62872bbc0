import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AgentContext, type AgentContextValues, LegateClient, withApiKey, withWorkloadToken } from "./index.ts";
import { FakeLegate, keyOf, no, unsignedJwt } from "./testing/fake-legate.ts";

let fake: FakeLegate;
beforeEach(async () => {
  fake = await FakeLegate.start();
  vi.stubEnv("LEGATE_URL", fake.url);
  vi.stubEnv("LEGATE_AGENT_KEY", keyOf("mail"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await fake.stop();
});

const token = withWorkloadToken({}, ({ workloadToken }: { workloadToken: string }) => workloadToken);
const tokenFor = (values: AgentContextValues) => AgentContext.run(values, token);
const userOf = async (values: AgentContextValues) => fake.workloadTokens.get(await tokenFor(values))?.user;

const alice = unsignedJwt({ iss: "https://issuer", sub: "alice" });
const platformTokenOf = (issuer: string, subject: string) => unsignedJwt({ sub: "usr_1", user_iss: issuer, user_sub: subject });

describe("who the agent acts for", () => {
  it("is the context's workload token, then its user token, then its user id, then the environment's token, then the agent alone", async () => {
    vi.stubEnv("LEGATE_WORKLOAD_TOKEN", platformTokenOf("https://issuer", "alice"));
    expect(await tokenFor({ workloadToken: "wat.mine", userToken: alice, userId: "alice" })).toBe("wat.mine");
    expect(await userOf({ userToken: alice, userId: "bob" })).toBe("https://issuer#alice");
    expect(await userOf({ userId: "alice" })).toBe("alice");
    expect(await tokenFor({})).toBe(platformTokenOf("https://issuer", "alice"));
    expect(await token()).toBe(platformTokenOf("https://issuer", "alice"));
    vi.stubEnv("LEGATE_WORKLOAD_TOKEN", "");
    expect(await userOf({})).toBe("-");
    expect(fake.bodies("createWorkloadToken")).toEqual([{ userToken: alice }, { userId: "alice" }, {}]);
  });

  it.each([
    ["another user's id", { userId: "bob" }],
    ["a user token of another subject", { userToken: unsignedJwt({ iss: "https://issuer", sub: "bob" }) }],
    ["a user token of another issuer", { userToken: unsignedJwt({ iss: "https://elsewhere", sub: "alice" }) }],
    ["a user token without a subject", { userToken: unsignedJwt({ iss: "https://issuer" }) }],
    ["a user token of another, beside the right id", { userId: "alice", userToken: unsignedJwt({ iss: "https://issuer", sub: "bob" }) }],
  ])("is an error when the environment's token stands beside %s", async (_, values) => {
    vi.stubEnv("LEGATE_WORKLOAD_TOKEN", platformTokenOf("https://issuer", "alice"));
    await expect(tokenFor(values)).rejects.toMatchObject({ name: "IdentityError", message: expect.stringContaining("does not name") });
    expect(fake.seen).toEqual([]);
  });

  it.each(["opaque", unsignedJwt({ sub: "agt_1" }), unsignedJwt({ user_sub: "alice" }), "a.b.c"])(
    "is an error when the environment's token names no user and the context does: %s",
    async (platform) => {
      vi.stubEnv("LEGATE_WORKLOAD_TOKEN", platform);
      await expect(tokenFor({ userId: "alice" })).rejects.toMatchObject({ name: "IdentityError" });
      await expect(tokenFor({ userToken: alice })).rejects.toMatchObject({ name: "IdentityError" });
      expect(await tokenFor({})).toBe(platform);
    },
  );

  it("is the environment's token when it names the context's user and the process has no key of its own", async () => {
    vi.stubEnv("LEGATE_AGENT_KEY", "");
    const platform = platformTokenOf("https://issuer", "alice");
    vi.stubEnv("LEGATE_WORKLOAD_TOKEN", platform);
    expect(await tokenFor({ userToken: alice })).toBe(platform);
    vi.stubEnv("LEGATE_WORKLOAD_TOKEN", "");
    await expect(tokenFor({ userToken: alice })).rejects.toMatchObject({ name: "ConfigurationError" });
  });

  it("is never the id when the token is bad: neither one that is no JWT nor one that the server refuses", async () => {
    for (const userToken of ["", "not-a-jwt", "a.b", `${alice}.x`, "..", unsignedJwt({}).replace(/\.[^.]*\./, ".bm8.")]) {
      await expect(tokenFor({ userToken, userId: "alice" })).rejects.toMatchObject({ name: "IdentityError" });
    }
    expect(fake.seen).toEqual([]);
    fake.on("createWorkloadToken", () => no(400, "user_token_invalid", { details: { reason: "expired" } }));
    await expect(tokenFor({ userToken: alice, userId: "alice" })).rejects.toMatchObject({ code: "user_token_invalid" });
    expect(fake.bodies("createWorkloadToken")).toEqual([{ userToken: alice }]);
  });

  it("is never nobody when an empty id or workload token is given", async () => {
    await expect(tokenFor({ userId: "" })).rejects.toMatchObject({ name: "IdentityError" });
    await expect(tokenFor({ workloadToken: "", userId: "alice" })).rejects.toMatchObject({ name: "IdentityError" });
    expect(fake.seen).toEqual([]);
  });

  it.each([null, 0, 7, false, {}, ["alice"]])(
    "is never the agent alone where a value is %j, though the agent's token is at hand",
    async (value) => {
      const read = withApiKey({ provider: "search" }, ({ apiKey }: { apiKey: string }) => apiKey);
      await Promise.all([token(), read()]);
      const before = fake.seen.length;
      for (const name of ["userId", "userToken", "workloadToken"]) {
        const values: AgentContextValues = { [name]: value };
        await expect(tokenFor(values), name).rejects.toMatchObject({ name: "IdentityError" });
        await expect(AgentContext.run(values, read), name).rejects.toMatchObject({ name: "IdentityError" });
      }
      expect(fake.seen).toHaveLength(before);
    },
  );

  it("says nothing of the tokens in its errors", async () => {
    vi.stubEnv("LEGATE_WORKLOAD_TOKEN", platformTokenOf("https://issuer", "alice"));
    for (const values of [{ userId: "bob-SECRET" }, { userToken: "SECRET" }, { workloadToken: "SECRET SECRET" }]) {
      const error = await tokenFor(values).catch((failure: Error) => failure);
      expect(`${(error as Error).stack}`).not.toContain("SECRET");
    }
  });

  it("is the environment's only for the environment's own server", async () => {
    vi.stubEnv("LEGATE_WORKLOAD_TOKEN", "wat.platform");
    const use = (client: LegateClient) => withWorkloadToken({ client }, ({ workloadToken }: { workloadToken: string }) => workloadToken)();
    expect(await use(new LegateClient({ url: `${fake.url}/`, agentKey: keyOf("x") }))).toBe("wat.platform");
    vi.stubEnv("LEGATE_URL", "https://elsewhere.example");
    expect(await use(new LegateClient({ url: fake.url, agentKey: keyOf("x") }))).toBe("wat.1");
    vi.stubEnv("LEGATE_URL", "");
    expect(await use(new LegateClient({ url: fake.url, agentKey: keyOf("x") }))).toBe("wat.platform");
  });
});

describe("a workload token", () => {
  it("that we fetched and the server refuses is dropped and fetched once more, and only once", async () => {
    const read = withApiKey({ provider: "search" }, ({ apiKey }: { apiKey: string }) => apiKey);
    await read();
    fake.workloadTokens.clear();
    expect(await read()).toBe("key-of-search-for-mail");
    expect(fake.count("createWorkloadToken")).toBe(2);
    fake.on("getApiKey", () => no(401, "unauthenticated"));
    await expect(read()).rejects.toMatchObject({ code: "unauthenticated" });
    expect(fake.count("createWorkloadToken")).toBe(3);
  });

  it("that was kept is passed by with `fresh`, and what comes is kept for the others", async () => {
    const before = await token();
    const after = await withWorkloadToken({ fresh: true }, ({ workloadToken }: { workloadToken: string }) => workloadToken)();
    expect(after).not.toBe(before);
    expect(await token()).toBe(after);
  });

  it("that was given is not replaced by another identity when the server refuses it", async () => {
    const read = withApiKey({ provider: "search" }, ({ apiKey }: { apiKey: string }) => apiKey);
    await expect(AgentContext.run({ workloadToken: "wat.dead" }, read)).rejects.toMatchObject({ status: 401 });
    expect(fake.count("createWorkloadToken")).toBe(0);
  });

  it("is fetched once for 64 callers, and again ahead of its expiry; while the server is away, one that still lives serves", async () => {
    const time = { now: 1_000_000 };
    const client = new LegateClient({ url: fake.url, agentKey: keyOf("mail"), clock: () => time.now, retries: 0 });
    const own = withWorkloadToken({ client }, ({ workloadToken }: { workloadToken: string }) => workloadToken);
    expect(new Set(await Promise.all(Array.from({ length: 64 }, () => own())))).toEqual(new Set(["wat.1"]));
    time.now += 1_739_999;
    expect(await own()).toBe("wat.1");
    time.now += 1;
    fake.script("createWorkloadToken", no(503, "unavailable"));
    expect(await own()).toBe("wat.1");
    expect(await own()).toBe("wat.2");
    fake.on("createWorkloadToken", () => no(403, "agent_suspended"));
    time.now += 1_740_000;
    await expect(own()).rejects.toMatchObject({ code: "agent_suspended" });
  });
});
