import { z } from "zod";
import { moment, pageOf, pageQuery, text, textOrEmpty, webUrl } from "./fields.ts";
import { operation } from "./operation.ts";
import { mayUseEntry } from "./providers.ts";

/** The name of a role: never like an id. */
export const roleName = z
  .string()
  .regex(/^(?!rol_)[A-Za-z0-9.@_-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 . @ _ - and not begin rol_")
  .describe("Unique in the tenant.");

const policy = z.record(text(64), z.unknown());

const cloudFields = {
  stsEndpoint: webUrl.optional().describe("Where the cloud's STS answers; the cloud's own address when left out."),
  audience: z
    .string()
    .regex(/^[\x21-\x7E]{1,255}$/, "must be 1 to 255 printable characters without a space")
    .optional()
    .describe("The `aud` of the token that is shown to the cloud."),
};

const awsRole = z.strictObject({
  provider: z.literal("aws"),
  roleArn: z.string().regex(/^arn:aws(-cn|-us-gov)?:iam::\d{12}:role\/[\w+=,.@/-]{1,576}$/, "must be the ARN of an IAM role"),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]{2,16}){1,3}-\d{1,2}$/, "must be the name of an AWS region")
    .optional()
    .describe("Whose STS is asked; us-east-1 when left out."),
  ...cloudFields,
});

const alibabaRole = z.strictObject({
  provider: z.literal("alibaba"),
  roleArn: z.string().regex(/^acs:ram::\d{16}:role\/[A-Za-z0-9._/-]{1,64}$/, "must be the ARN of a RAM role"),
  oidcProviderArn: z
    .string()
    .regex(/^acs:ram::\d{16}:oidc-provider\/[A-Za-z0-9._-]{1,128}$/, "must be the ARN of an OIDC provider of RAM")
    .describe("How the cloud knows this server."),
  ...cloudFields,
});

/** A role of a cloud, and how its credentials are had: for a token by which this server, as an OIDC issuer, vouches for the agent. */
export const roleCloud = z.discriminatedUnion("provider", [awsRole, alibabaRole]);

const roleFields = {
  description: textOrEmpty(1_024),
  agents: z
    .array(mayUseEntry)
    .max(500)
    .describe(
      "Who may take it on: agents by name or id, `label:key`, `label:key=value`, or `*` (every agent an operator made). `*` when left out.",
    ),
  trustPolicy: policy.describe(
    "Who may take it on besides, as RAM writes it (Version 1): by Principal, Action and Condition. Whoever `agents` lets in, when left out.",
  ),
  permissionPolicy: policy.describe(
    "What it may do here, as RAM writes it (Version 1): by Action, Resource and Condition. Nothing, when left out.",
  ),
  cloud: roleCloud,
};

/** What a role is made with. */
export const newRole = z.strictObject({ name: roleName }).extend(z.strictObject(roleFields).partial().shape);

/** What may be changed of a role; `null` empties a field. A role of a cloud stays one, and of that cloud. */
export const roleChange = z.strictObject({
  description: roleFields.description.nullable().optional(),
  agents: roleFields.agents.optional(),
  trustPolicy: roleFields.trustPolicy.nullable().optional(),
  permissionPolicy: roleFields.permissionPolicy.nullable().optional(),
  cloud: roleCloud.optional(),
});

/** A role as answered. */
export const role = z.object({
  id: z.string(),
  name: z.string(),
  arn: z.string().describe("Its ARN here, or the cloud's own."),
  description: z.string().optional(),
  agents: z.array(z.string()),
  trustPolicy: z.record(z.string(), z.unknown()).optional(),
  permissionPolicy: z.record(z.string(), z.unknown()).optional(),
  cloud: z
    .object({
      provider: z.enum(["aws", "alibaba"]),
      roleArn: z.string(),
      region: z.string().optional(),
      oidcProviderArn: z.string().optional(),
      stsEndpoint: z.string().optional(),
      audience: z.string().optional(),
    })
    .optional(),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Roles";
const named = z.strictObject({ name: text(128).describe("The role's name or id.") });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const createRole = operation({
  id: "createRole",
  noun,
  summary: "Make a role that agents may be turned into: one of ours, or one of a cloud",
  method: "POST",
  path: "/v1/roles",
  rights: write,
  body: newRole,
  answer: role,
  status: 201,
  refusals: ["role_exists", "agent_unknown", "policy_invalid", "too_many"],
});
export const listRoles = operation({
  id: "listRoles",
  noun,
  summary: "List roles",
  method: "GET",
  path: "/v1/roles",
  rights: read,
  query: pageQuery,
  answer: pageOf(role),
  status: 200,
  refusals: [],
});
export const getRole = operation({
  id: "getRole",
  noun,
  summary: "Read one role",
  method: "GET",
  path: "/v1/roles/{name}",
  rights: read,
  params: named,
  answer: role,
  status: 200,
  refusals: ["role_unknown"],
});
export const updateRole = operation({
  id: "updateRole",
  noun,
  summary: "Change a role; what it may do changes at once, also for who is in it",
  method: "PATCH",
  path: "/v1/roles/{name}",
  rights: write,
  params: named,
  body: roleChange,
  answer: role,
  status: 200,
  refusals: ["role_unknown", "role_exists", "agent_unknown", "policy_invalid"],
});
export const deleteRole = operation({
  id: "deleteRole",
  noun,
  summary: "Delete a role; who is in it may do nothing from then on, but for what a cloud gave",
  method: "DELETE",
  path: "/v1/roles/{name}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["role_unknown"],
});
