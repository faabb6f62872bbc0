import type { RolePolicy } from "./role.ts";

const allowing = (...actions: readonly string[]): string =>
  JSON.stringify({ Version: "1", Statement: [{ Effect: "Allow", Action: actions, Resource: ["*"] }] });

const policies: readonly (readonly [name: string, description: string, document: string])[] = [
  ["AliyunAgentIdentityFullAccess", "Everything of the control plane.", allowing("agentidentity:*")],
  ["AliyunAgentIdentityReadOnlyAccess", "Reading the control plane.", allowing("agentidentity:Get*", "agentidentity:List*")],
  ["AliyunAgentIdentityDataFullAccess", "Everything of the data plane.", allowing("agentidentitydata:*")],
  [
    "AliyunAgentIdentityDataGetCredentialAccess",
    "Getting credentials.",
    allowing("agentidentitydata:GetResourceOAuth2Token", "agentidentitydata:GetResourceAPIKey"),
  ],
  ["AliyunAgentIdentityDataCompleteAuthAccess", "Completing consents.", allowing("agentidentitydata:CompleteResourceTokenAuth")],
];

/** The policies that every tenant has, by name; nobody changes them. */
export const systemPolicies: ReadonlyMap<string, RolePolicy> = new Map(
  policies.map(([name, description, document]) => [name, { name, type: "System", document, description, createdAt: 0, updatedAt: 0 }]),
);
