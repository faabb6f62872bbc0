import { z } from "zod";
import { agentRef } from "./agents.ts";
import { moment, text, thingName } from "./fields.ts";
import { operation } from "./operation.ts";

/** How many of each are named at most. */
export const mostNamed = 20;

/** How many there are, and some of them, in no order. */
const someOf = <T extends z.ZodType>(thing: T) =>
  z.object({
    count: z.number().int().describe("All of them."),
    some: z.array(thing).describe(`At most ${mostNamed} of them, in no order.`),
  });

const named = z.object({ id: z.string(), name: z.string() });
const held = {
  agent: z.string(),
  user: z.string().optional().describe("Absent where the agent acts on its own account."),
  provider: z.string(),
};

/**
 * What revoking a thing would end. A part that is absent cannot hang on such a thing; one that is there and empty could, and does not now.
 */
export const impact = z.object({
  workloadTokens: z
    .enum(["minted_before", "until_they_expire", "unaffected"])
    .describe(
      "`minted_before`: every workload access token minted before dies at once. `until_they_expire`: no more are minted, and those that are out work on for at most 30 minutes. `unaffected`: they name nothing of this.",
    ),
  agentKeys: someOf(z.object({ id: z.string(), hint: z.string() }))
    .optional()
    .describe("Keys that open nothing from then on."),
  clientSecrets: someOf(z.object({ id: z.string(), hint: z.string() }))
    .optional()
    .describe("Client secrets that prove nothing from then on."),
  clientKeys: someOf(z.object({ id: z.string(), kid: z.string() }))
    .optional()
    .describe("Public keys whose private halves prove nothing from then on."),
  accessKeys: someOf(z.object({ id: z.string() }))
    .optional()
    .describe("Access keys that sign nothing from then on."),
  temporaryKeys: someOf(z.object({ id: z.string(), agent: z.string(), user: held.user, roleArn: z.string(), expiresAt: moment }))
    .optional()
    .describe("Temporary access keys that sign nothing from then on."),
  connections: someOf(z.object({ id: z.string(), ...held }))
    .optional()
    .describe("Connections that hold tokens now."),
  authorizations: someOf(z.object({ ...held, expiresAt: moment }))
    .optional()
    .describe("Consents under way. Their ids are not told: whoever knows one can open it."),
  grants: someOf(z.object({ id: z.string(), client: z.string(), user: z.string(), resource: z.string() }))
    .optional()
    .describe("What people granted OAuth clients, with every refresh token and access token that came of it."),
  clients: someOf(named).optional().describe("Registered apps whose users log in at the issuer."),
  agents: someOf(named).optional().describe("Agents that trust the issuer, or that hold tokens of the provider."),
  users: someOf(z.object({ id: z.string(), subject: z.string() }))
    .optional()
    .describe("Users whom the issuer's tokens proved."),
  mayUse: z.array(z.string()).optional().describe("Who may ask the provider for credentials, as the provider itself tells."),
});

const noun = "Impact";
const rights = ["admin", "operator", "auditor"] as const;

export const getAgentImpact = operation({
  id: "getAgentImpact",
  noun,
  summary: "What suspending, revoking or deleting an agent would end",
  method: "GET",
  path: "/v1/agents/{name}/impact",
  rights,
  params: z.strictObject({ name: agentRef }),
  answer: impact,
  status: 200,
  refusals: ["agent_unknown"],
});
export const getUserImpact = operation({
  id: "getUserImpact",
  noun,
  summary: "What suspending or revoking a user would end",
  method: "GET",
  path: "/v1/users/{id}/impact",
  rights,
  params: z.strictObject({ id: text(64) }),
  answer: impact,
  status: 200,
  refusals: ["user_unknown"],
});
export const getConnectionImpact = operation({
  id: "getConnectionImpact",
  noun,
  summary: "What revoking a connection would end",
  method: "GET",
  path: "/v1/connections/{id}/impact",
  rights,
  params: z.strictObject({ id: text(64) }),
  answer: impact,
  status: 200,
  refusals: ["connection_unknown"],
});
export const getProviderImpact = operation({
  id: "getProviderImpact",
  noun,
  summary: "What suspending or deleting a credential provider would end",
  method: "GET",
  path: "/v1/credential-providers/{name}/impact",
  rights,
  params: z.strictObject({ name: text(128) }),
  query: z.strictObject({ vault: thingName.optional().describe("The token vault it stands in; `default` unless given.") }),
  answer: impact,
  status: 200,
  refusals: ["provider_unknown"],
});
export const getIssuerImpact = operation({
  id: "getIssuerImpact",
  noun,
  summary: "What no longer trusting an issuer would end",
  method: "GET",
  path: "/v1/issuers/{name}/impact",
  rights,
  params: z.strictObject({ name: text(128) }),
  answer: impact,
  status: 200,
  refusals: ["issuer_unknown"],
});
