import { operations } from "@legate/contract";
import type { Call, CallOptions } from "./call.ts";
import { list } from "./paging.ts";
import type { AnswerOf, BodyOf, Operations as Ops, QueryOf } from "./wire.ts";

type InVault = QueryOf<Ops["getProvider"]>;
type InLane = QueryOf<Ops["getVariable"]>;
type WithBearer = CallOptions & { readonly bearer: string };

/** Every operation of the contract as a method, grouped by noun. */
export const makeNouns = (call: Call) => ({
  /** Who this client's key is, in which tenant, and what the server sees of the request. */
  whoami: (options?: CallOptions) => call(operations.whoami, { ...options }),
  /** For an admin of tenant `default`. */
  tenants: {
    /** The key in the answer is shown this once. */
    create: (body: BodyOf<Ops["createTenant"]>, options?: CallOptions) => call(operations.createTenant, { ...options, body }),
    get: (name: string, options?: CallOptions) => call(operations.getTenant, { ...options, params: { name } }),
    delete: async (name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteTenant, { ...options, params: { name } });
    },
    suspend: (name: string, options?: CallOptions) => call(operations.suspendTenant, { ...options, params: { name } }),
    resume: (name: string, options?: CallOptions) => call(operations.resumeTenant, { ...options, params: { name } }),
    ...list((query: QueryOf<Ops["listTenants"]>, options) => call(operations.listTenants, { ...options, query })),
  },
  operators: {
    /** The key in the answer is shown this once. */
    create: (body: BodyOf<Ops["createOperator"]>, options?: CallOptions) => call(operations.createOperator, { ...options, body }),
    get: (id: string, options?: CallOptions) => call(operations.getOperator, { ...options, params: { id } }),
    update: (id: string, body: BodyOf<Ops["updateOperator"]>, options?: CallOptions) =>
      call(operations.updateOperator, { ...options, params: { id }, body }),
    delete: async (id: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteOperator, { ...options, params: { id } });
    },
    rotateKey: (id: string, options?: CallOptions) => call(operations.rotateOperatorKey, { ...options, params: { id } }),
    ...list((query: QueryOf<Ops["listOperators"]>, options) => call(operations.listOperators, { ...options, query })),
  },
  agents: {
    create: (body: BodyOf<Ops["createAgent"]>, options?: CallOptions) => call(operations.createAgent, { ...options, body }),
    get: (name: string, options?: CallOptions) => call(operations.getAgent, { ...options, params: { name } }),
    update: (name: string, body: BodyOf<Ops["updateAgent"]>, options?: CallOptions) =>
      call(operations.updateAgent, { ...options, params: { name }, body }),
    delete: async (name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteAgent, { ...options, params: { name } });
    },
    suspend: (name: string, options?: CallOptions) => call(operations.suspendAgent, { ...options, params: { name } }),
    resume: (name: string, options?: CallOptions) => call(operations.resumeAgent, { ...options, params: { name } }),
    revoke: (name: string, options?: CallOptions) => call(operations.revokeAgent, { ...options, params: { name } }),
    /** What a revocation would kill. */
    impact: (name: string, options?: CallOptions) => call(operations.getAgentImpact, { ...options, params: { name } }),
    ...list((query: QueryOf<Ops["listAgents"]>, options) => call(operations.listAgents, { ...options, query })),
  },
  keys: {
    create: (agent: string, body: BodyOf<Ops["createAgentKey"]> = {}, options?: CallOptions) =>
      call(operations.createAgentKey, { ...options, params: { name: agent }, body }),
    delete: async (agent: string, id: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteAgentKey, { ...options, params: { name: agent, id } });
    },
    list: (agent: string, query?: QueryOf<Ops["listAgentKeys"]>, options?: CallOptions) => keysOf(call, agent).list(query, options),
    pages: (agent: string, query?: QueryOf<Ops["listAgentKeys"]>, options?: CallOptions) => keysOf(call, agent).pages(query, options),
    all: (agent: string, query?: QueryOf<Ops["listAgentKeys"]>, options?: CallOptions) => keysOf(call, agent).all(query, options),
  },
  /** With one an agent is an OAuth client, whose `client_id` is the agent's id. */
  clientSecrets: {
    /** The secret in the answer is shown this once. */
    create: (agent: string, body: BodyOf<Ops["createClientSecret"]> = {}, options?: CallOptions) =>
      call(operations.createClientSecret, { ...options, params: { name: agent }, body }),
    delete: async (agent: string, id: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteClientSecret, { ...options, params: { name: agent, id } });
    },
    list: (agent: string, query?: QueryOf<Ops["listClientSecrets"]>, options?: CallOptions) =>
      clientSecretsOf(call, agent).list(query, options),
    pages: (agent: string, query?: QueryOf<Ops["listClientSecrets"]>, options?: CallOptions) =>
      clientSecretsOf(call, agent).pages(query, options),
    all: (agent: string, query?: QueryOf<Ops["listClientSecrets"]>, options?: CallOptions) =>
      clientSecretsOf(call, agent).all(query, options),
  },
  /** Public keys: by the private half of one an agent proves itself as an OAuth client. */
  clientKeys: {
    create: (agent: string, body: BodyOf<Ops["createClientKey"]>, options?: CallOptions) =>
      call(operations.createClientKey, { ...options, params: { name: agent }, body }),
    delete: async (agent: string, id: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteClientKey, { ...options, params: { name: agent, id } });
    },
    list: (agent: string, query?: QueryOf<Ops["listClientKeys"]>, options?: CallOptions) => clientKeysOf(call, agent).list(query, options),
    pages: (agent: string, query?: QueryOf<Ops["listClientKeys"]>, options?: CallOptions) =>
      clientKeysOf(call, agent).pages(query, options),
    all: (agent: string, query?: QueryOf<Ops["listClientKeys"]>, options?: CallOptions) => clientKeysOf(call, agent).all(query, options),
  },
  /** Key pairs for signed requests. */
  accessKeys: {
    /** The secret in the answer is shown this once. */
    create: (body: BodyOf<Ops["createAccessKey"]> = {}, options?: CallOptions) => call(operations.createAccessKey, { ...options, body }),
    get: (id: string, options?: CallOptions) => call(operations.getAccessKey, { ...options, params: { id } }),
    delete: async (id: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteAccessKey, { ...options, params: { id } });
    },
    ...list((query: QueryOf<Ops["listAccessKeys"]>, options) => call(operations.listAccessKeys, { ...options, query })),
  },
  /** Apps that people use: public OAuth clients. */
  clients: {
    create: (body: BodyOf<Ops["createClient"]>, options?: CallOptions) => call(operations.createClient, { ...options, body }),
    get: (name: string, options?: CallOptions) => call(operations.getClient, { ...options, params: { name } }),
    update: (name: string, body: BodyOf<Ops["updateClient"]>, options?: CallOptions) =>
      call(operations.updateClient, { ...options, params: { name }, body }),
    delete: async (name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteClient, { ...options, params: { name } });
    },
    suspend: (name: string, options?: CallOptions) => call(operations.suspendClient, { ...options, params: { name } }),
    resume: (name: string, options?: CallOptions) => call(operations.resumeClient, { ...options, params: { name } }),
    ...list((query: QueryOf<Ops["listClients"]>, options) => call(operations.listClients, { ...options, query })),
  },
  /** What OAuth clients may ask tokens for. */
  resources: {
    create: (body: BodyOf<Ops["createResource"]>, options?: CallOptions) => call(operations.createResource, { ...options, body }),
    get: (name: string, options?: CallOptions) => call(operations.getResource, { ...options, params: { name } }),
    update: (name: string, body: BodyOf<Ops["updateResource"]>, options?: CallOptions) =>
      call(operations.updateResource, { ...options, params: { name }, body }),
    delete: async (name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteResource, { ...options, params: { name } });
    },
    ...list((query: QueryOf<Ops["listResources"]>, options) => call(operations.listResources, { ...options, query })),
  },
  users: {
    get: (id: string, options?: CallOptions) => call(operations.getUser, { ...options, params: { id } }),
    suspend: (id: string, options?: CallOptions) => call(operations.suspendUser, { ...options, params: { id } }),
    resume: (id: string, options?: CallOptions) => call(operations.resumeUser, { ...options, params: { id } }),
    revoke: (id: string, options?: CallOptions) => call(operations.revokeUser, { ...options, params: { id } }),
    /** What a revocation would kill. */
    impact: (id: string, options?: CallOptions) => call(operations.getUserImpact, { ...options, params: { id } }),
    ...list((query: QueryOf<Ops["listUsers"]>, options) => call(operations.listUsers, { ...options, query })),
  },
  issuers: {
    create: (body: BodyOf<Ops["createIssuer"]>, options?: CallOptions) => call(operations.createIssuer, { ...options, body }),
    get: (name: string, options?: CallOptions) => call(operations.getIssuer, { ...options, params: { name } }),
    update: (name: string, body: BodyOf<Ops["updateIssuer"]>, options?: CallOptions) =>
      call(operations.updateIssuer, { ...options, params: { name }, body }),
    delete: async (name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteIssuer, { ...options, params: { name } });
    },
    /** What its removal would kill. */
    impact: (name: string, options?: CallOptions) => call(operations.getIssuerImpact, { ...options, params: { name } }),
    ...list((query: QueryOf<Ops["listIssuers"]>, options) => call(operations.listIssuers, { ...options, query })),
  },
  providers: {
    create: (body: BodyOf<Ops["createProvider"]>, options?: CallOptions) => call(operations.createProvider, { ...options, body }),
    get: (name: string, query: InVault = {}, options?: CallOptions) =>
      call(operations.getProvider, { ...options, params: { name }, query }),
    update: (name: string, body: BodyOf<Ops["updateProvider"]>, query: InVault = {}, options?: CallOptions) =>
      call(operations.updateProvider, { ...options, params: { name }, query, body }),
    delete: async (name: string, query: InVault = {}, options?: CallOptions): Promise<void> => {
      await call(operations.deleteProvider, { ...options, params: { name }, query });
    },
    suspend: (name: string, query: InVault = {}, options?: CallOptions) =>
      call(operations.suspendProvider, { ...options, params: { name }, query }),
    resume: (name: string, query: InVault = {}, options?: CallOptions) =>
      call(operations.resumeProvider, { ...options, params: { name }, query }),
    /** What a revocation would kill. */
    impact: (name: string, query: InVault = {}, options?: CallOptions) =>
      call(operations.getProviderImpact, { ...options, params: { name }, query }),
    ...list((query: QueryOf<Ops["listProviders"]>, options) => call(operations.listProviders, { ...options, query })),
  },
  /** Where credential providers stand; a provider makes the one that it names. */
  tokenVaults: {
    get: (name: string, options?: CallOptions) => call(operations.getTokenVault, { ...options, params: { name } }),
    delete: async (name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteTokenVault, { ...options, params: { name } });
    },
    ...list((query: QueryOf<Ops["listTokenVaults"]>, options) => call(operations.listTokenVaults, { ...options, query })),
  },
  projects: {
    /** Makes it, or changes what is named of it. */
    put: (project: string, body: BodyOf<Ops["putProject"]> = {}, options?: CallOptions) =>
      call(operations.putProject, { ...options, params: { project }, body }),
    get: (project: string, options?: CallOptions) => call(operations.getProject, { ...options, params: { project } }),
    /** With its variables and integrations. */
    delete: async (project: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteProject, { ...options, params: { project } });
    },
    ...list((query: QueryOf<Ops["listProjects"]>, options) => call(operations.listProjects, { ...options, query })),
  },
  /** Values go in and never come back here: agents read them. */
  variables: {
    put: (project: string, key: string, body: BodyOf<Ops["putVariable"]>, options?: CallOptions) =>
      call(operations.putVariable, { ...options, params: { project, key }, body }),
    get: (project: string, key: string, query: InLane = {}, options?: CallOptions) =>
      call(operations.getVariable, { ...options, params: { project, key }, query }),
    delete: async (project: string, key: string, query: InLane = {}, options?: CallOptions): Promise<void> => {
      await call(operations.deleteVariable, { ...options, params: { project, key }, query });
    },
    /** Sets what a `.env` file names, all or none. */
    import: (project: string, body: BodyOf<Ops["importVariables"]>, options?: CallOptions) =>
      call(operations.importVariables, { ...options, params: { project }, body }),
    list: (project: string, query?: QueryOf<Ops["listVariables"]>, options?: CallOptions) =>
      variablesOf(call, project).list(query, options),
    pages: (project: string, query?: QueryOf<Ops["listVariables"]>, options?: CallOptions) =>
      variablesOf(call, project).pages(query, options),
    all: (project: string, query?: QueryOf<Ops["listVariables"]>, options?: CallOptions) => variablesOf(call, project).all(query, options),
  },
  integrations: {
    put: (project: string, name: string, body: BodyOf<Ops["putIntegration"]>, options?: CallOptions) =>
      call(operations.putIntegration, { ...options, params: { project, name }, body }),
    get: (project: string, name: string, options?: CallOptions) =>
      call(operations.getIntegration, { ...options, params: { project, name } }),
    delete: async (project: string, name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteIntegration, { ...options, params: { project, name } });
    },
    list: (project: string, query?: QueryOf<Ops["listIntegrations"]>, options?: CallOptions) =>
      integrationsOf(call, project).list(query, options),
    pages: (project: string, query?: QueryOf<Ops["listIntegrations"]>, options?: CallOptions) =>
      integrationsOf(call, project).pages(query, options),
    all: (project: string, query?: QueryOf<Ops["listIntegrations"]>, options?: CallOptions) =>
      integrationsOf(call, project).all(query, options),
  },
  workloadTokens: {
    create: (body: BodyOf<Ops["createWorkloadToken"]> = {}, options?: CallOptions) =>
      call(operations.createWorkloadToken, { ...options, body }),
  },
  /** Asked with a workload token as `bearer`. Nothing is cached here: the wrappers do that. */
  credentials: {
    apiKey: (body: BodyOf<Ops["getApiKey"]>, options: WithBearer) => call(operations.getApiKey, { ...options, body }),
    /** The variables of the agent's own project, with their values. */
    variables: (body: BodyOf<Ops["readVariables"]>, options: WithBearer) => call(operations.readVariables, { ...options, body }),
    /** Temporary credentials of a role. */
    sts: (body: BodyOf<Ops["getStsCredential"]>, options: WithBearer) => call(operations.getStsCredential, { ...options, body }),
    /** A token, or where the user must consent first: then the answer has `authorizationUrl`. */
    oauth2: (body: BodyOf<Ops["getOauth2Token"]>, options: WithBearer): Promise<AnswerOf<Ops["getOauth2Token"]>> =>
      call(operations.getOauth2Token, { ...options, body }),
  },
  /** What agents may be turned into. */
  roles: {
    create: (body: BodyOf<Ops["createRole"]>, options?: CallOptions) => call(operations.createRole, { ...options, body }),
    get: (name: string, options?: CallOptions) => call(operations.getRole, { ...options, params: { name } }),
    update: (name: string, body: BodyOf<Ops["updateRole"]>, options?: CallOptions) =>
      call(operations.updateRole, { ...options, params: { name }, body }),
    delete: async (name: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteRole, { ...options, params: { name } });
    },
    ...list((query: QueryOf<Ops["listRoles"]>, options) => call(operations.listRoles, { ...options, query })),
  },
  authorizations: {
    complete: (body: BodyOf<Ops["completeAuthorization"]>, options?: CallOptions) =>
      call(operations.completeAuthorization, { ...options, body }),
  },
  connections: {
    get: (id: string, options?: CallOptions) => call(operations.getConnection, { ...options, params: { id } }),
    delete: async (id: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteConnection, { ...options, params: { id } });
    },
    /** What a revocation would kill. */
    impact: (id: string, options?: CallOptions) => call(operations.getConnectionImpact, { ...options, params: { id } }),
    ...list((query: QueryOf<Ops["listConnections"]>, options) => call(operations.listConnections, { ...options, query })),
  },
  /** What people granted OAuth clients. */
  grants: {
    get: (id: string, options?: CallOptions) => call(operations.getGrant, { ...options, params: { id } }),
    delete: async (id: string, options?: CallOptions): Promise<void> => {
      await call(operations.deleteGrant, { ...options, params: { id } });
    },
    ...list((query: QueryOf<Ops["listGrants"]>, options) => call(operations.listGrants, { ...options, query })),
  },
  signingKeys: {
    rotate: (options?: CallOptions) => call(operations.rotateSigningKey, { ...options }),
    revoke: (id: string, options?: CallOptions) => call(operations.revokeSigningKey, { ...options, params: { id } }),
    ...list((query: QueryOf<Ops["listSigningKeys"]>, options) => call(operations.listSigningKeys, { ...options, query })),
  },
  dataKeys: {
    rotate: (options?: CallOptions) => call(operations.rotateDataKey, { ...options }),
    ...list((query: QueryOf<Ops["listDataKeys"]>, options) => call(operations.listDataKeys, { ...options, query })),
  },
  /** For an admin of tenant `default`. */
  masterKey: {
    get: (options?: CallOptions) => call(operations.getMasterKey, { ...options }),
  },
  /** For an admin of tenant `default`. */
  peppers: {
    rotate: (options?: CallOptions) => call(operations.rotatePepper, { ...options }),
    ...list((query: QueryOf<Ops["listPeppers"]>, options) => call(operations.listPeppers, { ...options, query })),
  },
  auditEvents: {
    ...list((query: QueryOf<Ops["listAuditEvents"]>, options) => call(operations.listAuditEvents, { ...options, query })),
  },
});

const keysOf = (call: Call, agent: string) =>
  list((query: QueryOf<Ops["listAgentKeys"]>, options) => call(operations.listAgentKeys, { ...options, params: { name: agent }, query }));

const clientSecretsOf = (call: Call, agent: string) =>
  list((query: QueryOf<Ops["listClientSecrets"]>, options) =>
    call(operations.listClientSecrets, { ...options, params: { name: agent }, query }),
  );

const clientKeysOf = (call: Call, agent: string) =>
  list((query: QueryOf<Ops["listClientKeys"]>, options) => call(operations.listClientKeys, { ...options, params: { name: agent }, query }));

const variablesOf = (call: Call, project: string) =>
  list((query: QueryOf<Ops["listVariables"]>, options) => call(operations.listVariables, { ...options, params: { project }, query }));

const integrationsOf = (call: Call, project: string) =>
  list((query: QueryOf<Ops["listIntegrations"]>, options) => call(operations.listIntegrations, { ...options, params: { project }, query }));

export type Nouns = ReturnType<typeof makeNouns>;
