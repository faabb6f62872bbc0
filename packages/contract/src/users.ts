import { z } from "zod";
import { moment, pageOf, pageQuery, text } from "./fields.ts";
import { operation } from "./operation.ts";

/** A user as answered. */
export const user = z.object({
  id: z.string(),
  issuer: z
    .string()
    .describe("The `iss` of the user's tokens, or `urn:legate:asserted:<agent id>` where an agent merely asserts the user."),
  subject: z.string(),
  proven: z.boolean().describe("Whether a token of a trusted issuer ever proved this user."),
  status: z.enum(["active", "suspended", "revoked"]),
  createdAt: moment,
});

const noun = "Users";
const named = z.strictObject({ id: text(64) });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const listUsers = operation({
  id: "listUsers",
  noun,
  summary: "List the users that agents have acted for",
  method: "GET",
  path: "/v1/users",
  rights: read,
  query: pageQuery,
  answer: pageOf(user),
  status: 200,
  refusals: [],
});
export const getUser = operation({
  id: "getUser",
  noun,
  summary: "Read one user",
  method: "GET",
  path: "/v1/users/{id}",
  rights: read,
  params: named,
  answer: user,
  status: 200,
  refusals: ["user_unknown"],
});
export const suspendUser = operation({
  id: "suspendUser",
  noun,
  summary: "Let no agent act for this user: tokens that name the user die",
  method: "POST",
  path: "/v1/users/{id}/suspend",
  rights: write,
  params: named,
  answer: user,
  status: 200,
  refusals: ["user_unknown", "user_revoked"],
});
export const resumeUser = operation({
  id: "resumeUser",
  noun,
  summary: "Let agents act for this user again",
  method: "POST",
  path: "/v1/users/{id}/resume",
  rights: write,
  params: named,
  answer: user,
  status: 200,
  refusals: ["user_unknown", "user_revoked"],
});
export const revokeUser = operation({
  id: "revokeUser",
  noun,
  summary: "Let no agent act for this user ever again, and erase what the vault holds for the user",
  method: "POST",
  path: "/v1/users/{id}/revoke",
  rights: write,
  params: named,
  answer: user,
  status: 200,
  refusals: ["user_unknown", "user_revoked"],
});
