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

/** An app that people use: a public client. */
export interface ClientRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  name: Fixed<string>;
  title: string | null;
  /** JSON array of text. */
  redirect_uris: string;
  /** Where its users log in; null: at the only issuer that has a login. */
  issuer_id: string | null;
  /** JSON array of the most it may ever ask; null: whatever the resources let it. */
  scopes: string | null;
  status: "active" | "suspended";
  /** Raised by every change that a person who consented before should see anew. */
  version: number;
  /** Raised whenever it is suspended or resumed: what was granted before is dead. */
  epoch: number;
  created_at: Fixed<number>;
  updated_at: number;
}

/** A Client ID Metadata Document as it was last fetched. */
export interface ClientDocumentRow {
  tenant_id: Fixed<string>;
  /** The https URL that is the client's id. */
  id: Fixed<string>;
  /** JSON. */
  document: string;
  /** Of what of it a person consents to. */
  hash: string;
  fetched_at: number;
  fresh_until: number;
  /** When it was last asked for, within a day. */
  used_at: number;
}

export interface ResourceRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  /** The audience of its tokens: an absolute URI (RFC 8707 2). */
  identifier: Fixed<string>;
  name: string;
  /** JSON array: agent ids, `label:...` or `*`: who may get tokens for it. */
  agents: string;
  /** JSON array: ids of clients, `registered` or `*`: which apps may ask people for it. */
  clients: string;
  /** JSON array: agent ids or `label:...`: who is this resource, and may introspect and exchange what it was sent. */
  servers: string;
  /** JSON array of { name, description?, agents? }. */
  scopes: string;
  created_at: Fixed<number>;
  updated_at: number;
}

/** A browser on its way through login and consent. */
export interface AuthorizationRequestRow {
  tenant_id: Fixed<string>;
  /** Hash of the cookie's secret. */
  id: Fixed<string>;
  client_id: Fixed<string>;
  client_version: Fixed<string>;
  redirect_uri: Fixed<string>;
  resource: Fixed<string>;
  /** JSON array. */
  scopes: Fixed<string>;
  code_challenge: Fixed<string>;
  dpop_jkt: Fixed<string | null>;
  prompt: Fixed<string | null>;
  /** Seconds. */
  max_age: Fixed<number | null>;
  /** Whether a remembered consent may answer it. */
  recallable: Fixed<0 | 1>;
  /** issuer: which one is to be chosen; login: at the user's issuer; consent: our page was shown; done: answered. */
  stage: "issuer" | "login" | "consent" | "done";
  /** Hash of the login's `state`; empty outside a login. */
  state_hash: string;
  issuer_id: string | null;
  user_id: string | null;
  user_epoch: number | null;
  /** Milliseconds; null before the login. */
  auth_time: number | null;
  /** The client's state and nonce, the login's secrets and the form token, sealed. */
  sealed_secrets: string;
  created_at: Fixed<number>;
  expires_at: Fixed<number>;
}

export interface AuthorizationCodeRow {
  tenant_id: Fixed<string>;
  hash: Fixed<string>;
  grant_id: Fixed<string>;
  redirect_uri: Fixed<string>;
  code_challenge: Fixed<string>;
  dpop_jkt: Fixed<string | null>;
  nonce: Fixed<string | null>;
  auth_time: Fixed<number | null>;
  used_at: number | null;
  created_at: Fixed<number>;
  expires_at: Fixed<number>;
}

export interface OauthGrantRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  client_id: Fixed<string>;
  client_version: Fixed<string>;
  /** Of a registered app; null for any other client. */
  client_epoch: Fixed<number | null>;
  /** The agent, where the client is one. */
  agent_id: Fixed<string | null>;
  agent_epoch: Fixed<number | null>;
  user_id: Fixed<string>;
  user_epoch: Fixed<number>;
  tenant_epoch: Fixed<number>;
  resource: Fixed<string>;
  /** Of client and resource. */
  place_hash: Fixed<string>;
  /** JSON array. */
  scopes: Fixed<string>;
  /** What was said of it alone; it is also over where an epoch has moved on. */
  status: "active" | "revoked";
  reason: string | null;
  created_at: Fixed<number>;
  updated_at: number;
  /** Slides with each refresh. */
  expires_at: number;
}

export interface RefreshTokenRow {
  tenant_id: Fixed<string>;
  hash: Fixed<string>;
  grant_id: Fixed<string>;
  /** Set for a public client that proved a key (RFC 9449 5). */
  dpop_jkt: Fixed<string | null>;
  spent_at: number | null;
  /** What makes the next one of this one, for as long as the spent one still answers it: neither store nor token alone tells the next. */
  successor_salt: string | null;
  created_at: Fixed<number>;
  expires_at: Fixed<number>;
}

export interface RememberedConsentRow {
  tenant_id: Fixed<string>;
  client_id: Fixed<string>;
  user_id: Fixed<string>;
  resource: Fixed<string>;
  /** Of client and resource. */
  place_hash: Fixed<string>;
  client_version: string;
  /** JSON array, sorted. */
  scopes: string;
  created_at: Fixed<number>;
  /** When it was said or used last, within a day. */
  updated_at: number;
}

/** An access token that was taken back before its end. */
export interface RevokedTokenRow {
  tenant_id: Fixed<string>;
  jti: Fixed<string>;
  expires_at: Fixed<number>;
}

export interface ProjectRow {
  tenant_id: Fixed<string>;
  /** Its name. */
  id: Fixed<string>;
  description: string | null;
  /** JSON array: agent ids, `label:...` or `*`: who of its agents may read it. */
  agents: string;
  /** JSON object: lane to the agents that may read it, in the same form. */
  lanes: string;
  /** JSON object: lane, empty for the default one, to what its set of variables holds. */
  sets: string;
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface VariableRow {
  tenant_id: Fixed<string>;
  project_id: Fixed<string>;
  /** Empty: the default set. */
  lane: Fixed<string>;
  name: Fixed<string>;
  /** What its seal is bound to. */
  id: Fixed<string>;
  sealed_value: string;
  /** Of name and value, in bytes. */
  size: number;
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface IntegrationRow {
  tenant_id: Fixed<string>;
  project_id: Fixed<string>;
  name: Fixed<string>;
  /** What its seal is bound to. */
  id: Fixed<string>;
  /** Where it is a stored string. */
  sealed_credential: string | null;
  /** Where it is a credential provider of the vault. */
  provider_id: string | null;
  /** JSON array: what is asked of the provider; null: the provider's own. */
  scopes: string | null;
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
