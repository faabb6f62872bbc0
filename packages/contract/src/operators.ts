import { z } from "zod";
import { moment, pageOf, pageQuery, text, thingName } from "./fields.ts";
import { operation } from "./operation.ts";

const role = z
  .enum(["admin", "operator", "auditor"])
  .describe("An operator runs agents, providers and the vault; an admin also operators; an auditor only reads.");

const expiresAt = moment.describe("From then on its key is refused. Left out, it does not expire.");

/** An operator as answered: the key itself never comes back. */
export const operator = z.object({
  id: z.string(),
  name: z.string(),
  role,
  hint: z.string().optional().describe("The first characters of the key, to tell keys apart."),
  createdAt: moment,
  expiresAt: moment.optional(),
  lastUsedAt: moment.optional().describe("Within a minute."),
});

const noun = "Operators";
const named = z.strictObject({ id: text(64) });
const write = ["admin"] as const;
const read = ["admin", "operator", "auditor"] as const;
const withKey = z.object({ id: z.string(), key: z.string() });

export const createOperator = operation({
  id: "createOperator",
  noun,
  summary: "Give a person or script a key of its own, shown this once",
  method: "POST",
  path: "/v1/operators",
  rights: write,
  body: z.strictObject({ name: thingName, role, expiresAt: expiresAt.optional() }),
  answer: withKey,
  status: 201,
  refusals: ["operator_exists"],
});
export const listOperators = operation({
  id: "listOperators",
  noun,
  summary: "List who may run this tenant, without their keys",
  method: "GET",
  path: "/v1/operators",
  rights: read,
  query: pageQuery,
  answer: pageOf(operator),
  status: 200,
  refusals: [],
});
export const getOperator = operation({
  id: "getOperator",
  noun,
  summary: "Read one operator",
  method: "GET",
  path: "/v1/operators/{id}",
  rights: read,
  params: named,
  answer: operator,
  status: 200,
  refusals: ["operator_unknown"],
});
export const updateOperator = operation({
  id: "updateOperator",
  noun,
  summary: "Change what an operator may do, or until when",
  method: "PATCH",
  path: "/v1/operators/{id}",
  rights: write,
  params: named,
  body: z.strictObject({ role: role.optional(), expiresAt: expiresAt.nullable().optional() }),
  answer: operator,
  status: 200,
  refusals: ["operator_unknown", "last_admin", "first_operator"],
});
export const deleteOperator = operation({
  id: "deleteOperator",
  noun,
  summary: "Delete an operator; its key dies at once, audit can still name it",
  method: "DELETE",
  path: "/v1/operators/{id}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["operator_unknown", "last_admin", "first_operator"],
});
export const rotateOperatorKey = operation({
  id: "rotateOperatorKey",
  noun,
  summary: "Give an operator another key, shown this once; the one before dies at once",
  method: "POST",
  path: "/v1/operators/{id}/rotate-key",
  rights: write,
  params: named,
  answer: withKey,
  status: 200,
  refusals: ["operator_unknown", "first_operator"],
});
