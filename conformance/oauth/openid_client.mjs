// openid-client against the OAuth wire: discovery, code with PKCE, client credentials, refresh, introspection, revocation, DPoP, private_key_jwt.
import assert from "node:assert/strict";
import * as client from "openid-client";

const { LEGATE_TEST_URL, CLIENT_ID, CLIENT_SECRET, CLIENT_KEY, APP_ID, REDIRECT_URI, RESOURCE, SCOPE, PERSON_URL } = process.env;
const insecure = { execute: [client.allowInsecureRequests] };
const issuer = new URL(LEGATE_TEST_URL);

const walk = async (url) => new URL(await (await fetch(PERSON_URL, { method: "POST", body: url.href })).text());

const codeFlow = async (config, extra = {}, options = {}, resource = RESOURCE) => {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: `openid offline_access ${SCOPE}`,
    ...(resource && { resource }),
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...extra,
  });
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  return client.authorizationCodeGrant(config, await walk(url), checks, undefined, options);
};

const everything = async (config, clientCredentials) => {
  const tokens = await codeFlow(config);
  assert.equal(tokens.token_type, "bearer");
  assert.equal(tokens.scope.split(" ").includes(SCOPE), true);
  assert.equal(typeof tokens.claims().sub, "string");
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(refreshed.access_token, tokens.access_token);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  if (clientCredentials) {
    const alone = await client.clientCredentialsGrant(config, { scope: SCOPE, resource: RESOURCE });
    assert.equal(alone.scope, SCOPE);
    const seen = await client.tokenIntrospection(config, alone.access_token);
    assert.equal(seen.active, true);
    assert.equal(seen.client_id, CLIENT_ID);
    const exchanged = await client.genericGrantRequest(config, "urn:ietf:params:oauth:grant-type:token-exchange", {
      subject_token: refreshed.access_token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      resource: RESOURCE,
    });
    assert.equal(exchanged.issued_token_type, "urn:ietf:params:oauth:token-type:access_token");
    assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, true);
    await client.tokenRevocation(config, refreshed.refresh_token);
    assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false);
  } else await client.tokenRevocation(config, refreshed.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), { error: "invalid_grant" });
};

for (const algorithm of ["oidc", "oauth2"]) {
  for (const auth of [client.ClientSecretBasic, client.ClientSecretPost]) {
    await everything(await client.discovery(issuer, CLIENT_ID, CLIENT_SECRET, auth(CLIENT_SECRET), { algorithm, ...insecure }), true);
  }
}
console.log("openid-client: discovery in both forms, client_secret_basic and client_secret_post");

const key = await crypto.subtle.importKey("jwk", JSON.parse(CLIENT_KEY), { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
await everything(
  await client.discovery(issuer, CLIENT_ID, undefined, client.PrivateKeyJwt({ key, kid: JSON.parse(CLIENT_KEY).kid }), insecure),
  true,
);
console.log("openid-client: private_key_jwt");

const app = await client.discovery(issuer, APP_ID, undefined, client.None(), insecure);
await everything(app, false);
console.log("openid-client: a public client");

const DPoP = client.getDPoPHandle(app, await client.randomDPoPKeyPair("ES256"));
const bound = await codeFlow(app, {}, { DPoP });
assert.equal(bound.token_type, "dpop");
const again = await client.refreshTokenGrant(app, bound.refresh_token, {}, { DPoP });
assert.equal(again.token_type, "dpop");
await assert.rejects(
  client.refreshTokenGrant(app, again.refresh_token),
  (error) => error.error === "invalid_grant" || error.error === "invalid_dpop_proof",
);
console.log("openid-client: DPoP, with the server's nonce");

const here = await codeFlow(app, { scope: "openid" }, {}, null);
const info = await client.fetchUserInfo(app, here.access_token, here.claims().sub);
assert.equal(info.sub, here.claims().sub);
console.log("openid-client: user information");
