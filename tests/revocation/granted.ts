import { makeCodes } from "../../packages/server/src/access/grants/codes.ts";
import { admin } from "../../packages/server/src/access/vault/consents-for-tests.ts";
import { challengeOf } from "../../packages/server/src/access/vault/index.ts";
import type { House } from "../../packages/server/src/compose.ts";
import { systemClock, systemRandom } from "../../packages/server/src/ground/kernel/index.ts";
import type { Agent } from "../../packages/server/src/identity/agents/index.ts";
import type { User } from "../../packages/server/src/identity/users/index.ts";
import type { Opener } from "./world.ts";

const audience = "https://api.example/";
const verifier = "the-verifier-of-the-tests-0123456789-abcdefghijk";
const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const jwtType = "urn:ietf:params:oauth:token-type:jwt";

interface Scene {
  readonly house: House;
  readonly agents: readonly Agent[];
  readonly people: readonly User[];
  /** A client secret by agent. */
  readonly secretOf: ReadonlyMap<string, string>;
  readonly issuerUrl: string;
  readonly door: (ask: () => Promise<unknown>) => () => Promise<string>;
  /** A token of the users' issuer. */
  readonly sign: (claims: Readonly<Record<string, unknown>>) => Promise<string>;
}

/** What OAuth clients hold, and each way to get more: every grant of every agent, and an app of people, each with what it hangs on. */
export const openGranted = async ({
  house,
  agents,
  people,
  secretOf,
  issuerUrl,
  door,
  sign,
}: Scene): Promise<{ openers: readonly Opener[]; appId: string }> => {
  const { clients, grants, db, tokens, standing } = house;
  const openers: Opener[] = [];
  let made = 0;

  await clients.resources.create(admin, {
    name: "api",
    identifier: audience,
    agents: ["*"],
    clients: ["*"],
    servers: [],
    scopes: [{ name: "read" }],
  });
  const app = await clients.apps.create(admin, { name: "desk", redirectUris: ["http://127.0.0.1/back"] });

  /** A token, as its client asks for one. */
  const ask = async (
    proof: { clientId: string; clientSecret?: string },
    grantType: string,
    parameters: Readonly<Record<string, string>>,
  ) => {
    const asker = await clients.authenticate({
      authorization: undefined,
      clientId: proof.clientId,
      clientSecret: proof.clientSecret,
      clientAssertion: undefined,
      clientAssertionType: undefined,
      tenant: undefined,
      requestId: "req_door",
      address: undefined,
    });
    return grants.token(asker, { grantType, parameters, scopes: undefined, targets: [audience], dpopThumbprint: undefined });
  };

  const issueCode = makeCodes({ clock: systemClock, random: systemRandom, families: house.families });
  /** What a person granted: its access token, and the refresh token that is good next. */
  const grantedTo = async (proof: { clientId: string; clientSecret?: string }, user: User) => {
    const client = await clients.find("default", proof.clientId);
    if (!client) throw new Error("There is no such client.");
    const { tenantEpoch } = await standing.chain("default", { actors: [], user });
    const request = {
      redirectUri: client.redirectUris[0] ?? "",
      resource: audience,
      scopes: ["read"],
      codeChallenge: challengeOf(verifier),
      dpopThumbprint: undefined,
      authTime: undefined,
    };
    const parties = { user: { id: user.id, epoch: user.epoch }, tenantEpoch };
    const { code, grant } = await db.write((tx) => issueCode(tx, admin, client, request, { nonce: undefined }, parties));
    const answer = await ask(proof, "authorization_code", { code, code_verifier: verifier, redirect_uri: request.redirectUri });
    return { grant, access: answer.accessToken, refresh: answer.refreshToken ?? "" };
  };

  const holds = (what: string, of: readonly string[], token: string) =>
    openers.push({
      what,
      of,
      tries: door(async () => {
        const claims = await tokens.verify("access", token);
        await standing.chain("default", claims);
      }),
    });
  const openGrant = async (what: string, of: readonly string[], proof: { clientId: string; clientSecret?: string }, user: User) => {
    const given = await grantedTo(proof, user);
    holds(`the access token of ${what}`, [...of, given.grant], given.access);
    let { refresh } = given;
    openers.push({
      what: `the refresh token of ${what}`,
      of: [...of, given.grant],
      tries: door(async () => {
        refresh = (await ask(proof, "refresh_token", { refresh_token: refresh })).refreshToken ?? "";
      }),
    });
  };

  for (const user of people) await openGrant(`the app for ${user.subject}`, [user.id, app.id], { clientId: app.id }, user);
  for (const agent of agents) {
    const proof = { clientId: agent.id, clientSecret: secretOf.get(agent.id) ?? "" };
    const own = await ask(proof, "client_credentials", {});
    holds(`${agent.name}'s own access token`, [agent.id], own.accessToken);
    openers.push({ what: `client credentials of ${agent.name}`, of: [agent.id], tries: door(() => ask(proof, "client_credentials", {})) });
    for (const user of people) {
      const what = `${agent.name} for ${user.subject}`;
      const of = [agent.id, user.id];
      await openGrant(what, of, proof, user);
      const userToken = await sign({ sub: user.subject, aud: "legate" });
      const exchanged = await ask(proof, exchange, { subject_token: userToken, subject_token_type: jwtType });
      holds(`what ${what} had by exchange`, of, exchanged.accessToken);
      const { token: workload } = await house.workloadTokens.issue(admin, { agent: agent.id, userToken });
      const exchanges = { "a user's token": userToken, "a workload token": workload, "an access token": exchanged.accessToken };
      for (const [kind, subject_token] of Object.entries(exchanges)) {
        openers.push({
          what: `an exchange of ${kind} by ${what}`,
          of: kind === "a user's token" ? [...of, "issuer"] : of,
          tries: door(() => ask(proof, exchange, { subject_token, subject_token_type: jwtType })),
        });
      }
      openers.push({
        what: `an assertion shown by ${what}`,
        of: [...of, "issuer"],
        tries: door(async () => {
          made += 1;
          const assertion = await sign({ sub: user.subject, aud: issuerUrl, jti: `assertion-${made}` });
          return ask(proof, "urn:ietf:params:oauth:grant-type:jwt-bearer", { assertion });
        }),
      });
    }
  }
  return { openers, appId: app.id };
};
