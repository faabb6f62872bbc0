import { z } from "zod";
import { agentRef } from "./agents.ts";
import { moment, pageOf, pageQuery, text } from "./fields.ts";
import { operation } from "./operation.ts";

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
