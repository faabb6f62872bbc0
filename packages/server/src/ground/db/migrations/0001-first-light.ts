import type { Columns } from "./columns.ts";

/** Tenants, keys, agents, users, issuers, providers, the vault and audit. */
export const firstLight = ({ text, integer }: Columns): readonly string[] => [
  `create table tenants (id ${text} primary key, status ${text} not null, epoch ${integer} not null, created_at ${integer} not null)`,

  `create table data_keys (id ${text} primary key, tenant_id ${text} not null, kek_id ${text} not null, wrapped ${text} not null,
     created_at ${integer} not null)`,
  "create index data_keys_by_tenant on data_keys (tenant_id, created_at)",
  `create table peppers (id ${text} primary key, kek_id ${text} not null, wrapped ${text} not null, created_at ${integer} not null)`,

  `create table operators (id ${text} primary key, tenant_id ${text} not null, name ${text} not null, role ${text} not null,
     key_hash ${text} not null unique, pepper_id ${text} not null, expires_at ${integer}, created_at ${integer} not null,
     unique (tenant_id, name))`,

  `create table agents (id ${text} primary key, tenant_id ${text} not null, name ${text} not null, title ${text}, description ${text},
     owner_email ${text}, status ${text} not null, origin ${text} not null, permissions ${text} not null, return_urls ${text} not null,
     issuer_id ${text}, role_arn ${text}, binding ${text}, asserted_users ${integer} not null, tier ${text}, labels ${text} not null,
     epoch ${integer} not null, created_at ${integer} not null, updated_at ${integer} not null, deleted_at ${integer})`,
  "create unique index agents_by_name on agents (tenant_id, name) where deleted_at is null",
  "create index agents_by_age on agents (tenant_id, created_at, id)",
  "create index agents_by_issuer on agents (issuer_id) where issuer_id is not null",

  `create table agent_keys (id ${text} primary key, tenant_id ${text} not null, agent_id ${text} not null, hash ${text} not null unique,
     pepper_id ${text} not null, hint ${text} not null, description ${text}, created_at ${integer} not null, last_used_at ${integer})`,
  "create index agent_keys_by_agent on agent_keys (tenant_id, agent_id, created_at, id)",

  `create table users (id ${text} primary key, tenant_id ${text} not null, issuer ${text} not null, subject ${text} not null,
     subject_claim ${text}, proven ${integer} not null, status ${text} not null, epoch ${integer} not null, created_at ${integer} not null,
     unique (tenant_id, issuer, subject))`,
  "create index users_by_age on users (tenant_id, created_at, id)",

  `create table issuers (id ${text} primary key, tenant_id ${text} not null, name ${text} not null, issuer ${text} not null,
     discovery_url ${text} not null, audiences ${text} not null, subject_claim ${text} not null, login_client_id ${text},
     login_client_auth ${text}, login_scopes ${text}, sealed_login_secret ${text}, created_at ${integer} not null,
     updated_at ${integer} not null, unique (tenant_id, name), unique (tenant_id, issuer))`,

  `create table signing_keys (id ${text} primary key, tenant_id ${text} not null, alg ${text} not null, public_jwk ${text} not null,
     sealed_private_jwk ${text} not null, created_at ${integer} not null, signs_from ${integer} not null, expires_at ${integer} not null,
     epoch ${integer} not null)`,
  "create index signing_keys_by_tenant on signing_keys (tenant_id, signs_from)",

  `create table providers (id ${text} primary key, tenant_id ${text} not null, vault ${text} not null, name ${text} not null,
     type ${text} not null, kind ${text}, agents ${text} not null, discovery_url ${text}, authorization_endpoint ${text},
     token_endpoint ${text}, issuer ${text}, client_id ${text}, client_auth ${text}, sealed_secret ${text}, scopes ${text} not null,
     scopes_key ${text} not null, flows ${text}, warnings ${text} not null, version ${integer} not null, created_at ${integer} not null,
     updated_at ${integer} not null, unique (tenant_id, vault, name))`,

  `create table connections (id ${text} primary key, tenant_id ${text} not null, agent_id ${text} not null, user_id ${text} not null,
     provider_id ${text} not null, resource ${text} not null, audience ${text} not null, scopes_key ${text} not null, state ${text} not null,
     version ${integer} not null, requested_scopes ${text} not null, granted_scopes ${text} not null, sealed_tokens ${text},
     refreshable ${integer} not null, obtained_at ${integer}, expires_at ${integer}, lease_owner ${text}, lease_until ${integer} not null,
     created_at ${integer} not null, updated_at ${integer} not null,
     unique (tenant_id, agent_id, user_id, provider_id, resource, audience, scopes_key))`,
  "create index connections_by_age on connections (tenant_id, created_at, id)",
  "create index connections_by_user on connections (tenant_id, user_id)",
  "create index connections_by_provider on connections (tenant_id, provider_id)",

  `create table authorization_sessions (id ${text} primary key, tenant_id ${text} not null, agent_id ${text} not null,
     agent_epoch ${integer} not null, user_id ${text} not null, user_epoch ${integer} not null, provider_id ${text} not null,
     resource ${text} not null, audience ${text} not null, scopes_key ${text} not null, requested_scopes ${text} not null,
     binding ${text} not null, return_url ${text}, sealed_custom_state ${text}, custom_parameters ${text} not null, forced ${integer} not null,
     state ${text} not null, reason ${text}, sealed_code ${text}, exchanging_since ${integer}, connection_id ${text}, connection_version ${integer},
     created_at ${integer} not null, expires_at ${integer} not null)`,
  "create index authorization_sessions_by_end on authorization_sessions (expires_at)",
  `create table authorization_visits (id ${text} primary key, tenant_id ${text} not null, session_id ${text} not null, stage ${text} not null,
     state_hash ${text} not null, sealed_secrets ${text} not null, created_at ${integer} not null)`,
  "create index authorization_visits_by_session on authorization_visits (session_id)",
  "create index authorization_visits_by_state on authorization_visits (state_hash)",

  `create table audit_events (tenant_id ${text} not null, id ${text} not null, at ${integer} not null, action ${text} not null,
     outcome ${text} not null, caller_kind ${text} not null, caller_id ${text}, agent_id ${text}, user_id ${text}, target ${text},
     request_id ${text} not null, address ${text}, details ${text} not null,
     primary key (tenant_id, at, id))`,
  "create index audit_events_by_agent on audit_events (tenant_id, agent_id, at, id) where agent_id is not null",
  "create index audit_events_by_user on audit_events (tenant_id, user_id, at, id) where user_id is not null",
];
