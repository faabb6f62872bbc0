import type { ColumnType } from "kysely";
import type { Fixed } from "./fixed.ts";

export interface ProviderRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  vault: Fixed<string>;
  name: Fixed<string>;
  type: Fixed<"api_key" | "oauth2" | "sts">;
  kind: string | null;
  /** JSON array: agent ids, `label:...` or `*`. */
  agents: string;
  discovery_url: string | null;
  authorization_endpoint: string | null;
  token_endpoint: string | null;
  issuer: string | null;
  client_id: string | null;
  client_auth: "client_secret_basic" | "client_secret_post" | "private_key_jwt" | "none" | null;
  /** The API key or the client secret. */
  sealed_secret: string | null;
  /** JSON array of text, as asked. */
  scopes: string;
  /** The same, sorted, no repeats: as a connection's key holds it. */
  scopes_key: string;
  /** JSON array. */
  flows: string | null;
  /** JSON array of text. */
  warnings: string;
  status: ColumnType<"active" | "suspended", undefined, "active" | "suspended">;
  description: ColumnType<string | null, string | null | undefined, string | null>;
  /** The redirect URI to send where it is not our own callback. */
  redirect_uri: ColumnType<string | null, string | null | undefined, string | null>;
  /** Whether PKCE is sent; null is as the kind has it. */
  pkce: ColumnType<number | null, number | null | undefined, number | null>;
  /** Of type `sts`: the role it hands out; null is the agent's own. */
  role_arn: ColumnType<string | null, string | null | undefined, string | null>;
  /** JSON object: what only one foreign wire says of it, by that wire. */
  foreign_attributes: ColumnType<string | null, string | null | undefined, string | null>;
  /** Raised by every change. */
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface TokenVaultRow {
  tenant_id: Fixed<string>;
  name: Fixed<string>;
  description: string | null;
  /** JSON object: what only one foreign wire says of it, by that wire. */
  foreign_attributes: string | null;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface ConnectionRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  agent_id: Fixed<string>;
  /** Empty where the agent acts alone (M2M). */
  user_id: Fixed<string>;
  provider_id: Fixed<string>;
  /** Empty where none was asked. */
  resource: Fixed<string>;
  /** Empty where none was asked. */
  audience: Fixed<string>;
  /** JSON array of the resolved scopes, sorted, no repeats. */
  scopes_key: Fixed<string>;
  state: "active" | "needs_consent" | "revoked";
  /** Raised whenever the tokens change; every change compares it first. */
  version: number;
  /** JSON array, as asked. */
  requested_scopes: string;
  /** JSON array. */
  granted_scopes: string;
  /** JSON of the tokens, sealed; null where there are none. */
  sealed_tokens: string | null;
  refreshable: number;
  obtained_at: number | null;
  /** Null: the provider did not say. */
  expires_at: number | null;
  /** Who refreshes it now, and until when nobody else may. */
  lease_owner: string | null;
  lease_until: number;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface AuthorizationSessionRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  agent_id: Fixed<string>;
  agent_epoch: Fixed<number>;
  user_id: Fixed<string>;
  user_epoch: Fixed<number>;
  provider_id: Fixed<string>;
  resource: Fixed<string>;
  audience: Fixed<string>;
  scopes_key: Fixed<string>;
  /** JSON array, as asked. */
  requested_scopes: Fixed<string>;
  binding: Fixed<"application" | "login" | "none">;
  return_url: Fixed<string | null>;
  /** The application's own state, which guards its return URL: sealed. */
  sealed_custom_state: Fixed<string | null>;
  /** JSON object of text. */
  custom_parameters: Fixed<string>;
  /** Whether the provider is told to ask the person again. */
  forced: Fixed<number>;
  /**
   * pending: nobody has come back yet; authorized: the provider's code is here; exchanging: it is being turned into a token; the others are
   * final.
   */
  state: "pending" | "authorized" | "exchanging" | "completed" | "denied" | "failed" | "expired";
  /** Why it failed or was denied. */
  reason: string | null;
  /** The code and what its exchange needs, sealed, while authorized or exchanging. */
  sealed_code: string | null;
  exchanging_since: number | null;
  connection_id: string | null;
  /** The version of the connection that this consent made. */
  connection_version: number | null;
  created_at: Fixed<number>;
  expires_at: Fixed<number>;
}

export interface AuthorizationVisitRow {
  tenant_id: Fixed<string>;
  /** Hash of the cookie's secret. */
  id: Fixed<string>;
  session_id: Fixed<string>;
  /** page: our consent page was shown; login: at the user's issuer; provider: at the provider. */
  stage: "page" | "login" | "provider";
  /** Hash of the `state` now under way; empty at stage page. */
  state_hash: string;
  /** PKCE verifier, nonce and form token, sealed. */
  sealed_secrets: string;
  created_at: Fixed<number>;
}
