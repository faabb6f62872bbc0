import type { Code } from "@legate/contract";
import type { RequestAnswer } from "../../access/grants/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";

/** What a client can be told at its redirect URI (RFC 6749 4.1.2.1, RFC 8707 2, OpenID Connect Core 3.1.2.6). */
export type AuthorizeError =
  | "invalid_request"
  | "unauthorized_client"
  | "access_denied"
  | "unsupported_response_type"
  | "invalid_scope"
  | "server_error"
  | "temporarily_unavailable"
  | "invalid_target"
  | "login_required"
  | "consent_required"
  | "request_not_supported"
  | "request_uri_not_supported";

/** What the request itself does wrong, in this wire's own words. */
export class AuthorizeFault extends Error {
  readonly error: AuthorizeError;

  constructor(error: AuthorizeError, message: string) {
    super(message);
    this.name = "AuthorizeFault";
    this.error = error;
  }
}

/** What this wire says for each reason. Those that never come about here are the server's fault if they do. */
export const authorizeErrors: Record<Code, AuthorizeError> = {
  invalid_request: "invalid_request",
  return_url_required: "server_error",
  return_url_not_allowed: "server_error",
  user_required: "server_error",
  user_token_invalid: "access_denied",
  provider_wrong_type: "server_error",
  grant_invalid: "server_error",
  grant_type_unsupported: "unauthorized_client",
  client_not_allowed: "unauthorized_client",
  scope_invalid: "invalid_scope",
  target_invalid: "invalid_target",
  dpop_invalid: "invalid_request",
  dpop_nonce_required: "invalid_request",
  redirect_uri_invalid: "invalid_request",
  login_required: "login_required",
  consent_required: "consent_required",
  unauthenticated: "access_denied",
  client_unauthenticated: "unauthorized_client",
  forbidden: "access_denied",
  agent_suspended: "unauthorized_client",
  user_suspended: "access_denied",
  provider_suspended: "server_error",
  asserted_users_forbidden: "server_error",
  session_user_mismatch: "access_denied",
  authorization_denied: "access_denied",
  authorization_expired: "access_denied",
  authorization_failed: "server_error",
  not_found: "server_error",
  tenant_unknown: "server_error",
  operator_unknown: "server_error",
  agent_unknown: "unauthorized_client",
  key_unknown: "server_error",
  user_unknown: "access_denied",
  issuer_unknown: "temporarily_unavailable",
  provider_unknown: "server_error",
  connection_unknown: "server_error",
  session_unknown: "server_error",
  client_unknown: "unauthorized_client",
  resource_unknown: "invalid_target",
  grant_unknown: "server_error",
  project_unknown: "server_error",
  variable_unknown: "server_error",
  integration_unknown: "server_error",
  method_not_allowed: "server_error",
  tenant_exists: "server_error",
  tenant_default: "server_error",
  operator_exists: "server_error",
  last_admin: "server_error",
  first_operator: "server_error",
  agent_exists: "server_error",
  agent_revoked: "unauthorized_client",
  user_revoked: "access_denied",
  too_many_keys: "server_error",
  issuer_exists: "server_error",
  issuer_in_use: "server_error",
  provider_exists: "server_error",
  authorization_pending: "server_error",
  client_exists: "server_error",
  resource_exists: "server_error",
  policy_invalid: "server_error",
  role_required: "server_error",
  access_key_unknown: "server_error",
  signature_mismatch: "server_error",
  nonce_used: "server_error",
  request_time_skewed: "server_error",
  security_token_invalid: "server_error",
  role_refused: "server_error",
  role_unknown: "server_error",
  vault_unknown: "server_error",
  policy_set_unknown: "server_error",
  policy_unknown: "server_error",
  gateway_unknown: "server_error",
  action_unknown: "server_error",
  role_exists: "server_error",
  role_in_use: "server_error",
  vault_exists: "server_error",
  vault_in_use: "server_error",
  policy_set_exists: "server_error",
  policy_set_in_use: "server_error",
  policy_exists: "server_error",
  too_many: "server_error",
  action_unsupported: "server_error",
  project_in_use: "server_error",
  session_used: "server_error",
  provider_refused: "server_error",
  payload_too_large: "invalid_request",
  unsupported_media_type: "invalid_request",
  rate_limited: "temporarily_unavailable",
  issuer_unavailable: "temporarily_unavailable",
  provider_unavailable: "temporarily_unavailable",
  unavailable: "temporarily_unavailable",
  internal: "server_error",
};

/** RFC 6749 4.1.2.1: what an `error_description` may hold. */
const describable = (text: string): string => text.replaceAll(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, "'");

type Fields = Readonly<Record<string, string | undefined>>;

/** A redirect URI with an answer; its own query stays as it is (RFC 6749 3.1.2). */
const withFields = (redirectUri: string, fields: Fields): string => {
  const query = Object.entries(fields)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .join("&");
  const joint = redirectUri.includes("?") ? (/[?&]$/.test(redirectUri) ? "" : "&") : "?";
  return `${redirectUri}${joint}${query}`;
};

const outcomeOf = (outcome: RequestAnswer["outcome"] | { readonly fault: AuthorizeFault }): Fields => {
  if ("code" in outcome) return { code: outcome.code };
  if ("fault" in outcome) return { error: outcome.fault.error, error_description: describable(outcome.fault.message) };
  return { error: authorizeErrors[outcome.refusal.code], error_description: describable(outcome.refusal.message) };
};

/**
 * Where the browser takes an answer.
 * @param issuer RFC 9207 2: `iss` stands in every answer, so that no client takes ours for another server's.
 */
export const answerUrl = (
  {
    redirectUri,
    state,
    outcome,
  }: Pick<RequestAnswer, "redirectUri" | "state"> & { outcome: RequestAnswer["outcome"] | { fault: AuthorizeFault } },
  issuer: string,
): string => withFields(redirectUri, { ...outcomeOf(outcome), state, iss: issuer });

/** A fault stays one; all else that was thrown is a refusal by now. */
export const outcomeFor = (thrown: AuthorizeFault | Refusal): { fault: AuthorizeFault } | { refusal: Refusal } =>
  thrown instanceof AuthorizeFault ? { fault: thrown } : { refusal: thrown };
