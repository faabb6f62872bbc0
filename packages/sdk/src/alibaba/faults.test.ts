import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, chmodSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeAlibaba, refusal } from "../testing/fake-alibaba.ts";
import { unsignedJwt } from "../testing/fake-legate.ts";
import {
  AgentContext,
  ApiError,
  AuthorizationDeniedError,
  AuthorizationExpiredError,
  AuthorizationFailedError,
  AuthorizationRequiredError,
  ConfigurationError,
  ConnectionError,
  IdentityClient,
  type IdentityClientOptions,
  IdentityError,
  PollTimeoutError,
  withAccessToken,
  withApiKey,
  withStsCredential,
  withWorkloadAccessToken,
} from "./index.ts";

let fake: FakeAlibaba;
let time: { now: number };
let waits: number[];
const folders: string[] = [];
beforeEach(async () => {
  fake = await FakeAlibaba.start();
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
  waits = [];
  fake.clock = () => time.now;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await fake.stop();
  for (const folder of folders.splice(0)) {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true, force: true });
  }
});

const clientWith = (options: IdentityClientOptions = {}) =>
  new IdentityClient({
    ...fake.options,
    clock: () => time.now,
    random: () => 0.5,
    sleep: async (ms) => {
      waits.push(ms);
      time.now += ms;
    },
    ...options,
  });
const folder = () => {
  const made = mkdtempSync(join(tmpdir(), "legate-alibaba-"));
  folders.push(made);
  return made;
};
const keyWith = (client: IdentityClient | IdentityClientOptions, workloadName?: string) =>
  withApiKey({ client, provider: "search", workloadName }, ({ apiKey }) => apiKey);
const tokenWith = (options: IdentityClientOptions = {}) =>
  withAccessToken({ client: clientWith(options), provider: "drive" }, ({ accessToken }) => accessToken);
const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.unreachable("it should have failed"),
    (error: unknown) => error,
  );

