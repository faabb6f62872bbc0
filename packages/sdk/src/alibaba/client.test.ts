import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeAlibaba, refusal } from "../testing/fake-alibaba.ts";
import { unsignedJwt } from "../testing/fake-legate.ts";
import {
  AgentContext,
  callbackHandler,
  type IdentityClientOptions,
  IdentityClient,
  requiresAccessToken,
  requiresApiKey,
  requiresStsToken,
  requiresWorkloadAccessToken,
  type StsCredential,
  withApiKey,
} from "./index.ts";

let fake: FakeAlibaba;
let time: { now: number };
let client: IdentityClient;
const clientWith = (options: IdentityClientOptions = {}) =>
  new IdentityClient({ ...fake.options, clock: () => time.now, sleep: async () => undefined, ...options });
beforeEach(async () => {
  fake = await FakeAlibaba.start();
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
  fake.clock = () => time.now;
  client = clientWith();
});
afterEach(() => {
  vi.unstubAllEnvs();
  return fake.stop();
});

describe("the client", () => {
  it("makes a workload identity, under a name of its own or a made-up one", async () => {
    expect(
      await client.createWorkloadIdentity({
        workloadName: "scout",
        roleArn: "acs:ram::1:role/x",
        allowedResourceOAuth2ReturnUrls: ["https://app/back"],
        identityProviderName: "idp",
        sessionBindingEnabled: false,
        createRamRole: true,
        description: "d",
      }),
    ).toBe("scout");
    expect(await client.createWorkloadIdentity()).toMatch(/^workload-[0-9a-f]{8}$/);
    expect(fake.asked("CreateWorkloadIdentity")).toEqual([
      {
        ...{ WorkloadIdentityName: "scout", Description: "d", RoleArn: "acs:ram::1:role/x", CreateRAMRole: "true" },
        ...{ AllowedResourceOAuth2ReturnURLs: '["https://app/back"]', IdentityProviderName: "idp", SessionBindingEnabled: "false" },
      },
      { WorkloadIdentityName: expect.any(String) as string, AllowedResourceOAuth2ReturnURLs: "[]" },
    ]);
    await expect(client.createWorkloadIdentity({ workloadName: "scout" })).rejects.toMatchObject({
      code: "EntityAlreadyExists.WorkloadIdentity",
      status: 409,
    });
  });

  it("gets a workload access token by the user's token, by a user's id, or for the workload alone, in this order", async () => {
    const userToken = unsignedJwt({ iss: "i", sub: "s" });
    await client.getWorkloadAccessToken({ workloadName: "mail", userToken, userId: "alice" });
    await client.getWorkloadAccessToken({ userId: "alice" });
    await client.getWorkloadAccessToken();
    expect(fake.seen.map(({ action, params }) => [action, params])).toEqual([
      ["GetWorkloadAccessTokenForJWT", { WorkloadIdentityName: "mail", UserToken: userToken }],
      ["GetWorkloadAccessTokenForUserId", { WorkloadIdentityName: "mail", UserId: "alice" }],
      ["GetWorkloadAccessToken", { WorkloadIdentityName: "mail" }],
    ]);
    await expect(clientWith({ workloadName: undefined }).getWorkloadAccessToken()).rejects.toThrow(/Which workload/);
  });

  it("confirms a consent for one user, by id or by token", async () => {
    const userToken = unsignedJwt({ sub: "s" });
    await client.confirmUserAuth({ sessionUri: "urn:s", userId: "alice" });
    await client.confirmUserAuth({ sessionUri: "urn:s", userToken });
    expect(fake.asked("CompleteResourceTokenAuth")).toEqual([
      { SessionURI: "urn:s", UserIdentifier: '{"UserId":"alice"}' },
      { SessionURI: "urn:s", UserIdentifier: JSON.stringify({ UserJWT: userToken }) },
    ]);
    await expect(client.confirmUserAuth({ sessionUri: "urn:s", userId: "alice", userToken })).rejects.toThrow(/one of both/);
  });

  it("gets tokens and API keys for a token in hand, signed by the role's keys, the caller's, or those given", async () => {
    const workloadAccessToken = await client.getWorkloadAccessToken({ userId: "alice" });
    const ask = { credentialProviderName: "drive", workloadAccessToken };
    expect(await client.getToken({ ...ask, scopes: ["read"], authFlow: "USER_FEDERATION" })).toMatch(
      /^token\/mail\/alice\/role\/drive\/-\/USER_FEDERATION\/\["read"\]/,
    );
    expect(await client.getApiKey({ ...ask, tokenVaultName: "team" })).toBe("key/mail/alice/role/drive/team");
    expect(await clientWith({ useSts: false }).getApiKey(ask)).toBe("key/mail/alice/caller/drive/-");
    const signers = fake.count();
    const credential = await client.getStsCredentialClient({ workloadAccessToken, sessionDuration: 1_800, policy: "{}" });
    expect(await client.getApiKey({ ...ask, credential })).toBe("key/mail/alice/role/drive/-");
    expect(await client.getApiKey({ ...ask, credential: fake.options.credentials })).toBe("key/mail/alice/caller/drive/-");
    expect(fake.count() - signers).toBe(3);
    expect(fake.asked("AssumeRoleForWorkloadIdentity").at(-1)).toMatchObject({ DurationSeconds: "1800", Policy: "{}" });
  });

  it("takes on the workload's role, without a signature, at each call", async () => {
    const workloadAccessToken = await client.getWorkloadAccessToken();
    const keys = await client.assumeRoleForWorkloadIdentity({ workloadAccessToken });
    expect(keys).toEqual({
      ...{ accessKeyId: expect.stringMatching(/^tk_/) as string, accessKeySecret: expect.any(String) as string },
      ...{ securityToken: expect.any(String) as string, expiration: "2026-01-01T01:00:00Z" },
    });
    const named = { roleSessionName: "mine", durationSeconds: 900, policy: "{}" };
    expect(await client.assumeRoleForWorkloadIdentity({ workloadAccessToken, ...named })).not.toEqual(keys);
    expect(fake.seen.filter(({ action }) => action === "AssumeRoleForWorkloadIdentity")).toEqual([
      expect.objectContaining({
        anonymous: true,
        params: expect.objectContaining({
          RoleSessionName: expect.stringMatching(/^AgentIdentitySessionRole-[0-9a-f-]{36}$/) as string,
          DurationSeconds: "3600",
        }) as unknown,
      }),
      expect.objectContaining({
        params: expect.objectContaining({ RoleSessionName: "mine", DurationSeconds: "900", Policy: "{}" }) as unknown,
      }),
    ]);
  });

  it("gives the role's keys as a client that renews them, for clients of other services", async () => {
    const workloadAccessToken = await client.getWorkloadAccessToken();
    const credential = await client.getStsCredentialClient({ workloadAccessToken });
    const first = await credential.getCredential();
    expect([await credential.getAccessKeyId(), await credential.getAccessKeySecret(), await credential.getSecurityToken()]).toEqual([
      first.accessKeyId,
      first.accessKeySecret,
      first.securityToken,
    ]);
    expect([credential.getType(), first.type]).toEqual(["sts", "sts"]);
    expect(fake.count("AssumeRoleForWorkloadIdentity")).toBe(1);
    time.now += 3_400_000;
    expect((await credential.getCredential()).accessKeyId).not.toBe(first.accessKeyId);
    expect(inspect(credential, { depth: null })).not.toContain("secret");
    await expect(client.getStsCredentialClient({ workloadAccessToken: "unknown" })).rejects.toMatchObject({
      code: "InvalidParameter.WorkloadAccessToken",
    });
  });

  it("asks any action of any plane, and takes of the answer what is known", async () => {
    expect(await client.control.request("ListWorkloadIdentities", { MaxResults: 10 })).toEqual({
      RequestId: "req-1",
      TotalCount: 1,
      WorkloadIdentities: [{ WorkloadIdentityName: "mail" }],
    });
    expect(await client.sts.request("GetCallerIdentity", {})).toEqual({ AccountId: "1234567890123456", RequestId: "req-1" });
    const role = { RoleName: "r x/~*'é", AssumeRolePolicyDocument: '{"Version":"1"}' };
    expect((await client.ram.request("CreateRole", role)).Role.RoleName).toBe(role.RoleName);
    expect(fake.seen.map(({ action, version }) => `${version} ${action}`)).toEqual([
      "2025-09-01 ListWorkloadIdentities",
      "2015-04-01 GetCallerIdentity",
      "2015-05-01 CreateRole",
    ]);
    await expect(client.control.request("DropTables" as never, {} as never)).rejects.toThrow(/no action DropTables/);
  });

  it("works below a path, which is signed too", async () => {
    const below = clientWith({ endpoint: `${fake.url}/t/acme` });
    await below.getWorkloadAccessToken();
    expect(fake.seen[0]?.path).toBe("/t/acme/");
  });

  it("repeats what may be repeated, signed anew, and nothing else", async () => {
    fake.script("ListWorkloadIdentities", refusal(503, "ServiceUnavailable"), refusal(400, "Throttling.User"));
    expect((await client.control.request("ListWorkloadIdentities", {})).TotalCount).toBe(1);
    fake.script("CreateWorkloadIdentity", refusal(503, "ServiceUnavailable"));
    await expect(client.createWorkloadIdentity({ workloadName: "once" })).rejects.toMatchObject({ status: 503 });
    expect([fake.count("ListWorkloadIdentities"), fake.count("CreateWorkloadIdentity")]).toEqual([3, 1]);
  });

  it("shows nothing of its keys", () => {
    for (const text of [
      inspect(client, { depth: null, showHidden: true }),
      JSON.stringify(client),
      inspect(client.control, { depth: null }),
    ])
      expect(text).not.toMatch(/secret/);
    expect(inspect(client)).toBe(`IdentityClient { region: 'cn-beijing', data: '${fake.url}' }`);
  });

  it("sends nothing that is not well-formed", async () => {
    for (const userId of ["a\0", "\ud800"]) await expect(client.getWorkloadAccessToken({ userId })).rejects.toThrow(/well-formed/);
    expect(fake.seen).toEqual([]);
  });
});

