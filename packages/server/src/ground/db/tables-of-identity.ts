import type { ColumnType } from "kysely";
import type { Fixed } from "./fixed.ts";

export interface TenantRow {
  id: Fixed<string>;
  status: "active" | "suspended" | "deleted";
  epoch: number;
  created_at: Fixed<number>;
  /** 16 digits, for ARNs; null only until the first start that knows of it. */
  account_id: ColumnType<string | null, string | null | undefined, string>;
  /** Set on a tombstone: its name is never given out again. */
  deleted_at: ColumnType<number | null, undefined, number>;
  /** When nothing was found that a tombstone's tenant still owned. */
  erased_at: ColumnType<number | null, undefined, number>;
}

export interface OperatorRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  name: string;
  role: "admin" | "operator" | "auditor";
  key_hash: string;
  pepper_id: string;
  expires_at: number | null;
  created_at: Fixed<number>;
  /** The first characters of the key; null where it was made before they were kept. */
  hint: string | null;
  last_used_at: ColumnType<number | null, undefined, number>;
}

export interface AgentRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  name: string;
  title: string | null;
  description: string | null;
  owner_email: string | null;
  status: "active" | "suspended" | "revoked";
  origin: Fixed<"operator" | "self">;
  /** JSON array of text. */
  permissions: string;
  /** JSON array of text. */
  return_urls: string;
  issuer_id: string | null;
  role_arn: string | null;
  /** Raised when `role_arn` becomes another. */
  role_epoch: ColumnType<number, number | undefined, number>;
  binding: "application" | "login" | "none" | null;
  asserted_users: number;
  tier: string | null;
  /** Null: the project `default`. */
  project: ColumnType<string | null, string | null | undefined, string | null>;
  /** JSON object of text. */
  labels: string;
  /** JSON object: what only one foreign wire says of it, by that wire. */
  foreign_attributes: ColumnType<string | null, string | null | undefined, string | null>;
  epoch: number;
  created_at: Fixed<number>;
  updated_at: number;
  /** Set on a tombstone. */
  deleted_at: number | null;
}

export interface AgentKeyRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  agent_id: Fixed<string>;
  hash: string;
  pepper_id: string;
  hint: Fixed<string>;
  description: Fixed<string | null>;
  created_at: Fixed<number>;
  last_used_at: number | null;
}

export interface ClientSecretRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  agent_id: Fixed<string>;
  hash: string;
  pepper_id: string;
  hint: Fixed<string>;
  description: Fixed<string | null>;
  created_at: Fixed<number>;
  last_used_at: number | null;
}

export interface ClientKeyRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  agent_id: Fixed<string>;
  /** As its owner names it; else its thumbprint (RFC 7638). */
  kid: Fixed<string>;
  /** JSON Web Key. */
  public_jwk: Fixed<string>;
  description: Fixed<string | null>;
  created_at: Fixed<number>;
  last_used_at: number | null;
}

export interface UserRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  issuer: Fixed<string>;
  subject: Fixed<string>;
  /** The claim whose value the subject is; null where an agent merely asserted it. */
  subject_claim: Fixed<string | null>;
  proven: Fixed<number>;
  status: "active" | "suspended" | "revoked";
  epoch: number;
  created_at: Fixed<number>;
}

export interface IssuerRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  name: Fixed<string>;
  issuer: string;
  discovery_url: string;
  /** JSON array of text. */
  audiences: string;
  subject_claim: string;
  login_client_id: string | null;
  login_client_auth: "client_secret_basic" | "client_secret_post" | "private_key_jwt" | "none" | null;
  /** JSON array of text. */
  login_scopes: string | null;
  sealed_login_secret: string | null;
  description: ColumnType<string | null, string | null | undefined, string | null>;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface SigningKeyRow {
  tenant_id: Fixed<string>;
  /** The `kid`. */
  id: Fixed<string>;
  alg: Fixed<"ES256">;
  /** JSON Web Key. */
  public_jwk: Fixed<string>;
  /** JSON Web Key, sealed; empty once it will never sign again. */
  sealed_private_jwk: string;
  created_at: Fixed<number>;
  /** Signs from here on; published before. */
  signs_from: number;
  /** Gone from the key set from here on. */
  expires_at: number;
  /** When everything it signed was declared dead. */
  revoked_at: ColumnType<number | null, null | undefined, number>;
}

/** A key pair for signed requests. */
export interface AccessKeyRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  /** Whose lasting key it is, where it is an operator's. */
  operator_id: Fixed<string | null>;
  agent_id: Fixed<string | null>;
  /** The epochs that a temporary key was given in; null on a lasting one. */
  agent_epoch: Fixed<number | null>;
  role_epoch: Fixed<number | null>;
  user_id: Fixed<string | null>;
  user_epoch: Fixed<number | null>;
  tenant_epoch: Fixed<number | null>;
  /** The role whose rights a temporary key has. */
  role_arn: Fixed<string | null>;
  /** Null where no row has the role. */
  role_id: Fixed<string | null>;
  session_name: Fixed<string | null>;
  /** JSON policy document that narrows it. */
  session_policy: Fixed<string | null>;
  sealed_secret: string;
  /** Of a temporary key's security token, keyed with the secret. */
  token_hash: Fixed<string | null>;
  description: Fixed<string | null>;
  created_at: Fixed<number>;
  last_used_at: number | null;
  /** Set on a temporary key. */
  expires_at: Fixed<number | null>;
}