describe("endpoint, region, credentials, workload and user can be said", () => {
  it("to each wrapper, as options or as a client", async () => {
    fake.workloads.set("other", { role: true });
    fake.keys.set("ak_2", { secret: "another secret" });
    const credentials = { accessKeyId: "ak_2", accessKeySecret: "another secret" };
    const asOptions = keyWith({ endpoint: fake.url, region: "eu-central-1", credentials, workloadName: "other", clock: () => time.now });
    expect(await AgentContext.run({ userId: "alice" }, () => asOptions())).toBe("key/other/alice/role/search/-");
    expect(fake.seen[0]?.signer).toBe("ak_2");
    expect(await keyWith(clientWith(), "other")()).toBe("key/other/-/role/search/-");
    expect(await keyWith(clientWith())()).toBe("key/mail/-/role/search/-");
  });

  it("by the environment, which is read when the first call is made", async () => {
    const wrapped = withApiKey({ provider: "search" }, ({ apiKey }) => apiKey);
    vi.stubEnv("AGENT_IDENTITY_ENDPOINT", fake.url);
    vi.stubEnv("AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME", "mail");
    vi.stubEnv("ALIBABA_CLOUD_ACCESS_KEY_ID", "ak_1");
    vi.stubEnv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-of-ak_1");
    fake.clock = Date.now;
    expect(await wrapped()).toBe("key/mail/-/role/search/-");
    vi.stubEnv("AGENT_IDENTITY_USE_STS", "false");
    expect(await wrapped()).toBe("key/mail/-/caller/search/-");
  });

  it.each([
    [
      {},
      {},
      ["https://agentidentity.cn-beijing.aliyuncs.com", "https://agentidentitydata.cn-beijing.aliyuncs.com", "https://ram.aliyuncs.com"],
    ],
    [
      { region: "eu-central-1" },
      {},
      [
        "https://agentidentity.eu-central-1.aliyuncs.com",
        "https://agentidentitydata.eu-central-1.aliyuncs.com",
        "https://ram.aliyuncs.com",
      ],
    ],
    [{ endpoint: "legate.example.com/" }, {}, Array.from({ length: 3 }, () => "https://legate.example.com")],
    [{ endpoint: "http://h:1/t/acme" }, {}, Array.from({ length: 3 }, () => "http://h:1/t/acme")],
    [
      { endpoint: "agentidentity-vpc.cn-hangzhou.aliyuncs.com" },
      {},
      [
        "https://agentidentity-vpc.cn-hangzhou.aliyuncs.com",
        "https://agentidentitydata-vpc.cn-hangzhou.aliyuncs.com",
        "https://ram.aliyuncs.com",
      ],
    ],
    [{}, { AGENT_IDENTITY_ENDPOINT: "http://e", AGENT_IDENTITY_DATA_ENDPOINT: "http://d" }, ["http://e", "http://d", "http://e"]],
    [{ dataEndpoint: "http://mine" }, { AGENT_IDENTITY_ENDPOINT: "http://e" }, ["http://e", "http://mine", "http://e"]],
    [{ endpoint: "http://mine" }, { AGENT_IDENTITY_DATA_ENDPOINT: "http://d" }, ["http://mine", "http://mine", "http://mine"]],
  ])("%j with %j leads to %j", (options, variables, [control, data, ram]) => {
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    expect(new IdentityClient(options).endpoints).toMatchObject({ control, data, ram });
  });

  it.each([
    { region: "x@127.0.0.1:1#" },
    { endpoint: "ftp://x" },
    { endpoint: "https://user:canary@x" },
    { endpoint: "https://x/?canary" },
    { credentials: { accessKeyId: "a" } },
    { credentials: { accessKeyId: "a b", accessKeySecret: "canary" } },
    { sts: { sessionDuration: 1.5 } },
    { timeoutMs: -1 },
  ])("%j is refused when the client is made, and not quoted", (options) => {
    expect(() => new IdentityClient(options)).toThrow(ConfigurationError);
    expect(() => new IdentityClient(options)).not.toThrow(/canary/);
  });
});

