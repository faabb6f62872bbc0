import { createPublicKey, KeyObject, randomUUID, type webcrypto } from "node:crypto";
import { serveCoze } from "../../packages/server/src/front/coze/index.ts";
import { admin, api, backUrl, issuerUrl, openOauth, verifier } from "../../packages/server/src/front/oauth/oauth-for-tests.ts";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import type { Kind } from "../../packages/server/src/identity/tokens/index.ts";
import { testAdminKey } from "../../packages/server/src/testing/house.ts";
import type { TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { makeProver } from "../../packages/server/src/testing/prover.ts";

const userinfo = `${issuerUrl}/oauth2/userinfo`;

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The whole house with every wire that takes credentials, and one agent that has one of everything. */
export const openEveryKind = async (store: StoreAddress, issuer: TestIssuer) => {
  const oauth = await openOauth(store, issuer);
  const { house, hand, http, scout, token, userToken, redeemed, code, alice } = oauth;
  await serveCoze(http.app, house);
  const prover = await makeProver();
  const client = await makeProver();
  await house.agents.createClientKey(admin, "scout", { jwk: { ...client.jwk, kid: "key-1" } });
  const { apiKey } = await house.agents.createKey(admin, "scout", {});
  const coze = async (fields: Readonly<Record<string, string>>): Promise<string> => {
    const answer = await oauth.post("/coze/token", fields);
    return answer.json<{ access_token: string }>().access_token;
  };
  const had = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new Error(`There is no ${what}.`);
    return value;
  };
  const user = { id: alice.id, epoch: alice.epoch };
  const person = { client: scout.id, user, redirectUri: backUrl };

  /** A live one of each kind, fresh at each call: some are spent by being used. All are scout's, so that only the kind decides. */
  const make = {
    "operator key": () => Promise.resolve(testAdminKey),
    "API key": () => Promise.resolve(apiKey),
    "client secret": () => Promise.resolve(scout.secret),
    "client assertion": () =>
      client.signed(
        { jti: randomUUID(), iss: scout.id, sub: scout.id, aud: issuerUrl, exp: Math.floor(hand.clock() / 1000) + 60 },
        { kid: "key-1" },
      ),
    "user token": () => userToken(),
    "user assertion": () => userToken({ aud: issuerUrl, jti: randomUUID() }),
    "workload token": async () => (await house.workloadTokens.issue(admin, { agent: "scout" })).token,
    "workload token for a user": async () =>
      (await house.workloadTokens.issue(admin, { agent: "scout", userToken: await userToken() })).token,
    "access token": async () => had((await token(scout, { grant_type: "client_credentials", resource: api })).body.access_token, "token"),
    "access token for userinfo": async () =>
      had((await redeemed(scout, { ...person, resource: userinfo, scopes: ["openid"] })).body.access_token, "token"),
    "access token bound to a key": async () => {
      const proof = await prover.proof({ url: `${issuerUrl}/oauth2/token`, at: hand.clock(), nonce: house.dpop.nonce("default") });
      const bound = { ...person, resource: userinfo, scopes: ["openid"] };
      return had((await redeemed(scout, bound, { dpop: proof })).body.access_token, "token");
    },
    "ID token": async () => had((await redeemed(scout, { ...person, resource: userinfo, scopes: ["openid"] })).body.id_token, "ID token"),
    "refresh token": async () => had((await redeemed(scout, { ...person, scopes: ["read"] })).body.refresh_token, "refresh token"),
    "authorization code": () => code({ ...person, scopes: ["read"] }),
    "Coze ID token": () => coze({ grant_type: "client_credentials", client_id: scout.id, client_secret: scout.secret }),
    "Coze access token": async () =>
      coze({
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        client_id: scout.id,
        subject_token: await coze({ grant_type: "client_credentials", client_id: scout.id, client_secret: scout.secret }),
        subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      }),
    "assertion of ours to a provider": () => house.tokens.clientAssertion("default", { clientId: scout.id, audience: issuerUrl }),
    "web identity token": async () =>
      (await house.tokens.mint("web_identity", "default", { audience: "sts.amazonaws.com", agentId: scout.id })).token,
    "DPoP proof": () => prover.proof({ url: `${issuerUrl}/oauth2/token`, at: hand.clock(), nonce: house.dpop.nonce("default") }),
  } as const satisfies Readonly<Record<string, () => Promise<string>>>;

  /** Who holds the key that signs a kind. */
  const ourKey = async (): Promise<KeyPair> => {
    const kid = (await house.signing.keySet("default")).keys[0]?.["kid"];
    return had(await house.signing.keyFor("default", String(kid)), "key");
  };
  const asPair = (key: webcrypto.CryptoKey): KeyPair => {
    const privateKey = KeyObject.from(key);
    return { privateKey, publicKey: createPublicKey(privateKey) };
  };
  const signers = {
    ours: await ourKey(),
    "client assertion": asPair(client.privateKey),
    "DPoP proof": asPair(prover.privateKey),
    user: asPair(issuer.key().privateKey),
  };
  const signerOf = (kind: keyof typeof make): KeyPair => {
    if (kind === "client assertion" || kind === "DPoP proof") return signers[kind];
    return kind === "user token" || kind === "user assertion" ? signers.user : signers.ours;
  };

  return { ...oauth, make, verifier, signerOf };
};

/** The kinds that we mint ourselves; a new one does not compile until somebody here has one. */
export const minted: Readonly<Record<Kind, keyof EveryKind["make"]>> = {
  workload: "workload token",
  access: "access token",
  id: "ID token",
  coze_id: "Coze ID token",
  coze_access: "Coze access token",
  web_identity: "web identity token",
  client_assertion: "assertion of ours to a provider",
};

export type EveryKind = Awaited<ReturnType<typeof openEveryKind>>;
export type TokenKind = keyof EveryKind["make"];
export { api, backUrl, issuerUrl, testAdminKey };
