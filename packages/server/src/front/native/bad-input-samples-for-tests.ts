import type { Code, operations } from "@legate/contract";

export type OperationId = keyof typeof operations;

/** What a good request of an operation looks like: each case spoils one thing of it. */
export interface Sample {
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  /** What is said when the last of the parameters names nothing. */
  readonly missing?: Code;
}

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
export const publicJwk = {
  kty: "EC",
  crv: "P-256",
  x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
  kid: "1",
};
const vault = { params: { name: "team" }, missing: "vault_unknown" } as const;
const victim = { params: { name: "victim" } };
const role = { params: { name: "reader" }, missing: "role_unknown" } as const;
export const trusting = {
  Version: "1",
  Statement: [{ Effect: "Allow", Principal: { Service: "workload.agentidentity.aliyuncs.com" }, Action: "sts:AssumeRole" }],
};
const project = { params: { project: "billing" }, missing: "project_unknown" } as const;
const variable = { params: { project: "billing", key: "REGION" }, missing: "variable_unknown" } as const;
const integration = { params: { project: "billing", name: "maps" }, missing: "integration_unknown" } as const;
export const oauth2 = { name: "calendar", type: "oauth2", clientId: "us", discoveryUrl: "http://127.0.0.1:9/", scopes: ["read"] };

/** One good request of each operation, on what the test has made beforehand. */
export const samples: Record<OperationId, Sample> = {
  whoami: {},
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
  createAccessKey: { body: { description: "laptop", rights: { agent: "probe" } } },
  listAccessKeys: {},
  getAccessKey: { params: { id: "ak_0" }, missing: "key_unknown" },
  deleteAccessKey: { params: { id: "ak_0" }, missing: "key_unknown" },
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
  listTokenVaults: {},
  getTokenVault: vault,
  deleteTokenVault: vault,
  createWorkloadToken: { body: { agent: "probe" } },
  getApiKey: { body: { provider: "weather" } },
  getStsCredential: { body: { durationSeconds: 900, sessionName: "nightly" } },
  getOauth2Token: { body: { provider: "calendar", scopes: ["read"] } },
  completeAuthorization: { body: { sessionUri: "urn:ietf:params:oauth:request_uri:none", userId: "alice" } },
  listConnections: {},
  getConnection: connection,
  deleteConnection: connection,
  listGrants: {},
  getGrant: grant,
  deleteGrant: grant,
  createRole: {
    body: {
      name: "fresh",
      description: "Reads.",
      agents: ["probe"],
      trustPolicy: trusting,
      permissionPolicy: { Version: "1", Statement: [{ Effect: "Allow", Action: "agentidentitydata:*", Resource: "*" }] },
    },
  },
  listRoles: {},
  getRole: role,
  updateRole: { ...role, body: { description: "Reads.", agents: ["*"] } },
  deleteRole: role,
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
  readVariables: { body: { lane: "ppe_1" } },
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
