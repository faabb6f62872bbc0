import type { ColumnType, Generated, Kysely, Selectable } from "kysely";
import type {
  AuthorizationCodeRow,
  AuthorizationRequestRow,
  ClientDocumentRow,
  ClientKeyRow,
  ClientRow,
  ClientSecretRow,
  IntegrationRow,
  OauthGrantRow,
  ProjectRow,
  RefreshTokenRow,
  RememberedConsentRow,
  ResourceRow,
  RevokedTokenRow,
  VariableRow,
} from "./tables-of-grants.ts";

/**
 * Every table, as both stores hold it: times are integer milliseconds, booleans 0 or 1, JSON and ids text. A room's queries live in its own
 * `*-table.ts`; the shapes stand here because a migration owns them, not a room.
 */
export interface Tables {
  tenants: TenantRow;
  data_keys: DataKeyRow;
  peppers: PepperRow;
  master_keys: MasterKeyRow;
  operators: OperatorRow;
  agents: AgentRow;
  agent_keys: AgentKeyRow;
  users: UserRow;
  issuers: IssuerRow;
  signing_keys: SigningKeyRow;
  providers: ProviderRow;
  connections: ConnectionRow;
  authorization_sessions: AuthorizationSessionRow;
  authorization_visits: AuthorizationVisitRow;
  audit_events: AuditEventRow;
  audit_unsealed: AuditUnsealedRow;
  audit_blocks: AuditBlockRow;
  audit_block_filters: AuditBlockFilterRow;
  audit_checkpoints: AuditCheckpointRow;
  changes: ChangeRow;
  jobs: JobRow;
  used_once: UsedOnceRow;
  limit_counts: LimitCountRow;
  client_secrets: ClientSecretRow;
  client_keys: ClientKeyRow;
  clients: ClientRow;
  client_documents: ClientDocumentRow;
  resources: ResourceRow;
  authorization_requests: AuthorizationRequestRow;
  authorization_codes: AuthorizationCodeRow;
  oauth_grants: OauthGrantRow;
  refresh_tokens: RefreshTokenRow;
  remembered_consents: RememberedConsentRow;
  revoked_tokens: RevokedTokenRow;
  projects: ProjectRow;
  variables: VariableRow;
  integrations: IntegrationRow;
}

/** A handle inside a transaction, or for reading what is committed. */
export type Handle = Kysely<Tables>;

/** A row as a query answers it. */
export type Row<T extends keyof Tables> = Selectable<Tables[T]>;

/** Set once, never changed. */
type Fixed<T> = ColumnType<T, T, never>;

interface TenantRow {
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

interface DataKeyRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  /** Which key-encryption key wraps it. */
  kek_id: string;
  wrapped: string;
  created_at: Fixed<number>;
  /** Since when nothing stored needs it; null while something may. */
  unneeded_since: ColumnType<number | null, undefined, number | null>;
}

interface PepperRow {
  id: Fixed<string>;
  kek_id: string;
  wrapped: string;
  created_at: Fixed<number>;
  /** Since when nothing stored needs it; null while something may. */
  unneeded_since: ColumnType<number | null, undefined, number | null>;
}

/** A master key that was at some time the one that wraps; the highest number is the one that does. */
interface MasterKeyRow {
  /** Tells which key it is; says nothing about the key. */
  id: Fixed<string>;
  number: Fixed<number>;
}

interface OperatorRow {
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

interface AgentRow {
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
  binding: "application" | "login" | "none" | null;
  asserted_users: number;
  tier: string | null;
  /** Null: the project `default`. */
  project: ColumnType<string | null, string | null | undefined, string | null>;
  /** JSON object of text. */
  labels: string;
  epoch: number;
  created_at: Fixed<number>;
  updated_at: number;
  /** Set on a tombstone. */
  deleted_at: number | null;
}

interface AgentKeyRow {
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

interface UserRow {
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

interface IssuerRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  name: Fixed<string>;
  issuer: Fixed<string>;
  discovery_url: Fixed<string>;
  /** JSON array of text. */
  audiences: string;
  subject_claim: string;
  login_client_id: string | null;
  login_client_auth: "client_secret_basic" | "client_secret_post" | "private_key_jwt" | "none" | null;
  /** JSON array of text. */
  login_scopes: string | null;
  sealed_login_secret: string | null;
  created_at: Fixed<number>;
  updated_at: number;
}

interface SigningKeyRow {
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

interface ProviderRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  vault: Fixed<string>;
  name: Fixed<string>;
  type: Fixed<"api_key" | "oauth2">;
  kind: Fixed<string | null>;
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
  /** Raised by every change. */
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

interface ConnectionRow {
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

interface AuthorizationSessionRow {
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

interface AuthorizationVisitRow {
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

interface AuditEventRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  at: Fixed<number>;
  action: Fixed<string>;
  outcome: Fixed<"done" | "refused">;
  caller_kind: Fixed<string>;
  caller_id: Fixed<string | null>;
  agent_id: Fixed<string | null>;
  user_id: Fixed<string | null>;
  target: Fixed<string | null>;
  request_id: Fixed<string>;
  address: Fixed<string | null>;
  /** JSON object. */
  details: Fixed<string>;
}

/** An event that no block holds yet. */
interface AuditUnsealedRow {
  tenant_id: Fixed<string>;
  at: Fixed<number>;
  id: Fixed<string>;
  /** Of its line; empty where it was written before there was a chain. */
  hash: Fixed<string>;
  agent_id: Fixed<string | null>;
  user_id: Fixed<string | null>;
}

/** A link of a tenant's audit chain: the events it holds, and a hash over them and over the block before. */
interface AuditBlockRow {
  tenant_id: Fixed<string>;
  /** 1, 2, 3 ... without a gap. */
  number: Fixed<number>;
  hash: Fixed<string>;
  count: Fixed<number>;
  first_at: Fixed<number>;
  last_at: Fixed<number>;
  sealed_at: Fixed<number>;
  /** JSON array of [at, id, hash of the event], in the order of the chain; once retention has cut them, the hash over their hashes as a JSON string. */
  events: string;
}

/** Whom the events of a block name, for a stretch of time. */
interface AuditBlockFilterRow {
  tenant_id: Fixed<string>;
  last_at: Fixed<number>;
  /** The block's. */
  number: Fixed<number>;
  first_at: Fixed<number>;
  /** A Bloom filter, base64url. */
  filter: Fixed<string>;
}

/** A signed word on where the chain stood. */
interface AuditCheckpointRow {
  tenant_id: Fixed<string>;
  block: Fixed<number>;
  hash: Fixed<string>;
  /** Compact JWS. */
  token: Fixed<string>;
  at: Fixed<number>;
  /** 1 where retention cut everything up to this block. */
  cut: Fixed<0 | 1>;
}

interface ChangeRow {
  id: Generated<number>;
  tenant_id: Fixed<string>;
  kind: Fixed<string>;
  target: Fixed<string>;
  at: Fixed<number>;
}

/** One job, and who does it now. */
interface JobRow {
  tenant_id: Fixed<string>;
  name: Fixed<string>;
  owner: string | null;
  lease_until: number;
  done_at: number;
}

interface UsedOnceRow {
  tenant_id: Fixed<string>;
  space: Fixed<string>;
  hash: Fixed<string>;
  expires_at: Fixed<number>;
}

interface LimitCountRow {
  tenant_id: Fixed<string>;
  bucket: Fixed<string>;
  period: Fixed<number>;
  used: number;
}
