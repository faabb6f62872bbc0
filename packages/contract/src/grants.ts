import { z } from "zod";
import { moment, pageOf, pageQuery, text } from "./fields.ts";
import { operation } from "./operation.ts";

/** What a person granted an OAuth client once, never its tokens. */
export const grant = z.object({
  id: z.string(),
  client: z.string().describe("The `client_id`: an agent's id, an app's id, or the URL of an app's metadata document."),
  agent: z.string().optional().describe("The agent, where the client is one."),
  user: z.string(),
  resource: z.string().describe("The audience of its access tokens."),
  scopes: z.array(z.string()).describe("The most that its access tokens have."),
  status: z.enum(["active", "revoked"]),
  reason: z
    .string()
    .optional()
    .describe("What it was revoked for, or who it names that was stopped since: `operator`, `code_reused`, `user_suspended` and so on."),
  createdAt: moment,
  updatedAt: moment,
  expiresAt: moment.describe("When nothing of it works any more; each refresh moves it on, until 180 days after `createdAt`."),
});

const noun = "Grants";
const read = ["admin", "operator", "auditor"] as const;
const named = z.strictObject({ id: text(64) });

export const listGrants = operation({
  id: "listGrants",
  noun,
  summary: "List what people granted OAuth clients",
  method: "GET",
  path: "/v1/grants",
  rights: read,
  query: pageQuery.extend({
    client: text(2_048).optional().describe("A `client_id`."),
    agent: text(64).optional().describe("An agent's id."),
    user: text(64).optional().describe("A user's id."),
  }),
  answer: pageOf(grant),
  status: 200,
  refusals: [],
});
export const getGrant = operation({
  id: "getGrant",
  noun,
  summary: "Read one grant",
  method: "GET",
  path: "/v1/grants/{id}",
  rights: read,
  params: named,
  answer: grant,
  status: 200,
  refusals: ["grant_unknown"],
});
export const deleteGrant = operation({
  id: "deleteGrant",
  noun,
  summary: "Revoke a grant with every token that came of it; the person is asked before there is another",
  method: "DELETE",
  path: "/v1/grants/{id}",
  rights: ["admin", "operator"],
  params: named,
  status: 204,
  refusals: ["grant_unknown"],
});
