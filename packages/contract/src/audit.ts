import { z } from "zod";
import { moment, pageOf, pageQuery, text } from "./fields.ts";
import { operation } from "./operation.ts";

/** One row of the audit. */
export const auditEvent = z.object({
  id: z.string(),
  at: moment,
  action: z.string(),
  outcome: z.enum(["done", "refused"]),
  caller: z.object({ kind: z.string(), id: z.string().optional() }),
  agent: z.string().optional(),
  user: z.string().optional(),
  target: z.string().optional(),
  requestId: z.string(),
  address: z.string().optional(),
  details: z.record(z.string(), z.unknown()),
});

export const listAuditEvents = operation({
  id: "listAuditEvents",
  noun: "Audit",
  summary: "Read what happened, newest first",
  method: "GET",
  path: "/v1/audit-events",
  rights: ["admin", "auditor"],
  query: pageQuery.extend({
    agent: text(64).optional().describe("The agent's id."),
    user: text(64).optional().describe("The user's id."),
    action: text(64).optional().describe("An action, or with a final `*` all that begin so."),
    from: moment.optional(),
    to: moment.optional(),
  }),
  answer: pageOf(auditEvent),
  status: 200,
  refusals: [],
});
