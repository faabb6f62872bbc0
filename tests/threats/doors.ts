import { api, backUrl, type EveryKind, testAdminKey, type TokenKind } from "./token-kinds.ts";

/** Somewhere that a credential can be put. */
export interface Door {
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
export const doors: Readonly<Record<string, Door>> = {
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
  // 404 is said to whoever may ask: there is no such provider.
  "our wire, as a workload token": {
    takes: ["workload token", "workload token for a user"],
    put: asBearer("POST", "/v1/credentials/api-key", { provider: "none" }),
  },
  "our wire, as a user's token beside an operator's key": {
    takes: ["user token"],
    put: inBody("/v1/workload-tokens", (userToken) => ({ agent: "scout", userToken })),
  },
};

/** Who may not ask, or asks with what is none, hears one of these. */
export const noes = [400, 401, 403];
