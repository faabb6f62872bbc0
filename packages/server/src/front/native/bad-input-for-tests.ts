import type { Code, Operation, operations } from "@legate/contract";
import { z } from "zod";

export type OperationId = keyof typeof operations;

/** What a good request of an operation looks like: each case spoils one thing of it. */
export interface Sample {
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  /** What is said when the last of the parameters names nothing. */
  readonly missing?: Code;
}

export interface Case {
  readonly what: string;
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly body?: unknown;
  readonly type?: string;
  /** What must come back; where it is left out, anything but a fault of ours may. */
  readonly expect?: readonly [status: number, code: Code];
  /** Where the first problem must be said to be. */
  readonly at?: string;
}

const bad = [400, "invalid_request"] as const;

const tenant = { params: { name: "victims" }, missing: "tenant_unknown" } as const;
const operator = { params: { id: "opr_0" }, missing: "operator_unknown" } as const;
const agent = { params: { name: "probe" }, missing: "agent_unknown" } as const;
const user = { params: { id: "usr_0" }, missing: "user_unknown" } as const;
const issuer = { params: { name: "corp" }, missing: "issuer_unknown" } as const;
const provider = { params: { name: "weather" }, missing: "provider_unknown" } as const;
const connection = { params: { id: "con_0" }, missing: "connection_unknown" } as const;
const grant = { params: { id: "gnt_0" }, missing: "grant_unknown" } as const;
const client = { params: { name: "console" }, missing: "client_unknown" } as const;
const resource = { params: { name: "mail" }, missing: "resource_unknown" } as const;
/** RFC 7517 appendix A.1. */
const publicJwk = {
  kty: "EC",
  crv: "P-256",
  x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
  kid: "1",
};
const victim = { params: { name: "victim" } };
const project = { params: { project: "billing" }, missing: "project_unknown" } as const;
const variable = { params: { project: "billing", key: "REGION" }, missing: "variable_unknown" } as const;
const integration = { params: { project: "billing", name: "maps" }, missing: "integration_unknown" } as const;
const oauth2 = { name: "calendar", type: "oauth2", clientId: "us", discoveryUrl: "http://127.0.0.1:9/", scopes: ["read"] };

