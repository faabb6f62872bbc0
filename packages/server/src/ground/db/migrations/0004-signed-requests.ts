import type { Columns } from "./columns.ts";

/** Access keys for signed requests, roles, token vaults, policy sets; what only a foreign wire says of a thing; and counters. */
export const signedRequests = ({ text, integer }: Columns): readonly string[] => [
  // What only one foreign wire has of a thing, by that wire; and redirect URIs, roles and descriptions that providers and issuers have there.
  `alter table agents add column foreign_attributes ${text}`,
  // Raised with each change of the agent's role: temporary keys of the former one are over.
  `alter table agents add column role_epoch ${integer} not null default 0`,
  `alter table issuers add column description ${text}`,
  `alter table providers add column foreign_attributes ${text}`,
  `alter table providers add column description ${text}`,
  `alter table providers add column redirect_uri ${text}`,
  `alter table providers add column role_arn ${text}`,
  `alter table providers add column pkce ${integer}`,
  "create index providers_by_age on providers (tenant_id, vault, created_at, id)",
  "create index providers_by_type on providers (tenant_id, vault, type, created_at, id)",
  "create index issuers_by_age on issuers (tenant_id, created_at, id)",

  // Made when its first provider is, or by itself; `default` is there without a row.
  `create table token_vaults (tenant_id ${text} not null, name ${text} not null, description ${text}, foreign_attributes ${text},
     created_at ${integer} not null, updated_at ${integer} not null, primary key (tenant_id, name))`,
  "create index token_vaults_by_age on token_vaults (tenant_id, created_at, name)",

  // A lasting key is an operator's or an agent's; a temporary one has an end, and carries the epochs that it was given in.
  `create table access_keys (id ${text} primary key, tenant_id ${text} not null, operator_id ${text}, agent_id ${text}, agent_epoch ${integer}, role_epoch ${integer},
     user_id ${text}, user_epoch ${integer}, tenant_epoch ${integer}, role_arn ${text}, role_id ${text}, session_name ${text}, session_policy ${text},
     sealed_secret ${text} not null, token_hash ${text}, description ${text}, created_at ${integer} not null,
     last_used_at ${integer}, expires_at ${integer})`,
  "create index access_keys_by_age on access_keys (tenant_id, created_at, id)",
  "create index access_keys_lasting on access_keys (tenant_id, created_at, id) where expires_at is null",
  "create index access_keys_lasting_by_agent on access_keys (tenant_id, agent_id, created_at, id) where expires_at is null",
  "create index access_keys_temporary_by_agent on access_keys (tenant_id, agent_id, expires_at) where expires_at is not null",
  "create index access_keys_by_user on access_keys (tenant_id, user_id, created_at, id) where user_id is not null",
  "create index access_keys_by_operator on access_keys (tenant_id, operator_id) where operator_id is not null",
  "create index access_keys_by_end on access_keys (expires_at) where expires_at is not null",
  "create index access_keys_by_data_key on access_keys (tenant_id, substr(sealed_secret, 1, 22), id)",

  `create table roles (tenant_id ${text} not null, id ${text} not null, name ${text} not null, arn ${text} not null, description ${text},
     agents ${text} not null, trust_policy ${text}, permission_policy ${text}, cloud ${text},
     version ${integer} not null, created_at ${integer} not null, updated_at ${integer} not null,
     primary key (id), unique (tenant_id, name), unique (tenant_id, arn))`,
  "create index roles_by_age on roles (tenant_id, created_at, id)",
  // Permission policies that stand by themselves and are attached to roles.
  `create table role_policies (tenant_id ${text} not null, name ${text} not null, document ${text} not null, description ${text},
     created_at ${integer} not null, updated_at ${integer} not null, primary key (tenant_id, name))`,
  "create index role_policies_by_age on role_policies (tenant_id, created_at, name)",
  `create table role_policy_attachments (tenant_id ${text} not null, role_id ${text} not null, policy_type ${text} not null, policy_name ${text} not null,
     created_at ${integer} not null, primary key (tenant_id, role_id, policy_type, policy_name))`,
  "create index role_policy_attachments_by_policy on role_policy_attachments (tenant_id, policy_type, policy_name)",

  `create table policy_sets (tenant_id ${text} not null, id ${text} not null, name ${text} not null, description ${text}, foreign_attributes ${text},
     created_at ${integer} not null, updated_at ${integer} not null, primary key (id), unique (tenant_id, name))`,
  "create index policy_sets_by_age on policy_sets (tenant_id, created_at, id)",
  `create table policies (tenant_id ${text} not null, set_id ${text} not null, id ${text} not null, name ${text} not null, description ${text}, cedar ${text} not null,
     version ${integer} not null, created_at ${integer} not null, updated_at ${integer} not null, primary key (id), unique (tenant_id, set_id, name))`,
  "create index policies_by_age on policies (tenant_id, set_id, created_at, id)",
  // Which set decides at which gateway: one at most.
  `create table gateway_policies (tenant_id ${text} not null, gateway ${text} not null, id ${text} not null, type ${text} not null, set_id ${text} not null,
     mode ${text} not null, attached_at ${integer} not null, updated_at ${integer} not null, primary key (tenant_id, gateway))`,
  "create index gateway_policies_by_set on gateway_policies (tenant_id, set_id, type, attached_at, id)",

  // How many of something a tenant has, for wires that tell it: kept with each change, never counted.
  `create table counters (tenant_id ${text} not null, name ${text} not null, count ${integer} not null, primary key (tenant_id, name))`,
  `insert into counters (tenant_id, name, count) select tenant_id, 'agents', count(*) from agents where deleted_at is null group by tenant_id`,
  `insert into counters (tenant_id, name, count) select tenant_id, 'issuers', count(*) from issuers group by tenant_id`,
  `insert into counters (tenant_id, name, count) select tenant_id, 'providers/' || type || '/' || vault, count(*) from providers group by tenant_id, type, vault`,
  `insert into token_vaults (tenant_id, name, created_at, updated_at)
     select tenant_id, vault, min(created_at), min(created_at) from providers where vault <> 'default' group by tenant_id, vault`,
  `insert into counters (tenant_id, name, count) select tenant_id, 'token_vaults', count(*) from token_vaults group by tenant_id`,
];
