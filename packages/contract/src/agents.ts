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

/** An agent's API key, or client secret, as answered: the key itself never comes back. */
export const agentKey = z.object({
  id: z.string(),
  description: z.string().optional(),
  hint: z.string().describe("The first characters of the key, to tell keys apart."),
  createdAt: moment,
  lastUsedAt: moment.optional().describe("Within a minute."),
});

/** A public key by which an agent proves itself as an OAuth client. */
export const clientKey = z.object({
  id: z.string(),
  kid: z.string().describe("As its owner names it; else its thumbprint (RFC 7638)."),
  jwk: z.record(z.string(), z.unknown()).describe("The public key: what makes it one, and nothing else of what was sent."),
  description: z.string().optional(),
  createdAt: moment,
  lastUsedAt: moment.optional().describe("Within a minute."),
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
export const createAgentKey = operation({
  id: "createAgentKey",
  noun,
  summary: "Make an API key, shown this once",
  method: "POST",
  path: "/v1/agents/{name}/keys",
  rights: write,
  params: named,
  body: z.strictObject({ description: text(200).optional() }),
  answer: z.object({ id: z.string(), apiKey: z.string() }),
  status: 201,
  refusals: ["agent_unknown", "agent_revoked", "too_many_keys"],
});
export const listAgentKeys = operation({
  id: "listAgentKeys",
  noun,
  summary: "List an agent's API keys, without the keys",
  method: "GET",
  path: "/v1/agents/{name}/keys",
  rights: read,
  params: named,
  query: pageQuery,
  answer: pageOf(agentKey),
  status: 200,
  refusals: ["agent_unknown"],
});
export const deleteAgentKey = operation({
  id: "deleteAgentKey",
  noun,
  summary: "Delete an API key",
  method: "DELETE",
  path: "/v1/agents/{name}/keys/{id}",
  rights: write,
  params: z.strictObject({ name: agentRef, id: text(64) }),
  status: 204,
  refusals: ["agent_unknown", "key_unknown"],
});
export const createClientSecret = operation({
  id: "createClientSecret",
  noun,
  summary: "Make a client secret, shown this once: with it the agent is an OAuth client",
  method: "POST",
  path: "/v1/agents/{name}/client-secrets",
  rights: write,
  params: named,
  body: z.strictObject({ description: text(200).optional() }),
  answer: z.object({
    id: z.string(),
    clientId: z.string().describe("The agent's id."),
    clientSecret: z.string(),
  }),
  status: 201,
  refusals: ["agent_unknown", "agent_revoked", "too_many_keys"],
});
export const listClientSecrets = operation({
  id: "listClientSecrets",
  noun,
  summary: "List an agent's client secrets, without the secrets",
  method: "GET",
  path: "/v1/agents/{name}/client-secrets",
  rights: read,
  params: named,
  query: pageQuery,
  answer: pageOf(agentKey),
  status: 200,
  refusals: ["agent_unknown"],
});
export const deleteClientSecret = operation({
  id: "deleteClientSecret",
  noun,
  summary: "Delete a client secret",
  method: "DELETE",
  path: "/v1/agents/{name}/client-secrets/{id}",
  rights: write,
  params: z.strictObject({ name: agentRef, id: text(64) }),
  status: 204,
  refusals: ["agent_unknown", "key_unknown"],
});
export const createClientKey = operation({
  id: "createClientKey",
  noun,
  summary: "Register a public key: by its private half the agent proves itself as an OAuth client (`private_key_jwt`)",
  method: "POST",
  path: "/v1/agents/{name}/client-keys",
  rights: write,
  params: named,
  body: z.strictObject({
    jwk: z
      .record(text(64), z.unknown())
      .describe(
        "A public JSON Web Key: EC on P-256, P-384 or P-521, Ed25519, or RSA of 2048 bits or more. One that holds a private half is refused.",
      ),
    description: text(200).optional(),
  }),
  answer: clientKey,
  status: 201,
  refusals: ["agent_unknown", "agent_revoked", "too_many_keys"],
});
export const listClientKeys = operation({
  id: "listClientKeys",
  noun,
  summary: "List an agent's client keys",
  method: "GET",
  path: "/v1/agents/{name}/client-keys",
  rights: read,
  params: named,
  query: pageQuery,
  answer: pageOf(clientKey),
  status: 200,
  refusals: ["agent_unknown"],
});
export const deleteClientKey = operation({
  id: "deleteClientKey",
  noun,
  summary: "Delete a client key",
  method: "DELETE",
  path: "/v1/agents/{name}/client-keys/{id}",
  rights: write,
  params: z.strictObject({ name: agentRef, id: text(64) }),
  status: 204,
  refusals: ["agent_unknown", "key_unknown"],
});