/** One good request of each operation, on what the test has made beforehand. */
export const samples: Record<OperationId, Sample> = {
  createTenant: { body: { name: "acme" } },
  listTenants: {},
  getTenant: tenant,
  deleteTenant: tenant,
  suspendTenant: tenant,
  resumeTenant: tenant,
  createOperator: { body: { name: "night-shift", role: "operator", expiresAt: "2099-01-01T00:00:00Z" } },
  listOperators: {},
  getOperator: operator,
  updateOperator: { ...operator, body: { role: "auditor", expiresAt: "2099-01-01T00:00:00Z" } },
  deleteOperator: operator,
  rotateOperatorKey: operator,
  createAgent: {
    body: {
      name: "fresh",
      title: "Fresh",
      description: "x",
      ownerEmail: "owner@example.com",
      permissions: ["mail:inbox:read"],
      allowedReturnUrls: ["https://app.example/back"],
      roleArn: "acs:ram::1:role/x",
      binding: "application",
      assertedUsers: true,
      tier: "gold",
      labels: { team: "a" },
    },
  },
  listAgents: {},
  getAgent: agent,
  updateAgent: { ...agent, ...victim, body: { title: "New" } },
  deleteAgent: agent,
  suspendAgent: agent,
  resumeAgent: agent,
  revokeAgent: agent,
  createAgentKey: { ...agent, body: { description: "laptop" } },
  listAgentKeys: agent,
  deleteAgentKey: { params: { name: "probe", id: "key_0" }, missing: "key_unknown" },
  createClientSecret: { ...agent, body: { description: "laptop" } },
  listClientSecrets: agent,
  deleteClientSecret: { params: { name: "probe", id: "sec_0" }, missing: "key_unknown" },
  createClientKey: { ...agent, body: { jwk: publicJwk, description: "laptop" } },
  listClientKeys: agent,
  deleteClientKey: { params: { name: "probe", id: "ckey_0" }, missing: "key_unknown" },
  createClient: {
    body: { name: "fresh", title: "Fresh", redirectUris: ["https://app.example/callback"], scopes: ["read"] },
  },
  listClients: {},
  getClient: client,
  updateClient: { ...client, ...victim, body: { title: "New" } },
  deleteClient: client,
  suspendClient: { ...client, ...victim },
  resumeClient: { ...client, ...victim },
  createResource: {
    body: {
      name: "fresh",
      identifier: "https://fresh.example/api",
      agents: ["*"],
      clients: ["registered"],
      servers: ["probe"],
      scopes: [{ name: "read", description: "Read it", agents: ["label:team"] }],
    },
  },
  listResources: {},
  getResource: resource,
  updateResource: { ...resource, ...victim, body: { scopes: [{ name: "read" }] } },
  deleteResource: resource,
  listUsers: {},
  getUser: user,
  suspendUser: user,
  resumeUser: user,
  revokeUser: user,
  createIssuer: {
    body: { name: "corp", discoveryUrl: "http://127.0.0.1:9/", audiences: ["us"], subjectClaim: "sub", login: { clientId: "us" } },
  },
  listIssuers: {},
  getIssuer: issuer,
  updateIssuer: { ...issuer, body: { audiences: ["us"] } },
  deleteIssuer: issuer,
  createProvider: { body: oauth2 },
  listProviders: {},
  getProvider: provider,
  updateProvider: { ...provider, ...victim, body: { apiKey: "another" } },
  deleteProvider: provider,
  suspendProvider: { ...provider, ...victim },
  resumeProvider: { ...provider, ...victim },
  createWorkloadToken: { body: { agent: "probe" } },
  getApiKey: { body: { provider: "weather" } },
  getOauth2Token: { body: { provider: "calendar", scopes: ["read"] } },
  completeAuthorization: { body: { sessionUri: "urn:ietf:params:oauth:request_uri:none", userId: "alice" } },
  listConnections: {},
  getConnection: connection,
  deleteConnection: connection,
  listGrants: {},
  getGrant: grant,
  deleteGrant: grant,
  putProject: { params: { project: "billing" }, body: { description: "Bills.", agents: ["*"], lanes: { ppe_1: ["probe"] } } },
  listProjects: {},
  getProject: project,
  deleteProject: project,
  putVariable: { params: variable.params, body: { value: "eu", lane: "ppe_1" } },
  listVariables: project,
  getVariable: variable,
  deleteVariable: variable,
  importVariables: { ...project, body: { text: "REGION=eu", lane: "ppe_1", replace: false } },
  putIntegration: { params: integration.params, body: { credential: "s3cret" } },
  listIntegrations: project,
  getIntegration: integration,
  deleteIntegration: integration,
  getAgentImpact: agent,
  getUserImpact: user,
  getConnectionImpact: connection,
  getProviderImpact: provider,
  getIssuerImpact: issuer,
  listSigningKeys: {},
  rotateSigningKey: {},
  revokeSigningKey: { params: { id: "kid_0" }, missing: "key_unknown" },
  listDataKeys: {},
  rotateDataKey: {},
  getMasterKey: {},
  listPeppers: {},
  rotatePepper: {},
  listAuditEvents: {},
  exportAuditEvents: {},
};