describe("polling", () => {
  const asked = (more: Partial<Parameters<typeof withAccessToken>[0]> = {}, client = clientWith()) =>
    withAccessToken({ client, provider: "drive", onAuthUrl: () => undefined, ...more }, ({ accessToken }) => accessToken);

  it("waits longer each time, until there is a token", async () => {
    fake.consent = "pending";
    let polls = 0;
    fake.on("GetResourceOAuth2Token", ({ params }) => {
      if (params.SessionURI !== undefined) polls += 1;
      if (polls === 6) fake.consent = "granted";
      return undefined;
    });
    const shown: string[] = [];
    const token = await asked({ onAuthUrl: (url, { sessionUri }) => void shown.push(url, sessionUri) })();
    expect(token).toMatch(/^token\/mail\/-\/role\/drive/);
    expect(shown).toEqual([`${fake.url}/consent`, "urn:ietf:params:oauth:request_uri:s1"]);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(new Set(waits).size).toBeGreaterThan(3);
  });

  it("ends at once at a definitive answer, with its reason", async () => {
    for (const [code, status, kind] of [
      ["Forbidden.AuthorizationDenied", 403, AuthorizationDeniedError],
      ["AuthorizationExpired", 409, AuthorizationExpiredError],
      ["AuthorizationFailed", 409, AuthorizationFailedError],
      ["EntityNotExists.OAuth2CredentialProvider", 404, ApiError],
    ] as const) {
      fake.consent = "pending";
      fake.on("GetResourceOAuth2Token", ({ params }) => (params.SessionURI === undefined ? undefined : refusal(status, code)));
      const before = fake.count("GetResourceOAuth2Token");
      const error = await failure(asked()());
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject({ code, status, requestId: "req-1" });
      expect(fake.count("GetResourceOAuth2Token") - before).toBe(2);
    }
  });

  it.each([
    ["FAILED", AuthorizationFailedError],
    ["EXPIRED", AuthorizationExpiredError],
    ["USER_DENIED", AuthorizationDeniedError],
  ])("heeds the status %s", async (SessionStatus, kind) => {
    fake.consent = "pending";
    fake.on("GetResourceOAuth2Token", ({ params }) => (params.SessionURI === undefined ? undefined : { body: { SessionStatus } }));
    expect(await failure(asked()())).toBeInstanceOf(kind);
  });

  it("outlasts a service that is briefly away or throttles, as it says", async () => {
    fake.consent = "pending";
    const answers = [
      refusal(502, "x"),
      refusal(400, "Throttling.User", "slow down", { "x-acs-retry-after": "7000" }),
      { text: "<html>", status: 503 },
    ];
    fake.on("GetResourceOAuth2Token", ({ params }) => {
      if (params.SessionURI === undefined) return undefined;
      const answer = answers.shift();
      if (!answer) fake.consent = "granted";
      return answer;
    });
    expect(await asked()()).toMatch(/^token/);
    expect(Math.max(...waits)).toBe(7_000);
  });

  it("has a deadline", async () => {
    fake.consent = "pending";
    const error = await failure(asked({ poll: { timeoutMs: 30_000 } })());
    expect(error).toBeInstanceOf(PollTimeoutError);
    expect(error).toMatchObject({ url: `${fake.url}/consent`, sessionUri: "urn:ietf:params:oauth:request_uri:s1" });
    expect(waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(30_000);
  });

  it("can be ended by a signal", async () => {
    fake.consent = "pending";
    const ended = new AbortController();
    const sleep = async () => ended.abort(new Error("enough"));
    await expect(asked({ poll: { signal: ended.signal } }, clientWith({ sleep }))()).rejects.toThrow("enough");
  });

  it("is not done where nobody could know of it, nor where it is not wanted", async () => {
    fake.consent = "pending";
    const silent = await failure(asked({ onAuthUrl: undefined })());
    expect(silent).toBeInstanceOf(AuthorizationRequiredError);
    expect(silent).toMatchObject({ url: `${fake.url}/consent` });
    const told = vi.fn<(url: string) => void>();
    expect(await failure(asked({ onAuthUrl: told, pollForToken: false })())).toBeInstanceOf(AuthorizationRequiredError);
    expect(told).toHaveBeenCalledOnce();
    expect(waits).toEqual([]);
    fake.consent = "granted";
    expect(await asked({ onAuthUrl: undefined, pollForToken: true })()).toMatch(/^token/);
  });
});

describe("the role's keys", () => {
  it("are not asked for where AGENT_IDENTITY_USE_STS is off: a workload without a role gets its credentials", async () => {
    fake.workloads.set("mail", { role: false });
    expect(await keyWith(clientWith({ useSts: false }))()).toBe("key/mail/-/caller/search/-");
    expect(await tokenWith({ useSts: false })()).toMatch(/^token\/mail\/-\/caller/);
    expect(fake.count("AssumeRoleForWorkloadIdentity")).toBe(0);
    expect(await failure(keyWith(clientWith())())).toMatchObject({
      code: "MissingRoleArn",
      message: expect.stringContaining("AGENT_IDENTITY_USE_STS=false") as string,
    });
  });

  it("can be narrowed and shortened, for signing and for the function", async () => {
    const client = clientWith({ sts: { sessionDuration: 900, policy: '{"Version":"1"}' } });
    await keyWith(client)();
    await withStsCredential({ client }, () => undefined)();
    await withStsCredential({ client, sessionDuration: 7_200, policy: "{}", sessionName: "mine" }, () => undefined)();
    expect(fake.asked("AssumeRoleForWorkloadIdentity")).toEqual([
      expect.objectContaining({ DurationSeconds: "900", Policy: '{"Version":"1"}' }),
      expect.objectContaining({ DurationSeconds: "900", Policy: '{"Version":"1"}' }),
      expect.objectContaining({ DurationSeconds: "7200", Policy: "{}", RoleSessionName: "mine" }),
    ]);
  });

  it.each(["True", "TRUE", "1", "true", "yes"])("are used where AGENT_IDENTITY_USE_STS is %s", (value) => {
    vi.stubEnv("AGENT_IDENTITY_USE_STS", value);
    expect(new IdentityClient().useSts).toBe(true);
  });

  it.each(["False", "FALSE", "0", "off"])("are not used where it is %s", (value) => {
    vi.stubEnv("AGENT_IDENTITY_USE_STS", value);
    expect(new IdentityClient().useSts).toBe(false);
  });

  it("are a question where it is neither", () => {
    vi.stubEnv("AGENT_IDENTITY_USE_STS", "maybe");
    expect(() => new IdentityClient()).toThrow(/AGENT_IDENTITY_USE_STS must be true or false/);
  });
});

describe("requests", () => {
  it("of a warm call are one at most, with the role's keys and without", async () => {
    for (const useSts of [true, false]) {
      const client = clientWith({ useSts });
      const fns = [
        keyWith(client),
        withAccessToken({ client, provider: "drive", fresh: true }, ({ accessToken }) => accessToken),
        withAccessToken({ client, provider: "drive" }, ({ accessToken }) => accessToken),
        withStsCredential({ client }, ({ stsCredential }) => stsCredential.accessKeyId),
        withWorkloadAccessToken({ client }, ({ workloadAccessToken }) => workloadAccessToken),
      ];
      for (const [at, fn] of fns.entries()) {
        await AgentContext.run({ userId: "alice" }, () => fn());
        const before = fake.count();
        await AgentContext.run({ userId: "alice" }, () => fn());
        expect(fake.count() - before, `of the ${at}. with ${useSts}`).toBe(at < 2 ? 1 : 0);
      }
    }
  });

  it("of a cold call are three at most, and shared by all who ask at the same time", async () => {
    const client = clientWith();
    const results = await Promise.all(Array.from({ length: 64 }, () => AgentContext.run({ userId: "alice" }, () => tokenOf(client)())));
    expect(new Set(results).size).toBe(1);
    expect(fake.seen.map(({ action }) => action)).toEqual([
      "GetWorkloadAccessTokenForUserId",
      "AssumeRoleForWorkloadIdentity",
      "GetResourceOAuth2Token",
    ]);
  });
  const tokenOf = (client: IdentityClient) => withAccessToken({ client, provider: "drive" }, ({ accessToken }) => accessToken);

  it("come again ahead of an end: the keys' and the token's own, not a fixed time", async () => {
    const key = keyWith(clientWith());
    await key();
    time.now += 500_000;
    await key();
    expect([fake.count("GetWorkloadAccessToken"), fake.count("AssumeRoleForWorkloadIdentity")]).toEqual([1, 1]);
    time.now += 1_100_000;
    await key();
    expect([fake.count("GetWorkloadAccessToken"), fake.count("AssumeRoleForWorkloadIdentity")]).toEqual([1, 2]);
    time.now += 150_000;
    await key();
    expect([fake.count("GetWorkloadAccessToken"), fake.count("AssumeRoleForWorkloadIdentity")]).toEqual([2, 2]);
    fake.roleKeyLife = 120;
    time.now += 600_000;
    await key();
    time.now += 60_000;
    await key();
    expect(fake.count("AssumeRoleForWorkloadIdentity")).toBe(3);
    time.now += 50_000;
    await key();
    expect(fake.count("AssumeRoleForWorkloadIdentity")).toBe(4);
  });

  it("come again soon for a token that does not say when it ends", async () => {
    fake.workloadTokenLife = undefined;
    const key = keyWith(clientWith());
    await key();
    time.now += 200_000;
    await key();
    expect(fake.count("GetWorkloadAccessToken")).toBe(1);
    time.now += 100_000;
    await key();
    expect(fake.count("GetWorkloadAccessToken")).toBe(2);
  });

  it("heal by themselves once what was kept is refused", async () => {
    const key = keyWith(clientWith());
    await key();
    fake.workloadTokens.clear();
    expect(await key()).toBe("key/mail/-/role/search/-");
    for (const id of fake.keys.keys()) if (id.startsWith("tk_")) fake.keys.delete(id);
    expect(await key()).toBe("key/mail/-/role/search/-");
    fake.workloadTokens.clear();
    for (const id of fake.keys.keys()) if (id.startsWith("tk_")) fake.keys.delete(id);
    expect(await key()).toBe("key/mail/-/role/search/-");
  });

  it("of one user never answer another's", async () => {
    const client = clientWith();
    const key = keyWith(client);
    const users = ["alice", "bob", "alice", "carol"];
    expect(await Promise.all(users.map((userId) => AgentContext.run({ userId }, () => key())))).toEqual(
      users.map((user) => `key/mail/${user}/role/search/-`),
    );
    const proven = unsignedJwt({ iss: "i", sub: "alice" });
    expect(await AgentContext.run({ userToken: proven }, () => key())).toBe("key/mail/jwt:alice/role/search/-");
  });

  it("leave the loop to others: nothing blocks", async () => {
    let open = () => undefined as void;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    fake.on("GetResourceAPIKey", async () => {
      await gate;
      return undefined;
    });
    const key = keyWith(clientWith())();
    let turns = 0;
    while (fake.count("GetResourceAPIKey") === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    for (; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(turns).toBe(20);
    open();
    expect(await key).toMatch(/^key/);
  });
});

describe("the environment's workload access token", () => {
  it("is used in a fresh context, and needs no credentials of the caller's", async () => {
    fake.workloadTokens.set("given-token", { workload: "mail", user: "env" });
    vi.stubEnv("AGENT_IDENTITY_ENDPOINT", fake.url);
    vi.stubEnv("AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN", "given-token");
    const client = new IdentityClient({ clock: () => time.now, credentials: () => expect.unreachable("nobody needs them") });
    expect(await keyWith(client)()).toBe("key/mail/env/role/search/-");
    expect(await AgentContext.run({}, () => withWorkloadAccessToken({ client }, ({ workloadAccessToken }) => workloadAccessToken)())).toBe(
      "given-token",
    );
    fake.workloadTokens.set("in-context", { workload: "mail", user: "context" });
    expect(await AgentContext.run({ workloadToken: "in-context" }, () => keyWith(client)())).toBe("key/mail/context/role/search/-");
    await expect(AgentContext.run({ userId: "alice" }, () => keyWith(client)())).rejects.toBeInstanceOf(IdentityError);
  });

  it("is not sent to a server that the environment does not name", async () => {
    vi.stubEnv("AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN", "given-token");
    expect(await keyWith(clientWith())()).toBe("key/mail/-/role/search/-");
    expect(fake.count("GetWorkloadAccessToken")).toBe(1);
  });
});

describe("a workload that nobody named", () => {
  const local = (file: string | false, register = {}) =>
    clientWith({ workloadName: undefined, localWorkload: { file, register: { CreateRAMRole: true, ...register } } });
  const said = () => vi.spyOn(process.stderr, "write").mockReturnValue(true);

  it("is made once, works for every credential, and is written once, whole, beside what else is there", async () => {
    const quiet = said();
    const file = join(folder(), ".config.json");
    writeFileSync(file, '{"inbound_app_id":"7"}');
    const client = local(file, { AllowedResourceOAuth2ReturnURLs: ["https://app/back"] });
    const name = ((await keyWith(client)()) ?? "").split("/")[1] ?? "";
    expect(name).toMatch(/^workload-[0-9a-f]{8}$/);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ inbound_app_id: "7", workload_identity_name: name });
    const written = readFileSync(file);
    rmSync(file);
    await keyWith(client)();
    expect(readdirSync(join(file, ".."))).toEqual([]);
    writeFileSync(file, written);
    expect(await keyWith(local(file))()).toBe(`key/${name}/-/role/search/-`);
    expect(fake.count("CreateWorkloadIdentity")).toBe(1);
    expect(fake.asked("CreateWorkloadIdentity")[0]).toMatchObject({
      CreateRAMRole: "true",
      AllowedResourceOAuth2ReturnURLs: '["https://app/back"]',
    });
    expect(quiet.mock.calls.flat().join("")).toContain("was made up");
    quiet.mockRestore();
  });

  it("is the same for processes that start together", async () => {
    const quiet = said();
    const file = join(folder(), ".config.json");
    const keys = await Promise.all(Array.from({ length: 8 }, () => keyWith(local(file))()));
    expect(new Set(keys).size).toBe(1);
    quiet.mockRestore();
  });

  it("is kept in memory where nothing can be written, or where that is wanted", async () => {
    const quiet = said();
    const before = readdirSync(".").toSorted();
    const inMemory = local(false);
    expect(await keyWith(inMemory)()).toBe(await keyWith(inMemory)());
    expect(readdirSync(".").toSorted()).toEqual(before);
    expect(fake.count("CreateWorkloadIdentity")).toBe(1);
    const closed = join(folder(), "closed");
    mkdirSync(closed);
    chmodSync(closed, 0o500);
    // Root may write in any folder of the disk's, and in none of the kernel's.
    const readOnly = local(join(process.getuid?.() === 0 ? "/sys" : closed, ".config.json"));
    expect(await keyWith(readOnly)()).toMatch(/^key\/workload-/);
    expect(readdirSync(closed)).toEqual([]);
    chmodSync(closed, 0o700);
    quiet.mockRestore();
  });

  it("is made again where the server does not know the file's", async () => {
    const file = join(folder(), ".config.json");
    writeFileSync(file, '{"workload_identity_name":"workload-lost"}');
    expect(await keyWith(local(file))()).toBe("key/workload-lost/-/role/search/-");
    await expect(keyWith(clientWith({ workloadName: "nobody" }))()).rejects.toMatchObject({ code: "EntityNotExists.WorkloadIdentity" });
    expect(fake.count("CreateWorkloadIdentity")).toBe(1);
  });

  it("is not guessed from a file that cannot be understood", async () => {
    const file = join(folder(), ".config.json");
    writeFileSync(file, "{");
    await expect(keyWith(local(file))()).rejects.toBeInstanceOf(ConfigurationError);
    expect(fake.seen).toEqual([]);
  });
});

describe("the context", () => {
  it("is over when its function is, also after an error", async () => {
    const key = keyWith(clientWith());
    await AgentContext.run({ userId: "alice" }, () => Promise.reject(new Error("mine"))).catch(() => undefined);
    expect(await key()).toBe("key/mail/-/role/search/-");
  });

  it("with a user's token that is no JWT sends nothing: the user id beside it is not used instead", async () => {
    for (const userToken of ["", "no jwt", "a.b", "a.b.c.d"]) {
      const error = await failure(AgentContext.run({ userToken, userId: "alice" }, () => keyWith(clientWith())()));
      expect(error).toBeInstanceOf(IdentityError);
      if (userToken !== "") expect((error as Error).message).not.toContain(userToken);
      await expect(clientWith().getWorkloadAccessToken({ userToken, userId: "alice" })).rejects.toBeInstanceOf(IdentityError);
      await expect(clientWith().confirmUserAuth({ sessionUri: "urn:s", userToken })).rejects.toBeInstanceOf(IdentityError);
    }
    await expect(clientWith().getWorkloadAccessToken({ userId: "" })).rejects.toBeInstanceOf(IdentityError);
    await expect(clientWith().confirmUserAuth({ sessionUri: "urn:s" })).rejects.toBeInstanceOf(IdentityError);
    expect(fake.seen).toEqual([]);
  });

  it("with a user's token that the service refuses tells so", async () => {
    fake.on("GetWorkloadAccessTokenForJWT", () => refusal(400, "InvalidParameter.JsonWebToken"));
    const userToken = unsignedJwt({ iss: "i", sub: "s" });
    await expect(AgentContext.run({ userToken, userId: "alice" }, () => keyWith(clientWith())())).rejects.toMatchObject({
      code: "InvalidParameter.JsonWebToken",
    });
    expect(fake.count("GetWorkloadAccessTokenForUserId")).toBe(0);
  });
});

describe("an answer that is none", () => {
  it.each([
    [{ status: 502, text: "<html>bad gateway" }, 502],
    [{ status: 500, text: "" }, 500],
    [{ status: 200, text: "" }, 200],
    [{ status: 200, body: {} }, 200],
    [{ status: 200, body: { APIKey: "" } }, 200],
    [{ status: 200, body: { APIKey: ["canary"] } }, 200],
    [{ status: 302, text: "", headers: { location: "http://elsewhere" } }, 302],
    [{ status: 404, body: { detail: "not ours" } }, 404],
  ])("%j keeps its HTTP status, and is no undefined", async (reply, status) => {
    fake.on("GetResourceAPIKey", () => reply);
    const error = await failure(keyWith(clientWith())());
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: "unexpected_answer", status });
    expect(inspect(error)).not.toContain("canary");
  });

  it.each([
    ["GetWorkloadAccessToken", { WorkloadIdentityArn: "x" }],
    ["AssumeRoleForWorkloadIdentity", { Credentials: { AccessKeyId: "a" } }],
    ["GetResourceOAuth2Token", {}],
    ["GetResourceOAuth2Token", { AuthorizationURL: "https://x" }],
  ])("of %s: %j", async (action, body) => {
    fake.on(action, () => ({ body }));
    await expect(tokenWith()()).rejects.toMatchObject({ code: "unexpected_answer" });
  });

  it("of a server that is not there names the reason", async () => {
    const client = clientWith({ endpoint: "http://127.0.0.1:9", retries: 0 });
    expect(await failure(keyWith(client)())).toBeInstanceOf(ConnectionError);
  });

  it("that throttles says when to come back, in either spelling", async () => {
    fake.on("ListWorkloadIdentities", () => refusal(429, "Throttling.User", "slow", { "x-acs-retry-after": "1500" }));
    await expect(clientWith({ retries: 0 }).control.request("ListWorkloadIdentities", {})).rejects.toMatchObject({ retryAfter: 1.5 });
    fake.on("ListWorkloadIdentities", () => ({
      status: 503,
      text: '{"code":"ServiceUnavailable","message":"m","requestId":"r2"}',
    }));
    await expect(clientWith({ retries: 0 }).control.request("ListWorkloadIdentities", {})).rejects.toMatchObject({
      code: "ServiceUnavailable",
      message: "m",
      requestId: "r2",
    });
  });
});

