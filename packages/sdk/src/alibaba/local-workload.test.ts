import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeAlibaba, refusal } from "../testing/fake-alibaba.ts";
import { AgentContext, IdentityClient, type IdentityClientOptions, withApiKey, withStsCredential } from "./index.ts";

let fake: FakeAlibaba;
let folder: string;
let file: string;
beforeEach(async () => {
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  fake = await FakeAlibaba.start();
  folder = mkdtempSync(join(tmpdir(), "legate-workload-"));
  file = join(folder, ".config.json");
});
afterEach(async () => {
  vi.restoreAllMocks();
  await fake.stop();
  rmSync(folder, { recursive: true });
});

const clientWith = (options: IdentityClientOptions = {}) =>
  new IdentityClient({ ...fake.options, workloadName: undefined, localWorkload: { file }, retries: 0, ...options });
const keyWith = (client: IdentityClient) => withApiKey({ client, provider: "search" }, ({ apiKey }) => apiKey);
const made = () => fake.asked("CreateWorkloadIdentity");

describe("a workload that was made up", () => {
  it("can fetch any credential, though nothing is said of how it is made", async () => {
    expect(await keyWith(clientWith())()).toMatch(/^key\/workload-[0-9a-f]{8}\/-\/role\//);
    expect(made()).toEqual([expect.objectContaining({ CreateRAMRole: "true" })]);
  });

  it.each([
    [
      { AllowedResourceOAuth2ReturnURLs: ["https://app/back"] },
      { CreateRAMRole: "true", AllowedResourceOAuth2ReturnURLs: '["https://app/back"]' },
    ],
    [{ RoleArn: "acs:ram::1:role/mine" }, { RoleArn: "acs:ram::1:role/mine" }],
    [{ CreateRAMRole: false }, { CreateRAMRole: "false" }],
  ])("is made as said: %j", async (register, sent) => {
    await keyWith(clientWith({ localWorkload: { file, register } }))().catch(() => undefined);
    const { WorkloadIdentityName: _, ...rest } = made()[0] ?? {};
    expect(rest).toEqual(sent);
  });

  it("has no role where none is taken on", async () => {
    await keyWith(clientWith({ useSts: false }))();
    expect(Object.keys(made()[0] ?? {})).toEqual(["WorkloadIdentityName"]);
  });

  it("and has no role leads to the file that remembers it; one that was named does not", async () => {
    writeFileSync(file, '{"workload_identity_name":"roleless"}');
    fake.workloads.set("roleless", { role: false });
    const message = expect.stringContaining(file) as string;
    await expect(keyWith(clientWith())()).rejects.toMatchObject({ code: "MissingRoleArn", status: 400, requestId: "req-1", message });
    await expect(withStsCredential({ client: clientWith() }, () => undefined)()).rejects.toMatchObject({ code: "MissingRoleArn", message });
    const named = await keyWith(clientWith({ workloadName: "roleless" }))().catch((error: unknown) => error);
    expect(named).toMatchObject({ code: "MissingRoleArn" });
    expect((named as Error).message).not.toContain(file);
  });
});

describe("a workload that the server has lost", () => {
  const users = Array.from({ length: 8 }, (_, at) => `user-${at}`);
  const lost = () => writeFileSync(file, '{"workload_identity_name":"workload-lost"}');
  const ask = (client: IdentityClient) =>
    Promise.all(users.map((userId) => AgentContext.run({ userId }, () => keyWith(client)()).catch((error: Error) => error.message)));

  it("is made again once, for all who ask at the same time", async () => {
    lost();
    // Not all of them learn of it before it is made again.
    let late = 4;
    fake.on("GetWorkloadAccessTokenForUserId", async ({ params }) => {
      if (Number(params.UserId?.slice(-1)) < 4 || late === 0) return undefined;
      late -= 1;
      while (!fake.workloads.has("workload-lost")) await new Promise((resolve) => setTimeout(resolve, 2));
      await new Promise((resolve) => setTimeout(resolve, 50));
      return refusal(404, "EntityNotExists.WorkloadIdentity");
    });
    expect(await ask(clientWith())).toEqual(users.map((user) => `key/workload-lost/${user}/role/search/-`));
    expect(made()).toHaveLength(1);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ workload_identity_name: "workload-lost" });
  });

  it("is tried again by the next call where it could not be made", async () => {
    lost();
    fake.script("CreateWorkloadIdentity", refusal(503, "ServiceUnavailable"));
    const client = clientWith();
    await expect(keyWith(client)()).rejects.toMatchObject({ status: 503 });
    expect(await keyWith(client)()).toBe("key/workload-lost/-/role/search/-");
  });

  it("is not made again for one caller's impatience", async () => {
    lost();
    const leaving = new AbortController();
    let open = () => undefined as void;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    fake.on("CreateWorkloadIdentity", async () => {
      await gate;
      return undefined;
    });
    const client = clientWith();
    const impatient = AgentContext.run({ userId: "bob" }, () =>
      withApiKey({ client, provider: "search", signal: leaving.signal }, ({ apiKey }) => apiKey)(),
    );
    const patient = AgentContext.run({ userId: "alice" }, () => keyWith(client)());
    while (fake.count("GetWorkloadAccessTokenForUserId") < 2 || made().length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    leaving.abort(new Error("left"));
    await expect(impatient).rejects.toThrow("left");
    open();
    expect(await patient).toBe("key/workload-lost/alice/role/search/-");
  });

  it("is made again no second time: who deleted it meant it", async () => {
    lost();
    const client = clientWith();
    await keyWith(client)();
    fake.workloads.delete("workload-lost");
    fake.workloadTokens.clear();
    await expect(keyWith(client)()).rejects.toMatchObject({ code: "EntityNotExists.WorkloadIdentity" });
    expect(made()).toHaveLength(1);
  });
});
