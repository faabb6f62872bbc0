import type { Columns } from "./columns.ts";

/** What many replicas share, many tenants, the sealed audit, and keys that come and go. */
export const manyReplicas = ({ text, integer, counter }: Columns): readonly string[] => [
  `create table changes (id ${counter}, tenant_id ${text} not null, kind ${text} not null, target ${text} not null, at ${integer} not null)`,
  `create table jobs (tenant_id ${text} not null, name ${text} not null, owner ${text}, lease_until ${integer} not null, done_at ${integer} not null,
     primary key (tenant_id, name))`,
  `create table used_once (tenant_id ${text} not null, space ${text} not null, hash ${text} not null, expires_at ${integer} not null,
     primary key (tenant_id, space, hash))`,
  "create index used_once_by_end on used_once (expires_at)",
  `create table limit_counts (tenant_id ${text} not null, bucket ${text} not null, period ${integer} not null, used ${integer} not null,
     primary key (tenant_id, bucket, period))`,
  "create index limit_counts_by_period on limit_counts (period)",

  `alter table tenants add column account_id ${text}`,
  `alter table tenants add column deleted_at ${integer}`,
  `alter table tenants add column erased_at ${integer}`,
  "create unique index tenants_by_account on tenants (account_id)",
  "create index tenants_by_age on tenants (created_at, id)",
  `alter table operators add column hint ${text}`,
  `alter table operators add column last_used_at ${integer}`,
  "create index operators_by_age on operators (tenant_id, created_at, id)",
  `alter table providers add column status ${text} not null default 'active'`,

  // What a revocation would kill is counted from indexes alone.
  "drop index connections_by_user",
  "create index connections_by_user on connections (tenant_id, user_id, state)",
  "drop index connections_by_provider",
  "create index connections_by_provider on connections (tenant_id, provider_id, state, agent_id)",
  "create index connections_by_agent on connections (tenant_id, agent_id, state)",
  ...["agent", "user", "provider"].map(
    (by) =>
      `create index authorization_sessions_by_${by} on authorization_sessions (tenant_id, ${by}_id, expires_at)
         where state in ('pending', 'authorized', 'exchanging')`,
  ),

  "alter table signing_keys drop column epoch",
  `alter table signing_keys add column revoked_at ${integer}`,
  `alter table data_keys add column unneeded_since ${integer}`,
  `alter table peppers add column unneeded_since ${integer}`,
  `create table master_keys (id ${text} primary key, number ${integer} not null unique)`,
  // What is sealed names its data key in its first 22 characters: `s1.dk_` and 16 digits.
  "create index connections_by_data_key on connections (tenant_id, substr(sealed_tokens, 1, 22), id)",
  "create index agent_keys_by_pepper on agent_keys (pepper_id, id)",

  // Each row went to a random page of them. Blocks say whom their events name instead.
  "drop index audit_events_by_agent",
  "drop index audit_events_by_user",
  `create table audit_unsealed (tenant_id ${text} not null, at ${integer} not null, id ${text} not null, hash ${text} not null,
     agent_id ${text}, user_id ${text}, primary key (tenant_id, at, id))`,
  "insert into audit_unsealed (tenant_id, at, id, hash, agent_id, user_id) select tenant_id, at, id, '', agent_id, user_id from audit_events",
  `create table audit_blocks (tenant_id ${text} not null, number ${integer} not null, hash ${text} not null, count ${integer} not null,
     first_at ${integer} not null, last_at ${integer} not null, sealed_at ${integer} not null, events ${text} not null, primary key (tenant_id, number))`,
  "create index audit_blocks_by_begin on audit_blocks (tenant_id, first_at, number)",
  "create index audit_blocks_by_end on audit_blocks (tenant_id, last_at, number)",
  `create table audit_block_filters (tenant_id ${text} not null, last_at ${integer} not null, number ${integer} not null, first_at ${integer} not null,
     filter ${text} not null, primary key (tenant_id, last_at, number))`,
  `create table audit_checkpoints (tenant_id ${text} not null, block ${integer} not null, hash ${text} not null, token ${text} not null,
     at ${integer} not null, cut ${integer} not null, primary key (tenant_id, block, cut))`,
];
