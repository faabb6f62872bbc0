import type { Fixed } from "./fixed.ts";

/** What an agent may be turned into. */
export interface RoleRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  name: Fixed<string>;
  arn: string;
  description: string | null;
  /** JSON array: agent ids, `label:...` or `*`. */
  agents: string;
  /** JSON policy document; null: whoever `agents` lets in. */
  trust_policy: string | null;
  /** JSON policy document. */
  permission_policy: string | null;
  /** JSON: how credentials of a cloud's role are had; null on a role of ours. */
  cloud: string | null;
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

/** A permission policy that stands by itself. */
export interface RolePolicyRow {
  tenant_id: Fixed<string>;
  name: Fixed<string>;
  /** JSON policy document. */
  document: string;
  description: string | null;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface RolePolicyAttachmentRow {
  tenant_id: Fixed<string>;
  role_id: Fixed<string>;
  policy_type: Fixed<"Custom" | "System">;
  policy_name: Fixed<string>;
  created_at: Fixed<number>;
}

export interface PolicySetRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  name: Fixed<string>;
  description: string | null;
  foreign_attributes: string | null;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface PolicyRow {
  tenant_id: Fixed<string>;
  set_id: Fixed<string>;
  id: Fixed<string>;
  name: Fixed<string>;
  description: string | null;
  /** One Cedar statement. */
  cedar: string;
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

/** Which policy set decides at a gateway, and whether it blocks; a gateway at which none does has no row. */
export interface GatewayPolicyRow {
  tenant_id: Fixed<string>;
  /** Its ARN. */
  gateway: Fixed<string>;
  id: Fixed<string>;
  type: Fixed<"AIGateway" | "AgentRunMCP">;
  set_id: Fixed<string>;
  mode: "enforce" | "log_only";
  attached_at: Fixed<number>;
  updated_at: number;
}
