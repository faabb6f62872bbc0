import { z } from "zod";
import { moment, pageOf, pageQuery, text } from "./fields.ts";
import { operation } from "./operation.ts";

/** Where credential providers stand, as answered. */
export const tokenVault = z.object({
  name: z.string(),
  description: z.string().optional(),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Token vaults";
const named = z.strictObject({ name: text(128) });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const listTokenVaults = operation({
  id: "listTokenVaults",
  noun,
  summary: "List token vaults; a credential provider makes the one it stands in",
  method: "GET",
  path: "/v1/token-vaults",
  rights: read,
  query: pageQuery,
  answer: pageOf(tokenVault),
  status: 200,
  refusals: [],
});
export const getTokenVault = operation({
  id: "getTokenVault",
  noun,
  summary: "Read one token vault",
  method: "GET",
  path: "/v1/token-vaults/{name}",
  rights: read,
  params: named,
  answer: tokenVault,
  status: 200,
  refusals: ["vault_unknown"],
});
export const deleteTokenVault = operation({
  id: "deleteTokenVault",
  noun,
  summary: "Delete a token vault in which nothing stands",
  method: "DELETE",
  path: "/v1/token-vaults/{name}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["vault_unknown", "vault_in_use"],
});
