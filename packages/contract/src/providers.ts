import { z } from "zod";
import { agentRef } from "./agents.ts";
import { moment, pageOf, pageQuery, scopes, text, textOrEmpty, thingName, webUrl } from "./fields.ts";
import { clientAuth } from "./issuers.ts";
import { operation } from "./operation.ts";

/** How a credential is asked of an `oauth2` provider. */
export const flow = z.enum(["USER_FEDERATION", "M2M", "ON_BEHALF_OF_TOKEN_EXCHANGE"]);

/** Providers whose quirks are known; `oidc` and `oauth2` are the plain ones. */
export const providerKind = z.enum([
  "oidc",
  "oauth2",
  "github",
  "google",
  "microsoft",
  "slack",
  "atlassian",
  "notion",
  "aliyun",
  "alibabacloud",
  "dingtalk",
  "feishu",
]);

/** Who may use a thing: agents by name or id, `label:key` or `label:key=value`, or `*`. */
export const mayUseEntry = z.union([z.literal("*"), z.string().regex(/^label:[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(=.{0,200})?$/), agentRef]);
const agents = z
  .array(mayUseEntry)
  .max(500)
  .describe("Agents by name or id, `label:key`, `label:key=value`, or `*` (every agent an operator made). `*` when left out.");

const description = textOrEmpty(2000);

const oauth2Fields = {
  discoveryUrl: webUrl,
  authorizationEndpoint: webUrl,
  tokenEndpoint: webUrl,
  issuer: webUrl,
  clientId: text(512),
  clientSecret: text(4096),
  clientAuth,
  scopes: scopes.describe("Asked for where a request names none."),
  flows: z.array(flow).min(1).max(3).describe("The flows it serves; all when left out."),
  redirectUri: webUrl.describe(
    "Sent as the redirect URI in place of `callbackUrl`, to which it must forward the browser with all it brings.",
  ),
  pkce: z
    .boolean()
    .describe("Whether PKCE parameters are sent; only `false` for a server that refuses them, and never without a client secret."),
};

const newApiKeyProvider = z.strictObject({
  type: z.literal("api_key"),
  name: thingName,
  vault: thingName.optional(),
  agents: agents.optional(),
  description: description.optional(),
  apiKey: text(8192),
});
const newOauth2Provider = z.strictObject({
  type: z.literal("oauth2"),
  name: thingName,
  vault: thingName.optional(),
  agents: agents.optional(),
  description: description.optional(),
  kind: providerKind.optional(),
  ...z.strictObject(oauth2Fields).partial().required({ clientId: true }).shape,
});
const roleArn = text(512).describe("The name or ARN of the role that it hands out; the agent's own when left out.");
const newStsProvider = z.strictObject({
  type: z.literal("sts"),
  name: thingName,
  vault: thingName.optional(),
  agents: agents.optional(),
  description: description.optional(),
  roleArn: roleArn.optional(),
});
/** What a credential provider is registered with, by its type. */
export const newProvider = z.discriminatedUnion("type", [newApiKeyProvider, newOauth2Provider, newStsProvider]);

/** What a change may name depends on the provider's type; a field of the other type is refused. `null` empties. */
export const providerChange = z.strictObject({
  agents: agents.optional(),
  description: description.nullable().optional(),
  apiKey: text(8192).optional(),
  roleArn: roleArn.nullable().optional(),
  ...z.strictObject(oauth2Fields).pick({ clientId: true, scopes: true }).partial().shape,
  discoveryUrl: webUrl.nullable().optional(),
  authorizationEndpoint: webUrl.nullable().optional(),
  tokenEndpoint: webUrl.nullable().optional(),
  issuer: webUrl.nullable().optional(),
  redirectUri: oauth2Fields.redirectUri.nullable().optional(),
  pkce: oauth2Fields.pkce.nullable().optional(),
  clientSecret: oauth2Fields.clientSecret.nullable().optional(),
  clientAuth: clientAuth.nullable().optional(),
  flows: oauth2Fields.flows.nullable().optional(),
});

/** A provider as answered: its secrets never come back. */
export const provider = z.object({
  id: z.string(),
  name: z.string(),
  vault: z.string(),
  type: z.enum(["api_key", "oauth2", "sts"]),
  status: z.enum(["active", "suspended"]),
  agents: z.array(z.string()),
  description: z.string().optional(),
  kind: providerKind.optional(),
  discoveryUrl: z.string().optional(),
  authorizationEndpoint: z.string().optional(),
  tokenEndpoint: z.string().optional(),
  issuer: z.string().optional(),
  clientId: z.string().optional(),
  clientAuth: clientAuth.optional(),
  scopes: z.array(z.string()).optional(),
  flows: z.array(flow).optional(),
  callbackUrl: z
    .string()
    .optional()
    .describe("What to register at the provider as the redirect URI, unless `redirectUri` stands in for it."),
  redirectUri: z.string().optional(),
  pkce: z.boolean().optional(),
  roleArn: z.string().optional(),
  jwksUrl: z.string().optional().describe("Where the provider finds the key that verifies `private_key_jwt`."),
  warnings: z.array(z.string()).optional().describe("What looked wrong when it was last written, such as an address that does not answer."),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Credential providers";
const named = z.strictObject({ name: text(128) });
const inVault = z.strictObject({ vault: thingName.optional().describe("The token vault it stands in; `default` unless given.") });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const createProvider = operation({
  id: "createProvider",
  noun,
  summary: "Register a credential provider",
  method: "POST",
  path: "/v1/credential-providers",
  rights: write,
  body: newProvider,
  answer: provider,
  status: 201,
  refusals: ["provider_exists", "agent_unknown"],
});
export const listProviders = operation({
  id: "listProviders",
  noun,
  summary: "List a vault's credential providers",
  method: "GET",
  path: "/v1/credential-providers",
  rights: read,
  query: pageQuery.extend(inVault.shape),
  answer: pageOf(provider),
  status: 200,
  refusals: [],
});
export const getProvider = operation({
  id: "getProvider",
  noun,
  summary: "Read one credential provider",
  method: "GET",
  path: "/v1/credential-providers/{name}",
  rights: read,
  params: named,
  query: inVault,
  answer: provider,
  status: 200,
  refusals: ["provider_unknown"],
});
export const updateProvider = operation({
  id: "updateProvider",
  noun,
  summary: "Change a credential provider",
  method: "PATCH",
  path: "/v1/credential-providers/{name}",
  rights: write,
  params: named,
  query: inVault,
  body: providerChange,
  answer: provider,
  status: 200,
  refusals: ["provider_unknown", "agent_unknown", "provider_wrong_type"],
});
export const deleteProvider = operation({
  id: "deleteProvider",
  noun,
  summary: "Delete a credential provider and erase what its users consented to",
  method: "DELETE",
  path: "/v1/credential-providers/{name}",
  rights: write,
  params: named,
  query: inVault,
  status: 204,
  refusals: ["provider_unknown"],
});
export const suspendProvider = operation({
  id: "suspendProvider",
  noun,
  summary: "Hand out nothing of a credential provider, and end the consents under way at it",
  method: "POST",
  path: "/v1/credential-providers/{name}/suspend",
  rights: write,
  params: named,
  query: inVault,
  answer: provider,
  status: 200,
  refusals: ["provider_unknown"],
});
export const resumeProvider = operation({
  id: "resumeProvider",
  noun,
  summary: "Let a suspended credential provider serve again, with the connections it had",
  method: "POST",
  path: "/v1/credential-providers/{name}/resume",
  rights: write,
  params: named,
  query: inVault,
  answer: provider,
  status: 200,
  refusals: ["provider_unknown"],
});
