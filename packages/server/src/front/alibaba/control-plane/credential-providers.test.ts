import { afterEach, beforeEach, expect, test } from "vitest";
import { type Scripted, startScripted } from "../../../access/providers/providers-for-tests.ts";
import { eachStore } from "../../../testing/stores.ts";
import { admin } from "../alibaba-for-tests.ts";
import { aMoment, type OpenControlPlane, openControlPlane } from "./control-plane-for-tests.ts";

eachStore("credential providers on the Alibaba Cloud wire", (fresh) => {
  let wire: OpenControlPlane;
  let there: Scripted;
  beforeEach(async () => {
    wire = await openControlPlane(await fresh());
    there = await startScripted(() => ({ body: {} }));
  });
  afterEach(async () => {
    await there.stop();
    await wire.close();
  });

  const oauth2 = (more: object = {}) => ({ OAuth2CredentialProviderName: "files", ...more });
  const apiKey = (more: object = {}) => ({ APIKeyCredentialProviderName: "weather", ...more });
  const getOauth2 = async (more: object = {}) =>
    (await wire.ask("GetOAuth2CredentialProvider", oauth2(more)))["OAuth2CredentialProvider"] as Record<string, unknown>;
  const createOauth2 = async (params: object) =>
    (await wire.ask("CreateOAuth2CredentialProvider", oauth2(params)))["OAuth2CredentialProvider"] as Record<string, unknown>;
  const endpoints = () => ({
    AuthorizationRequest: { Endpoint: there.endpoints.authorizationEndpoint },
    TokenRequest: { Endpoint: there.endpoints.tokenEndpoint },
  });
  const custom = (more: object = {}, metadata: object = {}) => ({
    CredentialProviderVendor: "CustomOAuth2",
    OAuth2ProviderConfig: {
      CustomOAuth2ProviderConfig: {
        ClientId: "client",
        ClientSecret: "canary-secret",
        OAuth2Discovery: { AuthorizationServerMetadata: { ...endpoints(), ...metadata } },
        ...more,
      },
    },
  });

  test("an API key goes in and never comes out", async () => {
    const { APIKeyCredentialProvider: made } = await wire.ask(
      "CreateAPIKeyCredentialProvider",
      apiKey({ APIKey: "canary-key", Description: "what falls" }),
    );
    expect(made).toEqual({
      APIKeyCredentialProviderName: "weather",
      CredentialProviderArn: `${wire.arns}tokenvault/default/apikeycredentialprovider/weather`,
      TokenVaultName: "default",
      Description: "what falls",
      CreateTime: aMoment,
    });
    const got = await wire.ask("GetAPIKeyCredentialProvider", apiKey());
    expect(got).toEqual({ APIKeyCredentialProvider: { ...(made as object), UpdateTime: aMoment } });
    expect(JSON.stringify([got, await wire.ask("ListAPIKeyCredentialProviders")])).not.toContain("canary");
    const key = async () => wire.house.providers.apiKey("default", await wire.house.providers.get("default", undefined, "weather"));
    await wire.ask("UpdateAPIKeyCredentialProvider", apiKey({ Description: "" }));
    await expect(key()).resolves.toBe("canary-key");
    await wire.ask("UpdateAPIKeyCredentialProvider", apiKey({ APIKey: "canary-new" }));
    await expect(key()).resolves.toBe("canary-new");
    const after = (await wire.ask("GetAPIKeyCredentialProvider", apiKey()))["APIKeyCredentialProvider"];
    expect(after).not.toHaveProperty("Description");
    await expect(wire.ask("DeleteAPIKeyCredentialProvider", apiKey())).resolves.toEqual({});
    for (const action of ["Get", "Update", "Delete"])
      await expect(wire.fault(`${action}APIKeyCredentialProvider`, apiKey())).resolves.toEqual([
        404,
        "EntityNotExists.APIKeyCredentialProvider",
      ]);
    const audited = await wire.house.audit.list("default", { action: "provider.*" }, { limit: 50 });
    expect(JSON.stringify(audited)).not.toContain("canary");
  });

  test("a vendor whose addresses are known needs a client id alone, as the original sample makes it", async () => {
    const addresses = {
      AliyunOAuth2: ["https://signin.aliyun.com/oauth2/v1/auth", "https://oauth.aliyun.com/v1/token"],
      AlibabaCloudOAuth2: ["https://signin.alibabacloud.com/oauth2/v1/auth", "https://oauth.alibabacloud.com/v1/token"],
      FeiShuOAuth2: ["https://accounts.feishu.cn/open-apis/authen/v1/authorize", "https://open.feishu.cn/open-apis/authen/v2/oauth/token"],
    };
    for (const [CredentialProviderVendor, [AuthorizationEndpoint, TokenEndpoint]] of Object.entries(addresses)) {
      const made = await createOauth2({
        OAuth2CredentialProviderName: CredentialProviderVendor,
        CredentialProviderVendor,
        OAuth2ProviderConfig: { IncludedOAuth2ProviderConfig: { ClientId: "client" } },
      });
      const { id } = await wire.house.providers.get("default", undefined, CredentialProviderVendor);
      expect(made).toEqual({
        OAuth2CredentialProviderName: CredentialProviderVendor,
        CredentialProviderArn: `${wire.arns}tokenvault/default/oauth2credentialprovider/${CredentialProviderVendor}`,
        CredentialProviderVendor,
        TokenVaultName: "default",
        OAuth2ProviderConfig: { IncludedOAuth2ProviderConfig: { ClientId: "client", AuthorizationEndpoint, TokenEndpoint } },
        CallbackURL: `http://127.0.0.1:8700/callback/${id}`,
        CreateTime: aMoment,
        UpdateTime: aMoment,
      });
    }
    const dingtalk = { CredentialProviderVendor: "DingTalkOAuth2", OAuth2CredentialProviderName: "ding" };
    const bare = { IncludedOAuth2ProviderConfig: { ClientId: "client" } };
    await expect(wire.fault("CreateOAuth2CredentialProvider", oauth2({ ...dingtalk, OAuth2ProviderConfig: bare }))).resolves.toEqual([
      400,
      "InvalidParameter.OAuth2ProviderConfig",
    ]);
    const whole = { IncludedOAuth2ProviderConfig: { ClientId: "client", ClientSecret: "canary-secret" } };
    const made = await createOauth2({ ...dingtalk, OAuth2ProviderConfig: whole });
    expect(JSON.stringify(made)).not.toContain("canary");
    await expect(wire.house.providers.get("default", undefined, "ding")).resolves.toMatchObject({
      kind: "dingtalk",
      clientAuth: undefined,
    });
  });

  test("a kind of OAuth that nobody knows says nothing of its flows, whatever it is called", async () => {
    for (const OAuthType of ["constructor", "__proto__", "toString", "SOMETHING"]) {
      const made = await createOauth2({ ...custom(), OAuth2CredentialProviderName: `files-${OAuthType}`, OAuthType });
      expect(made).toMatchObject({ OAuthType });
      await expect(wire.house.providers.get("default", undefined, `files-${OAuthType}`)).resolves.toMatchObject({ flows: undefined });
    }
  });

  test("a custom one is given by its metadata's addresses, which come back without the secret", async () => {
    const made = await createOauth2({
      ...custom({}, { Issuer: "https://id.example.test" }),
      Description: "d",
      OAuthType: "USER_FEDERATION",
      CallbackURL: "https://app.example.test/cb",
    });
    const { CustomOAuth2ProviderConfig } = made["OAuth2ProviderConfig"] as { CustomOAuth2ProviderConfig: unknown };
    expect(made).toMatchObject({
      CredentialProviderVendor: "CustomOAuth2",
      OAuthType: "USER_FEDERATION",
      CallbackURL: "https://app.example.test/cb",
      Description: "d",
    });
    expect(CustomOAuth2ProviderConfig).toEqual({
      ClientId: "client",
      OAuth2Discovery: {
        AuthorizationServerMetadata: { Issuer: "https://id.example.test", ...endpoints(), PKCE: { Enabled: true } },
      },
    });
    expect(await getOauth2()).toEqual(made);
    await expect(wire.house.providers.get("default", undefined, "files")).resolves.toMatchObject({
      kind: "oauth2",
      redirectUri: "https://app.example.test/cb",
      flows: ["USER_FEDERATION"],
      pkce: undefined,
    });
  });

  test("a custom one is found by its discovery document, and PKCE may be left out only with a secret", async () => {
    const OAuth2Discovery = { DiscoveryURL: `${there.url}/.well-known/openid-configuration` };
    const made = await createOauth2(custom({ OAuth2Discovery }));
    expect(made["OAuth2ProviderConfig"]).toEqual({ CustomOAuth2ProviderConfig: { ClientId: "client", OAuth2Discovery } });
    await expect(wire.house.providers.get("default", undefined, "files")).resolves.toMatchObject({
      kind: "oidc",
      discoveryUrl: OAuth2Discovery.DiscoveryURL,
    });
    const other = { OAuth2CredentialProviderName: "other" };
    await createOauth2({ ...custom({}, { PKCE: { Enabled: false } }), ...other });
    await expect(wire.house.providers.get("default", undefined, "other")).resolves.toMatchObject({ pkce: false });
    expect(await getOauth2(other)).toMatchObject({
      OAuth2ProviderConfig: {
        CustomOAuth2ProviderConfig: { OAuth2Discovery: { AuthorizationServerMetadata: { PKCE: { Enabled: false } } } },
      },
    });
    const open = { ...custom({ ClientSecret: undefined }, { PKCE: { Enabled: false } }), OAuth2CredentialProviderName: "open" };
    await expect(wire.fault("CreateOAuth2CredentialProvider", open)).resolves.toEqual([400, "InvalidParameter.OAuth2ProviderConfig"]);
  });

  test("an update changes what it names: a public client gets a secret, metadata takes the place of discovery, and back", async () => {
    await createOauth2({ ...custom({ ClientSecret: undefined }, { PKCE: { Enabled: true } }), OAuthType: "M2M" });
    const stored = () => wire.house.providers.get("default", undefined, "files");
    const update = (params: object) => wire.ask("UpdateOAuth2CredentialProvider", oauth2(params));
    const config = (given: object) => ({ OAuth2ProviderConfig: { CustomOAuth2ProviderConfig: given } });
    expect(await stored()).toMatchObject({ clientAuth: "none", flows: ["M2M"] });

    await expect(update({ Description: "d" })).resolves.toEqual({});
    expect(await stored()).toMatchObject({ description: "d", clientAuth: "none", clientId: "client" });
    await update({ ...config({ ClientSecret: "canary-secret" }), CallbackURL: "https://app.example.test/cb" });
    const confidential = await stored();
    expect(confidential).toMatchObject({ clientAuth: undefined, redirectUri: "https://app.example.test/cb" });
    expect(confidential.sealedSecret).toBeDefined();

    const DiscoveryURL = `${there.url}/.well-known/openid-configuration`;
    await update({ ...config({ ClientSecret: "canary-2", OAuth2Discovery: { DiscoveryURL } }), CallbackURL: "" });
    expect(await stored()).toMatchObject({
      kind: "oidc",
      discoveryUrl: DiscoveryURL,
      authorizationEndpoint: undefined,
      tokenEndpoint: undefined,
      pkce: undefined,
      redirectUri: undefined,
    });
    const metadata = { OAuth2Discovery: { AuthorizationServerMetadata: endpoints() } };
    // The secret was given to another server: it does not go along.
    await expect(wire.fault("UpdateOAuth2CredentialProvider", oauth2(config(metadata)))).resolves.toEqual([
      400,
      "InvalidParameter.OAuth2ProviderConfig",
    ]);
    await update(config({ ...metadata, ClientSecret: "canary-3" }));
    expect(await stored()).toMatchObject({ kind: "oauth2", discoveryUrl: undefined, ...there.endpoints });
    expect(await getOauth2()).toMatchObject({ OAuthType: "M2M", Description: "d" });

    const included = { OAuth2ProviderConfig: { IncludedOAuth2ProviderConfig: { ClientId: "other", ClientSecret: "canary-4" } } };
    await expect(wire.fault("UpdateOAuth2CredentialProvider", oauth2(included))).resolves.toEqual([
      400,
      "InvalidParameter.OAuth2ProviderConfig",
    ]);
    await expect(wire.fault("UpdateOAuth2CredentialProvider", oauth2({ CredentialProviderVendor: "FeiShuOAuth2" }))).resolves.toEqual([
      400,
      "InvalidParameter.OAuth2ProviderConfig",
    ]);
    await update({ CredentialProviderVendor: "FeiShuOAuth2", ...included });
    expect(await stored()).toMatchObject({ kind: "feishu", clientId: "other", tokenEndpoint: undefined });
    expect(await getOauth2()).toMatchObject({ CredentialProviderVendor: "FeiShuOAuth2" });
  });

  test("what was read and is written back changes nothing, whatever kind the provider is of and wherever its addresses come from", async () => {
    const DiscoveryURL = `${there.url}/.well-known/openid-configuration`;
    const secret = { clientSecret: "canary" };
    const natives = {
      github: { kind: "github", ...secret },
      google: { kind: "google", ...secret, pkce: false },
      microsoft: { kind: "microsoft", ...secret, discoveryUrl: DiscoveryURL, ...there.endpoints },
      oidc: { kind: "oidc", ...secret, discoveryUrl: DiscoveryURL },
      plain: { kind: "oauth2", clientAuth: "none", ...there.endpoints, issuer: there.url, redirectUri: "https://app.example.test/cb" },
      feishu: { kind: "feishu", ...secret },
      dingtalk: { kind: "dingtalk", ...secret },
    } as const;
    for (const [name, fields] of Object.entries(natives)) {
      await wire.house.providers.create(admin, { type: "oauth2", name, clientId: "c", ...fields });
      const { version: _, updatedAt: __, warnings: ___, ...before } = await wire.house.providers.get("default", undefined, name);
      const ref = { OAuth2CredentialProviderName: name };
      const { CredentialProviderVendor, OAuth2ProviderConfig, CallbackURL, Description } = await getOauth2(ref);
      for (const written of [{ OAuth2ProviderConfig }, { CredentialProviderVendor, OAuth2ProviderConfig, CallbackURL, Description }])
        await wire.ask("UpdateOAuth2CredentialProvider", { ...ref, ...written });
      expect(await wire.house.providers.get("default", undefined, name), name).toMatchObject(before);
    }
    const { items } = await wire.house.audit.list("default", { action: "provider.updated" }, { limit: 50 });
    expect(items.map(({ details }) => details["rebound"])).toEqual(Array(14).fill(false));
  });

  test("a vault that is not there is said so, and a provider of the other kind is not there", async () => {
    const unknownVault = [404, "EntityNotExists.TokenVault"];
    const inVault = { TokenVaultName: "team" };
    await expect(wire.fault("CreateOAuth2CredentialProvider", oauth2({ ...custom(), ...inVault }))).resolves.toEqual(unknownVault);
    await expect(wire.fault("CreateAPIKeyCredentialProvider", apiKey({ APIKey: "k", ...inVault }))).resolves.toEqual(unknownVault);
    await expect(wire.fault("ListOAuth2CredentialProviders", inVault)).resolves.toEqual(unknownVault);
    await expect(wire.fault("ListAPIKeyCredentialProviders", inVault)).resolves.toEqual(unknownVault);
    await wire.ask("CreateTokenVault", inVault);
    await wire.ask("CreateAPIKeyCredentialProvider", apiKey({ APIKey: "k", ...inVault }));
    await createOauth2({ ...custom(), ...inVault });
    await expect(wire.fault("CreateOAuth2CredentialProvider", oauth2({ ...custom(), ...inVault }))).resolves.toEqual([
      409,
      "EntityAlreadyExists.OAuth2CredentialProvider",
    ]);
    await expect(wire.fault("CreateAPIKeyCredentialProvider", apiKey({ APIKey: "k", ...inVault }))).resolves.toEqual([
      409,
      "EntityAlreadyExists.APIKeyCredentialProvider",
    ]);
    const [noKey, noClient] = [
      [404, "EntityNotExists.APIKeyCredentialProvider"],
      [404, "EntityNotExists.OAuth2CredentialProvider"],
    ];
    for (const action of ["Get", "Update", "Delete"]) {
      await expect(wire.fault(`${action}APIKeyCredentialProvider`, apiKey())).resolves.toEqual(noKey);
      await expect(wire.fault(`${action}APIKeyCredentialProvider`, { APIKeyCredentialProviderName: "files", ...inVault })).resolves.toEqual(
        noKey,
      );
      await expect(
        wire.fault(`${action}OAuth2CredentialProvider`, { OAuth2CredentialProviderName: "weather", ...inVault }),
      ).resolves.toEqual(noClient);
    }
    await expect(wire.ask("DeleteOAuth2CredentialProvider", oauth2(inVault))).resolves.toEqual({});
    await expect(wire.fault("GetOAuth2CredentialProvider", oauth2(inVault))).resolves.toEqual(noClient);
  });

  test("each kind is listed by itself, in pages that end, and counted", async () => {
    for (const name of ["one", "two", "three"]) {
      await createOauth2({ ...custom(), OAuth2CredentialProviderName: name });
      await wire.ask("CreateAPIKeyCredentialProvider", { APIKeyCredentialProviderName: `key-${name}`, APIKey: "k" });
      wire.hand.forward(1);
    }
    const clients = await wire.pages("ListOAuth2CredentialProviders", "OAuth2CredentialProviders", 1);
    expect(clients.flat().map((item) => (item as { OAuth2CredentialProviderName: string }).OAuth2CredentialProviderName)).toEqual([
      "one",
      "two",
      "three",
    ]);
    const keys = await wire.pages("ListAPIKeyCredentialProviders", "APIKeyCredentialProviders", 2);
    expect(keys.map((page) => page.length)).toEqual([2, 1]);
    await expect(wire.ask("ListOAuth2CredentialProviders")).resolves.toMatchObject({ MaxResults: 100, TotalCount: 3 });
    await wire.ask("DeleteAPIKeyCredentialProvider", { APIKeyCredentialProviderName: "key-two" });
    await expect(wire.ask("ListAPIKeyCredentialProviders")).resolves.toMatchObject({ TotalCount: 2 });
    expect(JSON.stringify(await wire.ask("ListOAuth2CredentialProviders"))).not.toContain("canary");
  });

  test("one that was made elsewhere is shown as a custom one, by the addresses it has", async () => {
    await wire.house.providers.create(admin, { type: "oauth2", name: "files", kind: "github", clientId: "c", clientSecret: "canary" });
    expect(await getOauth2()).toMatchObject({
      CredentialProviderVendor: "CustomOAuth2",
      OAuth2ProviderConfig: {
        CustomOAuth2ProviderConfig: {
          ClientId: "c",
          OAuth2Discovery: { AuthorizationServerMetadata: { TokenRequest: { Endpoint: "https://github.com/login/oauth/access_token" } } },
        },
      },
    });
    expect(await getOauth2()).not.toHaveProperty("OAuthType");
  });

  test("a configuration that is half, double, for another vendor or unknown is refused, and nothing is made", async () => {
    const config = (CustomOAuth2ProviderConfig: unknown) => ({ OAuth2ProviderConfig: { CustomOAuth2ProviderConfig } });
    const discovery = (OAuth2Discovery: unknown) => config({ ClientId: "c", ClientSecret: "s", OAuth2Discovery });
    const cases: readonly [object, string][] = [
      [{ CredentialProviderVendor: "GoogleOAuth2" }, "CredentialProviderVendor"],
      [{ CredentialProviderVendor: "aliyunoauth2" }, "CredentialProviderVendor"],
      [{ CredentialProviderVendor: "AliyunOAuth2" }, "OAuth2ProviderConfig"],
      [config({ ClientId: "c", ClientSecret: "s" }), "OAuth2ProviderConfig"],
      [config({ ClientSecret: "s", OAuth2Discovery: { DiscoveryURL: there.url } }), "OAuth2ProviderConfig"],
      [discovery({}), "OAuth2ProviderConfig"],
      [discovery({ DiscoveryURL: there.url, AuthorizationServerMetadata: endpoints() }), "OAuth2ProviderConfig"],
      [discovery({ DiscoveryURL: "id.example.test" }), "OAuth2ProviderConfig"],
      [discovery({ DiscoveryURL: "http://192.0.2.1/" }), "OAuth2ProviderConfig"],
      [discovery({ AuthorizationServerMetadata: { AuthorizationRequest: endpoints().AuthorizationRequest } }), "OAuth2ProviderConfig"],
      [discovery({ AuthorizationServerMetadata: { ...endpoints(), Surprise: 1 } }), "OAuth2ProviderConfig"],
      [discovery({ AuthorizationServerMetadata: { ...endpoints(), PKCE: { Enabled: "True" } } }), "OAuth2ProviderConfig"],
      [{ OAuth2ProviderConfig: {} }, "OAuth2ProviderConfig"],
      [{ OAuth2ProviderConfig: "{" }, "OAuth2ProviderConfig"],
      [{ OAuth2ProviderConfig: "[]" }, "OAuth2ProviderConfig"],
      [{ CallbackURL: "https://u:p@app.example.test/" }, "CallbackURL"],
      [{ OAuth2CredentialProviderName: "../files" }, "OAuth2CredentialProviderName"],
      [{ OAuth2CredentialProviderName: `prv_${"0".repeat(32)}` }, "OAuth2CredentialProviderName"],
    ];
    for (const [params, parameter] of cases)
      await expect(
        wire.fault("CreateOAuth2CredentialProvider", oauth2({ ...custom(), ...params })),
        JSON.stringify(params),
      ).resolves.toEqual([400, `InvalidParameter.${parameter}`]);
    await expect(wire.ask("ListOAuth2CredentialProviders")).resolves.toMatchObject({ TotalCount: 0 });
  });
});
