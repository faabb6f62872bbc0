import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adminKey, type Legate, legateHere, legateProcess, openLegateServer, temporary } from "./legate.ts";

const folder = temporary();
let server: Awaited<ReturnType<typeof openLegateServer>>;
let env: Record<string, string>;
let account: string;

interface Made {
  readonly workloadIdentityName: string;
  readonly workloadIdentityArn: string;
  readonly roleArn: string;
  readonly role?: RoleMade;
}
interface RoleMade {
  readonly roleName: string;
  readonly roleArn: string;
  readonly policyName?: string;
  readonly trustPolicy: { readonly Statement: readonly Record<string, unknown>[] };
  readonly permissionPolicy: { readonly Statement: readonly Record<string, unknown>[] };
}

beforeAll(async () => {
  server = await openLegateServer(folder.path);
  env = { LEGATE_URL: server.address, LEGATE_OPERATOR_KEY: adminKey };
  const here = legateHere(folder.path);
  account = (await here.json<{ accountId: string }>(["whoami"], { env })).accountId;
  const key = await here.json<Record<string, string>>(["access-keys", "create", "--rights", "admin", "--show"], { env });
  env = { ...env, ALIBABA_CLOUD_ACCESS_KEY_ID: key["accessKeyId"] ?? "", ALIBABA_CLOUD_ACCESS_KEY_SECRET: key["accessKeySecret"] ?? "" };
});
afterAll(async () => {
  await server.close();
  folder.remove();
});

const arnOf = (name: string) => `acs:agentidentity:cn-beijing:${account}:workloadidentitydirectory/default/workloadidentity/${name}`;

describe.each(["legate", "alibaba"] as const)("roles and workload identities of --cloud %s", (cloud) => {
  let legate: Legate;
  // The SDK looks for the cloud's credentials in its own process.
  beforeAll(() => {
    legate = legateProcess(folder.path);
  });
  const where = () => ["--cloud", cloud, ...(cloud === "alibaba" ? ["--endpoint", server.address] : [])];
  const run = (...words: readonly string[]) => legate.run([...words, ...where()], { env });
  const json = <T>(...words: readonly string[]) => legate.json<T>([...words, ...where()], { env });
  const roles = async () =>
    (await legateHere(folder.path).json<{ items: { name: string }[] }>(["roles", "list"], { env })).items.map(({ name }) => name);
  const agents = async () =>
    (await legateHere(folder.path).json<{ items: { name: string }[] }>(["agents", "list"], { env })).items.map(({ name }) => name);

  test("a workload identity gets a role of its own, with both policies, printed whole", async () => {
    const name = `scout-${cloud}`;
    const made = await json<Made>("create-workload-identity", "--workload-identity-name", name, "--gateway");
    const role = `AgentIdentityRole-${name}`;
    expect(made).toMatchObject({
      workloadIdentityName: name,
      workloadIdentityArn: arnOf(name),
      roleArn: `acs:ram::${account}:role/${role}`,
      role: { roleName: role, ...(cloud === "alibaba" && { policyName: `AgentIdentityPolicy-${role}` }) },
    });
    expect(made.role?.trustPolicy.Statement[0]).toMatchObject({
      Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": arnOf(name) } },
    });
    expect(made.role?.permissionPolicy.Statement).toHaveLength(3);
    const agent = await legateHere(folder.path).json(["agents", "get", name], { env });
    expect(agent).toMatchObject({ roleArn: made.roleArn, description: `Workload identity for ${name}` });
    expect(await roles()).toContain(role);

    // Again: refused without a word of what is there, and answered with one.
    expect(await run("create-workload-identity", "--workload-identity-name", name)).toMatchObject({ code: 6, stdout: "" });
    expect(await roles()).toContain(role);
    const again = await json<Made>("create-workload-identity", "--workload-identity-name", name, "--if-not-exists");
    expect(again).toEqual({ workloadIdentityName: name, workloadIdentityArn: arnOf(name), roleArn: made.roleArn });
    const roleAgain = await json<RoleMade>("create-role", "--workload-identity-name", name, "--if-not-exists");
    expect(roleAgain.roleArn).toBe(made.roleArn);

    const shown = await run("create-role", "--role-name", `shown-${cloud}`);
    expect(shown.code).toBe(0);
    for (const line of ["Trust Policy:", "Permission Policy:", "tokenvault/default/apikeycredentialprovider/*", "workloadidentity/*"])
      expect(shown.stdout).toContain(line);
    expect(shown.stdout).not.toContain("…");
  });

  test("a role without a name is called after chance", async () => {
    const { roleName } = await json<RoleMade>("create-role");
    expect(roleName).toMatch(/^AgentIdentityRole-[0-9a-f]{8}$/);
  });

  test("a role that is named is taken, and none is made", async () => {
    const before = await roles();
    const name = `given-${cloud}`;
    const arn = `acs:ram::${account}:role/elsewhere`;
    const urls = " https://a.example/back , ,https://b.example/back";
    const words = ["--associated-role-arn", arn, "--allowed-resource-oauth2-return-urls", urls];
    expect(await json("create-workload-identity", "--workload-identity-name", name, ...words)).not.toHaveProperty("role");
    expect(await legateHere(folder.path).json(["agents", "get", name], { env })).toMatchObject({
      roleArn: arn,
      allowedReturnUrls: ["https://a.example/back", "https://b.example/back"],
    });
    expect(await roles()).toEqual(before);
  });

  test("what was made is taken back, and told, when the last step fails", async () => {
    const before = await roles();
    const failed = await run("create-workload-identity", "--workload-identity-name", `lost-${cloud}`, "--identity-provider-name", "nobody");
    expect(failed).toMatchObject({ code: 5, stdout: "" });
    expect(failed.stderr).toContain(`Taken back: role AgentIdentityRole-lost-${cloud}.`);
    expect(await roles()).toEqual(before);
    expect(await agents()).not.toContain(`lost-${cloud}`);
    // The names are free again.
    expect((await run("create-workload-identity", "--workload-identity-name", `lost-${cloud}`)).code).toBe(0);
  });

  test("a dry run shows every request, and makes none of them", async () => {
    const before = [await roles(), await agents()];
    const { requests } = await json<{ requests: { method: string }[] }>(
      "create-workload-identity",
      "--workload-identity-name",
      `dry-${cloud}`,
      "--dry-run",
    );
    expect(requests.map(({ method }) => method)).toEqual(Array.from({ length: cloud === "alibaba" ? 4 : 2 }, () => "POST"));
    expect([await roles(), await agents()]).toEqual(before);
  });
});

test("without credentials of the cloud, and with wrong ones, nothing is made", async () => {
  const legate = legateProcess(folder.path);
  const words = ["create-role", "--cloud", "alibaba", "--endpoint", server.address, "--json"];
  const none = { ALIBABA_CLOUD_ECS_METADATA_DISABLED: "true" };
  expect((await legate.run(words, { env: none })).code).toBe(3);
  const wrong = {
    ...none,
    ALIBABA_CLOUD_ACCESS_KEY_ID: env["ALIBABA_CLOUD_ACCESS_KEY_ID"] ?? "",
    ALIBABA_CLOUD_ACCESS_KEY_SECRET: "CANARY",
  };
  const refused = await legate.run(words, { env: wrong });
  expect([refused.code, refused.stderr.includes("CANARY")]).toEqual([3, false]);
  expect((await legate.run(["create-role", "--region", "cn-hangzhou"], { env })).code).toBe(2);
});
