import type { LightMyRequestResponse } from "fastify";
import { makeCodes } from "../../access/grants/codes.ts";
import { makeFamilies } from "../../access/grants/families.ts";
import { challengeOf } from "../../access/vault/index.ts";
import type { House } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { anonymous, systemRandom } from "../../ground/kernel/index.ts";
import { openTestHouse } from "../../testing/house.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import type { TestIssuer } from "../../testing/openid.ts";
import { adminOf, handClock } from "../../testing/stores.ts";
import { makeHttp, makeLog } from "../http/index.ts";
import { serveNative } from "../native/index.ts";
import { serveOauth } from "./index.ts";

export const admin = adminOf("default");
export const issuerUrl = testPublicUrl;
export const api = "https://api.example/";
export const down = "https://down.example/v1";
export const backUrl = "https://scout.example/back";
export const appBackUrl = "http://127.0.0.1/back";
export const verifier = "the-verifier-of-the-tests-0123456789-abcdefghijk";

export type Params = Readonly<Record<string, string | readonly string[] | undefined>>;

/** As a form; undefined is left out, and an array repeats its name. */
export const formText = (params: Params): string => {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) for (const each of [value].flat()) if (each !== undefined) form.append(name, each);
  return form.toString();
};

export interface Confidential {
  readonly id: string;
  readonly secret: string;
}

export const basic = ({ id, secret }: Confidential): string => `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;

/** A token endpoint's answer, or any other of this wire. */
export interface Body {
  readonly access_token?: string;
  readonly token_type?: string;
  readonly expires_in?: number;
  readonly scope?: string;
  readonly refresh_token?: string;
  readonly id_token?: string;
  readonly issued_token_type?: string;
  readonly error?: string;
  readonly error_description?: string;
  readonly active?: boolean;
  readonly [name: string]: unknown;
}

/** The claims of a token, unverified. */
export const claimsOf = (token: string | undefined): Record<string, unknown> =>
  JSON.parse(Buffer.from(token?.split(".")[1] ?? "", "base64url").toString("utf8")) as Record<string, unknown>;

/** What a person did in a browser: the client's request, granted. */
export interface Granting {
  readonly client: string;
  readonly user: { readonly id: string; readonly epoch: number };
  readonly scopes?: readonly string[];
  readonly resource?: string;
  readonly redirectUri?: string;
  readonly dpopThumbprint?: string;
  readonly nonce?: string;
}

/** This wire on a house, as one replica serves it. */
export const serveHouse = async (house: House, limits?: House["limits"]) => {
  const http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl: issuerUrl, trustedProxies: [], corsOrigins: ["https://console.example"] },
    {
      log: makeLog("silent"),
      random: systemRandom,
      ping: () => Promise.resolve(),
      isOpen: house.tenants.isOpen,
      ...(limits && { rates: limits }),
    },
  );
  await serveNative(http.app, house);
  await serveOauth(http.app, { ...house, ...(limits && { limits }) });
  const post = (url: string, params: Params | string, headers: Readonly<Record<string, string>> = {}): Promise<LightMyRequestResponse> =>
    http.app.inject({
      method: "POST",
      url,
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      payload: typeof params === "string" ? params : formText(params),
    });
  const asked = async (url: string, client: Confidential | undefined, params: Params, headers: Readonly<Record<string, string>> = {}) => {
    const answer = await post(url, params, { ...(client && { authorization: basic(client) }), ...headers });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      body: (answer.body ? answer.json<Body>() : {}) as Body,
    };
  };
  return {
    http,
    post,
    token: (client: Confidential | undefined, params: Params, headers?: Readonly<Record<string, string>>) =>
      asked("/oauth2/token", client, params, headers),
    introspect: async (client: Confidential, token: string | undefined) => (await asked("/oauth2/introspect", client, { token })).body,
    revoke: (client: Confidential | undefined, params: Params) => asked("/oauth2/revoke", client, params),
  };
};

/**
 * The whole house behind this wire: agents `scout` and `other` that may use the resource `api`, agent `server` that is it, the resource `down` behind
 * it, an app `desk` for people, and a user of the trusted issuer.
 */
export const openOauth = async (store: StoreAddress, issuer: TestIssuer, hand = handClock()) => {
  const house = await openTestHouse(store, { clock: hand.clock });
  const { agents, clients, issuers, users, db } = house;
  await issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["legate"] });
  const confidential = async (name: string): Promise<Confidential> => {
    const { id } = await agents.create(admin, { name, issuer: "corp", allowedReturnUrls: [backUrl] });
    const { clientSecret } = await agents.createClientSecret(admin, id, {});
    return { id, secret: clientSecret };
  };
  const [scout, other, server, stranger] = [
    await confidential("scout"),
    await confidential("other"),
    await confidential("server"),
    await confidential("stranger"),
  ];
  await clients.resources.create(admin, {
    name: "api",
    identifier: api,
    agents: ["scout", "other", "server"],
    clients: ["*"],
    servers: ["server"],
    scopes: [{ name: "read" }, { name: "write" }, { name: "sync", agents: ["scout", "server"] }],
  });
  await clients.resources.create(admin, {
    name: "down",
    identifier: down,
    agents: ["scout", "server"],
    clients: [],
    servers: [],
    scopes: [{ name: "read" }, { name: "sync" }, { name: "drop", agents: ["server"] }],
  });
  const desk = await clients.apps.create(admin, { name: "desk", redirectUris: [appBackUrl] });
  const alice = await users.proven(admin, issuer.url, "alice");

  const issueCode = makeCodes({
    clock: hand.clock,
    random: systemRandom,
    families: makeFamilies({ ...house, clock: hand.clock, random: systemRandom }),
  });
  const code = async (granting: Granting): Promise<string> => {
    const client = await clients.find("default", granting.client);
    if (!client) throw new Error("There is no such client.");
    const { tenantEpoch } = await house.standing.chain("default", { actors: [], user: granting.user });
    const request = {
      redirectUri: granting.redirectUri ?? client.redirectUris[0] ?? "",
      resource: granting.resource ?? api,
      scopes: granting.scopes ?? ["read", "write"],
      codeChallenge: challengeOf(verifier),
      dpopThumbprint: granting.dpopThumbprint,
      authTime: hand.clock() - 5_000,
    };
    const given = await db.write((tx) =>
      issueCode(tx, anonymous("default", "req_browser"), client, request, { nonce: granting.nonce }, { user: granting.user, tenantEpoch }),
    );
    return given.code;
  };
  const served = await serveHouse(house);
  /** Redeems a fresh code. */
  const redeemed = async (client: Confidential | undefined, granting: Granting, headers?: Readonly<Record<string, string>>) =>
    served.token(
      client,
      {
        grant_type: "authorization_code",
        code: await code(granting),
        redirect_uri: granting.redirectUri ?? (client ? backUrl : appBackUrl),
        code_verifier: verifier,
        ...(client === undefined && { client_id: granting.client }),
      },
      headers,
    );
  return {
    house,
    hand,
    ...served,
    scout,
    other,
    server,
    stranger,
    desk,
    alice,
    code,
    redeemed,
    /** A token of the trusted issuer for a user. */
    userToken: (claims: Readonly<Record<string, unknown>> = {}) => {
      const now = Math.floor(hand.clock() / 1000);
      return issuer.sign({ sub: "alice", aud: "legate", iat: now, exp: now + 600, ...claims });
    },
    close: async () => {
      await served.http.close();
      await house.close();
    },
  };
};
export type Oauth = Awaited<ReturnType<typeof openOauth>>;
