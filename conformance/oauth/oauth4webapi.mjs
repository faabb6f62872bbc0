// oauth4webapi against the OAuth wire: every response passes the library's own checks.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

const { LEGATE_TEST_URL, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, RESOURCE, SCOPE, PERSON_URL } = process.env;
const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(LEGATE_TEST_URL);
const client = { client_id: CLIENT_ID };
const auth = oauth.ClientSecretBasic(CLIENT_SECRET);

for (const algorithm of ["oidc", "oauth2"]) {
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }));
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(as.authorization_endpoint);
  const asked = {
    client_id: CLIENT_ID,
    response_type: "code",
    redirect_uri: REDIRECT_URI,
    scope: `openid offline_access ${SCOPE}`,
    resource: RESOURCE,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  const back = new URL(await (await fetch(PERSON_URL, { method: "POST", body: url.href })).text());
  // RFC 9207: the library demands `iss` since the metadata promises it.
  const params = oauth.validateAuthResponse(as, client, back, state);
  const code = await oauth.processAuthorizationCodeResponse(
    as,
    client,
    await oauth.authorizationCodeGrantRequest(as, client, auth, params, REDIRECT_URI, verifier, insecure),
    { expectedNonce: nonce, requireIdToken: true },
  );
  const request = new Request(RESOURCE, { headers: { authorization: `Bearer ${code.access_token}` } });
  // RFC 9068: as the resource itself would, by the published keys.
  const claims = await oauth.validateJwtAccessToken(as, request, RESOURCE, insecure);
  assert.equal(claims.client_id, CLIENT_ID);
  const refreshed = await oauth.processRefreshTokenResponse(
    as,
    client,
    await oauth.refreshTokenGrantRequest(as, client, auth, code.refresh_token, insecure),
  );
  const alone = await oauth.processClientCredentialsResponse(
    as,
    client,
    await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: SCOPE, resource: RESOURCE }, insecure),
  );
  const introspect = async (token) =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, insecure));
  assert.equal((await introspect(alone.access_token)).active, true);
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, alone.access_token, insecure));
  assert.deepEqual(await introspect(alone.access_token), { active: false });
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, refreshed.refresh_token, insecure));
  assert.deepEqual(await introspect(refreshed.access_token), { active: false });
}
console.log(
  "oauth4webapi: discovery in both forms, code with PKCE, RFC 9068 validation, refresh, client credentials, introspection, revocation",
);
