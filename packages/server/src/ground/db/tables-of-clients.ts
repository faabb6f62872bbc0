import type { Fixed } from "./fixed.ts";

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
