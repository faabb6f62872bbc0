import type { Operation } from "../operation.ts";
import { type AssumeRoleRooms, assumeRole } from "./assume-role.ts";
import { type ConsentRooms, completeResourceTokenAuth } from "./complete-auth.ts";
import { type CredentialRooms, credentials } from "./credentials.ts";
import { policyDecisions } from "./policy-decisions.ts";
import { type TokenRooms, workloadTokens } from "./workload-tokens.ts";

export type DataPlaneRooms = TokenRooms & AssumeRoleRooms & CredentialRooms & ConsentRooms;

/** What agents ask at run time: version 2025-11-27. */
export const dataPlane = (rooms: DataPlaneRooms): readonly Operation[] => [
  ...workloadTokens(rooms),
  assumeRole(rooms),
  ...credentials(rooms),
  completeResourceTokenAuth(rooms),
  ...policyDecisions,
];