describe("the decorators", () => {
  it("give a method every kind of credential", async () => {
    const context = { kind: "method" } as unknown as ClassMethodDecoratorContext<unknown, never>;
    const token = requiresAccessToken({ client, provider: "drive", injectAs: "token" })(
      async ({ token: given }: { token?: string }) => given,
      context,
    );
    const key = requiresApiKey({ client, provider: "search" })(async ({ apiKey }: { apiKey?: string }) => apiKey, context);
    const sts = requiresStsToken({ client, sessionDuration: 900 })(
      async ({ stsCredential }: { stsCredential?: StsCredential }) => stsCredential?.accessKeyId,
      context,
    );
    const wat = requiresWorkloadAccessToken({ client })(
      async ({ workloadAccessToken }: { workloadAccessToken?: string }) => workloadAccessToken,
      context,
    );
    await AgentContext.run({ userId: "alice" }, async () => {
      expect(await token.call({}, {})).toMatch(/^token\/mail\/alice/);
      expect(await key.call({}, {})).toMatch(/^key\/mail\/alice/);
      expect(await sts.call({}, {})).toMatch(/^tk_/);
      expect(fake.workloadTokens.has((await wat.call({}, {})) ?? "")).toBe(true);
    });
  });
});

describe("the caller's credentials", () => {
  it("are waited for as long as the caller does", async () => {
    const hanging = clientWith({ credentials: () => new Promise(() => undefined) });
    await expect(hanging.getWorkloadAccessToken({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(withApiKey({ client: hanging, provider: "p", signal: AbortSignal.timeout(20) }, () => 0)()).rejects.toMatchObject({
      name: "TimeoutError",
    });
  });

  it("are asked for anew each time, of a source of any kind", async () => {
    let count = 0;
    const source = {
      getCredential: async () => {
        count += 1;
        return { ...fake.options.credentials, securityToken: "" };
      },
    };
    const rotating = clientWith({ credentials: source });
    await rotating.getWorkloadAccessToken();
    await rotating.getWorkloadAccessToken();
    expect(count).toBe(2);
    await expect(clientWith({ credentials: () => ({}) }).getWorkloadAccessToken()).rejects.toThrow(/lack an access key id/);
  });
});

describe("the callback", () => {
  const handler = () =>
    callbackHandler({
      client,
      sessionOf: (request: Request) =>
        request.headers.get("cookie") === "sid=alice" ? { customState: "state-of-alice", userId: "alice" } : undefined,
    });
  const back = (cookie: string, state: string) =>
    handler()(new Request(`https://app/back?session_uri=urn:s&state=${state}`, { headers: { cookie } }));

  it("completes what this browser's session began, and nothing else", async () => {
    expect((await back("sid=eve", "state-of-alice")).status).toBe(401);
    expect((await back("sid=alice", "another")).status).toBe(400);
    expect(fake.seen).toEqual([]);
    expect((await back("sid=alice", "state-of-alice")).status).toBe(200);
    expect(fake.asked("CompleteResourceTokenAuth")).toEqual([{ SessionURI: "urn:s", UserIdentifier: '{"UserId":"alice"}' }]);
  });

  it("confirms by what the environment says, where there is no client", async () => {
    for (const [name, value] of Object.entries({
      AGENT_IDENTITY_ENDPOINT: fake.url,
      ALIBABA_CLOUD_ACCESS_KEY_ID: "ak_1",
      ALIBABA_CLOUD_ACCESS_KEY_SECRET: "secret-of-ak_1",
    }))
      vi.stubEnv(name, value);
    fake.clock = Date.now;
    const own = callbackHandler({ sessionOf: (_: Request) => ({ customState: "s", userId: "alice" }) });
    expect((await own(new Request("https://app/back?session_uri=urn:s&state=s"))).status).toBe(200);
    expect(fake.count("CompleteResourceTokenAuth")).toBe(1);
  });

  it.each([
    ["Forbidden.UserIdentifier", 403, 403],
    ["AuthorizationSessionUsed", 409, 409],
    ["EntityNotExists.AuthorizationSession", 404, 404],
    ["AuthorizationExpired", 409, 410],
    ["Forbidden.AuthorizationDenied", 403, 403],
    ["SomethingElse", 400, 502],
  ])("tells of %s", async (code, status, shown) => {
    fake.on("CompleteResourceTokenAuth", () => refusal(status, code));
    expect((await back("sid=alice", "state-of-alice")).status).toBe(shown);
  });
});
