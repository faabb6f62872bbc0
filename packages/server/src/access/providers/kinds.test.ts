import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { fixedEndpoints, kinds } from "./kinds.ts";
import type { KindName, Provider } from "./provider.ts";
import { type OpenProviders, openProviders, type Scripted, startScripted } from "./providers-for-tests.ts";

const tenant = "default";
const who = adminOf(tenant);
const codeVerifier = "v".repeat(43);
const codeChallenge = createHash("sha256").update(codeVerifier).digest("base64url");

test("each kind names its documentation, and its addresses are https", () => {
  const urls = Object.values(kinds).flatMap(({ documentation, authorizationEndpoint, tokenEndpoint, issuer }) => [
    documentation,
    ...[authorizationEndpoint, tokenEndpoint, issuer].filter((url) => url !== undefined),
  ]);
  expect(urls.filter((url) => !url.startsWith("https://"))).toEqual([]);
});

test("what a kind brings along is never mixed with a server that was named", () => {
  const google = { kind: "google" } as Provider;
  expect(fixedEndpoints(google)).toEqual({
    issuer: "https://accounts.google.com",
    authorization: "https://accounts.google.com/o/oauth2/v2/auth",
    token: "https://oauth2.googleapis.com/token",
  });
  expect(fixedEndpoints({ ...google, discoveryUrl: "https://id.example.test" })).toEqual({});
  expect(fixedEndpoints({ ...google, tokenEndpoint: "https://id.example.test/token" })).toEqual({ token: "https://id.example.test/token" });
});

