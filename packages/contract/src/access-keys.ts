import { z } from "zod";
import { agentRef } from "./agents.ts";
import { moment, pageOf, pageQuery, text } from "./fields.ts";
import { operation } from "./operation.ts";

const adminRights = z.literal("admin").describe("Whatever the admin who made it may do.");

/** A lasting access key as answered: its secret never comes back. */
export const accessKey = z.object({
  id: z.string().describe("What a signed request calls itself by: no secret."),
  rights: z.union([adminRights, z.object({ agent: z.string().describe("The agent's name.") })]),
  operator: z.string().optional().describe("The id of the admin whose key it is. It is worth nothing once that one is gone, or no admin."),
  description: z.string().optional(),
  createdAt: moment,
  lastUsedAt: moment.optional().describe("Within a minute."),
});

const noun = "Access keys";
const named = z.strictObject({ id: text(64) });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const createAccessKey = operation({
  id: "createAccessKey",
  noun,
  summary: "Make a key pair for signed requests, its secret shown this once",
  method: "POST",
  path: "/v1/access-keys",
  rights: write,
  body: z.strictObject({
    description: text(200).optional(),
    rights: z
      .union([adminRights, z.strictObject({ agent: agentRef })])
      .optional()
      .describe("`admin`, which only an admin may give, or one agent's. Left out, `admin` for an admin."),
  }),
  answer: z.object({ accessKeyId: z.string(), accessKeySecret: z.string() }),
  status: 201,
  refusals: ["agent_unknown", "agent_revoked", "too_many_keys"],
});
export const listAccessKeys = operation({
  id: "listAccessKeys",
  noun,
  summary: "List the lasting access keys, without their secrets",
  method: "GET",
  path: "/v1/access-keys",
  rights: read,
  query: pageQuery.extend({ agent: agentRef.optional() }),
  answer: pageOf(accessKey),
  status: 200,
  refusals: ["agent_unknown"],
});
export const getAccessKey = operation({
  id: "getAccessKey",
  noun,
  summary: "Read one access key, without its secret",
  method: "GET",
  path: "/v1/access-keys/{id}",
  rights: read,
  params: named,
  answer: accessKey,
  status: 200,
  refusals: ["key_unknown"],
});
export const deleteAccessKey = operation({
  id: "deleteAccessKey",
  noun,
  summary: "Delete an access key, lasting or temporary; what it signs is refused at once",
  method: "DELETE",
  path: "/v1/access-keys/{id}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["key_unknown"],
});
