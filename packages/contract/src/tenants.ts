import { z } from "zod";
import { moment, pageOf, pageQuery } from "./fields.ts";
import { operation } from "./operation.ts";

/** Stands in issuer URLs, which others trust: it is never given to another tenant, not even after this one is deleted. */
export const tenantName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,38}$/, "must be 2 to 39 of a-z 0-9 - and begin with a letter")
  .describe("Unique, also among deleted tenants.");

/** A tenant as answered. */
export const tenant = z.object({
  name: z.string(),
  status: z.enum(["active", "suspended"]),
  issuer: z.string().describe("What its tokens carry as `iss`, and what its addresses begin with."),
  accountId: z.string().describe("16 digits."),
  createdAt: moment,
});

const noun = "Tenants";
const named = z.strictObject({ name: tenantName });
const rights = ["installation-admin"] as const;

export const createTenant = operation({
  id: "createTenant",
  noun,
  summary: "Make a tenant and its first admin, whose key is shown this once",
  method: "POST",
  path: "/v1/tenants",
  rights,
  body: z.strictObject({ name: tenantName }),
  answer: z.object({ name: z.string(), issuer: z.string(), accountId: z.string(), adminKey: z.string() }),
  status: 201,
  refusals: ["tenant_exists"],
});
export const listTenants = operation({
  id: "listTenants",
  noun,
  summary: "List tenants",
  method: "GET",
  path: "/v1/tenants",
  rights,
  query: pageQuery,
  answer: pageOf(tenant),
  status: 200,
  refusals: [],
});
export const getTenant = operation({
  id: "getTenant",
  noun,
  summary: "Read one tenant",
  method: "GET",
  path: "/v1/tenants/{name}",
  rights,
  params: named,
  answer: tenant,
  status: 200,
  refusals: ["tenant_unknown"],
});
export const deleteTenant = operation({
  id: "deleteTenant",
  noun,
  summary: "Delete a tenant: its keys are erased at once, then all it owns; its name is never free again",
  method: "DELETE",
  path: "/v1/tenants/{name}",
  rights,
  params: named,
  status: 204,
  refusals: ["tenant_unknown", "tenant_default"],
});
export const suspendTenant = operation({
  id: "suspendTenant",
  noun,
  summary: "Stop a tenant: every key and token of it dies within seconds, and its addresses answer nothing",
  method: "POST",
  path: "/v1/tenants/{name}/suspend",
  rights,
  params: named,
  answer: tenant,
  status: 200,
  refusals: ["tenant_unknown", "tenant_default"],
});
export const resumeTenant = operation({
  id: "resumeTenant",
  noun,
  summary: "Let a suspended tenant's keys work again; tokens and consents from before stay dead",
  method: "POST",
  path: "/v1/tenants/{name}/resume",
  rights,
  params: named,
  answer: tenant,
  status: 200,
  refusals: ["tenant_unknown"],
});
