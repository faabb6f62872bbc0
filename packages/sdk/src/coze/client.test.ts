import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeCoze } from "../testing/fake-coze.ts";
import { Client, ConfigurationError, envKeys, WorkloadIdentityError } from "./index.ts";

const patient = { timeout: 20_000 };
let fake: FakeCoze;
beforeEach(async () => {
  fake = await FakeCoze.start();
  for (const name of Object.keys(process.env)) if (name.startsWith("COZE_")) vi.stubEnv(name, undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await fake.stop();
});

const stubEnvironment = (more: Readonly<Record<string, string | undefined>> = {}) => {
  const { clientId, clientSecret, tokenEndpoint, accessTokenEndpoint, outboundEndpoint } = fake.options;
  const variables = {
    COZE_WORKLOAD_IDENTITY_CLIENT_ID: clientId,
    COZE_WORKLOAD_IDENTITY_CLIENT_SECRET: clientSecret,
    COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT: tokenEndpoint,
    COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT: accessTokenEndpoint,
    COZE_OUTBOUND_AUTH_ENDPOINT: outboundEndpoint,
    ...more,
  };
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
};
const thrownBy = (act: () => unknown): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return expect.unreachable("it should have thrown");
};

describe("the configuration", () => {
  it("comes from the environment, read when the client is made and not afterwards", async () => {
    stubEnvironment();
    const client = new Client();
    vi.stubEnv("COZE_WORKLOAD_IDENTITY_CLIENT_SECRET", "another");
    vi.stubEnv("COZE_OUTBOUND_AUTH_ENDPOINT", "");
    expect(await client.getIntegrationCredential("github")).toBe("credential-of-github");
  });

  it("names everything that is missing, in one error and in the original's words; what is empty is missing", () => {
    const error = thrownBy(() => new Client());
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error).toBeInstanceOf(WorkloadIdentityError);
    expect((error as Error).message).toBe(
      "Missing required environment variables: COZE_WORKLOAD_IDENTITY_CLIENT_ID, COZE_WORKLOAD_IDENTITY_CLIENT_SECRET, COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT, COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT",
    );
    stubEnvironment({ COZE_WORKLOAD_IDENTITY_CLIENT_SECRET: "", COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT: undefined });
    expect(() => new Client()).toThrow(
      /^Missing required environment variables: COZE_WORKLOAD_IDENTITY_CLIENT_SECRET, COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT$/,
    );
    expect(() => new Client({ clientSecret: "s", accessTokenEndpoint: "" })).toThrow(
      /^Missing required environment variables: COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT$/,
    );
  });

  it.each([
    ["an endpoint that is no URL", { tokenEndpoint: "api.coze.cn/token" }],
    ["an endpoint of another kind", { accessTokenEndpoint: "ftp://127.0.0.1/token" }],
    ["a password in an endpoint", { outboundEndpoint: "https://user:canary-password@127.0.0.1/" }],
    ["a lane that no header holds", { lane: "a\r\nx-admin: 1" }],
    ["a lane beyond Latin-1", { lane: "泳道" }],
    ["no time at all", { timeout: 0 }],
    ["half a time", { timeout: [1, 0.5] as const }],
    ["retries without end", { retries: Infinity }],
  ])("is refused with %s, before anything is sent, and nothing of it is quoted", (_, more) => {
    const error = thrownBy(() => new Client({ ...fake.options, ...more }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).not.toMatch(/canary|admin/);
    expect(fake.seen).toEqual([]);
  });

  it("may lack the outbound endpoint until it is needed", async () => {
    const client = new Client({ ...fake.options, outboundEndpoint: "" });
    await expect(client.getAccessToken()).resolves.toMatch(/^access\./);
    const before = fake.seen.length;
    for (const [act, text] of [
      [
        () => client.getIntegrationCredential("x"),
        "COZE_OUTBOUND_AUTH_ENDPOINT environment variable is required for integration credentials",
      ],
      [() => client.getProjectEnvVars(), "COZE_OUTBOUND_AUTH_ENDPOINT environment variable is required for project environment variables"],
    ] as const) {
      const error: unknown = await act().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ConfigurationError);
      expect((error as Error).message).toBe(text);
    }
    expect(fake.seen).toHaveLength(before);
  });

  it("has a constant for every name", () => {
    const { DEFAULT_COZE_SERVER_ENV, DEFAULT_COZE_SKILL_ENV_ENDPOINT, ...names } = envKeys;
    expect([DEFAULT_COZE_SERVER_ENV, DEFAULT_COZE_SKILL_ENV_ENDPOINT]).toEqual([
      "NONE",
      "https://www.coze.cn/api/coze_claw/skill/get_skill_envs",
    ]);
    for (const [name, value] of Object.entries(names)) expect(value).toBe(name);
    expect(Object.keys(names)).toHaveLength(22);
  });
});

