import type { Kysely, Selectable } from "kysely";
import type {
  AuthorizationCodeRow,
  AuthorizationRequestRow,
  ClientDocumentRow,
  ClientRow,
  OauthGrantRow,
  RefreshTokenRow,
  RememberedConsentRow,
  ResourceRow,
  RevokedTokenRow,
} from "./tables-of-clients.ts";
import type {
  AuditBlockFilterRow,
  AuditBlockRow,
  AuditCheckpointRow,
  AuditEventRow,
  AuditUnsealedRow,
  ChangeRow,
  CounterRow,
  DataKeyRow,
  JobRow,
  LimitCountRow,
  MasterKeyRow,
  PepperRow,
  UsedOnceRow,
} from "./tables-of-ground.ts";
import type {
  AccessKeyRow,
  AgentKeyRow,
  AgentRow,
  ClientKeyRow,
  ClientSecretRow,
  IssuerRow,
  OperatorRow,
  SigningKeyRow,
  TenantRow,
  UserRow,
} from "./tables-of-identity.ts";
import type { IntegrationRow, ProjectRow, VariableRow } from "./tables-of-projects.ts";
import type { AuthorizationSessionRow, AuthorizationVisitRow, ConnectionRow, ProviderRow, TokenVaultRow } from "./tables-of-providers.ts";
import type { GatewayPolicyRow, PolicyRow, PolicySetRow, RolePolicyAttachmentRow, RolePolicyRow, RoleRow } from "./tables-of-roles.ts";

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
  token_vaults: TokenVaultRow;
  access_keys: AccessKeyRow;
  roles: RoleRow;
  role_policies: RolePolicyRow;
  role_policy_attachments: RolePolicyAttachmentRow;
  policy_sets: PolicySetRow;
  policies: PolicyRow;
  gateway_policies: GatewayPolicyRow;
  counters: CounterRow;
}

/** A handle inside a transaction, or for reading what is committed. */
export type Handle = Kysely<Tables>;

/** A row as a query answers it. */
export type Row<T extends keyof Tables> = Selectable<Tables[T]>;