/** What parses and is refused all the same. */
export const refusedByRooms: Partial<Record<OperationId, readonly Case[]>> = {
  createTenant: [
    { what: "the name of tenant default", body: { name: "default" }, expect: [409, "tenant_exists"] },
    { what: "a name in capitals", body: { name: "Acme" }, expect: bad, at: "name" },
    { what: "a name of 40 letters", body: { name: "a".repeat(40) }, expect: bad, at: "name" },
  ],
  deleteTenant: [{ what: "tenant default", path: "/v1/tenants/default", expect: [409, "tenant_default"] }],
  suspendTenant: [{ what: "tenant default", path: "/v1/tenants/default/suspend", expect: [409, "tenant_default"] }],
  createOperator: [
    { what: "a name that is taken", body: { name: "admin", role: "auditor" }, expect: [409, "operator_exists"] },
    { what: "a role there is not", body: { name: "root", role: "root" }, expect: bad, at: "role" },
    {
      what: "an expiry that has passed",
      body: { name: "late", role: "auditor", expiresAt: "2020-01-01T00:00:00Z" },
      expect: bad,
      at: "expiresAt",
    },
  ],
  updateOperator: [
    {
      what: "another role for the first operator",
      path: "/v1/operators/op_admin",
      body: { role: "auditor" },
      expect: [409, "first_operator"],
    },
  ],
  deleteOperator: [{ what: "the first operator", path: "/v1/operators/op_admin", expect: [409, "first_operator"] }],
  rotateOperatorKey: [
    { what: "the first operator's key, given as a setting", path: "/v1/operators/op_admin/rotate-key", expect: [409, "first_operator"] },
  ],
  createAgent: [
    { what: "a name that is taken", body: { name: "probe" }, expect: [409, "agent_exists"] },
    { what: "a name like an id", body: { name: "agt_0123" }, expect: bad, at: "name" },
    { what: "an issuer that is not trusted", body: { name: "fresh", issuer: "nobody" }, expect: [404, "issuer_unknown"] },
    {
      what: "a return URL with user information",
      body: { name: "fresh", allowedReturnUrls: ["https://a@b.example/"] },
      expect: bad,
      at: "allowedReturnUrls.0",
    },
    {
      what: "a return URL that is a script",
      body: { name: "fresh", allowedReturnUrls: ["javascript:alert(1)"] },
      expect: bad,
      at: "allowedReturnUrls.0",
    },
    {
      what: "51 labels",
      body: { name: "fresh", labels: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`l${at}`, ""])) },
      expect: bad,
      at: "labels",
    },
  ],
  updateAgent: [{ what: "an issuer that is not trusted", body: { issuer: "nobody" }, expect: [404, "issuer_unknown"] }],
  createClientKey: [
    { what: "a private key", body: { jwk: { ...publicJwk, d: "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE" } }, expect: bad, at: "jwk" },
    { what: "a shared key", body: { jwk: { kty: "oct", k: "c2hhcmVkLXNlY3JldC1vZi0zMi1ieXRlcy1vci1tb3Jl" } }, expect: bad, at: "jwk" },
    { what: "a point that is not on the curve", body: { jwk: { ...publicJwk, y: publicJwk.x } }, expect: bad, at: "jwk" },
    { what: "a curve that is not taken", body: { jwk: { ...publicJwk, crv: "secp256k1" } }, expect: bad, at: "jwk" },
    { what: "an algorithm of another kind of key", body: { jwk: { ...publicJwk, alg: "RS256" } }, expect: bad, at: "jwk" },
    { what: "a key for encryption", body: { jwk: { ...publicJwk, use: "enc" } }, expect: bad, at: "jwk" },
    { what: "RSA of 512 bits", body: { jwk: { kty: "RSA", e: "AQAB", n: `s${"A".repeat(84)}Q` } }, expect: bad, at: "jwk" },
  ],
  createClient: [
    { what: "a name that is taken", body: { name: "victim", redirectUris: ["https://app.example/"] }, expect: [409, "client_exists"] },
    { what: "a name like an id", body: { name: `cli_${"0".repeat(32)}`, redirectUris: ["https://app.example/"] }, expect: bad, at: "name" },
    {
      what: "an issuer that is not trusted",
      body: { name: "fresh", redirectUris: ["https://app.example/"], issuer: "nobody" },
      expect: [404, "issuer_unknown"],
    },
    { what: "no redirect URI", body: { name: "fresh", redirectUris: [] }, expect: bad, at: "redirectUris" },
    ...[
      "http://app.example/",
      "javascript:alert(1)",
      "https://a@b.example/",
      "https://app.example/#x",
      "https://*.example/",
      "myapp:/cb",
    ].map((uri) => ({ what: `the redirect URI ${uri}`, body: { name: "fresh", redirectUris: [uri] }, expect: bad, at: "redirectUris" })),
  ],
  updateClient: [
    { what: "an issuer that is not trusted", body: { issuer: "nobody" }, expect: [404, "issuer_unknown"] },
    { what: "a redirect URI that is a script", body: { redirectUris: ["javascript:alert(1)"] }, expect: bad, at: "redirectUris" },
  ],
  createResource: [
    {
      what: "a name that is taken",
      body: { name: "victim", identifier: "https://fresh.example/", scopes: [] },
      expect: [409, "resource_exists"],
    },
    {
      what: "an identifier that is taken",
      body: { name: "fresh", identifier: "https://victim.example/", scopes: [] },
      expect: [409, "resource_exists"],
    },
    {
      what: "an agent that does not exist",
      body: { name: "fresh", identifier: "https://fresh.example/", scopes: [], agents: ["nobody"] },
      expect: [404, "agent_unknown"],
    },
    {
      what: "an app that does not exist",
      body: { name: "fresh", identifier: "https://fresh.example/", scopes: [], clients: ["nobody"] },
      expect: [404, "client_unknown"],
    },
    { what: "a relative identifier", body: { name: "fresh", identifier: "/mail", scopes: [] }, expect: bad, at: "identifier" },
    {
      what: "an identifier with a fragment",
      body: { name: "fresh", identifier: "https://fresh.example/#x", scopes: [] },
      expect: bad,
      at: "identifier",
    },
    {
      what: "a scope of OpenID Connect",
      body: { name: "fresh", identifier: "https://fresh.example/", scopes: [{ name: "openid" }] },
      expect: bad,
      at: "scopes",
    },
    {
      what: "a scope twice",
      body: { name: "fresh", identifier: "https://fresh.example/", scopes: [{ name: "a" }, { name: "a" }] },
      expect: bad,
      at: "scopes",
    },
  ],
  updateResource: [{ what: "an agent that does not exist", body: { agents: ["nobody"] }, expect: [404, "agent_unknown"] }],
  createProvider: [
    { what: "a name that is taken", body: { name: "weather", type: "api_key", apiKey: "x" }, expect: [409, "provider_exists"] },
    {
      what: "an agent that does not exist",
      body: { name: "w2", type: "api_key", apiKey: "x", agents: ["nobody"] },
      expect: [404, "agent_unknown"],
    },
    { what: "a type there is not", body: { name: "w2", type: "kerberos" }, expect: bad, at: "type" },
    { what: "an API key for an OAuth 2 provider", body: { ...oauth2, apiKey: "x" }, expect: bad, at: "apiKey" },
    { what: "no address of an authorization server", body: { name: "w2", type: "oauth2", clientId: "us", clientSecret: "x" }, expect: bad },
  ],
  updateProvider: [{ what: "an agent that does not exist", body: { agents: ["nobody"] }, expect: [404, "agent_unknown"] }],
  putProject: [{ what: "an agent that does not exist", body: { agents: ["nobody"] }, expect: [404, "agent_unknown"] }],
  deleteProject: [{ what: "the project default", path: "/v1/projects/default", expect: [409, "project_in_use"] }],
  putVariable: [
    { what: "a name with a blank", path: "/v1/projects/billing/variables/A%20B", body: { value: "x" }, expect: bad, at: "key" },
    { what: "a value of more than 64 KiB", body: { value: "ä".repeat(40_000) }, expect: bad, at: "value" },
    { what: "a lane named `__proto__`", body: { value: "x", lane: "__proto__" }, expect: bad, at: "lane" },
    {
      what: "a project there is not",
      path: "/v1/projects/nobody/variables/REGION",
      body: { value: "x" },
      expect: [404, "project_unknown"],
    },
  ],
  importVariables: [
    { what: "a line that sets nothing", body: { text: "A=1\nwhat is this\n" }, expect: bad, at: "text.2" },
    { what: "a quote that is never closed", body: { text: 'A="1\nB=2\n' }, expect: bad, at: "text.1" },
  ],
  putIntegration: [
    { what: "a provider there is not", body: { provider: "nobody" }, expect: [404, "provider_unknown"] },
    { what: "a credential and a provider", body: { credential: "x", provider: "weather" }, expect: bad },
    { what: "neither credential nor provider", body: {}, expect: bad },
    { what: "scopes of an API key", body: { provider: "weather", scopes: ["read"] }, expect: bad, at: "scopes" },
  ],
  createWorkloadToken: [
    { what: "no agent, with an operator key", body: {}, expect: bad, at: "agent" },
    { what: "an agent that does not exist", body: { agent: "nobody" }, expect: [404, "agent_unknown"] },
    { what: "a user token and a user id", body: { agent: "probe", userToken: "x", userId: "alice" }, expect: bad },
    { what: "a user token, and the agent trusts no issuer", body: { agent: "probe", userToken: "x" }, expect: [400, "user_token_invalid"] },
    { what: "a user id of more than 512 bytes", body: { agent: "probe", userId: "ä".repeat(300) }, expect: bad, at: "userId" },
  ],
  getApiKey: [
    { what: "a provider there is not", body: { provider: "nobody" }, expect: [404, "provider_unknown"] },
    { what: "a vault there is not", body: { provider: "weather", vault: "elsewhere" }, expect: [404, "provider_unknown"] },
    { what: "a provider that this agent may not use", body: { provider: "private" }, expect: [404, "provider_unknown"] },
  ],
  getOauth2Token: [
    { what: "a provider there is not", body: { provider: "nobody" }, expect: [404, "provider_unknown"] },
    { what: "a provider that holds an API key", body: { provider: "weather" }, expect: [400, "provider_wrong_type"] },
    {
      what: "a parameter that Legate sets itself",
      body: { provider: "weather", customParameters: { Redirect_URI: "x" } },
      expect: bad,
      at: "customParameters",
    },
    { what: "a scope with a blank", body: { provider: "weather", scopes: ["a b"] }, expect: bad, at: "scopes.0" },
  ],
  completeAuthorization: [
    {
      what: "a session there is not",
      body: { sessionUri: "urn:ietf:params:oauth:request_uri:none", userId: "alice" },
      expect: [404, "session_unknown"],
    },
    { what: "a user token and a user id", body: { sessionUri: "x", userToken: "x", userId: "alice" }, expect: bad },
  ],
  listAuditEvents: [
    { what: "a moment that is none", query: "from=yesterday", expect: bad, at: "from" },
    { what: "a moment without a zone", query: "to=2026-01-01T00:00:00", expect: bad, at: "to" },
  ],
};

