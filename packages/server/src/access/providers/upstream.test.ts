import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { NewProvider, Provider } from "./provider.ts";
import { type OpenProviders, openProviders } from "./providers-for-tests.ts";

const tenant = "default";
const who = adminOf(tenant);
const resource = "https://api.example.test/";
const grants = ["authorization_code", "refresh_token", "client_credentials"];

let upstream: TestProvider;
beforeAll(async () => {
  upstream = await startProvider({ withheld: ["admin"] });
});
afterAll(() => upstream.stop());

const secrets = () => {
  const codeVerifier = randomBytes(32).toString("base64url");
  return {
    codeVerifier,
    codeChallenge: createHash("sha256").update(codeVerifier).digest("base64url"),
    state: randomBytes(16).toString("base64url"),
  };
};

const meAt = async (accessToken: string): Promise<unknown> => {
  const response = await fetch(`${upstream.url}/api/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  return response.status === 200 ? response.json() : response.status;
};

eachStore("a real OpenID provider", (fresh) => {
  let house: OpenProviders;
  beforeEach(async () => {
    house = await openProviders(await fresh());
    // The other side reads the real clock.
    house.hand.set(Date.now());
  });
  afterEach(() => house.close());

  /** A provider here and its client there. */
  const registered = async (
    clientAuth: "client_secret_basic" | "client_secret_post" | "private_key_jwt" | "none" | undefined,
    more: Partial<Extract<NewProvider, { type: "oauth2" }>> = {},
  ): Promise<Provider> => {
    const clientId = `client-${randomBytes(4).toString("hex")}`;
    // Characters that a careless Basic encoding garbles.
    const clientSecret = "s-._*~ +%/:&=";
    const provider = await house.providers.create(who, {
      type: "oauth2",
      name: clientId,
      kind: "oidc",
      discoveryUrl: upstream.discoveryUrl,
      clientId,
      ...(clientAuth !== "private_key_jwt" && clientAuth !== "none" && { clientSecret }),
      ...(clientAuth && { clientAuth }),
      ...more,
    });
    expect(provider.warnings).toEqual([]);
    const method = clientAuth ?? "client_secret_post";
    const { keys } = await house.signing.keySet(tenant);
    upstream.addClient({
      client_id: clientId,
      redirect_uris: [house.providers.callbackUrl(tenant, provider.id)],
      grant_types: method === "none" ? grants.slice(0, 2) : grants,
      token_endpoint_auth_method: method,
      ...(method === "private_key_jwt"
        ? { jwks: { keys: keys as object[] }, token_endpoint_auth_signing_alg: "ES256" as const }
        : { client_secret: clientSecret }),
    });
    return provider;
  };

  const consented = async (provider: Provider, user: string, scopes: readonly string[], target: { resource?: string } = {}) => {
    const { codeVerifier, codeChallenge, state } = secrets();
    const { upstream: ask } = house.providers;
    const url = await ask.authorizationUrl(tenant, provider, {
      state,
      codeChallenge,
      scopes,
      customParameters: {},
      force: false,
      ...target,
    });
    const back = new URL(await upstream.walk(url, user));
    const callback = await ask.readCallback(tenant, provider, back.searchParams, state);
    if (!callback.ok) throw new Error(callback.error);
    return { kept: callback.kept, codeVerifier, state, ...target };
  };

  for (const method of ["client_secret_basic", "client_secret_post", "private_key_jwt", "none", undefined] as const)
    test(`a user's consent becomes a token that refreshes, with ${method ?? "client authentication left out"}`, async () => {
      const provider = await registered(method);
      const ask = await consented(provider, "alice", ["openid", "read", "admin"]);
      const first = await house.providers.upstream.exchange(tenant, provider, ask);
      // The scope that was withheld shows in what was granted.
      expect(first).toEqual({
        accessToken: expect.any(String),
        tokenType: "Bearer",
        refreshToken: expect.any(String),
        expiresIn: 3600,
        scopes: ["openid", "read"],
      });
      await expect(meAt(first.accessToken)).resolves.toMatchObject({ user: "alice", scopes: ["openid", "read"] });
      const refreshToken = first.refreshToken ?? "";
      const second = await house.providers.upstream.refresh(tenant, provider, { refreshToken, scopes: ["openid", "read"] });
      expect(second.refreshToken).toEqual(expect.any(String));
      expect(second.refreshToken).not.toBe(refreshToken);
      await expect(meAt(second.accessToken)).resolves.toMatchObject({ user: "alice" });
      // It rotates: the spent one is refused, as a dead grant.
      await expect(house.providers.upstream.refresh(tenant, provider, { refreshToken, scopes: [] })).rejects.toMatchObject({
        name: "UpstreamRefused",
        error: "invalid_grant",
      });
    });

  test("a code is worth nothing twice, with another verifier, or for a provider that was changed meanwhile", async () => {
    const provider = await registered("client_secret_post");
    const { upstream: ask } = house.providers;
    const refused = { name: "UpstreamRefused" };
    const once = await consented(provider, "alice", ["read"]);
    await ask.exchange(tenant, provider, once);
    await expect(ask.exchange(tenant, provider, once)).rejects.toMatchObject({ ...refused, error: "invalid_grant" });
    const stolen = { ...(await consented(provider, "alice", ["read"])), codeVerifier: secrets().codeVerifier };
    await expect(ask.exchange(tenant, provider, stolen)).rejects.toMatchObject({ ...refused, error: "invalid_grant" });
    const before = await consented(provider, "alice", ["read"]);
    const calls = upstream.tokenCalls();
    const moved: Provider = { ...provider, clientId: "another" };
    await expect(ask.exchange(tenant, moved, before)).rejects.toMatchObject({ ...refused, error: "invalid_authorization_response" });
    expect(upstream.tokenCalls()).toEqual(calls);
  });

  test("a user who denies is told apart from a failure", async () => {
    const provider = await registered("client_secret_post");
    const { codeChallenge, state } = secrets();
    const url = await house.providers.upstream.authorizationUrl(tenant, provider, {
      state,
      codeChallenge,
      scopes: ["read"],
      customParameters: {},
      force: false,
    });
    const back = new URL(await upstream.walk(url, "alice", "deny"));
    await expect(house.providers.upstream.readCallback(tenant, provider, back.searchParams, state)).resolves.toEqual({
      ok: false,
      error: "access_denied",
      description: "The person said no.",
    });
  });

  test("an agent alone gets a token for the resource it names, by every way a client can prove itself", async () => {
    for (const method of ["client_secret_basic", "client_secret_post", "private_key_jwt"] as const) {
      const provider = await registered(method);
      const tokens = await house.providers.upstream.clientCredentials(tenant, provider, { scopes: ["read"], resource });
      expect(tokens).toEqual({ accessToken: expect.any(String), tokenType: "Bearer", expiresIn: 3600, scopes: ["read"] });
      await expect(meAt(tokens.accessToken)).resolves.toEqual({ client: provider.clientId, audience: resource, scopes: ["read"] });
    }
  });

  test("a resource is named at consent, exchange and refresh, and the token is for it alone", async () => {
    const provider = await registered("client_secret_basic");
    const ask = await consented(provider, "bob", ["read"], { resource });
    const first = await house.providers.upstream.exchange(tenant, provider, ask);
    await expect(meAt(first.accessToken)).resolves.toMatchObject({ user: "bob", audience: resource });
    const refreshToken = first.refreshToken ?? "";
    const second = await house.providers.upstream.refresh(tenant, provider, { refreshToken, scopes: ["read"], resource });
    await expect(meAt(second.accessToken)).resolves.toMatchObject({ user: "bob", audience: resource });
  });

  test("offline_access is asked for with consent, and a forced consent makes the person log in again", async () => {
    const provider = await registered("client_secret_post");
    const url = async (scopes: string[], force: boolean, customParameters = {}) =>
      new URL(
        await house.providers.upstream.authorizationUrl(tenant, provider, {
          state: "s",
          codeChallenge: secrets().codeChallenge,
          scopes,
          customParameters,
          force,
        }),
      ).searchParams.get("prompt");
    await expect(url(["read"], false)).resolves.toBeNull();
    await expect(url(["offline_access"], false)).resolves.toBe("consent");
    await expect(url(["read"], true)).resolves.toBe("login");
    await expect(url(["offline_access"], true)).resolves.toBe("login consent");
    await expect(url(["read"], true, { prompt: "select_account" })).resolves.toBe("select_account");
  });

  test("a wrong secret is refused by the provider's own word, and the answer repeats none", async () => {
    const provider = await registered("client_secret_basic");
    const wrong = await house.providers.update(who, undefined, provider.id, { clientSecret: "hunter2-canary" });
    const failure: unknown = await house.providers.upstream
      .clientCredentials(tenant, wrong, { scopes: [] })
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ name: "UpstreamRefused", error: "invalid_client" });
    expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain("hunter2");
  });

  test("a provider that is out of order is unavailable, not refusing", async () => {
    const provider = await registered("client_secret_post");
    for (const status of [500, 503, 404, 200]) {
      upstream.breakTokens(status);
      await expect(house.providers.upstream.clientCredentials(tenant, provider, { scopes: [] })).rejects.toMatchObject({
        name: "UpstreamUnavailable",
      });
    }
    upstream.breakTokens(undefined);
    await expect(house.providers.upstream.clientCredentials(tenant, provider, { scopes: [] })).resolves.toMatchObject({ expiresIn: 3600 });
  });

  test("a token that is taken back (RFC 7009) works no more, nor does what it gave; a provider without an address for that says so", async () => {
    const provider = await registered("client_secret_basic", { scopes: ["read"] });
    const { upstream: calls } = house.providers;
    upstream.addClient({
      client_id: provider.clientId ?? "",
      client_secret: "s-._*~ +%/:&=",
      redirect_uris: [house.providers.callbackUrl(tenant, provider.id)],
      grant_types: grants,
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    });
    const { codeVerifier, codeChallenge, state } = secrets();
    const url = await calls.authorizationUrl(tenant, provider, {
      state,
      codeChallenge,
      scopes: ["read"],
      customParameters: {},
      force: false,
    });
    const callback = await calls.readCallback(tenant, provider, new URL(await upstream.walk(url, "alice")).searchParams, state);
    if (!callback.ok) throw new Error("denied");
    const tokens = await calls.exchange(tenant, provider, { kept: callback.kept, codeVerifier, state });
    expect(await meAt(tokens.accessToken)).toMatchObject({ user: "alice" });
    expect(await calls.revoke(tenant, provider, { token: tokens.refreshToken ?? "", hint: "refresh_token" })).toBe(true);
    expect(await meAt(tokens.accessToken)).toBe(401);
    await expect(calls.refresh(tenant, provider, { refreshToken: tokens.refreshToken ?? "", scopes: [] })).rejects.toMatchObject({
      error: "invalid_grant",
    });
    const fixed = { ...provider, discoveryUrl: undefined, tokenEndpoint: `${upstream.url}/token` };
    expect(await calls.revoke(tenant, fixed, { token: "any", hint: "refresh_token" })).toBe(false);
  });
});