describe("the wire", () => {
  it("is the original's: two forms and then a bearer token", async () => {
    const client = new Client({ ...fake.options, clientSecret: fake.options.clientSecret });
    await client.getIntegrationCredential("github");
    await client.getProjectEnvVars();
    const [id, access, integration, env] = fake.seen;
    const formOf = (text = "") => Object.fromEntries(new URLSearchParams(text));
    expect(formOf(id?.text)).toEqual({ client_id: "client-1", client_secret: "secret-of-client-1", grant_type: "client_credentials" });
    expect(formOf(access?.text)).toEqual({
      client_id: "client-1",
      subject_token: [...fake.idTokens][0],
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    });
    for (const seen of [id, access]) {
      expect(seen).toMatchObject({ method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" } });
      expect(seen?.headers["user-agent"]).toMatch(/^coze-workload-identity\/0\.1\.14\b/);
      expect(seen?.headers).not.toHaveProperty("authorization");
    }
    const headers = { "content-type": "application/json", authorization: `Bearer ${[...fake.accessTokens][0]}` };
    expect(integration).toMatchObject({ method: "POST", url: "/secret/integration", text: '{"integration_name":"github"}', headers });
    expect(env).toMatchObject({ method: "GET", url: "/secret/env", text: "", headers });
  });

  it("has one URL for both steps, as Coze's own cloud", async () => {
    const endpoint = `${fake.url}/token`;
    await new Client({ ...fake.options, tokenEndpoint: endpoint, accessTokenEndpoint: endpoint }).getAccessToken();
    expect(fake.seen.map(({ url, route }) => [url, route])).toEqual([
      ["/token", "id"],
      ["/token", "access"],
    ]);
  });

  it("encodes what a form must encode, and names in any script", async () => {
    const clientSecret = "a b+c&d=e%20\u00e9\u{1f511}";
    fake.on("id", ({ text }) =>
      new URLSearchParams(text).get("client_secret") === clientSecret ? { body: { access_token: "id.x" } } : { status: 401 },
    );
    fake.idTokens.add("id.x");
    fake.credentials["仓库"] = "found";
    expect(await new Client({ ...fake.options, clientSecret }).getIntegrationCredential("仓库")).toBe("found");
  });

  it("of 0.1.2 is there for servers that have no other", async () => {
    const client = new Client({ ...fake.options, legacy: true });
    expect(await client.getIntegrationCredential("github")).toBe("credential-of-github");
    await client.getProjectEnvVars("a/b c");
    expect(fake.seen.slice(2).map(({ method, url }) => `${method} ${url}`)).toEqual(["POST /secret", "GET /secret/env?project_id=a%2Fb+c"]);
  });

  it("has no double slash where the outbound endpoint ends in one", async () => {
    const client = new Client({ ...fake.options, outboundEndpoint: `${fake.url}/secret/` });
    expect((await client.getProjectEnvVars()).get("GREETING")).toBe("hello");
    expect(fake.asked("env")[0]?.url).toBe("/secret/env");
  });
});

describe("a lane", () => {
  const lanes: readonly (readonly [string | undefined, string | undefined, string | undefined])[] = [
    [undefined, undefined, undefined],
    ["NONE", undefined, undefined],
    ["none", "none", undefined],
    ["", "", undefined],
    ["ppe_blue", "ppe_blue", "1"],
    ["PPE_blue", "PPE_blue", undefined],
    ["boe_green", "boe_green", undefined],
    ["anything", "anything", undefined],
  ];
  it.each(lanes)("%j sends x-tt-env %j and x-use-ppe %j with each of the four requests", async (lane, env, ppe) => {
    stubEnvironment({ COZE_SERVER_ENV: lane });
    const client = new Client();
    await client.getIntegrationCredential("github");
    await client.getProjectEnvVars();
    expect(fake.seen.map(({ route }) => route)).toEqual(["id", "access", "integration", "env"]);
    for (const { headers } of fake.seen) expect([headers["x-tt-env"], headers["x-use-ppe"]]).toEqual([env, ppe]);
  });
});

describe("a client", () => {
  it("works on after it was closed, and is disposed of by `await using`", async () => {
    let kept: Client;
    {
      await using client = new Client(fake.options);
      kept = client;
      await client.getAccessToken();
    }
    await kept.close();
    expect(await kept.getIntegrationCredential("github")).toBe("credential-of-github");
  });

  it("ends its calls when its own signal or the call's aborts, with that signal's reason", async () => {
    fake.on("env", () => ({ way: "hang" }));
    const whole = new AbortController();
    const client = new Client({ ...fake.options, signal: whole.signal });
    const call = new AbortController();
    const first = client.getProjectEnvVars(undefined, { signal: call.signal });
    const second = client.getProjectEnvVars();
    await vi.waitFor(() => expect(fake.count("env")).toBe(2), patient);
    call.abort(new Error("the call's"));
    await expect(first).rejects.toThrow(/^the call's$/);
    whole.abort(new Error("the client's"));
    await expect(second).rejects.toThrow(/^the client's$/);
    await expect(client.getAccessToken()).rejects.toThrow(/^the client's$/);
  });
});