const wrongTypes: readonly unknown[] = [null, 7, true, "", [], {}, [null], [""], { "": null }];
const long = "a".repeat(20_000);

/** Each field of a body, wherever it may stand in a union. */
const fieldsOf = (body: z.ZodType): readonly string[] => {
  const schema = z.toJSONSchema(body, { io: "input", unrepresentable: "any" });
  const objects = [schema, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  return [...new Set(objects.flatMap((each) => Object.keys((typeof each === "object" && each.properties) || {})))];
};

const bodyCases = (op: Operation, { body = {} }: Sample): Case[] => {
  const spoilt = (field: string, value: unknown, what: string): Case => {
    const request = { ...body, [field]: value };
    const fits = op.body.safeParse(request).success;
    return { what: `\`${field}\`: ${what}`, body: request, ...(!fits && { expect: bad, at: field }) };
  };
  return [
    { what: "no JSON", body: "{", expect: bad },
    { what: "not an object", body: "[]", expect: bad },
    { what: "a name twice", body: '{"a":1,"a":2}', expect: bad },
    { what: "`__proto__`", body: '{"__proto__":{"a":1}}', expect: bad },
    { what: "nested 33 deep", body: `{"a":${"[".repeat(33)}${"]".repeat(33)}}`, expect: bad },
    {
      what: op.largestBody === undefined ? "more than 256 KiB" : `more than ${op.largestBody} bytes`,
      body: { a: "a".repeat(op.largestBody ?? 256 * 1024) },
      expect: [413, "payload_too_large"],
    },
    { what: "text/plain", body: "{}", type: "text/plain", expect: [415, "unsupported_media_type"] },
    { what: "a form", body: "a=1", type: "application/x-www-form-urlencoded", expect: [415, "unsupported_media_type"] },
    { what: "an unknown field", body: { ...body, unknownField: 1 }, expect: bad, at: "unknownField" },
    ...fieldsOf(op.body).flatMap((field) => [
      ...wrongTypes.map((value) => spoilt(field, value, JSON.stringify(value))),
      spoilt(field, long, "20,000 characters"),
      { what: `\`${field}\`: NUL`, body: { ...body, [field]: "a\0b" }, expect: bad },
      { what: `\`${field}\`: lone surrogate`, body: JSON.stringify({ ...body, [field]: "MARK" }).replace("MARK", "\\ud800"), expect: bad },
    ]),
  ];
};

const paramCases = (op: Operation, { params = {} }: Sample): Case[] =>
  Object.keys(params).flatMap((name) => {
    const withParam = (value: string) => pathOf(op, { ...params, [name]: value });
    const spoilt = (value: string, what: string): Case => ({ what: `\`{${name}}\`: ${what}`, path: withParam(value), expect: bad });
    return [
      spoilt(long.slice(0, 5_000), "5,000 characters"),
      spoilt("%00", "NUL"),
      spoilt("%ED%A0%80", "lone surrogate"),
      spoilt("%", "broken percent-encoding"),
      // What cannot be an agent's name or id does not parse; elsewhere it is merely unknown.
      { what: `\`{${name}}\`: ../.. and a quote`, path: withParam("..%2F..%27--") },
    ];
  });

const queryCases = (op: Operation): Case[] => {
  const fields = Object.keys(op.query.shape);
  const spoilt = (query: string): Case => ({ what: `\`?${query}\``, query, expect: bad });
  return [
    { ...spoilt("unknown=1"), at: "unknown" },
    { ...spoilt("%zz"), what: "`?%zz`" },
    { ...spoilt("a=%00"), what: "`?a=%00`" },
    ...(fields.includes("limit")
      ? ["0", "501", "-1", "1.5", "abc", "", "1&limit=2"].map((value) => ({ ...spoilt(`limit=${value}`), at: "limit" }))
      : []),
    ...(fields.includes("cursor") ? ["", "x", "e30", "WzEsImEiXQ=="].map((value) => ({ ...spoilt(`cursor=${value}`), at: "cursor" })) : []),
    ...fields
      .filter((field) => field !== "limit" && field !== "cursor")
      .flatMap((field) => [
        { ...spoilt(`${field}=`), at: field },
        { ...spoilt(`${field}=${"a".repeat(3_000)}`), what: `\`?${field}=\` 3,000 characters`, at: field },
      ]),
  ];
};

/** The address of an operation with its parameters as they are, not encoded. */
export const pathOf = (op: Operation, params: Readonly<Record<string, string>> = {}): string =>
  op.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "");

const unknownCases = (op: Operation, { params = {}, body, missing }: Sample): Case[] => {
  const last = Object.keys(params).at(-1);
  if (last === undefined || missing === undefined) return [];
  const path = pathOf(op, { ...params, [last]: "nobody" });
  return [{ what: `\`{${last}}\`: of nothing there is`, path, body, expect: [404, missing] }];
};

/** Every bad request of an operation by somebody who may ask it. */
export const casesOf = (op: Operation): Case[] => {
  const sample = samples[op.id as OperationId];
  return [
    ...(op.method === "GET" ? [] : bodyCases(op, sample)),
    ...paramCases(op, sample),
    ...queryCases(op),
    ...unknownCases(op, sample),
    ...(refusedByRooms[op.id as OperationId] ?? []),
  ];
};
