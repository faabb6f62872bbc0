import { openBrowser } from "../../packages/server/src/testing/cookie-jar.ts";
import { signRequest } from "../../packages/server/src/testing/acs3.ts";
import { refusalOf } from "../../packages/server/src/testing/refused.ts";
import { clientPair } from "../../packages/server/src/access/clients/clients-for-tests.ts";
import {
  actingFor,
  admin,
  asAgent,
  backUrl,
  nobody,
  publicUrl,
  redirectOf,
} from "../../packages/server/src/access/vault/consents-for-tests.ts";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import type { Agent } from "../../packages/server/src/identity/agents/index.ts";
import type { User } from "../../packages/server/src/identity/users/index.ts";
import { openWire } from "../../packages/server/src/front/native/wire-for-tests.ts";
import type { TestIssuer } from "../../packages/server/src/testing/openid.ts";
import type { TestProvider } from "../../packages/server/src/testing/provider.ts";
import { openGranted } from "./granted.ts";

/** Something that opens a door, and whom it names. */
export interface Opener {
  readonly what: string;
  /** Ids of all it hangs on. */
  readonly of: readonly string[];
  /** What its door says: `open`, or the refusal. */
  readonly tries: () => Promise<string>;
}

const door = (ask: () => Promise<unknown>) => async (): Promise<string> => (await refusalOf(ask())).replace("nothing refused", "open");

/**
 * Two agents, two proven users, two providers, and a bystander that must live: with keys, tokens, connections of every state and consents of every
 * state, each with the door it opens. What is over already has no door.
 */
