import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import {
  AgentContext,
  ApiError,
  AuthorizationDeniedError,
  AuthorizationRequiredError,
  type CallbackSession,
  callbackHandler,
  IdentityClient,
  type IdentityClientOptions,
  PollTimeoutError,
  withAccessToken,
  withApiKey,
  withStsCredential,
  withWorkloadAccessToken,
} from "../packages/sdk/src/alibaba/index.ts";
import { LegateClient } from "../packages/sdk/src/index.ts";
import type { Server } from "../packages/server/src/index.ts";
import { startTestIssuer, type TestIssuer } from "../packages/server/src/testing/openid.ts";
import { startProvider, type TestProvider } from "../packages/server/src/testing/provider.ts";
import { eachStore } from "../packages/server/src/testing/stores.ts";
import { consent, openLegate } from "./sdk-server.ts";

const adminKey = "admin_key_of_the_alibaba_sdk_tests_0123456789";
/** Replicas and caches learn of changes within two seconds; a busy machine takes longer. */
const patient = { timeout: 20_000 };
const pollQuickly = { intervalMs: 20, maxIntervalMs: 100 };
const gateway = { GatewayArn: "acs:apig:cn-beijing:1234567890123456:gateway/gw-1", GatewayType: "AIGateway" };

eachStore("the Alibaba Cloud client against a running server", (fresh) => {
  let legate: Server;
  let upstream: TestProvider;
  let idp: TestIssuer;
  let otherIdp: TestIssuer;
  let native: LegateClient;
  let credentials: { readonly accessKeyId: string; readonly accessKeySecret: string };
  let admin: IdentityClient;
  let asked: string[];
  const returnUrls: string[] = [];

  const counting: typeof fetch = (input, init) => {
    asked.push(new Headers(init?.headers).get("x-acs-action") ?? "");
    return fetch(input, init);
  };
  const clientOf = (workloadName: string, more: IdentityClientOptions = {}) =>
    new IdentityClient({ endpoint: legate.address, credentials, workloadName, fetch: counting, ...more });
  const keyOf = (client: IdentityClient) => withApiKey({ client, provider: "weather" }, ({ apiKey }) => apiKey);
  const failure = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => expect.unreachable("it should have failed"),
      (error: unknown) => error,
    );
  const whose = async (token: string): Promise<string | undefined> =>
    ((await (await fetch(`${upstream.url}/api/me`, { headers: { authorization: `Bearer ${token}` } })).json()) as { user?: string }).user;

  beforeAll(async () => {
    asked = [];
    upstream = await startProvider();
    idp = await startTestIssuer();
    otherIdp = await startTestIssuer();
    legate = await openLegate(await fresh(), adminKey);
    native = new LegateClient({ url: legate.address, operatorKey: adminKey });
    credentials = await native.accessKeys.create({ description: "tests" });
    admin = clientOf("nobody");
    const { OAuth2CredentialProvider } = await admin.control.request("CreateOAuth2CredentialProvider", {
      OAuth2CredentialProviderName: "drive",
      CredentialProviderVendor: "CustomOAuth2",
      OAuth2ProviderConfig: {
        CustomOAuth2ProviderConfig: {
          ClientId: "drive",
          ClientSecret: "drive-secret",
          OAuth2Discovery: { DiscoveryURL: upstream.discoveryUrl },
        },
      },
    });
    upstream.addClient({
      client_id: "drive",
      client_secret: "drive-secret",
      grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
      redirect_uris: [OAuth2CredentialProvider.CallbackURL ?? ""],
    });
    await admin.control.request("CreateAPIKeyCredentialProvider", { APIKeyCredentialProviderName: "weather", APIKey: "weather-key" });
    await admin.control.request("CreateIdentityProvider", {
      IdentityProviderName: "idp",
      DiscoveryURL: idp.url,
      AllowedAudience: ["shop"],
    });
    await admin.createWorkloadIdentity({
      workloadName: "scout",
      createRamRole: true,
      sessionBindingEnabled: false,
      identityProviderName: "idp",
    });
    await admin.createWorkloadIdentity({ workloadName: "poor", sessionBindingEnabled: false });
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(async () => {
    await legate.close();
    await upstream.stop();
    await idp.stop();
    await otherIdp.stop();
  });

  test("an API key comes with the role's keys and with the caller's own; a workload without a role needs the latter", async () => {
    expect(await keyOf(clientOf("scout"))()).toBe("weather-key");
    expect(asked.splice(0).slice(-3)).toEqual(["GetWorkloadAccessToken", "AssumeRoleForWorkloadIdentity", "GetResourceAPIKey"]);
    expect(await keyOf(clientOf("poor", { useSts: false }))()).toBe("weather-key");
    expect(await failure(keyOf(clientOf("poor"))())).toMatchObject({
      code: "MissingRoleArn",
      requestId: expect.stringMatching(/^req_/) as string,
    });
  });

  test("the environment says all that is needed", async () => {
    vi.stubEnv("AGENT_IDENTITY_ENDPOINT", legate.address);
    vi.stubEnv("AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME", "scout");
    vi.stubEnv("ALIBABA_CLOUD_ACCESS_KEY_ID", credentials.accessKeyId);
    vi.stubEnv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", credentials.accessKeySecret);
    const key = withApiKey({ provider: "weather" }, ({ apiKey }) => apiKey);
    expect(await key()).toBe("weather-key");
    vi.stubEnv("AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN", await clientOf("scout").getWorkloadAccessToken());
    vi.stubEnv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "not needed any more");
    expect(await key()).toBe("weather-key");
    vi.stubEnv("AGENT_IDENTITY_USE_STS", "False");
    expect(await failure(key())).toMatchObject({ code: "SignatureDoesNotMatch", status: 401 });
  });

  test("a warm call makes one request at most, and sixteen users at once stay apart", async () => {
    const client = clientOf("scout");
    const me = withAccessToken(
      {
        client,
        provider: "drive",
        scopes: ["read"],
        poll: pollQuickly,
        onAuthUrl: async (url) => {
          await consent(upstream, url, AgentContext.getUserId() ?? "nobody");
        },
      },
      async ({ accessToken }: { accessToken: string }) => whose(accessToken),
    );
    const users = Array.from({ length: 16 }, (_, at) => `user-${at}`);
    expect(await Promise.all(users.map((userId) => AgentContext.run({ userId }, () => me())))).toEqual(users);
    asked.length = 0;
    expect(await AgentContext.run({ userId: "user-3" }, () => me())).toBe("user-3");
    expect(asked).toEqual([]);
    const fresh = withAccessToken({ client, provider: "drive", scopes: ["read"], fresh: true }, async ({ accessToken }) =>
      whose(accessToken),
    );
    expect(await AgentContext.run({ userId: "user-3" }, () => fresh())).toBe("user-3");
    expect(asked).toEqual(["GetResourceOAuth2Token"]);
  });

  test("M2M needs no user and no consent, and is not the user's though one is there", async () => {
    const own = withAccessToken(
      { client: clientOf("scout"), provider: "drive", scopes: ["read"], flow: "M2M" },
      async ({ accessToken }) => [typeof accessToken, await whose(accessToken)],
    );
    expect(await AgentContext.run({ userId: "alice" }, () => own())).toEqual(["string", undefined]);
  });

  test("a consent that comes to nothing ends the waiting, with its reason", async () => {
    const read = (userId: string, options: Partial<Parameters<typeof withAccessToken>[0]>) =>
      failure(
        AgentContext.run({ userId }, () =>
          withAccessToken(
            { client: clientOf("scout"), provider: "drive", scopes: ["read"], poll: pollQuickly, ...options },
            () => undefined,
          )(),
        ),
      );
    const onAuthUrl = async (url: string) => void (await consent(upstream, url, "dora", "deny"));
    expect(await read("dora", { onAuthUrl })).toBeInstanceOf(AuthorizationDeniedError);
    expect(await read("tom", { onAuthUrl: () => undefined, poll: { ...pollQuickly, timeoutMs: 100 } })).toBeInstanceOf(PollTimeoutError);
    expect(await read("una", {})).toBeInstanceOf(AuthorizationRequiredError);
  });

  test("with session binding, the browser's way back completes a consent for the user who began it", async () => {
    const client = clientOf("app");
    const sessions = new Map<string, CallbackSession>([
      ["sid=ada", { customState: "state-of-ada-0123456789", userId: "ada" }],
      ["sid=eve", { customState: "state-of-eve-0123456789", userId: "eve" }],
    ]);
    const handler = callbackHandler({ client, sessionOf: (request: IncomingMessage) => sessions.get(request.headers.cookie ?? "") });
    const application = createServer((request, response) => void handler(request, response));
    await new Promise<void>((listening) => application.listen(0, "127.0.0.1", listening));
    returnUrls.push(`http://127.0.0.1:${(application.address() as AddressInfo).port}/callback`);
    await admin.createWorkloadIdentity({
      workloadName: "app",
      createRamRole: true,
      sessionBindingEnabled: true,
      allowedResourceOAuth2ReturnUrls: returnUrls,
    });
    const read = (callbackUrl?: string) =>
      AgentContext.run({ userId: "ada", customState: "state-of-ada-0123456789" }, () =>
        withAccessToken({ client, provider: "drive", scopes: ["read"], callbackUrl }, async ({ accessToken }) => whose(accessToken))(),
      );
    expect(await failure(read())).toMatchObject({ code: "MissingParameter.ResourceOAuth2ReturnURL" });
    expect(await failure(read(`${returnUrls[0]}/`))).toMatchObject({ code: "Missmatch.ResourceOAuth2ReturnURL" });

    const walked = async () => {
      const pending = (await failure(read(returnUrls[0]))) as AuthorizationRequiredError;
      expect(pending).toBeInstanceOf(AuthorizationRequiredError);
      return (await consent(upstream, pending.url, "ada")) ?? "";
    };
    const seized = new URL(await walked()).searchParams.get("session_uri") ?? "";
    expect(await failure(client.confirmUserAuth({ sessionUri: seized, userId: "eve" }))).toMatchObject({
      code: "Forbidden.UserIdentifier",
    });
    const back = await walked();
    expect((await fetch(back, { headers: { cookie: "sid=eve" } })).status).toBe(400);
    expect((await fetch(back, { headers: { cookie: "sid=ada" } })).status).toBe(200);
    expect(await read(returnUrls[0])).toBe("ada");
    expect((await fetch(back, { headers: { cookie: "sid=ada" } })).status).toBe(409);
    await new Promise((closed) => application.close(closed));
  });

  test("a user's token proves the user; a refused one is never replaced by the id beside it", async () => {
    const subject = async () => {
      const token = await withWorkloadAccessToken({ client: clientOf("scout") }, ({ workloadAccessToken }) => workloadAccessToken)();
      return (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { user_sub?: string }).user_sub;
    };
    const userToken = await idp.sign({ sub: "proven-pia", aud: "shop" });
    expect(await AgentContext.run({ userToken, userId: "somebody" }, () => subject())).toBe("proven-pia");
    const anothers = await idp.sign({ sub: "proven-pia", aud: "another shop" });
    expect(await failure(AgentContext.run({ userToken: anothers, userId: "somebody" }, () => subject()))).toMatchObject({
      code: "InvalidParameter.JsonWebToken",
    });
  });

  test("the role's keys are what the function gets, narrowed as asked, and spend what the role may", async () => {
    const client = clientOf("scout");
    const workloadAccessToken = await client.getWorkloadAccessToken({ userId: "alice" });
    const ask = { credentialProviderName: "weather", workloadAccessToken };
    const keys = await AgentContext.run({ userId: "alice" }, () => withStsCredential({ client }, ({ stsCredential }) => stsCredential)());
    expect(Date.parse(keys.expiration)).toBeGreaterThan(Date.now());
    expect(await client.getApiKey({ ...ask, credential: keys })).toBe("weather-key");
    const nothing = JSON.stringify({ Version: "1", Statement: [{ Effect: "Deny", Action: "*", Resource: "*" }] });
    const narrowed = await client.getStsCredentialClient({ workloadAccessToken, policy: nothing, sessionDuration: 900 });
    expect(await failure(client.getApiKey({ ...ask, credential: narrowed }))).toMatchObject({ code: "NoPermission", status: 403 });
    expect(await failure(keyOf(clientOf("scout", { sts: { policy: nothing } }))())).toMatchObject({ code: "NoPermission" });
    const identity = new IdentityClient({ endpoint: legate.address, credentials: keys });
    expect((await identity.sts.request("GetCallerIdentity", {})).AccountId).toMatch(/^\d{16}$/);
    expect(await failure(identity.getWorkloadAccessToken({ workloadName: "scout" }))).toMatchObject({ status: 403 });
  });

  test("a suspended agent is refused at its next call, and served again by the same client once it is resumed", async () => {
    await admin.createWorkloadIdentity({ workloadName: "sleeper", createRamRole: true });
    const key = keyOf(clientOf("sleeper"));
    const outcome = () =>
      key().catch((error: unknown) => {
        if (error instanceof ApiError) return error.code;
        throw error;
      });
    expect(await key()).toBe("weather-key");
    await native.agents.suspend("sleeper");
    await expect.poll(outcome, patient).not.toBe("weather-key");
    await native.agents.resume("sleeper");
    await expect.poll(outcome, patient).toBe("weather-key");
  });

  test("a workload that nobody named works for every kind of credential", async () => {
    const client = new IdentityClient({
      ...{ endpoint: legate.address, credentials },
      localWorkload: { file: false, register: { CreateRAMRole: true, SessionBindingEnabled: false } },
    });
    expect(await keyOf(client)()).toBe("weather-key");
    const onAuthUrl = async (url: string) => void (await consent(upstream, url, "dev"));
    const read = withAccessToken({ client, provider: "drive", scopes: ["read"], poll: pollQuickly, onAuthUrl }, async ({ accessToken }) =>
      whose(accessToken),
    );
    expect(await AgentContext.run({ userId: "dev" }, () => read())).toBe("dev");
  });

  test("every action of the registry and of policies is asked and understood", async () => {
    const { control } = admin;
    const workload = { WorkloadIdentityName: "registered" };
    await control.request("CreateWorkloadIdentity", { ...workload, Description: "d" });
    await control.request("UpdateWorkloadIdentity", { ...workload, Description: "e", AllowedResourceOAuth2ReturnURLs: ["https://a"] });
    expect((await control.request("GetWorkloadIdentity", workload)).WorkloadIdentity).toMatchObject({
      Description: "e",
      AllowedResourceOAuth2ReturnURLs: ["https://a"],
    });
    const names: string[] = [];
    for (let page: string | undefined, more = true; more; more = page !== undefined) {
      const answer = await control.request("ListWorkloadIdentities", { MaxResults: 2, NextToken: page });
      names.push(...answer.WorkloadIdentities.map(({ WorkloadIdentityName }) => WorkloadIdentityName));
      page = answer.NextToken;
    }
    expect(names).toContain("registered");
    expect(new Set(names).size).toBe(names.length);
    await control.request("DeleteWorkloadIdentity", workload);

    const provider = { IdentityProviderName: "other-idp" };
    await control.request("CreateIdentityProvider", { ...provider, DiscoveryURL: otherIdp.url, AllowedAudience: ["a"] });
    await control.request("UpdateIdentityProvider", { ...provider, AllowedAudience: ["b"] });
    expect((await control.request("GetIdentityProvider", provider)).IdentityProvider.AllowedAudience).toEqual(["b"]);
    expect((await control.request("ListIdentityProviders", {})).TotalCount).toBe(2);
    await control.request("DeleteIdentityProvider", provider);

    const vault = { TokenVaultName: "team" };
    await control.request("CreateTokenVault", vault);
    await control.request("UpdateTokenVault", { ...vault, Description: "d" });
    expect((await control.request("GetTokenVault", vault)).TokenVault.Description).toBe("d");
    expect((await control.request("ListTokenVaults", {})).TokenVaults.map(({ TokenVaultName }) => TokenVaultName)).toContain("team");

    const apiKey = { APIKeyCredentialProviderName: "news", ...vault };
    await control.request("CreateAPIKeyCredentialProvider", { ...apiKey, APIKey: "k" });
    await control.request("UpdateAPIKeyCredentialProvider", { ...apiKey, Description: "d" });
    expect((await control.request("GetAPIKeyCredentialProvider", apiKey)).APIKeyCredentialProvider.Description).toBe("d");
    expect((await control.request("ListAPIKeyCredentialProviders", vault)).APIKeyCredentialProviders).toHaveLength(1);
    const inVault = withApiKey({ client: clientOf("poor", { useSts: false }), provider: "news", vault: "team" }, (given) => given.apiKey);
    expect(await inVault()).toBe("k");
    await control.request("DeleteAPIKeyCredentialProvider", apiKey);

    const oauth2 = { OAuth2CredentialProviderName: "mail", ...vault };
    const OAuth2ProviderConfig = {
      CustomOAuth2ProviderConfig: { ClientId: "c", ClientSecret: "s", OAuth2Discovery: { DiscoveryURL: upstream.discoveryUrl } },
    };
    await control.request("CreateOAuth2CredentialProvider", { ...oauth2, CredentialProviderVendor: "CustomOAuth2", OAuth2ProviderConfig });
    await control.request("UpdateOAuth2CredentialProvider", { ...oauth2, Description: "d" });
    const made = (await control.request("GetOAuth2CredentialProvider", oauth2)).OAuth2CredentialProvider;
    expect([made.Description, made.OAuth2ProviderConfig?.CustomOAuth2ProviderConfig?.ClientId]).toEqual(["d", "c"]);
    expect((await control.request("ListOAuth2CredentialProviders", vault)).OAuth2CredentialProviders).toHaveLength(1);
    await control.request("DeleteOAuth2CredentialProvider", oauth2);
    await control.request("DeleteTokenVault", vault);

    const set = { PolicySetName: "rules" };
    const Definition = { Cedar: { Statement: "permit(principal, action, resource);" } };
    await control.request("CreatePolicySet", set);
    await control.request("UpdatePolicySet", { ...set, Description: "d" });
    expect((await control.request("GetPolicySet", set)).PolicySet.Description).toBe("d");
    expect((await control.request("ListPolicySets", {})).PolicySets).toHaveLength(1);
    await control.request("CreatePolicy", { ...set, PolicyName: "all", Definition });
    await control.request("UpdatePolicy", { ...set, PolicyName: "all", Description: "d" });
    expect((await control.request("GetPolicy", { ...set, PolicyName: "all" })).Policy).toMatchObject({ Description: "d", Definition });
    expect((await control.request("ListPolicies", set)).Policies).toHaveLength(1);
    await control.request("AttachPolicySetToGateway", { ...set, ...gateway, EnforcementMode: "LOG_ONLY" });
    await control.request("UpdateGatewayPolicyConfig", { ...gateway, EnforcementMode: "ENFORCE" });
    expect((await control.request("GetGatewayPolicyConfig", gateway)).GatewayPolicyConfig.EnforcementMode).toBe("ENFORCE");
    expect((await control.request("ListPolicySetAttachedGateways", set)).AttachedGateways).toHaveLength(1);
    await control.request("DetachPolicySetFromGateway", { ...set, ...gateway });
    await control.request("DeletePolicy", { ...set, PolicyName: "all" });
    await control.request("DeletePolicySet", set);
  });

  test("every action of RAM and STS is asked and understood", async () => {
    const { ram, sts } = admin;
    expect((await sts.request("GetCallerIdentity", {})).AccountId).toMatch(/^\d{16}$/);
    const document = (statement: object) => JSON.stringify({ Version: "1", Statement: [{ Effect: "Allow", ...statement }] });
    const trust = document({
      Action: ["sts:AssumeRole", "sts:SetContext"],
      Principal: { Service: ["workload.agentidentity.aliyuncs.com"] },
    });
    const { Role } = await ram.request("CreateRole", { RoleName: "reader", AssumeRolePolicyDocument: trust, Description: "a b/c*~'é" });
    expect((await ram.request("GetRole", { RoleName: "reader" })).Role).toMatchObject({ Arn: Role.Arn, Description: "a b/c*~'é" });
    const policy = { PolicyName: "keys", PolicyType: "Custom" } as const;
    await ram.request("CreatePolicy", {
      PolicyName: "keys",
      PolicyDocument: document({ Action: "agentidentitydata:GetResourceAPIKey", Resource: "*" }),
    });
    expect((await ram.request("GetPolicy", policy)).Policy.PolicyName).toBe("keys");
    await admin.createWorkloadIdentity({ workloadName: "with-role", roleArn: Role.Arn });
    const key = keyOf(clientOf("with-role"));
    expect(await failure(key())).toMatchObject({ code: "NoPermission" });
    await ram.request("AttachPolicyToRole", { RoleName: "reader", ...policy });
    expect((await ram.request("ListPoliciesForRole", { RoleName: "reader" })).Policies.Policy).toMatchObject([{ PolicyName: "keys" }]);
    await expect.poll(() => key().catch((error: ApiError) => error.code), patient).toBe("weather-key");
    await ram.request("DetachPolicyFromRole", { RoleName: "reader", ...policy });
    await ram.request("DeletePolicy", { PolicyName: "keys" });
    await expect.poll(() => key().catch((error: ApiError) => error.code), patient).toBe("NoPermission");
    await admin.control.request("DeleteWorkloadIdentity", { WorkloadIdentityName: "with-role" });
    await ram.request("DeleteRole", { RoleName: "reader" });
    expect(await failure(ram.request("GetRole", { RoleName: "reader" }))).toMatchObject({ code: "EntityNotExist.Role", status: 404 });
  });
});
