import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeCoze } from "../testing/fake-coze.ts";
import { Client, loadProjectEnv, OutboundError, VariableError, type Variables, WorkloadIdentityError } from "./index.ts";

let fake: FakeCoze;
let client: Client;
beforeEach(async () => {
  fake = await FakeCoze.start();
  client = new Client({ ...fake.options, retries: 0 });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await fake.stop();
});

it("sets what is not set, and answers the names; what is set stays unless it is to be replaced", async () => {
  fake.secrets = [
    { key: "A", value: "project" },
    { key: "B", value: "line one\nline two = '\"" },
    { key: "C", value: "project" },
    { key: "A", value: "second" },
  ];
  const into: Variables = { A: "mine", C: "", D: "mine" };
  expect(await loadProjectEnv({ client, into })).toEqual(["B"]);
  expect(into).toEqual({ A: "mine", B: "line one\nline two = '\"", C: "", D: "mine" });
  expect(await loadProjectEnv({ client, into, override: true })).toEqual(["A", "B", "C"]);
  expect(into).toEqual({ A: "project", B: "line one\nline two = '\"", C: "project", D: "mine" });
});

it("fills the process's environment by a client that the environment describes", async () => {
  const { options } = fake;
  vi.stubEnv("COZE_WORKLOAD_IDENTITY_CLIENT_ID", options.clientId);
  vi.stubEnv("COZE_WORKLOAD_IDENTITY_CLIENT_SECRET", options.clientSecret);
  vi.stubEnv("COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT", options.tokenEndpoint);
  vi.stubEnv("COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT", options.accessTokenEndpoint);
  vi.stubEnv("COZE_OUTBOUND_AUTH_ENDPOINT", options.outboundEndpoint);
  fake.secrets = [{ key: "TEST_OF_PROJECT_ENV", value: "仓库" }];
  try {
    expect(await loadProjectEnv()).toEqual(["TEST_OF_PROJECT_ENV"]);
    expect(process.env["TEST_OF_PROJECT_ENV"]).toBe("仓库");
    expect(await loadProjectEnv()).toEqual([]);
  } finally {
    delete process.env["TEST_OF_PROJECT_ENV"];
  }
});

it("names a project where it is told one", async () => {
  await loadProjectEnv({ client, into: {}, projectId: "shop" });
  expect(fake.asked("env")[0]?.url).toBe("/secret/env?project_id=shop");
});

it.each([
  ["", ""],
  ["A=B", ""],
  ["A\0", ""],
  ["A\ud800", ""],
  ["A", "\0"],
  ["A", "\udc00"],
])("sets nothing at all where a name is %j and its value ends in %j", async (key, end) => {
  fake.secrets = [
    { key: "GOOD", value: "1" },
    { key, value: `canary${end}` },
  ];
  const into = {};
  const error: unknown = await loadProjectEnv({ client, into, allow: [key] }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(VariableError);
  expect(error).toBeInstanceOf(WorkloadIdentityError);
  expect((error as Error).message).toMatch(/cannot stand in an environment: /);
  expect((error as Error).message.endsWith(`: ${JSON.stringify(key)}`)).toBe(true);
  expect((error as Error).message).not.toContain("canary");
  expect(into).toEqual({});
});

describe("what steers the process", () => {
  const steering = [
    ...["NODE_OPTIONS", "NODE_TLS_REJECT_UNAUTHORIZED", "NODE_EXTRA_CA_CERTS", "NODE_REPL_EXTERNAL_MODULE", "NODE_PATH"],
    ...[
      "LD_PRELOAD",
      "LD_\n",
      "DYLD_INSERT_LIBRARIES",
      "COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT",
      "COZE_OUTBOUND_AUTH_ENDPOINT",
      "LEGATE_URL",
    ],
    ...["node_options", "Ld_Library_Path"],
  ];

  it.each(steering)("is refused, and nothing is set: %j", async (key) => {
    fake.secrets = [
      { key: "GOOD", value: "1" },
      { key, value: "canary" },
    ];
    const into: Variables = {};
    for (const options of [{}, { override: true }, { allow: ["GOOD", "NODE", "LD_*"] }]) {
      const error: unknown = await loadProjectEnv({ client, into, ...options }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(VariableError);
      expect((error as Error).message).toContain(JSON.stringify(key));
      expect((error as Error).message).not.toMatch(/canary|GOOD/);
      expect(into).toEqual({});
    }
    expect(await loadProjectEnv({ client, into, allow: [key] })).toEqual(["GOOD", key]);
    expect(into).toEqual({ GOOD: "1", [key]: "canary" });
  });

  it("is refused in the process itself, all names at once, also where something is set", async () => {
    vi.stubEnv("NODE_PATH", "mine");
    fake.secrets = ["TEST_OF_PROJECT_ENV", "NODE_PATH", "NODE_TLS_REJECT_UNAUTHORIZED", "LD_PRELOAD"].map((key) => ({ key, value: "0" }));
    const before = { ...process.env };
    await expect(loadProjectEnv({ client, allow: ["LD_PRELOAD"] })).rejects.toThrow(/: "NODE_PATH", "NODE_TLS_REJECT_UNAUTHORIZED"$/);
    expect({ ...process.env }).toEqual(before);
  });

  it("is not what merely looks like it", async () => {
    const keys = ["NODE_ENV", "NODE_OPTIONS_2", "MY_NODE_OPTIONS", "OLD_KEY", "LD", "LEGATED", "COZE_PROJECT_ID", "PATH", "HTTPS_PROXY"];
    fake.secrets = keys.map((key) => ({ key, value: "1" }));
    expect(await loadProjectEnv({ client, into: {} })).toEqual(keys);
  });

  it("is named in a text of bounded length", async () => {
    fake.secrets = Array.from({ length: 5_000 }, (_, at) => ({ key: `LD_${at}`, value: "1" }));
    const error: unknown = await loadProjectEnv({ client, into: {} }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VariableError);
    expect((error as Error).message.length).toBeLessThan(2_200);
  });
});

it("changes no prototype", async () => {
  fake.secrets = [{ key: "__proto__", value: "x" }];
  const into: Variables = {};
  expect(await loadProjectEnv({ client, into })).toEqual(["__proto__"]);
  expect(Object.entries(into)).toEqual([["__proto__", "x"]]);
  expect(Object.getPrototypeOf(into)).toBe(Object.prototype);
});

it("sets nothing when the variables cannot be had", async () => {
  fake.on("env", () => ({ status: 403, body: { code: 3, msg: "no" } }));
  const into = {};
  await expect(loadProjectEnv({ client, into })).rejects.toBeInstanceOf(OutboundError);
  expect(into).toEqual({});
});
