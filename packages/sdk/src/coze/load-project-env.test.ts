import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FakeCoze } from "../testing/fake-coze.ts";
import { Client, loadProjectEnv, OutboundError, type Variables, WorkloadIdentityError } from "./index.ts";

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
  fake.secrets = [{ key: "LEGATE_TEST_OF_PROJECT_ENV", value: "仓库" }];
  try {
    expect(await loadProjectEnv()).toEqual(["LEGATE_TEST_OF_PROJECT_ENV"]);
    expect(process.env["LEGATE_TEST_OF_PROJECT_ENV"]).toBe("仓库");
    expect(await loadProjectEnv()).toEqual([]);
  } finally {
    delete process.env["LEGATE_TEST_OF_PROJECT_ENV"];
  }
});

it("names a project where it is told one", async () => {
  await loadProjectEnv({ client, into: {}, projectId: "shop" });
  expect(fake.asked("env")[0]?.url).toBe("/secret/env?project_id=shop");
});

it.each(["", "A=B", "A\0"])("sets nothing at all where a name is %j", async (key) => {
  fake.secrets = [
    { key: "GOOD", value: "1" },
    { key, value: "canary" },
  ];
  const into = {};
  const error: unknown = await loadProjectEnv({ client, into }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(WorkloadIdentityError);
  expect((error as Error).message).toMatch(/cannot stand in an environment/);
  expect((error as Error).message).not.toContain("canary");
  expect(into).toEqual({});
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
