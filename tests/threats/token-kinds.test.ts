import { type Operation, operations, type Right } from "@legate/contract";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Kind, kinds } from "../../packages/server/src/identity/tokens/index.ts";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { api, backUrl, type EveryKind, minted, openEveryKind, testAdminKey, type TokenKind } from "./token-kinds.ts";

/** Which rights of our own wire a kind stands for; a kind that is not here stands for none. */
const rightsOf: Readonly<Partial<Record<TokenKind, readonly Right[]>>> = {
  "operator key": ["installation-admin", "admin"],
  "API key": ["agent"],
  "user token": ["user-token"],
  "workload token": ["workload-token"],
  "workload token for a user": ["workload-token"],
};

/** Somewhere that a credential can be put. */
interface Door {
  /** All that it takes. */
  readonly takes: readonly TokenKind[];
  /** Puts a credential there, as scout would. Answers the status, and whatever of the body tells that it was taken. */
  readonly put: (scene: EveryKind, text: string) => Promise<{ readonly status: number; readonly active?: unknown }>;
}

const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const type = (name: string) => `urn:ietf:params:oauth:token-type:${name}`;
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** A form that scout sends to the token endpoint, proven by its secret. */
const asScout =
  (fields: (text: string) => Readonly<Record<string, string>>, headers: (text: string) => Record<string, string> = () => ({})) =>
  async ({ token, scout }: EveryKind, text: string) =>
    token(scout, fields(text), headers(text));

/** A form by itself: what it holds is the whole proof. */
const alone =
  (url: string, fields: (text: string, scene: EveryKind) => Readonly<Record<string, string>>, bearer = false) =>
  async (scene: EveryKind, text: string) => {
    const answer = await scene.post(url, fields(text, scene), bearer ? { authorization: `Bearer ${text}` } : {});
    return { status: answer.statusCode };
  };

const asBearer =
  (method: "GET" | "POST", url: string, body?: object) =>
  async ({ http }: EveryKind, text: string) => {
    const answer = await http.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${text}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { payload: JSON.stringify(body) }),
    });
    return { status: answer.statusCode };
  };

const inBody =
  (url: string, body: (text: string) => object) =>
  async ({ http }: EveryKind, text: string) => {
    const answer = await http.app.inject({
      method: "POST",
      url,
      headers: { authorization: `Bearer ${testAdminKey}`, "content-type": "application/json" },
      payload: JSON.stringify(body(text)),
    });
    return { status: answer.statusCode };
  };

