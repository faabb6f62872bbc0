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
  answer: pageOf(auditEvent).describe(
    "Where it is filtered by agent, user or action, a page may hold fewer than `limit`, even none, while `nextCursor` is there: go on until it is absent.",
  ),
  status: 200,
  refusals: [],
});

export const exportAuditEvents = operation({
  id: "exportAuditEvents",
  noun: "Audit",
  summary: "Export what happened, oldest first, with the chain and the signatures that prove it",
  method: "GET",
  path: "/v1/audit-events/export",
  rights: ["admin", "auditor"],
  query: z.strictObject({
    from: moment.optional().describe("From the first block that holds an event of this moment or later. Blocks are exported whole."),
    to: moment.optional().describe("Up to the last block that holds an event from before this moment."),
  }),
  answer: z.string().describe("JSON lines. `npm run audit:verify -- FILE` checks them; the guide on the audit describes each."),
  streams: "application/jsonl",
  status: 200,
  refusals: [],
});