describe("what an error says", () => {
  it("names the place that was asked where something is not there, and what is allowed where a return URL is not", async () => {
    const missing = await failure(clientWith({ workloadName: "nobody" }).getWorkloadAccessToken());
    expect((missing as Error).message).toContain(fake.url);
    fake.on("GetResourceOAuth2Token", () => refusal(400, "Missmatch.ResourceOAuth2ReturnURL"));
    expect(((await failure(tokenWith()())) as Error).message).toContain("AllowedResourceOAuth2ReturnURLs");
    fake.on("GetResourceOAuth2Token", () => refusal(400, "MissingParameter.ResourceOAuth2ReturnURL"));
    expect(((await failure(tokenWith()())) as Error).message).toContain("callbackUrl");
  });

  it("is never a secret, though the server says it all back", async () => {
    const userToken = unsignedJwt({ iss: "i", sub: "canary" });
    const seen: unknown[] = [];
    for (const action of ["GetWorkloadAccessTokenForJWT", "AssumeRoleForWorkloadIdentity", "GetResourceAPIKey", "GetResourceOAuth2Token"]) {
      fake.on(action, ({ params }) =>
        refusal(400, "Echo", JSON.stringify(params), { "x-acs-request-id": params.WorkloadAccessToken ?? "r" }),
      );
      const client = clientWith();
      for (const call of [keyWith(client), withAccessToken({ client, provider: "drive" }, () => undefined)]) {
        const error = await AgentContext.run({ userToken }, () => call()).catch((thrown: unknown) => thrown);
        if (error instanceof ApiError) seen.push(error);
      }
      seen.push(client, client.control);
      fake.on(action, () => undefined);
    }
    const secrets = [
      userToken,
      ...fake.workloadTokens.keys(),
      ...[...fake.keys.values()].flatMap((key) => [key.secret, key.securityToken ?? key.secret]),
    ];
    const text = seen.map((one) => `${inspect(one, { depth: null, showHidden: true })} ${JSON.stringify(one)}`).join("\n");
    expect(text).toContain("[hidden]");
    for (const secret of secrets) expect(text).not.toContain(secret);
  });

  it("nor is one written anywhere", async () => {
    const spies = [
      vi.spyOn(process.stdout, "write"),
      vi.spyOn(process.stderr, "write"),
      vi.spyOn(console, "log"),
      vi.spyOn(console, "warn"),
    ];
    await AgentContext.run({ userId: "alice" }, () => keyWith(clientWith())());
    await failure(AgentContext.run({ userToken: "canary" }, () => keyWith(clientWith())()));
    for (const spy of spies) {
      expect(spy.mock.calls.flat().join("")).not.toMatch(/canary|secret-of-ak_1/);
      spy.mockRestore();
    }
  });
});

