import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { makeLimits } from "../../ground/limits/index.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, api, basic, claimsOf, issuerUrl, type Oauth, openOauth, type Params, serveHouse } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

const form = "application/x-www-form-urlencoded";

eachStore("the token endpoint", (fresh) => {
  let oauth: Oauth;
  afterEach(() => oauth.close());
  const open = async () => {
    oauth = await openOauth(await fresh(), issuer);
    return oauth;
  };

  test("gives an agent a token for the resource that it may use, and says so as RFC 6749 and RFC 9068 do", async () => {
    const { token, scout, house } = await open();
    const { status, headers, body } = await token(scout, { grant_type: "client_credentials", resource: api, scope: "write read" });
    expect([status, body]).toEqual([
      200,
      { access_token: expect.any(String) as string, token_type: "Bearer", expires_in: 600, scope: "read write" },
    ]);
    expect(headers).toMatchObject({ "cache-control": "no-store", pragma: "no-cache", "content-type": "application/json; charset=utf-8" });
    expect(claimsOf(body.access_token)).toMatchObject({
      iss: issuerUrl,
      aud: api,
      sub: scout.id,
      client_id: scout.id,
      scope: "read write",
    });
    const [row] = (await house.audit.list("default", { action: "token.issued" }, { limit: 5 })).items;
    expect(row).toMatchObject({
      agent: scout.id,
      callerId: scout.id,
      target: claimsOf(body.access_token)["jti"],
      details: { grantType: "client_credentials", client: scout.id, audience: api, scopes: ["read", "write"] },
    });
    expect(JSON.stringify(row)).not.toContain(body.access_token);
  });

  test("refuses what is no form, is too large, is not well-formed, or says something twice, in the words of RFC 6749", async () => {
    const { post, scout } = await open();
    const headers = { authorization: basic(scout) };
    const good = `grant_type=client_credentials&resource=${encodeURIComponent(api)}`;
    const tried: readonly (readonly [string, string, number])[] = [
      [JSON.stringify({ grant_type: "client_credentials" }), "application/json", 415],
      [good, "text/plain", 415],
      [good, "multipart/form-data; boundary=x", 415],
      [`${good}&x=${"y".repeat(300_000)}`, form, 413],
      [`${good}&x=%00`, form, 400],
      [`${good}&x=%ED%A0%80`, form, 400],
      [`${good}&x=%zz`, form, 400],
      [`${good}&x=\u00e9`, form, 400],
      [`${good}&grant_type=client_credentials`, form, 400],
      [`${good}&scope=read&scope=write`, form, 400],
      [`${good}&unknown=1&unknown=2`, form, 400],
      [`${good}&client_id=${scout.id}&client_id=${scout.id}`, form, 400],
      [`resource=${encodeURIComponent(api)}`, form, 400],
      ["grant_type=", form, 400],
      ["", form, 400],
    ];
    for (const [body, type, status] of tried) {
      const answer = await post("/oauth2/token", body, { ...headers, "content-type": type });
      expect([body.slice(0, 60), answer.statusCode]).toEqual([body.slice(0, 60), status]);
      expect(answer.json()).toEqual({
        error: "invalid_request",
        error_description: expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/) as string,
      });
      expect(answer.headers["x-request-id"]).toMatch(/^req_/);
      expect(answer.body).not.toContain("req_");
    }
    // What is not known is passed over (RFC 6749 3.2), and so is what stands in the query.
    const passed = await post("/oauth2/token?grant_type=password&client_secret=x", `${good}&unknown=1&scope=`, headers);
    expect(passed.statusCode).toBe(200);
  });

  test("and whatever stands beside it says what is not there as this wire does", async () => {
    const { http } = await open();
    for (const [method, url, status] of [
      ["GET", "/oauth2/token", 405],
      ["PUT", "/oauth2/revoke", 405],
      ["POST", "/oauth2/device_authorization", 404],
      ["POST", "/oauth2/token/x", 404],
      ["GET", "/oauth2/", 404],
    ] as const) {
      const answer = await http.app.inject({ method, url });
      expect([url, answer.statusCode, answer.json<{ error: string }>().error]).toEqual([url, status, "invalid_request"]);
      if (status === 405) expect(answer.headers["allow"]).toBe("POST");
    }
  });

  test("knows no grant but its own, and gives nobody one that is not theirs", async () => {
    const { token, scout, desk } = await open();
    const answer = await token(scout, { grant_type: "password", username: "a", password: "b" });
    expect([answer.status, answer.body.error]).toEqual([400, "unsupported_grant_type"]);
    for (const grant_type of ["implicit", "__proto__", "constructor", "urn:ietf:params:oauth:grant-type:device_code"])
      expect((await token(scout, { grant_type })).body.error).toBe("unsupported_grant_type");
    const asApp = await token(undefined, { grant_type: "client_credentials", client_id: desk.id });
    expect([asApp.status, asApp.body.error]).toEqual([400, "unauthorized_client"]);
  });

  test("answers every client that is not proven the same, byte for byte, with the challenge of RFC 6749 5.2", async () => {
    const { token, post, scout, other, house } = await open();
    const ask = { grant_type: "client_credentials", resource: api };
    const suspended = { id: other.id, secret: other.secret };
    await house.agents.suspend(admin, other.id);
    const answers = [
      await token({ id: scout.id, secret: other.secret }, ask),
      await token({ id: scout.id, secret: "x" }, ask),
      await token({ id: `agt_${"0".repeat(32)}`, secret: scout.secret }, ask),
      await token({ id: "nobody", secret: "nothing" }, ask),
      await token(suspended, ask),
      await token(undefined, ask),
      await token(undefined, { ...ask, client_id: scout.id }),
      await token(undefined, { ...ask, client_id: scout.id, client_secret: "wrong" }),
      await token(undefined, { ...ask, client_id: "https://10.0.0.1/client" }),
    ];
    for (const { status, headers, text } of answers) {
      expect([status, text]).toEqual([401, answers[0]?.text]);
      expect(headers["www-authenticate"]).toBe('Basic realm="legate"');
    }
    expect(answers[0]?.body.error).toBe("invalid_client");
    // RFC 6749 2.3: one way of proof, not two.
    const twice = await post(
      "/oauth2/token",
      { ...ask, client_id: scout.id, client_secret: scout.secret },
      { authorization: basic(scout) },
    );
    expect([twice.statusCode, twice.json<{ error: string }>().error]).toEqual([400, "invalid_request"]);
    const inBody = await token(undefined, { ...ask, client_id: scout.id, client_secret: scout.secret });
    expect(inBody.status).toBe(200);
  });

  test("gives no audience and no scope that is unknown, somebody else's, or our own", async () => {
    const { token, scout, other, stranger } = await open();
    const tried: readonly (readonly [typeof scout, Params, string])[] = [
      [scout, { resource: "https://nowhere.example/" }, "invalid_target"],
      [scout, { resource: "https://api.example" }, "invalid_target"],
      [scout, { resource: api.toUpperCase() }, "invalid_target"],
      [scout, { resource: `${api}#x` }, "invalid_target"],
      [scout, { resource: `${issuerUrl}/vault` }, "invalid_target"],
      [scout, { resource: issuerUrl }, "invalid_target"],
      [scout, { audience: `${issuerUrl}/coze` }, "invalid_target"],
      [scout, { audience: `${issuerUrl}/oauth2/userinfo` }, "invalid_target"],
      [scout, { resource: [api, "https://down.example/v1"] }, "invalid_target"],
      [scout, {}, "invalid_target"],
      [stranger, { resource: api }, "invalid_target"],
      [stranger, { scope: "read" }, "invalid_scope"],
      [scout, { resource: api, scope: "read admin" }, "invalid_scope"],
      [other, { resource: api, scope: "sync" }, "invalid_scope"],
      [scout, { resource: api, scope: "openid" }, "invalid_scope"],
      [scout, { scope: "openid" }, "invalid_target"],
      [scout, { scope: "offline_access" }, "invalid_target"],
      [scout, { resource: api, scope: "re\\ad" }, "invalid_scope"],
    ];
    for (const [client, params, error] of tried) {
      const answer = await token(client, { grant_type: "client_credentials", ...params });
      expect([params, answer.status, answer.body.error]).toEqual([params, 400, error]);
    }
    // Without scopes: all that this client may have there; repeated resources are one.
    expect((await token(other, { grant_type: "client_credentials", resource: [api, api], audience: api })).body.scope).toBe("read write");
    expect((await token(scout, { grant_type: "client_credentials", scope: "write" })).body).toMatchObject({ scope: "write" });
  });

  test("holds an address that sends what cannot be read, and not one whose clients prove themselves", async () => {
    const { house, scout, hand } = await open();
    // Thirty requests a minute from an address, where nobody is proven.
    const { http, post, token } = await serveHouse(house, makeLimits({ db: house.db, clock: hand.clock, scale: 0.01 }));
    for (let at = 0; at < 40; at += 1) expect((await token(scout, { grant_type: "client_credentials", resource: api })).status).toBe(200);
    const answers = [];
    for (let at = 0; at < 40; at += 1) answers.push(await post("/oauth2/token", "grant_type=a&grant_type=b"));
    expect(answers.map(({ statusCode }) => statusCode).filter((status) => status === 400)).toHaveLength(30);
    const over = answers.at(-1);
    expect([over?.statusCode, over?.json<{ error: string }>().error]).toEqual([429, "temporarily_unavailable"]);
    expect(Number(over?.headers["retry-after"])).toBeGreaterThan(0);
    await http.close();
  });

  test("is in the record also when it says no, without a word that the caller made up", async () => {
    const { token, scout, house } = await open();
    await token(scout, { grant_type: "made-up-by-somebody" });
    await token(scout, { grant_type: "client_credentials", resource: "https://nowhere.example/" });
    const { items } = await house.audit.list("default", { action: "token.refused" }, { limit: 5 });
    expect(items.map(({ outcome, callerId, details }) => [outcome, callerId, details])).toEqual([
      ["refused", scout.id, { reason: "target_invalid", grantType: "client_credentials", why: "unknown" }],
      ["refused", scout.id, { reason: "grant_type_unsupported", grantType: "unknown" }],
    ]);
  });
});
