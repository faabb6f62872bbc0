import { z } from "zod";
import { moment, pageOf, pageQuery, text, textOrEmpty, thingName, webUrl } from "./fields.ts";
import { operation } from "./operation.ts";

/** Unique among the tenant's living agents; never begins with the prefix of an id. */
export const agentName = z
  .string()
  .regex(/^(?!agt_)[A-Za-z0-9_.-]{3,255}$/, "must be 3 to 255 of A-Z a-z 0-9 _ . - and not begin agt_")
  .describe("Unique among the tenant's living agents.");
/** Where an agent is named in a path or body: its name or its id. */
export const agentRef = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{3,255}$/)
  .describe("The agent's name or id.");
const labelKey = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

const agentFields = {
  title: text(200).describe("A name for people."),
  description: textOrEmpty(2000),
  ownerEmail: z.email().max(254).describe("Who answers for this agent."),
  permissions: z
    .array(z.string().regex(/^[A-Za-z0-9_.*-]+:[A-Za-z0-9_.*/-]+:[A-Za-z0-9_.*-]+$/, "must be service:resource:action"))
    .max(200)
    .describe("`service:resource:action`; `*` stands for any."),
  allowedReturnUrls: z.array(webUrl).max(50).describe("Where a browser may be sent after a consent; compared character for character."),
  issuer: thingName.describe("The trusted issuer whose user tokens this agent may act on."),
  roleArn: text(512),
  binding: z
    .enum(["application", "login", "none"])
    .describe("Who checks that the person who consents is the user: the application, Legate by a login, or nobody."),
  assertedUsers: z.boolean().describe("Whether it may speak for a user id without that user's token."),
  tier: text(64),
  project: thingName.describe("The project whose variables and integrations it reads; `default` unless given."),
  labels: z
    .record(z.string().regex(labelKey), textOrEmpty(200))
    .refine((labels) => Object.keys(labels).length <= 50, "must have at most 50 labels"),
};

/** What an agent is registered with. */
export const newAgent = z.strictObject({ name: agentName }).extend(z.strictObject(agentFields).partial().shape);

/** What may be changed of an agent; `null` empties a field. */
export const agentChange = z.strictObject({
  name: agentName.optional(),
  title: agentFields.title.nullable().optional(),
  description: agentFields.description.nullable().optional(),
  ownerEmail: agentFields.ownerEmail.nullable().optional(),
  permissions: agentFields.permissions.optional(),
  allowedReturnUrls: agentFields.allowedReturnUrls.optional(),
  issuer: agentFields.issuer.nullable().optional(),
  roleArn: agentFields.roleArn.nullable().optional(),
  binding: agentFields.binding.nullable().optional(),
  assertedUsers: agentFields.assertedUsers.optional(),
  tier: agentFields.tier.nullable().optional(),
  project: agentFields.project.nullable().optional(),
  labels: agentFields.labels.optional(),
});

/** An agent as answered. */
export const agent = z.object({
  id: z.string(),
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  ownerEmail: z.string().optional(),
  status: z.enum(["active", "suspended", "revoked"]),
  origin: z.enum(["operator", "self"]),
  permissions: z.array(z.string()),
  allowedReturnUrls: z.array(z.string()),
  issuer: z.string().optional(),
  roleArn: z.string().optional(),
  binding: z.enum(["application", "login", "none"]).optional(),
  assertedUsers: z.boolean(),
  tier: z.string().optional(),
  project: z.string(),
  labels: z.record(z.string(), z.string()),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Agents";
const named = z.strictObject({ name: agentRef });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const createAgent = operation({
  id: "createAgent",
  noun,
  summary: "Register an agent",
  method: "POST",
  path: "/v1/agents",
  rights: write,
  body: newAgent,
  answer: agent,
  status: 201,
  refusals: ["agent_exists", "issuer_unknown", "project_unknown"],
});
export const listAgents = operation({
  id: "listAgents",
  noun,
  summary: "List agents",
  method: "GET",
  path: "/v1/agents",
  rights: read,
  query: pageQuery,
  answer: pageOf(agent),
  status: 200,
  refusals: [],
});
export const getAgent = operation({
  id: "getAgent",
  noun,
  summary: "Read one agent",
  method: "GET",
  path: "/v1/agents/{name}",
  rights: read,
  params: named,
  answer: agent,
  status: 200,
  refusals: ["agent_unknown"],
});
export const updateAgent = operation({
  id: "updateAgent",
  noun,
  summary: "Change an agent",
  method: "PATCH",
  path: "/v1/agents/{name}",
  rights: write,
  params: named,
  body: agentChange,
  answer: agent,
  status: 200,
  refusals: ["agent_unknown", "agent_exists", "issuer_unknown", "project_unknown", "agent_revoked"],
});
export const deleteAgent = operation({
  id: "deleteAgent",
  noun,
  summary: "Delete an agent; audit can still name it",
  method: "DELETE",
  path: "/v1/agents/{name}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["agent_unknown"],
});
export const suspendAgent = operation({
  id: "suspendAgent",
  noun,
  summary: "Stop an agent: everything it holds dies within seconds",
  method: "POST",
  path: "/v1/agents/{name}/suspend",
  rights: write,
  params: named,
  answer: agent,
  status: 200,
  refusals: ["agent_unknown", "agent_revoked"],
});
export const resumeAgent = operation({
  id: "resumeAgent",
  noun,
  summary: "Let a suspended agent act again, with new tokens",
  method: "POST",
  path: "/v1/agents/{name}/resume",
  rights: write,
  params: named,
  answer: agent,
  status: 200,
  refusals: ["agent_unknown", "agent_revoked"],
});
export const revokeAgent = operation({
  id: "revokeAgent",
  noun,
  summary: "Stop an agent for good and erase what the vault holds for it",
  method: "POST",
  path: "/v1/agents/{name}/revoke",
  rights: write,
  params: named,
  answer: agent,
  status: 200,
  refusals: ["agent_unknown", "agent_revoked"],
});
