/** Owns the registry of agents: who they are, who answers for them, whether they may act. */
export { type Agent, type AgentFields, defaultProject, isAgentId } from "./agent.ts";
export type { AgentKey } from "./agent-key.ts";
export { isApiKey } from "./agent-key.ts";
export { algorithmsOf, type ClientKey } from "./client-key.ts";
export type { ClientKeys } from "./client-keys.ts";
export { agentListsTable } from "./agent-lists-table.ts";
export { type Agents, makeAgents } from "./agents.ts";
export { keyText } from "./key-text.ts";
export { mayUse } from "./may-use.ts";
