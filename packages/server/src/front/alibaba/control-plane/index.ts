import type { Operation } from "../operation.ts";
import { apiKeyProviders } from "./api-key-providers.ts";
import { type GatewayRooms, gateways } from "./gateways.ts";
import { type IdentityProviderRooms, identityProviders } from "./identity-providers.ts";
import { oauth2Providers } from "./oauth2-providers.ts";
import { type PolicyRooms, policySets } from "./policies.ts";
import type { ProviderRooms } from "./provider-of.ts";
import { type TokenVaultRooms, tokenVaults } from "./token-vaults.ts";
import { type WorkloadIdentityRooms, workloadIdentities } from "./workload-identities.ts";

export type ControlPlaneRooms = WorkloadIdentityRooms &
  IdentityProviderRooms &
  ProviderRooms &
  TokenVaultRooms &
  PolicyRooms &
  GatewayRooms;

/** What operators manage: version 2025-09-01. */
export const controlPlane = (rooms: ControlPlaneRooms): readonly Operation[] => [
  ...workloadIdentities(rooms),
  ...identityProviders(rooms),
  ...oauth2Providers(rooms),
  ...apiKeyProviders(rooms),
  ...tokenVaults(rooms),
  ...policySets(rooms),
  ...gateways(rooms),
];