export const openWorld = async (store: StoreAddress, upstream: TestProvider, issuer: TestIssuer) => {
  const wire = await openWire(store);
  const { house } = wire;
  const { accessKeys, roles, agents, users, issuers, providers, clients, workloadTokens, connections, sessions, vault, authn, db } = house;
  const openers: Opener[] = [];

  await issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["legate"] });
  const [scout, clerk, bystander] = (await Promise.all(
    ["scout", "clerk", "bystander"].map((name) =>
      agents.create(admin, { name, issuer: "corp", allowedReturnUrls: [backUrl], roleArn: `acs:ram::9999999999999999:role/${name}` }),
    ),
  )) as [Agent, Agent, Agent];
  const [git, hub] = await Promise.all(
    ["git", "hub"].map(async (name) => {
      const made = await providers.create(admin, {
        name,
        type: "oauth2",
        discoveryUrl: upstream.discoveryUrl,
        clientId: name,
        clientSecret: `secret-of-${name}`,
        scopes: ["read"],
      });
      upstream.addClient({
        client_id: name,
        client_secret: `secret-of-${name}`,
        redirect_uris: [`${publicUrl}/callback/${made.id}`],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "client_secret_post",
      });
      return made;
    }),
  );
  if (!git || !hub) throw new Error("no providers");
  const weather = await providers.create(admin, { name: "weather", type: "api_key", apiKey: "the-weather-key" });

  const userTokenOf = (name: string) => issuer.sign({ sub: name, aud: "legate" });
  const prove = (credential: string) =>
    authn.prove({ authorization: `Bearer ${credential}`, tenant: "default", requestId: "req_door" }, [
      "agent",
      "workload-token",
      "user-token",
    ]);
  const proveClient = (proof: { clientId?: string; clientSecret?: string; clientAssertion?: string }) =>
    clients.authenticate({
      authorization: undefined,
      clientId: proof.clientId,
      clientSecret: proof.clientSecret,
      clientAssertion: proof.clientAssertion,
      clientAssertionType: proof.clientAssertion && "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      tenant: undefined,
      requestId: "req_door",
      address: undefined,
    });
  const proveSigned = (key: { accessKeyId: string; accessKeySecret: string; securityToken?: string }) =>
    authn.proveSigned({
      ...signRequest({ ...key, secret: key.accessKeySecret, action: "GetCallerIdentity", version: "2015-04-01" }),
      requestId: "req_door",
    });
  const secretOf = new Map<string, string>();
  const people: User[] = [];
  for (const name of ["alice", "bob"]) {
    const userToken = await userTokenOf(name);
    const { user } = await workloadTokens.issue(admin, { agent: bystander.id, userToken });
    people.push(await users.get("default", user?.id ?? ""));
    openers.push({ what: `${name}'s own token`, of: [user?.id ?? "", "issuer"], tries: door(() => prove(userToken)) });
  }
  const [alice, bob] = people as [User, User];

  for (const agent of [scout, clerk, bystander]) {
    for (let at = 0; at < 2; at += 1) {
      const { apiKey } = await agents.createKey(admin, agent.id, {});
      openers.push({ what: `a key of ${agent.name}`, of: [agent.id], tries: door(() => prove(apiKey)) });
      const { clientId, clientSecret } = await agents.createClientSecret(admin, agent.id, {});
      secretOf.set(agent.id, clientSecret);
      openers.push({
        what: `a client secret of ${agent.name}`,
        of: [agent.id],
        tries: door(() => proveClient({ clientId, clientSecret })),
      });
    }
    const accessKey = await accessKeys.create(admin, { rights: { agent: agent.id } });
    openers.push({ what: `an access key of ${agent.name}`, of: [agent.id], tries: door(() => proveSigned(accessKey)) });
    const pair = clientPair();
    await agents.createClientKey(admin, agent.id, { jwk: pair.jwk });
    openers.push({
      what: `a client key of ${agent.name}`,
      of: [agent.id],
      tries: door(async () => proveClient({ clientAssertion: await pair.assert(agent.id, Date.now(), { aud: publicUrl }) })),
    });
    for (const user of [undefined, alice, bob]) {
      const of = [agent.id, ...(user ? [user.id] : [])];
      const userToken = user && (await userTokenOf(user.subject));
      const ask = { agent: agent.id, userToken };
      const { token } = await workloadTokens.issue(admin, ask);
      const what = `${agent.name}${user ? ` for ${user.subject}` : ""}`;
      const assumed = await roles.assume(await prove(token), { sessionName: "session" });
      openers.push({ what: `a temporary key of ${what}`, of, tries: door(() => proveSigned(assumed)) });
      openers.push({ what: `the token of ${what}`, of, tries: door(() => prove(token)) });
      openers.push({ what: `minting for ${what}`, of: user ? [...of, "issuer"] : of, tries: door(() => workloadTokens.issue(admin, ask)) });
      const who = { ...actingFor(agent, user ?? ({} as User)) };
      const { user: _, ...alone } = who;
      openers.push({
        what: `the weather key for ${what}`,
        of: [...of, weather.id],
        tries: door(() => prove(token).then((proven) => vault.apiKey(proven, { provider: "weather" }))),
      });

      for (const provider of [git, hub]) {
        for (const [at, state] of ["active", "active", "revoked"].entries()) {
          const scope = `s${at}`;
          const asked = {
            tenant: "default",
            agent: agent.id,
            provider: provider.id,
            resource: "",
            audience: "",
            scopes: JSON.stringify([scope]),
          };
          const key = user ? ({ kind: "user", user: user.id, ...asked } as const) : ({ kind: "agent", ...asked } as const);
          const tokens = { accessToken: "at", tokenType: "Bearer", refreshToken: "rt", expiresIn: 36_000 };
          const { connectionId } = await db.write((tx) =>
            connections.store(tx, key, { requestedScopes: [scope], tokens, now: Date.now() }),
          );
          if (state === "revoked") {
            await connections.revoke(admin, connectionId);
            continue;
          }
          openers.push({
            what: connectionId,
            of: [...of, provider.id, connectionId],
            tries: async () => {
              const asking = await prove(token).catch(() => undefined);
              // Whoever cannot even ask is refused; else the connection must be served as it is, without another consent.
              const tried = await refusalOf(
                vault
                  .oauth2(asking ?? (user ? who : alone), { provider: provider.name, scopes: [scope], returnUrl: backUrl })
                  .then((answer) => {
                    if (answer.status === "pending") throw new Error("consent");
                  }),
              ).catch((thrown: unknown) =>
                thrown instanceof Error && thrown.message === "consent" ? "consent" : Promise.reject(thrown as Error),
              );
              return asking ? tried.replace("nothing refused", "open") : "the token is dead";
            },
          });
        }
        if (!user) continue;
        // Two consents under way, one at its beginning and one that waits for its application; and one that is over.
        for (const stage of ["pending", "authorized", "denied"]) {
          const begun = await vault.oauth2(who, { provider: provider.name, scopes: ["read", stage], returnUrl: backUrl });
          if (begun.status !== "pending") throw new Error("A consent was expected.");
          const id = begun.authorizationUrl.split("/").at(-1) ?? "";
          if (stage === "pending") {
            // Opened once, so that the visit has secrets.
            await sessions.visit(nobody, id);
            openers.push({ what: id, of: [...of, provider.id], tries: door(() => sessions.visit(nobody, id)) });
            continue;
          }
          const browser = openBrowser();
          const to = redirectOf(browser.take(await sessions.visit(nobody, id)));
          const back = new URL(await upstream.walk(to, user.subject, stage === "denied" ? "deny" : "allow"));
          const returned = redirectOf(await sessions.providerCallback(nobody, provider.id, back.searchParams, browser.cookies));
          if (stage === "denied") continue;
          const sessionUri = new URL(returned).searchParams.get("session_uri") ?? "";
          const userToken = await userTokenOf(user.subject);
          openers.push({
            what: id,
            of: [...of, provider.id],
            tries: door(() => sessions.complete(agent === scout ? admin : asAgent(agent), { sessionUri, userToken })),
          });
        }
      }
    }
  }

  const granted = await openGranted({
    house,
    agents: [scout, clerk, bystander],
    people,
    secretOf,
    issuerUrl: house.tenants.issuerOf("default"),
    door,
    sign: issuer.sign,
  });
  openers.push(...granted.openers);

  return { ...wire, ...house, appId: granted.appId, close: wire.close, scout, clerk, bystander, alice, bob, git, hub, weather, openers };
};
export type World = Awaited<ReturnType<typeof openWorld>>;
