import { z } from "zod";
import { moment } from "./fields.ts";
import { operation } from "./operation.ts";

/** Who asks, as the server sees it. */
export const whoami = operation({
  id: "whoami",
  noun: "Who am I",
  summary: "Read who the credential is, in which tenant, and what the server sees of the request",
  method: "GET",
  path: "/v1/whoami",
  rights: ["admin", "operator", "auditor", "agent"],
  answer: z.object({
    tenant: z.string(),
    issuer: z.string().describe("What the tenant's tokens carry as `iss`, and what its addresses begin with."),
    accountId: z.string().describe("16 digits: the account in the tenant's ARNs."),
    region: z.string().describe("The region in the tenant's ARNs."),
    caller: z.object({
      kind: z.string(),
      id: z.string().optional(),
      name: z.string().optional(),
      role: z.enum(["admin", "operator", "auditor"]).optional().describe("Of an operator."),
    }),
    agent: z.object({ id: z.string(), name: z.string(), project: z.string() }).optional().describe("The agent that acts, where one does."),
    method: z.string().describe("How the credential proves whom it stands for."),
    address: z.string().optional().describe("Where the request comes from, as the trusted proxies tell it."),
    now: moment.describe("What the server's clock says."),
  }),
  status: 200,
  refusals: [],
});