describe("what the original cannot ask for", () => {
  it("is asked: another vault, an audience, and what goes into a consent", async () => {
    const client = clientWith();
    const options = {
      ...{ client, provider: "drive", vault: "team", audience: "https://api", scopes: ["b", "a"], callbackUrl: "https://app/back" },
      ...{ flow: "USER_FEDERATION" as const, forceAuthentication: true, customParameters: { prompt: "consent" } },
    };
    await AgentContext.run(
      { userId: "alice", customState: "from the context" },
      withAccessToken(options, () => undefined),
    );
    await AgentContext.run(
      { userId: "alice", customState: "x" },
      withAccessToken({ ...options, customState: "own" }, () => undefined),
    );
    expect(fake.asked("GetResourceOAuth2Token").map(({ WorkloadAccessToken: _, ...rest }) => rest)).toEqual(
      ["from the context", "own"].map((CustomState) => ({
        ...{ ResourceCredentialProviderName: "drive", TokenVaultName: "team", Audience: "https://api", Scopes: '["b","a"]' },
        ...{ ResourceOAuth2ReturnURL: "https://app/back", OAuth2Flow: "USER_FEDERATION", ForceAuthentication: "true" },
        ...{ CustomParameters: '{"prompt":"consent"}', CustomState },
      })),
    );
    expect(await withApiKey({ client, provider: "search", vault: "team" }, ({ apiKey }) => apiKey)()).toBe("key/mail/-/role/search/team");
  });

  it("is not, for M2M: neither a user nor anything of a consent", async () => {
    const client = clientWith();
    const options = { client, provider: "drive", flow: "M2M" as const, callbackUrl: "https://app/back", forceAuthentication: true };
    const token = await AgentContext.run(
      { userId: "alice", customState: "s" },
      withAccessToken(options, ({ accessToken }) => accessToken),
    );
    expect(token).toMatch(/^token\/mail\/-\/role\/drive\/-\/M2M/);
    expect(Object.keys(fake.asked("GetResourceOAuth2Token")[0] ?? {}).toSorted()).toEqual([
      ...["OAuth2Flow", "ResourceCredentialProviderName", "WorkloadAccessToken"],
    ]);
  });
});