/** Every place beside our own wire's operations where something is taken for a proof or for a token. */
const doors: Readonly<Record<string, Door>> = {
  "the token endpoint, as a bearer token": {
    takes: [],
    put: alone("/oauth2/token", () => ({ grant_type: "client_credentials", resource: api }), true),
  },
  "the token endpoint, as a client secret": {
    takes: ["client secret"],
    put: alone("/oauth2/token", (text, { scout }) => ({
      grant_type: "client_credentials",
      resource: api,
      client_id: scout.id,
      client_secret: text,
    })),
  },
  "the token endpoint, as a client secret in the header": {
    takes: ["client secret"],
    put: ({ token, scout }, secret) => token({ ...scout, secret }, { grant_type: "client_credentials", resource: api }),
  },
  "the token endpoint, as a client assertion": {
    takes: ["client assertion"],
    put: alone("/oauth2/token", (text) => ({
      grant_type: "client_credentials",
      resource: api,
      client_assertion: text,
      client_assertion_type: assertionType,
    })),
  },
  "the token endpoint, as a code": {
    takes: ["authorization code"],
    put: (scene, code) =>
      scene.token(scene.scout, { grant_type: "authorization_code", code, redirect_uri: backUrl, code_verifier: scene.verifier }),
  },
  "the token endpoint, as a refresh token": {
    takes: ["refresh token"],
    put: asScout((refresh_token) => ({ grant_type: "refresh_token", refresh_token })),
  },
  "the token endpoint, as an assertion about a user": {
    takes: ["user assertion"],
    put: asScout((assertion) => ({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion, resource: api })),
  },
  ...Object.fromEntries(
    ["access_token", "jwt"].flatMap((named) => [
      [
        `the token endpoint, as a subject token of type ${named}`,
        {
          takes: ["user token", "workload token", "workload token for a user", "access token"],
          put: asScout((subject_token) => ({ grant_type: exchange, resource: api, subject_token, subject_token_type: type(named) })),
        } satisfies Door,
      ],
      [
        `the token endpoint, as a subject token of type ${named} whose audience is to stay`,
        {
          takes: ["access token", "access token for userinfo"],
          put: asScout((subject_token) => ({ grant_type: exchange, subject_token, subject_token_type: type(named) })),
        } satisfies Door,
      ],
      [
        `the token endpoint, as an actor token of type ${named}`,
        {
          takes: ["workload token", "access token"],
          put: async (scene: EveryKind, actor_token: string) =>
            scene.token(scene.scout, {
              grant_type: exchange,
              resource: api,
              subject_token: await scene.make["user token"](),
              subject_token_type: type("jwt"),
              actor_token,
              actor_token_type: type(named),
            }),
        } satisfies Door,
      ],
    ]),
  ),
  "the token endpoint, as a subject token of type id_token": {
    takes: ["user token"],
    put: asScout((subject_token) => ({ grant_type: exchange, resource: api, subject_token, subject_token_type: type("id_token") })),
  },
  ...Object.fromEntries(
    ["refresh_token", "saml2", "id-jag"].map((named) => [
      `the token endpoint, as a subject token of type ${named}`,
      {
        takes: [],
        put: asScout((subject_token) => ({ grant_type: exchange, resource: api, subject_token, subject_token_type: type(named) })),
      } satisfies Door,
    ]),
  ),
  "the token endpoint, as a proof of possession": {
    takes: ["DPoP proof"],
    put: asScout(
      () => ({ grant_type: "client_credentials", resource: api }),
      (dpop) => ({ dpop }),
    ),
  },
  "introspection, as a bearer token": {
    takes: [],
    put: alone("/oauth2/introspect", () => ({ token: "x" }), true),
  },
  "introspection, as the token that is asked about": {
    takes: ["access token", "access token for userinfo", "access token bound to a key", "refresh token"],
    put: async ({ introspect, scout }, text) => {
      const { active } = await introspect(scout, text);
      return { status: active === true ? 200 : 400 };
    },
  },
  "revocation, as a bearer token": {
    takes: [],
    put: alone("/oauth2/revoke", () => ({ token: "x" }), true),
  },
  userinfo: { takes: ["access token for userinfo"], put: asBearer("GET", "/oauth2/userinfo") },
  "userinfo, as a token that is bound to a key": {
    takes: [],
    put: async ({ http }, text) => {
      const answer = await http.app.inject({ method: "GET", url: "/oauth2/userinfo", headers: { authorization: `DPoP ${text}` } });
      return { status: answer.statusCode };
    },
  },
  "Coze's token endpoint, as a client secret": {
    takes: ["client secret"],
    put: alone("/coze/token", (client_secret, { scout }) => ({ grant_type: "client_credentials", client_id: scout.id, client_secret })),
  },
  "Coze's token endpoint, as a client assertion": {
    takes: ["client assertion"],
    put: alone("/coze/token", (client_assertion) => ({
      grant_type: "client_credentials",
      client_assertion,
      client_assertion_type: assertionType,
    })),
  },
  "Coze's token endpoint, as a subject token": {
    takes: ["Coze ID token"],
    put: alone("/coze/token", (subject_token, { scout }) => ({
      grant_type: exchange,
      client_id: scout.id,
      subject_token,
      subject_token_type: type("id_token"),
    })),
  },
  "Coze's environment": { takes: ["Coze access token"], put: asBearer("GET", "/coze/secret/env") },
  // 404 is said to whoever may ask: there is no such integration.
  "Coze's integrations": { takes: ["Coze access token"], put: asBearer("POST", "/coze/secret", { integration_name: "none" }) },
  "Coze's integrations, at the other path": {
    takes: ["Coze access token"],
    put: asBearer("POST", "/coze/secret/integration", { integration_name: "none" }),
  },
  "Coze's skill environments": { takes: ["API key"], put: asBearer("POST", "/coze/skill-envs", { agent_id: 1, skill_id: 1 }) },
  "our wire, as an operator's key": { takes: ["operator key"], put: asBearer("GET", "/v1/agents") },
  "our wire, as a user's token beside an operator's key": {
    takes: ["user token"],
    put: inBody("/v1/workload-tokens", (userToken) => ({ agent: "scout", userToken })),
  },
};

