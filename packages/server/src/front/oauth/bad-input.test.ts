import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { eachStore } from "../../testing/stores.ts";
import { api, basic, type Body, down, type Oauth, openOauth, verifier } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

const names = [
  "grant_type",
  "scope",
  "resource",
  "audience",
  "code",
  "code_verifier",
  "redirect_uri",
  "refresh_token",
  "assertion",
  "subject_token",
  "subject_token_type",
  "actor_token",
  "actor_token_type",
  "requested_token_type",
  "token",
  "token_type_hint",
  "client_id",
  "client_secret",
  "client_assertion",
  "client_assertion_type",
  "__proto__",
  "constructor",
  "toString",
];

eachStore("whatever is sent to the endpoints of clients", (fresh) => {
  let oauth: Oauth;
  let known: readonly string[];
  beforeAll(async () => {
    oauth = await openOauth(await fresh(), issuer);
    const { scout, alice, redeemed, token, userToken, code } = oauth;
    const mine = (await token(scout, { grant_type: "client_credentials", resource: api })).body.access_token ?? "";
    const given = (await redeemed(scout, { client: scout.id, user: alice, scopes: ["openid", "offline_access", "read"] })).body;
    const { token: workload } = await oauth.house.workloadTokens.issue(
      {
        tenant: "default",
        caller: { kind: "operator", id: "op_test", role: "admin" },
        actors: [],
        method: "operator_key",
        requestId: "req",
      },
      { agent: scout.id },
    );
    // What is right in one place, for all others.
    known = [
      mine,
      given.access_token ?? "",
      given.refresh_token ?? "",
      given.id_token ?? "",
      workload,
      await userToken(),
      await code({ client: scout.id, user: alice }),
      verifier,
      scout.id,
      api,
      down,
      ...oauth.house.grants.grantTypes,
      ...["access_token", "jwt", "id_token", "refresh_token", "saml2"].map((type) => `urn:ietf:params:oauth:token-type:${type}`),
      "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      "openid read write",
      "a".repeat(20_000),
      `${mine.split(".")[0]}.${"A".repeat(50)}.${"B".repeat(86)}`,
      "..",
      "rt_",
      "ac_",
    ];
  });
  afterAll(() => oauth.close());

  test("is answered as RFC 6749 says, with a reason, and never by a fault", async () => {
    const value = fc.oneof(
      { weight: 4, arbitrary: fc.nat().map((at) => known[at % known.length] ?? "") },
      { weight: 1, arbitrary: fc.tuple(fc.nat(), fc.nat()).map(([at, cut]) => (known[at % known.length] ?? "").slice(0, cut % 400)) },
      { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => text.replaceAll("\0", "")) },
    );
    const tokenType = fc.constantFrom(...known.filter((text) => text.includes(":token-type:")));
    const anything = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 6 });
    // Each grant with all that it needs, of whatever kind.
    const whole = fc.constantFrom("password", ...oauth.house.grants.grantTypes).chain((grant_type) =>
      fc.record({
        grant_type: fc.constant(grant_type),
        code: value,
        code_verifier: value,
        redirect_uri: value,
        refresh_token: value,
        assertion: value,
        subject_token: value,
        subject_token_type: tokenType,
      }),
    );
    const parameters = fc.oneof(
      anything,
      fc.tuple(whole, anything).map(([one, other]): Record<string, string> => ({ ...other, ...one })),
    );
    const path = fc.constantFrom("/oauth2/token", "/oauth2/token", "/oauth2/token", "/oauth2/introspect", "/oauth2/revoke");
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(path, parameters, fc.boolean(), fc.option(value), async (url, params, proven, dpop) => {
        const answer = await oauth.post(url, params, {
          ...(proven && { authorization: basic(oauth.scout) }),
          ...(dpop !== null && /^[\x20-\x7e]{1,9000}$/.test(dpop) && { dpop }),
        });
        // A URL may be a client's document, and no host answers at any of these.
        const isDocument = params["client_id"]?.startsWith("https://") === true;
        expect(isDocument ? [200, 400, 401, 503] : [200, 400, 401], answer.body).toContain(answer.statusCode);
        if (answer.body === "") {
          expect([url, answer.statusCode]).toEqual(["/oauth2/revoke", 200]);
          return;
        }
        const body = answer.json<Body>();
        seen.add(body.error ?? `${answer.statusCode}`);
        if (answer.statusCode === 200) return;
        expect(Object.keys(body)).toEqual(["error", "error_description"]);
        expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
        // RFC 6749 5.2: nothing that was sent in secret comes back.
        for (const secret of known.filter((text) => text.length > 40 && !text.startsWith("urn:")))
          expect(answer.body).not.toContain(secret);
      }),
      { numRuns: oauth.house.db.engine === "sqlite" ? 1_500 : 600 },
    );
    for (const error of ["invalid_request", "invalid_client", "invalid_grant"]) expect([...seen]).toContain(error);
  }, 60_000);
});
