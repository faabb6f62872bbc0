import type { Code } from "@legate/contract";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { countedRefusalOf, setRefusalHeaders } from "../http/index.ts";

/** What an OAuth client is told: HTTP status, and `error` of RFC 6749 5.2, RFC 8693 2.2.2, RFC 8707 2 or RFC 9449 5 and 8. */
interface OauthError {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 500 | 503;
  readonly error:
    | "invalid_request"
    | "invalid_client"
    | "invalid_grant"
    | "unauthorized_client"
    | "unsupported_grant_type"
    | "invalid_scope"
    | "invalid_target"
    | "invalid_dpop_proof"
    | "use_dpop_nonce"
    | "temporarily_unavailable"
    | "server_error";
}

const request: OauthError = { status: 400, error: "invalid_request" };
const grant: OauthError = { status: 400, error: "invalid_grant" };
const client: OauthError = { status: 401, error: "invalid_client" };
/** What only other wires refuse. */
const fault: OauthError = { status: 500, error: "server_error" };
const later: OauthError = { status: 503, error: "temporarily_unavailable" };

/** What this wire says for each reason. */
export const errors: Record<Code, OauthError> = {
  invalid_request: request,
  grant_invalid: grant,
  user_token_invalid: grant,
  user_suspended: grant,
  user_revoked: grant,
  session_user_mismatch: grant,
  grant_type_unsupported: { status: 400, error: "unsupported_grant_type" },
  client_not_allowed: { status: 400, error: "unauthorized_client" },
  scope_invalid: { status: 400, error: "invalid_scope" },
  target_invalid: { status: 400, error: "invalid_target" },
  resource_unknown: { status: 400, error: "invalid_target" },
  dpop_invalid: { status: 400, error: "invalid_dpop_proof" },
  dpop_nonce_required: { status: 400, error: "use_dpop_nonce" },
  redirect_uri_invalid: grant,

  unauthenticated: client,
  client_unauthenticated: client,
  client_unknown: client,
  agent_unknown: client,
  agent_suspended: client,
  agent_revoked: client,
  forbidden: { status: 403, error: "unauthorized_client" },

  not_found: { status: 404, error: "invalid_request" },
  method_not_allowed: { status: 405, error: "invalid_request" },
  payload_too_large: { status: 413, error: "invalid_request" },
  unsupported_media_type: { status: 415, error: "invalid_request" },
  rate_limited: { status: 429, error: "temporarily_unavailable" },

  issuer_unavailable: later,
  provider_unavailable: later,
  unavailable: later,
  internal: fault,

  return_url_required: fault,
  return_url_not_allowed: fault,
  user_required: fault,
  provider_wrong_type: fault,
  login_required: fault,
  consent_required: fault,
  provider_suspended: fault,
  asserted_users_forbidden: fault,
  authorization_denied: fault,
  authorization_expired: fault,
  authorization_failed: fault,
  tenant_unknown: fault,
  operator_unknown: fault,
  key_unknown: fault,
  user_unknown: fault,
  issuer_unknown: fault,
  provider_unknown: fault,
  connection_unknown: fault,
  session_unknown: fault,
  grant_unknown: fault,
  project_unknown: fault,
  variable_unknown: fault,
  integration_unknown: fault,
  tenant_exists: fault,
  tenant_default: fault,
  operator_exists: fault,
  last_admin: fault,
  first_operator: fault,
  agent_exists: fault,
  too_many_keys: fault,
  issuer_exists: fault,
  issuer_in_use: fault,
  provider_exists: fault,
  authorization_pending: fault,
  client_exists: fault,
  resource_exists: fault,
  policy_invalid: fault,
  role_required: fault,
  access_key_unknown: fault,
  signature_mismatch: fault,
  nonce_used: fault,
  request_time_skewed: fault,
  security_token_invalid: fault,
  role_refused: fault,
  role_unknown: fault,
  vault_unknown: fault,
  policy_set_unknown: fault,
  policy_unknown: fault,
  gateway_unknown: fault,
  action_unknown: fault,
  role_exists: fault,
  role_in_use: fault,
  vault_exists: fault,
  vault_in_use: fault,
  policy_set_exists: fault,
  policy_set_in_use: fault,
  policy_exists: fault,
  too_many: fault,
  action_unsupported: fault,
  project_in_use: fault,
  session_used: fault,
  provider_refused: fault,
};

/** RFC 6749 5.2: what an `error_description` may hold. */
const describable = (text: string): string => text.replaceAll(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, "'");

/** RFC 9449 8: whoever is to make a proof with a nonce is told which. */
export const setNonce = (reply: FastifyReply, { details }: Refusal): void => {
  if (typeof details["nonce"] === "string") reply.header("dpop-nonce", details["nonce"]);
};

/** Answers every refusal of a scope as RFC 6749 5.2 says it. No request id stands in the body: equal refusals are equal byte for byte. */
export const answerErrors = (scope: FastifyInstance, limits: Pick<Limits, "takeUnproven">): void => {
  scope.setErrorHandler((thrown, request, reply) => {
    const refusal = countedRefusalOf(thrown, request, limits);
    const { status, error } = errors[refusal.code];
    setRefusalHeaders(reply, refusal);
    setNonce(reply, refusal);
    // RFC 6749 5.2: with the scheme that a client tries, which is this one or none.
    if (status === 401) reply.header("www-authenticate", 'Basic realm="legate"');
    return reply
      .code(status)
      .header("pragma", "no-cache")
      .send({ error, error_description: describable(refusal.message) });
  });
};
