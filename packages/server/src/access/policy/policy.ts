import type { Foreign, Random } from "../../ground/kernel/index.ts";

/** Policies that are decided by together. */
export interface PolicySet {
  /** `pset_` and 32 hex digits, never reused. */
  readonly id: string;
  /** Unique in the tenant; never changes. */
  readonly name: string;
  readonly description: string | undefined;
  /** What only one foreign wire says of it, by that wire: returned by it, read by nobody else. */
  readonly foreign: Foreign;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One Cedar statement of a set. */
export interface Policy {
  /** `pol_` and 32 hex digits, never reused. */
  readonly id: string;
  /** The set's id. */
  readonly set: string;
  /** Unique in its set; never changes. */
  readonly name: string;
  readonly description: string | undefined;
  /** As it was written, comments and all. */
  readonly cedar: string;
  /** Raised whenever the statement changes. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What kind of gateway asks for decisions: an AI gateway, or the tools of an agent's runtime. */
export type GatewayType = "AIGateway" | "AgentRunMCP";

/** Whether a denial stops the call, or is only written down. */
export type EnforcementMode = "enforce" | "log_only";

/** Which set decides at a gateway: one at most. */
export interface Attachment {
  /** `gwa_` and 32 hex digits. */
  readonly id: string;
  /** The gateway's ARN. */
  readonly gateway: string;
  readonly type: GatewayType;
  /** The set's id. */
  readonly set: string;
  readonly mode: EnforcementMode;
  readonly attachedAt: number;
  readonly updatedAt: number;
}

/** How many sets a tenant may have, how many policies a set, and how many gateways of a type a set may decide for. */
export const mostSets = 1_000;
export const mostPolicies = 1_000;
export const mostGateways = 1_000;

export const newSetId = (random: Random): string => `pset_${random(16).toString("hex")}`;
export const newPolicyId = (random: Random): string => `pol_${random(16).toString("hex")}`;
export const newAttachmentId = (random: Random): string => `gwa_${random(16).toString("hex")}`;