/** Who may not ask, or asks with what is none, hears one of these. */
const noes = [400, 401, 403];

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("a credential of any kind", (fresh) => {
  let scene: EveryKind;
  beforeAll(async () => {
    scene = await openEveryKind(await fresh(), issuer);
  });
  afterAll(() => scene.close());
  const all = () => Object.entries(scene.make) as [TokenKind, () => Promise<string>][];

  describe.each(Object.entries(doors))("at %s", (_name, { takes, put }) => {
    test("is taken if it is of the kind that is meant, and of no other", async () => {
      const taken: Record<string, number> = {};
      for (const [kind, make] of all()) {
        const { status } = await put(scene, await make());
        // A fault of ours would pass for a no.
        if (!noes.includes(status)) taken[kind] = status;
      }
      expect(Object.keys(taken).sort(), JSON.stringify(taken)).toEqual([...takes].sort());
      for (const status of Object.values(taken)) expect([200, 404]).toContain(status);
    });
  });

  describe.each(Object.values<Operation>(operations).map((op) => [op.id, op] as const))("at %s of our wire", (_id, op) => {
    test("is taken where it stands for a right that is asked for", async () => {
      const wrong: string[] = [];
      for (const [kind, make] of all()) {
        const { statusCode, body } = await scene.http.app.inject({
          method: op.method,
          url: `${op.path.replaceAll(/\{\w+\}/g, "nothing-there")}?no-operation-takes-this=1`,
          headers: { authorization: `Bearer ${await make()}` },
        });
        const mayAsk = op.rights.includes("anyone") || op.rights.some((right) => rightsOf[kind]?.includes(right));
        // 400 is said of what does not parse, to who may ask.
        const expected = mayAsk ? [400] : [401, 403];
        if (!expected.includes(statusCode)) wrong.push(`${kind}: ${statusCode} ${body.slice(0, 200)}`);
      }
      expect(wrong).toEqual([]);
    });
  });

  test("that we mint is among those that were tried, under the type that is its own; two of them no door of ours takes", async () => {
    const untaken: string[] = [];
    for (const [kind, tried] of Object.entries(minted) as [Kind, TokenKind][]) {
      expect(decodeProtectedHeader(await scene.make[tried]()).typ).toBe(kinds[kind].typ);
      const atDoors = Object.values(doors).some(({ takes }) => takes.includes(tried));
      if (!atDoors && rightsOf[tried] === undefined) untaken.push(kind);
    }
    expect(untaken).toEqual(["id", "client_assertion"]);
  });

  test("is answered by revocation as any other, and taken back only where it is an access token or a refresh token of the client's own", async () => {
    const lives: Readonly<Partial<Record<TokenKind, keyof typeof doors>>> = {
      "operator key": "our wire, as an operator's key",
      "API key": "Coze's skill environments",
      "client secret": "the token endpoint, as a client secret",
      "client assertion": "the token endpoint, as a client assertion",
      "user token": "our wire, as a user's token beside an operator's key",
      "user assertion": "the token endpoint, as an assertion about a user",
      "workload token": "the token endpoint, as a subject token of type jwt",
      "authorization code": "the token endpoint, as a code",
      "Coze ID token": "Coze's token endpoint, as a subject token",
      "Coze access token": "Coze's environment",
      "DPoP proof": "the token endpoint, as a proof of possession",
      "access token": "introspection, as the token that is asked about",
      "refresh token": "introspection, as the token that is asked about",
    };
    const bodies = new Set<string>();
    const ended: string[] = [];
    for (const [kind, door] of Object.entries(lives) as [TokenKind, string][]) {
      const text = await scene.make[kind]();
      const answer = await scene.revoke(scene.scout, { token: text });
      expect(answer.status).toBe(200);
      bodies.add(answer.text);
      if (noes.includes((await doors[door]?.put(scene, text))?.status ?? 500)) ended.push(kind);
    }
    expect(ended).toEqual(["access token", "refresh token"]);
    expect(bodies.size).toBe(1);
  });
});
