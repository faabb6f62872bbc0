import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { makeProver } from "../../testing/prover.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, appBackUrl, issuerUrl, type Oauth, openOauth } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("discovery and userinfo", (fresh) => {
  let oauth: Oauth;
  beforeAll(async () => {
    oauth = await openOauth(await fresh(), issuer);
    await oauth.house.tenants.create(admin, "acme");
  });
  afterAll(() => oauth.close());
  const get = (url: string, headers: Readonly<Record<string, string>> = {}) => oauth.http.app.inject({ method: "GET", url, headers });

  test("metadata is found in every form of address, each tenant's own", async () => {
    for (const name of ["oauth-authorization-server", "openid-configuration"]) {
      const root = await get(`/.well-known/${name}`);
      expect([root.statusCode, root.headers["cache-control"]]).toEqual([200, "public, max-age=300"]);
      const said = root.json<Record<string, unknown>>();
      expect(said["issuer"]).toBe(issuerUrl);
      const acme = (await get(`/t/acme/.well-known/${name}`)).json<Record<string, unknown>>();
      expect((await get(`/.well-known/${name}/t/acme`)).json()).toEqual(acme);
      expect(acme["issuer"]).toBe(`${issuerUrl}/t/acme`);
      expect(JSON.stringify(acme)).toBe(JSON.stringify(said).replaceAll(issuerUrl, `${issuerUrl}/t/acme`));
      for (const url of [
        `/t/nobody/.well-known/${name}`,
        `/.well-known/${name}/t/nobody`,
        `/t/default/.well-known/${name}`,
        `/.well-known/${name}/x`,
      ])
        expect([url, (await get(url)).statusCode]).toEqual([url, 404]);
    }
  });

  test("metadata promises what is there", async () => {
    const said = (await get("/.well-known/oauth-authorization-server")).json<Record<string, string & string[]>>();
    expect(said).toMatchObject({
      response_types_supported: ["code"],
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
      introspection_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "private_key_jwt"],
      id_token_signing_alg_values_supported: ["ES256"],
      scopes_supported: ["openid", "offline_access"],
      prompt_values_supported: ["login", "consent", "select_account"],
    });
    const keys = await get(String(said["jwks_uri"]).slice(issuerUrl.length));
    expect(keys.json<{ keys: unknown[] }>().keys.length).toBeGreaterThan(0);
    for (const endpoint of ["token", "introspection", "revocation"]) {
      const answer = await oauth.post(String(said[`${endpoint}_endpoint`]).slice(issuerUrl.length), {});
      expect([endpoint, answer.statusCode, answer.json<{ error: string }>().error]).toEqual([endpoint, 401, "invalid_client"]);
      const read = await get(String(said[`${endpoint}_endpoint`]).slice(issuerUrl.length));
      expect([endpoint, read.statusCode, read.headers["allow"]]).toEqual([endpoint, 405, "POST"]);
    }
    for (const grant_type of said["grant_types_supported"] ?? [])
      expect((await oauth.token(oauth.scout, { grant_type })).body.error).not.toBe("unsupported_grant_type");
  });

  test("browsers of allowed origins may send proofs and read nonces", async () => {
    const preflight = await oauth.http.app.inject({
      method: "OPTIONS",
      url: "/oauth2/token",
      headers: { origin: "https://console.example", "access-control-request-method": "POST", "access-control-request-headers": "dpop" },
    });
    expect(String(preflight.headers["access-control-allow-headers"])).toContain("dpop");
    const answer = await get("/.well-known/openid-configuration", { origin: "https://console.example" });
    expect(answer.headers["access-control-allow-origin"]).toBe("https://console.example");
    expect(String(answer.headers["access-control-expose-headers"])).toContain("dpop-nonce");
  });

  test("userinfo tells who logged in, to a token that was given for that", async () => {
    const { redeemed, desk, alice, post } = oauth;
    const userinfo = `${issuerUrl}/oauth2/userinfo`;
    const login = { client: desk.id, user: alice, scopes: ["openid"], resource: userinfo };
    const { body } = await redeemed(undefined, login);
    expect(body.scope).toBe("openid");
    const authorization = `Bearer ${body.access_token}`;
    for (const answer of [await get("/oauth2/userinfo", { authorization }), await post("/oauth2/userinfo", {}, { authorization })]) {
      expect([answer.statusCode, answer.json(), answer.headers["cache-control"]]).toEqual([200, { sub: alice.id }, "no-store"]);
    }
    const refreshed = await redeemed(undefined, { ...login, scopes: ["offline_access", "openid"] });
    const next = await oauth.token(undefined, {
      grant_type: "refresh_token",
      client_id: desk.id,
      refresh_token: refreshed.body.refresh_token,
    });
    expect((await get("/oauth2/userinfo", { authorization: `Bearer ${next.body.access_token}` })).json()).toEqual({ sub: alice.id });

    const without = (await redeemed(undefined, { ...login, scopes: ["offline_access"] })).body.access_token;
    const denied = await get("/oauth2/userinfo", { authorization: `Bearer ${without}` });
    expect([denied.statusCode, denied.json()]).toEqual([403, { error: "insufficient_scope" }]);
    expect(denied.headers["www-authenticate"]).toContain('error="insufficient_scope", scope="openid"');
  });

  test("userinfo is shut to whatever else there is, and says how it opens", async () => {
    const { redeemed, desk, alice, token, scout } = oauth;
    const none = await get("/oauth2/userinfo");
    expect([none.statusCode, none.body]).toEqual([401, "{}"]);
    expect(none.headers["www-authenticate"]).toMatch(/^Bearer realm="legate", DPoP realm="legate", algs="[A-Za-z0-9 ]*ES256/);
    const person = (await redeemed(undefined, { client: desk.id, user: alice, scopes: ["openid", "read"] })).body;
    const machine = (await token(scout, { grant_type: "client_credentials", scope: "write" })).body.access_token;
    for (const credential of [person.access_token, person.id_token, machine, "rubbish", "op_test_admin_key_0123456789abcdef"]) {
      const answer = await get("/oauth2/userinfo", { authorization: `Bearer ${credential}` });
      expect([answer.statusCode, answer.json()]).toEqual([401, { error: "invalid_token" }]);
      expect(answer.headers["www-authenticate"]).toContain('Bearer realm="legate", error="invalid_token"');
    }
    // RFC 6750 2.3: a token in the address is in every log.
    expect((await get(`/oauth2/userinfo?access_token=${person.access_token}`)).statusCode).toBe(401);
  });

  test("userinfo wants a proof with a nonce where the token is bound to a key", async () => {
    const { redeemed, desk, alice, hand, house } = oauth;
    const userinfo = `${issuerUrl}/oauth2/userinfo`;
    const prover = await makeProver();
    const at = hand.clock();
    const nonce = house.dpop.nonce("default");
    const { body } = await redeemed(
      undefined,
      { client: desk.id, user: alice, scopes: ["openid"], resource: userinfo, redirectUri: appBackUrl },
      { dpop: await prover.proof({ url: `${issuerUrl}/oauth2/token`, nonce, at }) },
    );
    const accessToken = body.access_token ?? "";
    const ask = async (more: object, authorization = `DPoP ${accessToken}`) =>
      get("/oauth2/userinfo", { authorization, dpop: await prover.proof({ url: userinfo, method: "GET", accessToken, at, ...more }) });
    const first = await ask({});
    expect([first.statusCode, first.json(), first.headers["dpop-nonce"]]).toEqual([401, { error: "use_dpop_nonce" }, nonce]);
    expect(first.headers["www-authenticate"]).toContain('error="use_dpop_nonce"');
    expect((await ask({ nonce })).json()).toEqual({ sub: alice.id });
    const bent = await ask({ nonce, method: "POST" });
    expect([bent.statusCode, bent.json()]).toEqual([401, { error: "invalid_dpop_proof" }]);
    expect((await ask({ nonce }, `Bearer ${accessToken}`)).statusCode).toBe(401);
    expect((await get("/oauth2/userinfo", { authorization: `DPoP ${accessToken}` })).json()).toEqual({ error: "invalid_dpop_proof" });
  });
});
