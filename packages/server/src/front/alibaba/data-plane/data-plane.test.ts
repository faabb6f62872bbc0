import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { anonymous } from "../../../ground/kernel/index.ts";
import { openBrowser } from "../../../testing/cookie-jar.ts";
import { startTestIssuer, type TestIssuer } from "../../../testing/openid.ts";
import { startProvider, type TestProvider } from "../../../testing/provider.ts";
import { adminOf, eachStore } from "../../../testing/stores.ts";
import { admin, type Answered, answered, faultOf, openAlibaba, type OpenAlibaba, type Params, type TestKey } from "../alibaba-for-tests.ts";

const backUrl = "http://app.test/callback";
const nobody = anonymous("default", "req_page", "127.0.0.1");

eachStore("the data plane of the Alibaba Cloud wire", (fresh) => {
  let wire: OpenAlibaba;
  let key: TestKey;
  let account: string;
  let issuer: TestIssuer;
  let upstream: TestProvider;
  let scout: TestKey;
  beforeAll(async () => {
    wire = await openAlibaba(await fresh(), {}, Date.now());
    const { house, hand } = wire;
    issuer = await startTestIssuer({ clock: hand.clock });
    upstream = await startProvider();
    key = await wire.adminKey();
    account = (await house.tenants.get("default")).accountId;
    await house.issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["app", "other"] });
    await house.agents.create(admin, {
      name: "scout",
      issuer: "corp",
      roleArn: "acs:ram::9999999999999999:role/scout",
      allowedReturnUrls: [backUrl],
    });
    await house.agents.create(admin, { name: "other", allowedReturnUrls: [backUrl] });
    scout = await wire.agentKey("scout");
    await house.providers.create(admin, { type: "api_key", name: "maps", apiKey: "maps-key" });
    const git = await house.providers.create(admin, {
      type: "oauth2",
      name: "git",
      discoveryUrl: upstream.discoveryUrl,
      clientId: "git",
      clientSecret: "secret-of-git",
      scopes: ["read"],
    });
    upstream.addClient({
      client_id: "git",
      client_secret: "secret-of-git",
      redirect_uris: [`http://127.0.0.1:8700/callback/${git.id}`],
      grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
    });
  });
  afterAll(async () => {
    await wire.close();
    await upstream.stop();
    await issuer.stop();
  });

  const arnOf = (name: string) => `acs:agentidentity:cn-beijing:${account}:workloadidentitydirectory/default/workloadidentity/${name}`;
  const call = (action: string, params: Params, by: TestKey | undefined = key) => wire.call(action, { params, ...(by && { key: by }) });
  const tokenOf = async (params: Params = {}, action = "GetWorkloadAccessToken", by = key): Promise<string> =>
    String(answered(await call(action, { WorkloadIdentityName: "scout", ...params }, by))["WorkloadAccessToken"]);
  const forAlice = (name = "scout") => tokenOf({ WorkloadIdentityName: name, UserId: "alice" }, "GetWorkloadAccessTokenForUserId");
  const session = { RoleSessionName: "AgentIdentitySessionRole-0b9f" };
  const keyFor = async (WorkloadAccessToken: string, more: Params = {}): Promise<TestKey> => {
    const { Credentials } = answered(await wire.assume({ WorkloadAccessToken, ...session, ...more })) as {
      Credentials: { AccessKeyId: string; AccessKeySecret: string; SecurityToken: string };
    };
    const { AccessKeyId, AccessKeySecret, SecurityToken } = Credentials;
    return { accessKeyId: AccessKeyId, accessKeySecret: AccessKeySecret, securityToken: SecurityToken };
  };

  describe("workload access tokens", () => {
    test("for the agent alone, by an admin's key and by its own", async () => {
      for (const by of [key, scout])
        expect(answered(await call("GetWorkloadAccessToken", { WorkloadIdentityName: "scout" }, by))).toEqual({
          WorkloadAccessToken: expect.stringMatching(/^eyJ/) as string,
          WorkloadIdentityArn: arnOf("scout"),
        });
    });

    test("for a user's token, with what it says of the user", async () => {
      const UserToken = await issuer.sign({ sub: "alice", aud: ["app", "x"], jti: "j-1" });
      expect(answered(await call("GetWorkloadAccessTokenForJWT", { WorkloadIdentityName: "scout", UserToken }))).toEqual({
        WorkloadAccessToken: expect.stringMatching(/^eyJ/) as string,
        WorkloadIdentityArn: arnOf("scout"),
        UserContext: { JwtClaims: { Audiences: "app,x", Issuer: issuer.url, JTI: "j-1", Subject: "alice" } },
      });
      const plain = await issuer.sign({ sub: "bob", aud: "app" });
      expect(answered(await call("GetWorkloadAccessTokenForJWT", { WorkloadIdentityName: "scout", UserToken: plain }))).toMatchObject({
        UserContext: { JwtClaims: { Audiences: "app", Issuer: issuer.url, Subject: "bob" } },
      });
    });

    test("for a user whom the agent names", async () => {
      expect(answered(await call("GetWorkloadAccessTokenForUserId", { WorkloadIdentityName: "scout", UserId: "艾丽斯 +&=" }))).toEqual({
        WorkloadAccessToken: expect.stringMatching(/^eyJ/) as string,
        WorkloadIdentityArn: arnOf("scout"),
        UserContext: { UserId: "艾丽斯 +&=" },
      });
    });

    test("never for a token of another issuer, for a user id where that is not allowed, or in silence for nobody", async () => {
      const forged = await issuer.sign({ sub: "alice", aud: "somebody-else" });
      const params = { WorkloadIdentityName: "scout", UserToken: forged };
      expect(faultOf(await call("GetWorkloadAccessTokenForJWT", params))).toEqual([400, "InvalidParameter.JsonWebToken"]);
      expect(faultOf(await call("GetWorkloadAccessTokenForJWT", { ...params, WorkloadIdentityName: "other" }))).toEqual([
        400,
        "InvalidParameter.JsonWebToken",
      ]);
      expect(faultOf(await call("GetWorkloadAccessTokenForJWT", { ...params, UserToken: "" }))).toEqual([
        400,
        "InvalidParameter.UserToken",
      ]);
      await wire.house.agents.create(admin, { name: "modest", assertedUsers: false });
      const modest = { WorkloadIdentityName: "modest", UserId: "alice" };
      expect(faultOf(await call("GetWorkloadAccessTokenForUserId", modest))).toEqual([403, "Forbidden.UserId"]);
      expect(faultOf(await call("GetWorkloadAccessToken", {}, scout))).toEqual([400, "MissingParameter.WorkloadIdentityName"]);
    });
  });

  describe("a role for a while", () => {
    test("for nobody's signature but the token, in the legacy form and the plain one", async () => {
      const WorkloadAccessToken = await forAlice();
      for (const answer of [
        await wire.assume({ WorkloadAccessToken, ...session, DurationSeconds: 900 }),
        await call("AssumeRoleForWorkloadIdentity", { WorkloadAccessToken, ...session, DurationSeconds: 900 }, undefined),
        await call("AssumeRoleForWorkloadIdentity", { WorkloadAccessToken, ...session, DurationSeconds: 900 }, scout),
      ])
        expect(answered(answer)).toEqual({
          AssumedRoleUser: {
            Arn: `acs:sts::${account}:assumed-role/scout/${session.RoleSessionName}`,
            AssumedRoleId: expect.stringMatching(new RegExp(`^rol_[0-9a-f]{32}:${session.RoleSessionName}$`)) as string,
          },
          Credentials: {
            AccessKeyId: expect.stringMatching(/^tk_[0-9a-f]{32}$/) as string,
            AccessKeySecret: expect.stringMatching(/^aks_[0-9a-f]{64}$/) as string,
            SecurityToken: expect.stringMatching(/^st_[0-9a-f]{64}$/) as string,
            Expiration: `${new Date(wire.hand.clock() + 900_000).toISOString().slice(0, 19)}Z`,
          },
          WorkloadContextInfo: { WorkloadIdentityArn: arnOf("scout"), UserContext: { UserId: "alice" } },
        });
    });

    test("tells for which user of an issuer, and none where there is none", async () => {
      const UserToken = await issuer.sign({ sub: "alice", aud: "app" });
      const proven = await tokenOf({ UserToken }, "GetWorkloadAccessTokenForJWT");
      expect(answered(await wire.assume({ WorkloadAccessToken: proven, ...session }))).toMatchObject({
        WorkloadContextInfo: { UserContext: { JwtClaims: { Issuer: issuer.url, Subject: "alice" } } },
      });
      const { WorkloadContextInfo } = answered(await wire.assume({ WorkloadAccessToken: await tokenOf(), ...session }));
      expect(WorkloadContextInfo).toEqual({ WorkloadIdentityArn: arnOf("scout") });
    });

    test("not without a role, not for a token that is none, not for one of another agent by an agent's key", async () => {
      const others = await tokenOf({ WorkloadIdentityName: "other" });
      expect(faultOf(await wire.assume({ WorkloadAccessToken: others, ...session }))).toEqual([400, "MissingRoleArn"]);
      await wire.house.agents.create(admin, { name: "astray", roleArn: `acs:ram::${account}:role/nobody` });
      const astray = await tokenOf({ WorkloadIdentityName: "astray" });
      expect(faultOf(await wire.assume({ WorkloadAccessToken: astray, ...session }))).toEqual([404, "EntityNotExists.Role"]);
      for (const WorkloadAccessToken of ["x", "a.b.c", scout.accessKeySecret])
        expect(faultOf(await wire.assume({ WorkloadAccessToken, ...session }))).toEqual([401, "InvalidParameter.WorkloadAccessToken"]);
      expect(faultOf(await wire.assume(session))).toEqual([401, "MissingParameter.WorkloadAccessToken"]);
      expect(faultOf(await call("AssumeRoleForWorkloadIdentity", { WorkloadAccessToken: others, ...session }, scout))).toEqual([
        401,
        "InvalidParameter.WorkloadAccessToken",
      ]);
    });

    test("within its bounds, and with a session policy that is one", async () => {
      const WorkloadAccessToken = await tokenOf();
      const faults: readonly (readonly [Params, string])[] = [
        [{ DurationSeconds: 899 }, "InvalidParameter.DurationSeconds"],
        [{ DurationSeconds: 43_201 }, "InvalidParameter.DurationSeconds"],
        [{ RoleSessionName: "a b" }, "InvalidParameter.RoleSessionName"],
        [{ RoleSessionName: undefined }, "MissingParameter.RoleSessionName"],
        [{ Policy: "{" }, "InvalidParameter.Policy"],
        [{ Policy: { Version: "1", Statement: [{ Effect: "Perhaps", Action: "*", Resource: "*" }] } }, "InvalidParameter.Policy"],
      ];
      for (const [more, code] of faults)
        expect(faultOf(await wire.assume({ WorkloadAccessToken, ...session, ...more })), code).toEqual([400, code]);
    });

    test("for the tenant of the token, at any tenant's address but another's", async () => {
      await wire.house.tenants.create(admin, "acme");
      const acme = adminOf("acme");
      const { accountId } = await wire.house.tenants.get("acme");
      await wire.house.agents.create(acme, { name: "scout", roleArn: "acs:ram::9999999999999999:role/r" });
      const theirs = await wire.agentKey("scout", acme);
      const WorkloadAccessToken = await tokenOf({}, "GetWorkloadAccessToken", theirs);
      const given = { Arn: `acs:sts::${accountId}:assumed-role/r/${session.RoleSessionName}` };
      for (const path of ["/", "/t/acme/"])
        expect(answered(await wire.assume({ WorkloadAccessToken, ...session }, { path }))).toMatchObject({ AssumedRoleUser: given });
      const own = { WorkloadAccessToken: await tokenOf(), ...session };
      expect(faultOf(await wire.assume(own, { path: "/t/acme/" }))).toEqual([401, "InvalidParameter.WorkloadAccessToken"]);
      expect(faultOf(await call("GetResourceAPIKey", { WorkloadAccessToken, ResourceCredentialProviderName: "maps" }))).toEqual([
        401,
        "InvalidParameter.WorkloadAccessToken",
      ]);
    });
  });

  describe("temporary keys", () => {
    const apiKey = (WorkloadAccessToken: string, by: TestKey, provider = "maps") =>
      call("GetResourceAPIKey", { WorkloadAccessToken, ResourceCredentialProviderName: provider }, by);

    test("spend the tokens of their own agent and user, and no other", async () => {
      const [alice, alone] = [await forAlice(), await tokenOf()];
      const bob = await tokenOf({ UserId: "bob" }, "GetWorkloadAccessTokenForUserId");
      const ofOther = await forAlice("other");
      const [forAliceKey, aloneKey] = [await keyFor(alice), await keyFor(alone)];
      expect(answered(await apiKey(alice, forAliceKey))).toEqual({ APIKey: "maps-key" });
      expect(answered(await apiKey(alone, aloneKey))).toEqual({ APIKey: "maps-key" });
      const refused = [401, "InvalidParameter.WorkloadAccessToken"];
      for (const [token, by] of [
        [bob, forAliceKey],
        [alone, forAliceKey],
        [ofOther, forAliceKey],
        [alice, aloneKey],
        [ofOther, scout],
      ] as const)
        expect(faultOf(await apiKey(token, by))).toEqual(refused);
      // A lasting key of the agent is for whomever it acts.
      expect(answered(await apiKey(bob, scout))).toEqual({ APIKey: "maps-key" });
      expect(answered(await apiKey(ofOther, key))).toEqual({ APIKey: "maps-key" });
    });

    test("mint no tokens and no keys, finish no consent", async () => {
      const alice = await forAlice();
      const by = await keyFor(alice);
      const name = { WorkloadIdentityName: "scout" };
      for (const [action, params] of [
        ["GetWorkloadAccessToken", name],
        ["GetWorkloadAccessTokenForUserId", { ...name, UserId: "alice" }],
        ["GetWorkloadAccessTokenForJWT", { ...name, UserToken: "x" }],
        ["AssumeRoleForWorkloadIdentity", { WorkloadAccessToken: alice, ...session }],
        ["CompleteResourceTokenAuth", { SessionURI: "urn:x", UserIdentifier: { UserId: "alice" } }],
      ] as const)
        expect(faultOf(await call(action, params, by)), action).toEqual([403, "NoPermission"]);
    });

    test("do what the session's own policy leaves of the role, on both things", async () => {
      const alice = await forAlice();
      const policy = (Action: string, Resource: readonly string[]) => ({
        Version: "1",
        Statement: [{ Effect: "Allow", Action, Resource }],
      });
      const maps = `acs:agentidentity:cn-beijing:${account}:tokenvault/default/apikeycredentialprovider/maps`;
      const tries = async (Policy: Params) => faultOf(await apiKey(alice, await keyFor(alice, { Policy })));
      const refused = [403, "NoPermission"];
      expect(await tries(policy("agentidentitydata:GetResourceAPIKey", [arnOf("scout")]))).toEqual(refused);
      expect(await tries(policy("agentidentitydata:GetResourceAPIKey", [maps]))).toEqual(refused);
      expect(await tries(policy("agentidentitydata:GetResourceOAuth2Token", ["*"]))).toEqual(refused);
      const both = await keyFor(alice, { Policy: policy("agentidentitydata:GetResourceAPIKey", [arnOf("scout"), maps]) });
      expect(answered(await apiKey(alice, both))).toEqual({ APIKey: "maps-key" });
      expect(faultOf(await apiKey(alice, both, "other"))).toEqual(refused);
    });

    test("tell who they are", async () => {
      const by = await keyFor(await forAlice());
      expect(answered(await wire.call("GetCallerIdentity", { version: "2015-04-01", key: by }))).toMatchObject({
        AccountId: account,
        IdentityType: "AssumedRoleUser",
        PrincipalId: expect.stringMatching(new RegExp(`^rol_[0-9a-f]{32}:${session.RoleSessionName}$`)) as string,
        Arn: `acs:sts::${account}:assumed-role/scout/${session.RoleSessionName}`,
      });
      expect(answered(await wire.call("GetCallerIdentity", { version: "2015-04-01", key: scout }))).toMatchObject({ Arn: arnOf("scout") });
    });

    test("die with their time, their agent's rights and nothing less", async () => {
      const alice = await forAlice();
      const by = await keyFor(alice, { DurationSeconds: 900 });
      await wire.house.agents.suspend(admin, "scout");
      expect(faultOf(await apiKey(alice, by))).toEqual([403, "Forbidden.WorkloadIdentitySuspended"]);
      await wire.house.agents.resume(admin, "scout");
      expect(faultOf(await apiKey(alice, by))).toEqual([401, "InvalidAccessKeyId.NotFound"]);
      const next = await forAlice();
      const fresher = await keyFor(next, { DurationSeconds: 900 });
      expect(answered(await apiKey(next, fresher))).toEqual({ APIKey: "maps-key" });
    });

    test("are worth what the role permits when the answer comes, not only when it was asked for", async () => {
      const { agents, accessKeys, roles, vault } = wire.house;
      await agents.create(admin, { name: "slow", roleArn: "slow" });
      const permissionPolicy = JSON.stringify({ Version: "1", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] });
      await roles.create(admin, { name: "slow", permissionPolicy });
      const token = await tokenOf({ WorkloadIdentityName: "slow" });
      const changes: readonly ((by: TestKey) => Promise<unknown>)[] = [
        () => roles.update(admin, "slow", { permissionPolicy: null }),
        ({ accessKeyId }) => accessKeys.remove(admin, accessKeyId),
        () => agents.update(admin, "slow", { roleArn: "slow-2" }),
        () => roles.remove(admin, "slow"),
        () => Promise.resolve(wire.hand.forward(900_000)),
      ];
      for (const change of changes) {
        const by = await keyFor(token, { DurationSeconds: 900 });
        const ask = vault.apiKey;
        const slow = vi.spyOn(vault, "apiKey").mockImplementationOnce(async (...of) => {
          const answer = await ask(...of);
          await change(by);
          return answer;
        });
        expect(faultOf(await apiKey(token, by)), String(change)).toEqual([403, "NoPermission"]);
        slow.mockRestore();
        if ((await roles.list("default", { limit: 100 })).items.some(({ name }) => name === "slow"))
          await roles.update(admin, "slow", { permissionPolicy });
        else await roles.create(admin, { name: "slow", permissionPolicy });
        await agents.update(admin, "slow", { roleArn: "slow" });
        expect(answered(await apiKey(token, await keyFor(token)))).toEqual({ APIKey: "maps-key" });
      }
    });

    test("the record tells in which role, and for whom", async () => {
      const alice = await forAlice();
      await apiKey(alice, await keyFor(alice));
      const [row] = (await wire.house.audit.list("default", { action: "credential.read" }, { limit: 1 })).items;
      expect(row?.details).toMatchObject({ roleArn: "acs:ram::9999999999999999:role/scout", sessionName: session.RoleSessionName });
      expect(row?.user).toMatch(/^usr_/);
    });

    test("each row of the record names the key that signed, lasting or temporary, whatever was done", async () => {
      const alice = await forAlice();
      const by = await keyFor(alice);
      const marked = async (used: TestKey, ask: () => Promise<Answered>) => {
        const requestId = (await ask()).headers["x-request-id"];
        const rows = (await wire.house.audit.list("default", {}, { limit: 50 })).items.filter((row) => row.requestId === requestId);
        expect(rows).not.toEqual([]);
        for (const row of rows) expect(row.details, row.action).toMatchObject({ accessKey: used.accessKeyId });
        return rows.map(({ action }) => action);
      };
      for (const used of [key, scout, by]) expect(await marked(used, () => apiKey(alice, used))).toEqual(["credential.read"]);
      const others = await forAlice("other");
      for (const used of [scout, by]) expect(await marked(used, () => apiKey(others, used))).toEqual(["request.refused"]);
      expect(await marked(key, () => call("AssumeRoleForWorkloadIdentity", { WorkloadAccessToken: alice, ...session }))).toEqual([
        "role.assumed",
      ]);
      const named = { WorkloadIdentityName: "scout" };
      for (const used of [key, scout]) await marked(used, () => call("GetWorkloadAccessToken", named, used));
      await marked(key, () =>
        wire.call("UpdateWorkloadIdentity", { version: "2025-09-01", key, params: { ...named, Description: "Another" } }),
      );
      await marked(scout, () => wire.call("DeleteWorkloadIdentity", { version: "2025-09-01", key: scout, params: named }));
      await marked(by, () => call("GetWorkloadAccessToken", named, by));
    });
  });

  describe("OAuth 2 tokens", () => {
    const git = { ResourceCredentialProviderName: "git" };
    const ask = (params: Params, by: TestKey = scout) => call("GetResourceOAuth2Token", { ...git, ...params }, by);

    test("of the agent itself, with the seconds that are left", async () => {
      const WorkloadAccessToken = await tokenOf();
      const first = answered(await ask({ WorkloadAccessToken, OAuth2Flow: "M2M", Scopes: ["read"] }));
      expect(first).toEqual({ AccessToken: expect.any(String) as string, ExpiresIn: expect.any(Number) as number });
      expect(first["ExpiresIn"]).toBeGreaterThan(0);
      // Without a flow it is the one that fits the token.
      expect(answered(await ask({ WorkloadAccessToken, Scopes: ["read"], TokenVaultName: "default" }))).toMatchObject({
        AccessToken: first["AccessToken"],
      });
    });

    test("with a user's consent, which the application finishes by naming the very user", async () => {
      const WorkloadAccessToken = await forAlice();
      const begin = {
        WorkloadAccessToken,
        OAuth2Flow: "USER_FEDERATION",
        Scopes: ["read"],
        ResourceOAuth2ReturnURL: backUrl,
        ForceAuthentication: false,
        CustomState: "chat 1&é",
        CustomParameters: { theme: { dark: [null] }, tab: 7, display: "page", again: true },
      };
      const by = await keyFor(WorkloadAccessToken);
      const pending = answered(await ask(begin, by)) as { AuthorizationURL: string; SessionURI: string };
      expect(pending).toEqual({
        AuthorizationURL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:8700\/consent\//) as string,
        SessionURI: expect.stringMatching(/^urn:/) as string,
        SessionStatus: "IN_PROGRESS",
      });
      expect(answered(await ask({ ...begin, SessionURI: pending.SessionURI }, by))).toEqual(pending);

      const { sessions } = wire.house;
      const browser = openBrowser();
      const step = browser.take(await sessions.visit(nobody, pending.AuthorizationURL.split("/").at(-1) ?? ""));
      if (step.kind !== "redirect") throw new Error("A redirect was expected.");
      const asked = new URL(step.to).searchParams;
      expect([asked.get("theme"), asked.get("tab"), asked.get("display"), asked.get("again")]).toEqual([
        '{"dark":[null]}',
        "7",
        "page",
        "true",
      ]);
      const back = new URL(await upstream.walk(step.to, "alice"));
      const home = await sessions.providerCallback(nobody, back.pathname.split("/").at(-1) ?? "", back.searchParams, browser.cookies);
      if (home.kind !== "redirect") throw new Error("A redirect was expected.");
      const returned = new URL(home.to);
      expect(`${returned.origin}${returned.pathname}`).toBe(backUrl);
      expect(returned.searchParams.get("state")).toBe("chat 1&é");
      const SessionURI = returned.searchParams.get("session_uri");

      expect(faultOf(await call("CompleteResourceTokenAuth", { SessionURI, UserIdentifier: {} }, scout))).toEqual([
        400,
        "InvalidParameter.UserIdentifier",
      ]);
      const complete = (by: TestKey) => call("CompleteResourceTokenAuth", { SessionURI, UserIdentifier: { UserId: "alice" } }, by);
      expect(faultOf(await complete(await wire.agentKey("other")))).toEqual([404, "EntityNotExists.AuthorizationSession"]);
      expect(answered(await complete(scout))).toEqual({});
      expect(faultOf(await complete(scout))).toEqual([409, "AuthorizationSessionUsed"]);
      const polled = answered(await ask({ ...begin, SessionURI: pending.SessionURI }, by));
      expect(polled).toMatchObject({ AccessToken: expect.any(String) as string });
      expect(answered(await ask(begin, by))).toMatchObject({ AccessToken: polled["AccessToken"] });
      const forced = answered(await ask({ ...begin, ForceAuthentication: true }, by));
      expect(forced).toMatchObject({ SessionStatus: "IN_PROGRESS" });
    });

    test("another user than the consent's ends it", async () => {
      const WorkloadAccessToken = await tokenOf({ UserId: "carol" }, "GetWorkloadAccessTokenForUserId");
      const { SessionURI } = answered(await ask({ WorkloadAccessToken, ResourceOAuth2ReturnURL: backUrl }));
      const UserIdentifier = { UserId: "mallory" };
      expect(faultOf(await call("CompleteResourceTokenAuth", { SessionURI, UserIdentifier }, scout))).toEqual([
        403,
        "Forbidden.UserIdentifier",
      ]);
      const UserJWT = await issuer.sign({ sub: "carol", aud: "nobody" });
      expect(faultOf(await call("CompleteResourceTokenAuth", { SessionURI, UserIdentifier: { UserJWT } }, scout))).toEqual([
        400,
        "InvalidParameter.JsonWebToken",
      ]);
      // Where both stand the token counts: what is said beside it is no way around one that does not hold.
      const both = { UserId: "carol", UserJWT };
      expect(faultOf(await call("CompleteResourceTokenAuth", { SessionURI, UserIdentifier: both }, scout))).toEqual([
        400,
        "InvalidParameter.JsonWebToken",
      ]);
    });

    test("says what is wrong with return URL, flow, provider, session", async () => {
      const [alone, alice] = [await tokenOf(), await forAlice()];
      const fresh = { Scopes: ["write"] };
      const faults: readonly (readonly [Params, number, string])[] = [
        [{ WorkloadAccessToken: alice, ...fresh }, 400, "MissingParameter.ResourceOAuth2ReturnURL"],
        [{ WorkloadAccessToken: alice, ...fresh, ResourceOAuth2ReturnURL: `${backUrl}/` }, 400, "Missmatch.ResourceOAuth2ReturnURL"],
        [{ WorkloadAccessToken: alice, ...fresh, ResourceOAuth2ReturnURL: "nowhere" }, 400, "InvalidParameter.ResourceOAuth2ReturnURL"],
        [{ WorkloadAccessToken: alone, OAuth2Flow: "USER_FEDERATION" }, 400, "InvalidParameter.OAuth2Flow"],
        [{ WorkloadAccessToken: alone, OAuth2Flow: "m2m" }, 400, "InvalidParameter.OAuth2Flow"],
        [{ WorkloadAccessToken: alone, SessionURI: "urn:x" }, 400, "InvalidParameter.SessionURI"],
        [{ WorkloadAccessToken: alice, SessionURI: "urn:x" }, 404, "EntityNotExists.AuthorizationSession"],
        [{ WorkloadAccessToken: alone, ResourceCredentialProviderName: "none" }, 404, "EntityNotExists.OAuth2CredentialProvider"],
        [{ WorkloadAccessToken: alone, TokenVaultName: "none" }, 404, "EntityNotExists.OAuth2CredentialProvider"],
        [{ WorkloadAccessToken: alone, ResourceCredentialProviderName: "maps" }, 400, "InvalidParameter.ResourceCredentialProviderName"],
        [{ WorkloadAccessToken: alone, Scopes: "read" }, 400, "InvalidParameter.Scopes"],
        [{ WorkloadAccessToken: alone, Scopes: ["a b"] }, 400, "InvalidParameter.Scopes"],
        [{ WorkloadAccessToken: alone, ForceAuthentication: "yes" }, 400, "InvalidParameter.ForceAuthentication"],
        [{ WorkloadAccessToken: alice, CustomParameters: { state: "mine" } }, 400, "InvalidParameter.CustomParameters"],
        [{ WorkloadAccessToken: alice, CustomParameters: { prompt: null } }, 400, "InvalidParameter.CustomParameters"],
        [{ WorkloadAccessToken: alice, CustomParameters: ["prompt"] }, 400, "InvalidParameter.CustomParameters"],
      ];
      for (const [params, status, code] of faults) expect(faultOf(await ask(params)), JSON.stringify(params)).toEqual([status, code]);
      const named = await ask({ WorkloadAccessToken: alice, CustomParameters: { "a.b": "c" } });
      expect(faultOf(named)).toEqual([400, "InvalidParameter.CustomParameters"]);
      expect(named.json<{ Message: string }>().Message).toBe(
        "The parameter CustomParameters is not as it should be: a name in it must be 1 to 128 of A-Z a-z 0-9 _ -.",
      );
      const wrong = { WorkloadAccessToken: alone, ...git };
      expect(faultOf(await call("GetResourceAPIKey", wrong))).toEqual([400, "InvalidParameter.ResourceCredentialProviderName"]);
      expect(faultOf(await call("GetResourceAPIKey", { ...wrong, ResourceCredentialProviderName: "x" }))).toEqual([
        404,
        "EntityNotExists.APIKeyCredentialProvider",
      ]);
      await wire.house.providers.suspend(admin, undefined, "maps");
      expect(faultOf(await call("GetResourceAPIKey", { ...wrong, ResourceCredentialProviderName: "maps" }))).toEqual([
        403,
        "Forbidden.APIKeyCredentialProviderSuspended",
      ]);
      await wire.house.providers.resume(admin, undefined, "maps");
    });
  });

  test("decisions by policy sets are not made here", async () => {
    for (const action of ["SearchAuthorizedActions", "EvaluatePolicy"])
      for (const by of [key, scout])
        expect(faultOf(await call(action, { Whatever: "1" }, by)), action).toEqual([400, "UnsupportedOperation"]);
  });
});
