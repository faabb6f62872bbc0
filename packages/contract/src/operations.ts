import * as agents from "./agents.ts";
import * as audit from "./audit.ts";
import * as credentials from "./credentials.ts";
import * as issuers from "./issuers.ts";
import * as providers from "./providers.ts";
import * as users from "./users.ts";

/** Every operation of the native wire, by its id. What is absent here is absent from the service. */
export const operations = {
  createAgent: agents.createAgent,
  listAgents: agents.listAgents,
  getAgent: agents.getAgent,
  updateAgent: agents.updateAgent,
  deleteAgent: agents.deleteAgent,
  suspendAgent: agents.suspendAgent,
  resumeAgent: agents.resumeAgent,
  revokeAgent: agents.revokeAgent,
  createAgentKey: agents.createAgentKey,
  listAgentKeys: agents.listAgentKeys,
  deleteAgentKey: agents.deleteAgentKey,
  listUsers: users.listUsers,
  getUser: users.getUser,
  suspendUser: users.suspendUser,
  resumeUser: users.resumeUser,
  createIssuer: issuers.createIssuer,
  listIssuers: issuers.listIssuers,
  getIssuer: issuers.getIssuer,
  updateIssuer: issuers.updateIssuer,
  deleteIssuer: issuers.deleteIssuer,
  createProvider: providers.createProvider,
  listProviders: providers.listProviders,
  getProvider: providers.getProvider,
  updateProvider: providers.updateProvider,
  deleteProvider: providers.deleteProvider,
  createWorkloadToken: credentials.createWorkloadToken,
  getApiKey: credentials.getApiKey,
  getOauth2Token: credentials.getOauth2Token,
  completeAuthorization: credentials.completeAuthorization,
  listConnections: credentials.listConnections,
  getConnection: credentials.getConnection,
  deleteConnection: credentials.deleteConnection,
  listAuditEvents: audit.listAuditEvents,
} as const;
