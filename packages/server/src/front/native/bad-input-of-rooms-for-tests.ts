import type { Code } from "@legate/contract";
import { type OperationId, oauth2, publicJwk, trusting } from "./bad-input-samples-for-tests.ts";

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

/** How a case is answered that does not parse. */
export const bad = [400, "invalid_request"] as const;

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
  createAccessKey: [
    { what: "an agent that does not exist", body: { rights: { agent: "nobody" } }, expect: [404, "agent_unknown"] },
    { what: "rights there are not", body: { rights: "operator" }, expect: bad, at: "rights" },
    { what: "an empty description", body: { description: "" }, expect: bad, at: "description" },
  ],
  listAccessKeys: [{ what: "an agent that does not exist", query: "agent=nobody", expect: [404, "agent_unknown"] }],
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
    { what: "an API key for a provider of roles", body: { name: "w2", type: "sts", apiKey: "x" }, expect: bad, at: "apiKey" },
    { what: "an API key for an OAuth 2 provider", body: { ...oauth2, apiKey: "x" }, expect: bad, at: "apiKey" },
    { what: "no address of an authorization server", body: { name: "w2", type: "oauth2", clientId: "us", clientSecret: "x" }, expect: bad },
    {
      what: "PKCE switched off without a secret",
      body: { ...oauth2, name: "w2", clientSecret: undefined, clientAuth: "none", pkce: false },
      expect: bad,
      at: "pkce",
    },
  ],
  deleteTokenVault: [{ what: "the one that every tenant has", path: "/v1/token-vaults/default", expect: [409, "vault_in_use"] }],
  updateProvider: [
    { what: "an agent that does not exist", body: { agents: ["nobody"] }, expect: [404, "agent_unknown"] },
    { what: "a role for a provider that holds an API key", body: { roleArn: "reader" }, expect: [400, "provider_wrong_type"] },
  ],
  createRole: [
    { what: "a name that is taken", body: { name: "reader" }, expect: [409, "role_exists"] },
    { what: "a name like an id", body: { name: "rol_0123" }, expect: bad, at: "name" },
    { what: "an agent that does not exist", body: { name: "fresh-2", agents: ["nobody"] }, expect: [404, "agent_unknown"] },
    ...(
      [
        ["no statement", { Version: "1", Statement: [] }],
        ["another version", { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] }],
        ["an unknown element", { Version: "1", Statement: [{ Effect: "Allow", Action: "*", Resource: "*", Until: "tomorrow" }] }],
        ["Action and NotAction", { Version: "1", Statement: [{ Effect: "Allow", Action: "*", NotAction: "a:b", Resource: "*" }] }],
        ["an effect there is not", { Version: "1", Statement: [{ Effect: "Perhaps", Action: "*", Resource: "*" }] }],
        [
          "a condition that cannot be told",
          {
            Version: "1",
            Statement: [{ Effect: "Allow", Action: "*", Resource: "*", Condition: { IpAddress: { "acs:SourceIp": "::1" } } }],
          },
        ],
        ["a principal", { Version: "1", Statement: [{ Effect: "Allow", Action: "*", Resource: "*", Principal: { RAM: ["*"] } }] }],
      ] as const
    ).map(([what, permissionPolicy]) => ({
      what: `a permission policy with ${what}`,
      body: { name: "fresh-2", permissionPolicy },
      expect: [400, "policy_invalid"] as const,
      at: "permissionPolicy",
    })),
    {
      what: "a trust policy without a principal",
      body: { name: "fresh-2", trustPolicy: { Version: "1", Statement: [{ Effect: "Allow", Action: "sts:AssumeRole" }] } },
      expect: [400, "policy_invalid"],
      at: "trustPolicy",
    },
    {
      what: "a permission policy for a role of a cloud",
      body: {
        name: "fresh-2",
        cloud: { provider: "aws", roleArn: "arn:aws:iam::123456789012:role/reader" },
        permissionPolicy: { Version: "1", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] },
      },
      expect: bad,
      at: "permissionPolicy",
    },
    { what: "a cloud there is not", body: { name: "fresh-2", cloud: { provider: "nimbus", roleArn: "x" } }, expect: bad, at: "cloud" },
    {
      what: "the role of another cloud",
      body: { name: "fresh-2", cloud: { provider: "aws", roleArn: "acs:ram::1234567890123456:role/reader" } },
      expect: bad,
      at: "cloud.roleArn",
    },
    ...["ftp://sts.example.com/", "https://169.254.169.254/", "https://sts.example.com/?x=1"].map((stsEndpoint) => ({
      what: `an STS at ${stsEndpoint}`,
      body: { name: "fresh-2", cloud: { provider: "aws", roleArn: "arn:aws:iam::123456789012:role/reader", stsEndpoint } },
      expect: bad,
      at: "cloud.stsEndpoint",
    })),
  ],
  updateRole: [
    { what: "an agent that does not exist", body: { agents: ["nobody"] }, expect: [404, "agent_unknown"] },
    {
      what: "a cloud, for a role of ours",
      body: { cloud: { provider: "aws", roleArn: "arn:aws:iam::123456789012:role/reader" } },
      expect: bad,
      at: "cloud",
    },
    {
      what: "a trust policy as a permission policy",
      body: { permissionPolicy: trusting },
      expect: [400, "policy_invalid"],
      at: "permissionPolicy",
    },
  ],
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
  readVariables: [{ what: "a project that is not the agent's", body: { project: "elsewhere" }, expect: [404, "project_unknown"] }],
  getApiKey: [
    { what: "a provider there is not", body: { provider: "nobody" }, expect: [404, "provider_unknown"] },
    { what: "a vault there is not", body: { provider: "weather", vault: "elsewhere" }, expect: [404, "provider_unknown"] },
    { what: "a provider that this agent may not use", body: { provider: "private" }, expect: [404, "provider_unknown"] },
  ],
  getStsCredential: [
    { what: "an agent without a role", body: {}, expect: [400, "role_required"] },
    { what: "a provider there is not", body: { provider: "nobody" }, expect: [404, "provider_unknown"] },
    { what: "a provider that holds an API key", body: { provider: "weather" }, expect: [400, "provider_wrong_type"] },
    { what: "a provider of a role there is not", body: { provider: "gone" }, expect: [404, "role_unknown"] },
    { what: "a provider of a role that lets this agent not in", body: { provider: "closed" }, expect: [403, "role_refused"] },
    { what: "899 seconds", body: { provider: "open", durationSeconds: 899 }, expect: bad, at: "durationSeconds" },
    { what: "43,201 seconds", body: { provider: "open", durationSeconds: 43_201 }, expect: bad, at: "durationSeconds" },
    { what: "a session name with a blank", body: { provider: "open", sessionName: "a b" }, expect: bad, at: "sessionName" },
    { what: "a session policy that is no JSON", body: { provider: "open", policy: "{" }, expect: [400, "policy_invalid"] },
    {
      what: "a session policy that names a field twice",
      body: { provider: "open", policy: '{"Version":"1","Version":"1","Statement":[]}' },
      expect: [400, "policy_invalid"],
    },
    {
      what: "a session policy nested 33 deep",
      body: { provider: "open", policy: `{"Version":"1","Statement":${"[".repeat(33)}${"]".repeat(33)}}` },
      expect: [400, "policy_invalid"],
    },
    {
      what: "a session policy with an unknown element",
      body: { provider: "open", policy: '{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Also":1}]}' },
      expect: [400, "policy_invalid"],
    },
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