eachStore("a provider with ways of its own", (fresh) => {
  let house: OpenProviders;
  let there: Scripted;
  beforeEach(async () => {
    house = await openProviders(await fresh(), { limits: { callMs: 1_500 } });
    there = await startScripted(() => ({ body: { access_token: "at", token_type: "bearer" } }));
  });
  afterEach(async () => {
    await there.stop();
    await house.close();
  });

  const registered = (kind: KindName | undefined, more: object = {}): Promise<Provider> =>
    house.providers.create(who, {
      type: "oauth2",
      name: `p-${kind}`,
      ...(kind && { kind }),
      clientId: "an id",
      clientSecret: "canary-secret",
      ...there.endpoints,
      ...more,
    });
  const authorization = async (provider: Provider, more: object = {}) =>
    Object.fromEntries(
      new URL(
        await house.providers.upstream.authorizationUrl(tenant, provider, {
          state: "st",
          codeChallenge,
          scopes: ["one", "two"],
          customParameters: {},
          force: false,
          resource: "https://api.example.test/",
          audience: "api",
          ...more,
        }),
      ).searchParams,
    );
  const kept = async (provider: Provider, response = "code=canary-code&state=st") => {
    const callback = await house.providers.upstream.readCallback(tenant, provider, new URLSearchParams(response), "st");
    if (!callback.ok) throw new Error(callback.error);
    return callback.kept;
  };
  const exchanged = async (provider: Provider, more: object = {}) =>
    house.providers.upstream.exchange(tenant, provider, { kept: await kept(provider), codeVerifier, state: "st", ...more });
  const refreshed = (provider: Provider, more: object = {}) =>
    house.providers.upstream.refresh(tenant, provider, { refreshToken: "canary-refresh", scopes: ["one", "two"], ...more });
  const form = () => Object.fromEntries(new URLSearchParams(there.last().body));
  const basic = `Basic ${Buffer.from("an+id:canary-secret").toString("base64")}`;

  test("the plain kind: what RFC 6749, 7636 and 8707 say and nothing else", async () => {
    const provider = await registered("oauth2");
    expect(provider.warnings).toEqual([]);
    const common = {
      response_type: "code",
      client_id: "an id",
      redirect_uri: `http://127.0.0.1:8700/callback/${provider.id}`,
      state: "st",
      code_challenge: codeChallenge,
      code_challenge_method: "S256",
    };
    await expect(authorization(provider)).resolves.toEqual({
      ...common,
      scope: "one two",
      resource: "https://api.example.test/",
      audience: "api",
    });
    await expect(authorization(provider, { scopes: [], resource: undefined, audience: undefined })).resolves.toEqual(common);
    await exchanged(provider, { resource: "https://api.example.test/" });
    expect(there.last().headers).toMatchObject({
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded;charset=UTF-8",
    });
    expect(form()).toEqual({
      grant_type: "authorization_code",
      code: "canary-code",
      code_verifier: codeVerifier,
      redirect_uri: common.redirect_uri,
      client_id: "an id",
      client_secret: "canary-secret",
      resource: "https://api.example.test/",
    });
    await refreshed(provider);
    expect(form()).toEqual({
      grant_type: "refresh_token",
      refresh_token: "canary-refresh",
      client_id: "an id",
      client_secret: "canary-secret",
    });
  });

  test("Basic credentials escape only what form encoding must", async () => {
    const provider = await registered(undefined, { clientId: "a-._*b c", clientSecret: "s:/+%~é", clientAuth: "client_secret_basic" });
    await refreshed(provider);
    const [, encoded = ""] = there.last().headers.authorization?.split(" ") ?? [];
    expect(Buffer.from(encoded, "base64").toString()).toBe("a-._*b+c:s%3A%2F%2B%25%7E%C3%A9");
  });

  test("GitHub: errors come with status 200, scopes with commas, tokens without an end", async () => {
    const provider = await registered("github");
    await expect(authorization(provider, { force: true })).resolves.toMatchObject({ scope: "one two", prompt: "select_account" });
    await expect(authorization(provider)).resolves.not.toHaveProperty("resource");
    there.answer(() => ({ body: { access_token: "gho_1", scope: "repo,read:user", token_type: "bearer" } }));
    await expect(exchanged(provider)).resolves.toEqual({ accessToken: "gho_1", tokenType: "Bearer", scopes: ["repo", "read:user"] });
    expect(form()).toMatchObject({ client_secret: "canary-secret" });
    there.answer(() => ({ body: { access_token: "ghu_1", scope: "", token_type: "bearer", expires_in: 28800, refresh_token: "ghr_1" } }));
    await expect(exchanged(provider)).resolves.toEqual({
      accessToken: "ghu_1",
      tokenType: "Bearer",
      refreshToken: "ghr_1",
      expiresIn: 28800,
    });
    there.answer(() => ({ body: { error: "bad_verification_code", error_description: "The code passed is incorrect or expired." } }));
    await expect(exchanged(provider)).rejects.toMatchObject({ error: "bad_verification_code" });
    there.answer(() => ({ body: { error: "bad_refresh_token" } }));
    await expect(refreshed(provider)).rejects.toMatchObject({ name: "UpstreamRefused", error: "invalid_grant" });
    await expect(exchanged(provider)).rejects.toMatchObject({ name: "UpstreamRefused", error: "bad_refresh_token" });
    // The same words from a server of no such kind are no OAuth error.
    await expect(refreshed(await registered(undefined))).rejects.toMatchObject({ name: "UpstreamUnavailable", reason: "nonsense" });
  });

  test("Google: offline access and consent are always asked for", async () => {
    const provider = await registered("google");
    await expect(authorization(provider)).resolves.toMatchObject({ access_type: "offline", prompt: "consent" });
    await expect(authorization(provider, { force: true })).resolves.toMatchObject({ prompt: "consent select_account" });
    await expect(
      authorization(provider, { customParameters: { access_type: "online", login_hint: "a@example.test" } }),
    ).resolves.toMatchObject({
      access_type: "online",
      login_hint: "a@example.test",
    });
  });

  test("Entra: a resource is never named, and a refresh names its scopes", async () => {
    const provider = await registered("microsoft");
    const asked = await authorization(provider);
    expect(asked).not.toHaveProperty("resource");
    expect(asked).not.toHaveProperty("audience");
    const target = { resource: "https://api.example.test/", audience: "api" };
    await exchanged(provider, target);
    expect(form()).not.toHaveProperty("resource");
    await refreshed(provider, target);
    expect(form()).toMatchObject({ scope: "one two" });
    expect(form()).not.toHaveProperty("resource");
    await house.providers.upstream.clientCredentials(tenant, provider, { scopes: ["https://graph.microsoft.com/.default"], ...target });
    expect(form()).toEqual({
      grant_type: "client_credentials",
      scope: "https://graph.microsoft.com/.default",
      client_id: "an id",
      client_secret: "canary-secret",
    });
  });

  test("Slack: scopes are asked for the user, whose token is nested; a no says ok: false", async () => {
    const provider = await registered("slack");
    const asked = await authorization(provider, { customParameters: { user_scope: "admin", team: "T1" } });
    expect(asked).toMatchObject({ user_scope: "one,two", team: "T1" });
    expect(asked).not.toHaveProperty("scope");
    await expect(authorization(provider, { scopes: [], customParameters: { user_scope: "admin" } })).resolves.not.toHaveProperty(
      "user_scope",
    );
    const user = { id: "U1", scope: "one,two", access_token: "xoxp-1", token_type: "user" };
    there.answer(() => ({ body: { ok: true, access_token: "xoxb-bot", token_type: "bot", scope: "chat:write", authed_user: user } }));
    await expect(exchanged(provider)).resolves.toEqual({ accessToken: "xoxp-1", tokenType: "Bearer", scopes: ["one", "two"] });
    expect(there.last().headers.authorization).toBe(basic);
    expect(form()).not.toHaveProperty("client_secret");
    const rotated = { access_token: "xoxe.xoxp-2", token_type: "user", refresh_token: "xoxe-2", expires_in: 43200 };
    there.answer(() => ({ body: { ok: true, ...rotated } }));
    await expect(refreshed(provider)).resolves.toEqual({
      accessToken: "xoxe.xoxp-2",
      tokenType: "Bearer",
      refreshToken: "xoxe-2",
      expiresIn: 43200,
    });
    there.answer(() => ({ body: { ok: false, error: "invalid_code" } }));
    await expect(exchanged(provider)).rejects.toMatchObject({ name: "UpstreamRefused", error: "invalid_code" });
    there.answer(() => ({ body: { ok: false, error: "invalid_refresh_token" } }));
    await expect(refreshed(provider)).rejects.toMatchObject({ name: "UpstreamRefused", error: "invalid_grant" });
    there.answer(() => ({ body: { ok: false, error: "internal_error" } }));
    await expect(refreshed(provider)).rejects.toMatchObject({ name: "UpstreamUnavailable", reason: "overloaded" });
  });

  test("Atlassian: the audience is its own, consent is asked for, the token request is JSON", async () => {
    const provider = await registered("atlassian");
    await expect(authorization(provider)).resolves.toMatchObject({ audience: "api.atlassian.com", prompt: "consent" });
    await refreshed(provider);
    expect(there.last().headers["content-type"]).toBe("application/json");
    expect(JSON.parse(there.last().body)).toEqual({
      grant_type: "refresh_token",
      refresh_token: "canary-refresh",
      client_id: "an id",
      client_secret: "canary-secret",
    });
  });

  test("Notion: the owner is a user, the token request is JSON with Basic and a version", async () => {
    const provider = await registered("notion");
    await expect(authorization(provider, { force: true })).resolves.toMatchObject({ owner: "user" });
    await exchanged(provider);
    expect(there.last().headers).toMatchObject({
      authorization: basic,
      "content-type": "application/json",
      "notion-version": "2025-09-03",
    });
    expect(JSON.parse(there.last().body)).toMatchObject({ grant_type: "authorization_code", code: "canary-code" });
    expect(there.last().body).not.toContain("canary-secret");
  });

  test("Alibaba Cloud's accounts: offline access is asked for, a client without a secret proves itself by PKCE alone", async () => {
    for (const kind of ["aliyun", "alibabacloud"] as const) {
      const provider = await registered(kind, { clientSecret: undefined, clientAuth: "none" });
      await expect(authorization(provider)).resolves.toMatchObject({
        access_type: "offline",
        code_challenge: codeChallenge,
        scope: "one two",
      });
      await exchanged(provider);
      expect(form()).toMatchObject({ client_id: "an id", code_verifier: codeVerifier });
      expect(form()).not.toHaveProperty("client_secret");
    }
  });

  test("DingTalk: its own names for what is sent and answered, a code in authCode, no PKCE", async () => {
    const provider = await registered("dingtalk");
    expect(provider.warnings).toContain("PKCE is not sent: whoever catches a code may use it (RFC 9700 2.1.1).");
    const asked = await authorization(provider, { scopes: [] });
    expect(asked).toMatchObject({ scope: "openid", prompt: "consent" });
    for (const unknown of ["code_challenge", "code_challenge_method", "resource", "audience"]) expect(asked).not.toHaveProperty(unknown);
    await expect(authorization(provider, { scopes: ["openid", "corpid"] })).resolves.toMatchObject({ scope: "openid corpid" });
    there.answer(() => ({ body: { accessToken: "ding-1", refreshToken: "ding-r1", expireIn: 7200, corpId: "corp" } }));
    for (const response of ["authCode=canary-code&state=st", "code=canary-code&authCode=canary-code&state=st"]) {
      await expect(
        house.providers.upstream.exchange(tenant, provider, { kept: await kept(provider, response), codeVerifier, state: "st" }),
      ).resolves.toEqual({ accessToken: "ding-1", tokenType: "Bearer", refreshToken: "ding-r1", expiresIn: 7200 });
      expect(JSON.parse(there.last().body)).toEqual({
        clientId: "an id",
        clientSecret: "canary-secret",
        grantType: "authorization_code",
        code: "canary-code",
      });
    }
    await refreshed(provider);
    expect(JSON.parse(there.last().body)).toEqual({
      clientId: "an id",
      clientSecret: "canary-secret",
      grantType: "refresh_token",
      refreshToken: "canary-refresh",
    });
    there.answer(() => ({ status: 400, body: { code: "invalidAuthCode", message: "no such code", requestid: "r" } }));
    await expect(exchanged(provider)).rejects.toMatchObject({
      name: "UpstreamRefused",
      error: "invalidAuthCode",
      description: "no such code",
    });
    for (const response of ["authCode=a&authCode=b&state=st", "authCode=&state=st"])
      await expect(kept(provider, response)).rejects.toMatchObject({ error: "invalid_authorization_response" });
    await expect(registered("dingtalk", { name: "public", clientSecret: undefined, clientAuth: "none" })).rejects.toMatchObject({
      code: "invalid_request",
      details: { issues: [{ path: "clientSecret" }] },
    });
  });

  test("Feishu: the token request is JSON, with the verifier", async () => {
    const provider = await registered("feishu");
    const asked = await authorization(provider, { force: true });
    expect(asked).toMatchObject({ code_challenge: codeChallenge, prompt: "consent" });
    expect(asked).not.toHaveProperty("resource");
    there.answer(() => ({
      body: {
        code: 0,
        access_token: "u-1",
        expires_in: 7200,
        refresh_token: "ur-1",
        refresh_token_expires_in: 604800,
        token_type: "Bearer",
      },
    }));
    await expect(exchanged(provider)).resolves.toEqual({
      accessToken: "u-1",
      tokenType: "Bearer",
      refreshToken: "ur-1",
      expiresIn: 7200,
    });
    expect(JSON.parse(there.last().body)).toMatchObject({ client_secret: "canary-secret", code_verifier: codeVerifier });
    there.answer(() => ({
      status: 400,
      body: { code: 20037, error: "invalid_grant", error_description: "The refresh token has expired." },
    }));
    await expect(refreshed(provider)).rejects.toMatchObject({ name: "UpstreamRefused", error: "invalid_grant" });
  });

  test("a redirect URI of its own is what the browser is sent with and what the code is exchanged with", async () => {
    const redirectUri = "https://app.example.test/forwards?to=legate";
    const provider = await registered(undefined, { redirectUri });
    await expect(authorization(provider)).resolves.toMatchObject({ redirect_uri: redirectUri });
    await exchanged(provider);
    expect(form()).toMatchObject({ redirect_uri: redirectUri });
  });

  test("PKCE is left out where that is said, which is a warning, and never without a secret", async () => {
    const provider = await registered(undefined, { pkce: false });
    expect(provider.warnings).toEqual([expect.stringContaining("PKCE")]);
    const asked = await authorization(provider);
    expect(asked).not.toHaveProperty("code_challenge");
    expect(asked).not.toHaveProperty("code_challenge_method");
    await exchanged(provider);
    expect(form()).not.toHaveProperty("code_verifier");
    const refused = { code: "invalid_request", details: { issues: [{ path: "pkce" }] } };
    const open = { clientSecret: undefined, clientAuth: "none" };
    await expect(registered(undefined, { name: "open", pkce: false, ...open })).rejects.toMatchObject(refused);
    await expect(house.providers.update(who, undefined, provider.id, { clientAuth: "none" })).rejects.toMatchObject(refused);
    const again = await house.providers.update(who, undefined, provider.id, { pkce: null });
    expect(again.warnings).toEqual([]);
    await expect(authorization(again)).resolves.toMatchObject({ code_challenge: codeChallenge });
  });

  test("an answer is read whatever its form: types in any case or none, numbers as text, nulls, an ID token that nobody asked for", async () => {
    const provider = await registered(undefined);
    const read = async (body: object) => {
      there.answer(() => ({ body: { access_token: "at", ...body } }));
      return exchanged(provider);
    };
    const bare = { accessToken: "at", tokenType: "Bearer" };
    await expect(read({})).resolves.toEqual(bare);
    await expect(read({ token_type: "BEARER", expires_in: "3600", id_token: "not.a.jwt" })).resolves.toEqual({ ...bare, expiresIn: 3600 });
    await expect(read({ token_type: null, expires_in: null, refresh_token: null, scope: null })).resolves.toEqual(bare);
    await expect(read({ scope: "a  b", expires_in: 0 })).resolves.toEqual({ ...bare, expiresIn: 0, scopes: ["a", "b"] });
    await expect(read({ scope: ["a", "b"], expires_in: 59.9 })).resolves.toEqual({ ...bare, expiresIn: 59, scopes: ["a", "b"] });
    await expect(read({ expires_in: 1e300 })).resolves.toEqual({ ...bare, expiresIn: 1_000_000_000 });
  });

  test("an answer that makes no sense is no answer, and none of it is repeated", async () => {
    const provider = await registered(undefined);
    const answers = [
      { body: "<h1>Sign in</h1>" },
      { body: { token_type: "bearer" } },
      { body: { access_token: "" } },
      { body: { access_token: 7 } },
      { body: { access_token: "canary-token", expires_in: -1 } },
      { body: { access_token: "canary-token", expires_in: "soon" } },
      { body: { access_token: "canary-token", token_type: "mac" } },
      { body: { access_token: "canary-token", token_type: "dpop" } },
      { body: { access_token: "canary-token", refresh_token: {} } },
      { body: [] },
      { status: 400, body: "<h1>Bad Request</h1>" },
      { status: 400, body: { message: "no" } },
      { status: 400, body: { error: { code: 1 } } },
      { status: 500, body: { error: "invalid_grant" } },
      { status: 503, body: "" },
      { status: 429, body: { error: "invalid_grant" } },
      { status: 400, body: { error: "temporarily_unavailable" } },
      { status: 302, headers: { location: "https://elsewhere.example.test/" }, body: "" },
      { status: 201, body: { access_token: "canary-token" } },
    ];
    for (const answer of answers) {
      there.answer(() => answer);
      const failure: unknown = await refreshed(provider).catch((thrown: unknown) => thrown);
      expect(failure, JSON.stringify(answer)).toMatchObject({ name: "UpstreamUnavailable" });
      expect((failure as Error).cause).toBeUndefined();
      expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain("canary");
    }
  });

  test("a refusal carries the provider's own words, unless they repeat what was sent or could not stand in a log", async () => {
    const provider = await registered(undefined);
    const refusal = async (body: object) => {
      there.answer(() => ({ status: 400, headers: { "www-authenticate": "Basic" }, body }));
      return refreshed(provider).catch((thrown: unknown) => thrown);
    };
    await expect(refusal({ error: "invalid_grant", error_description: "Token revoked." })).resolves.toMatchObject({
      error: "invalid_grant",
      description: "Token revoked.",
    });
    for (const description of ["canary-secret is wrong", "unknown token canary-refresh", "line\nbreak", "x".repeat(501), 7]) {
      const failure = await refusal({ error: "invalid_client", error_description: description });
      expect(failure).toMatchObject({ name: "UpstreamRefused", error: "invalid_client", description: undefined });
    }
    for (const error of ["no\nsuch", "canary-secret", "unknown token: canary-refresh"])
      await expect(refusal({ error })).resolves.toMatchObject({ error: "unknown_error" });
  });

  test("what was sent is not repeated either in another form of it, or as the header that carried it", async () => {
    const clientSecret = "canary/+secret &?~";
    const asForm = new URLSearchParams({ "": clientSecret }).toString().slice(1);
    const forms = [
      encodeURIComponent(clientSecret),
      encodeURIComponent(clientSecret).toLowerCase(),
      asForm,
      ...["", "a", "ab"].flatMap((before) => [
        Buffer.from(before + clientSecret).toString("base64"),
        Buffer.from(before + clientSecret).toString("base64url"),
      ]),
      "canary-refresh",
      Buffer.from("canary-refresh").toString("base64"),
    ];
    for (const clientAuth of ["client_secret_basic", "client_secret_post"] as const) {
      const provider = await registered(undefined, { name: clientAuth, clientSecret, clientAuth });
      const inHeader = Buffer.from(`an+id:${asForm}`).toString("base64");
      for (const form of clientAuth === "client_secret_basic" ? [...forms, inHeader] : forms) {
        there.answer(() => ({ status: 400, body: { error: `bad ${form}`, error_description: `I was sent "${form}"!` } }));
        const failure = await refreshed(provider).catch((thrown: unknown) => thrown);
        expect(failure, `${clientAuth} ${form}`).toMatchObject({ error: "unknown_error", description: undefined });
      }
    }
  });

  const assertionIn = (body: string) => new URLSearchParams(body).get("client_assertion") ?? "nothing was sent";

  test("a client assertion that was refused is not repeated", async () => {
    const provider = await registered(undefined, { clientSecret: undefined, clientAuth: "private_key_jwt" });
    there.answer(({ body }) => ({ status: 400, body: { error: "invalid_client", error_description: assertionIn(body) } }));
    await expect(refreshed(provider)).rejects.toMatchObject({ error: "invalid_client", description: undefined });
  });

  test("a provider that does not answer is given up in time, and at once where the caller leaves", async () => {
    const provider = await registered(undefined);
    there.answer(() => undefined);
    await expect(refreshed(provider)).rejects.toMatchObject({ name: "UpstreamUnavailable", reason: "timeout" });
    const caller = new AbortController();
    const asked = refreshed(provider, { signal: caller.signal });
    caller.abort(new Error("the caller left"));
    await expect(asked).rejects.toThrow("the caller left");
    await expect(refreshed(provider, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(refreshed(provider, { signal: AbortSignal.abort(new Error("gone before")) })).rejects.toThrow("gone before");
  });

  test("a provider that is not there is unavailable, and its address is all that is said", async () => {
    const provider = await registered(undefined, { tokenEndpoint: "http://127.0.0.1:1/token?canary=1" });
    expect(provider.warnings).toEqual([
      expect.stringMatching(/^The token endpoint does not answer: The request to http:\/\/127\.0\.0\.1:1 failed/),
    ]);
    await expect(refreshed(provider)).rejects.toMatchObject({ name: "UpstreamUnavailable", reason: "network" });
  });
});
