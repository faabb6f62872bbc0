import type { Code } from "@legate/contract";
import type { FastifyInstance } from "fastify";
import { refusalOf, setRefusalHeaders, withoutKeys } from "../http/index.ts";

/** The HTTP status of each reason: 400 what does not fit the operation, 401 and 403 who asks, 404 what is not there, 409 what stands against it. */
export const errors: Record<Code, number> = {
  invalid_request: 400,
  return_url_required: 400,
  return_url_not_allowed: 400,
  user_required: 400,
  user_token_invalid: 400,
  provider_wrong_type: 400,
  policy_invalid: 400,
  role_required: 400,
  action_unsupported: 400,

  grant_invalid: 400,
  grant_type_unsupported: 400,
  client_not_allowed: 400,
  scope_invalid: 400,
  target_invalid: 400,
  dpop_invalid: 400,
  dpop_nonce_required: 400,
  redirect_uri_invalid: 400,
  login_required: 400,
  consent_required: 400,

  unauthenticated: 401,
  client_unauthenticated: 401,
  access_key_unknown: 401,
  signature_mismatch: 401,
  nonce_used: 401,
  request_time_skewed: 401,
  security_token_invalid: 401,

  forbidden: 403,
  agent_suspended: 403,
  user_suspended: 403,
  provider_suspended: 403,
  asserted_users_forbidden: 403,
  session_user_mismatch: 403,
  authorization_denied: 403,
  role_refused: 403,

  not_found: 404,
  tenant_unknown: 404,
  operator_unknown: 404,
  agent_unknown: 404,
  key_unknown: 404,
  user_unknown: 404,
  issuer_unknown: 404,
  provider_unknown: 404,
  connection_unknown: 404,
  session_unknown: 404,
  client_unknown: 404,
  resource_unknown: 404,
  grant_unknown: 404,
  project_unknown: 404,
  variable_unknown: 404,
  integration_unknown: 404,
  role_unknown: 404,
  vault_unknown: 404,
  policy_set_unknown: 404,
  policy_unknown: 404,
  gateway_unknown: 404,
  action_unknown: 404,

  method_not_allowed: 405,

  tenant_exists: 409,
  tenant_default: 409,
  operator_exists: 409,
  last_admin: 409,
  first_operator: 409,
  agent_exists: 409,
  agent_revoked: 409,
  user_revoked: 409,
  too_many_keys: 409,
  issuer_exists: 409,
  issuer_in_use: 409,
  provider_exists: 409,
  client_exists: 409,
  resource_exists: 409,
  project_in_use: 409,
  role_exists: 409,
  role_in_use: 409,
  vault_exists: 409,
  vault_in_use: 409,
  policy_set_exists: 409,
  policy_set_in_use: 409,
  policy_exists: 409,
  too_many: 409,
  session_used: 409,
  authorization_pending: 409,
  authorization_expired: 409,
  authorization_failed: 409,
  provider_refused: 409,

  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,

  issuer_unavailable: 503,
  provider_unavailable: 503,
  unavailable: 503,

  internal: 500,
};

/** Answers every refusal below `scope` as this wire says it: `{ error: { code, message, requestId, details? } }`. */
export const answerErrors = (scope: FastifyInstance): void => {
  scope.setErrorHandler((thrown, request, reply) => {
    const refusal = refusalOf(thrown, request);
    const { code, message, details } = refusal;
    setRefusalHeaders(reply, refusal);
    // RFC 9110 11.6.1 and RFC 6750 3: a 401 says which scheme would do.
    if (errors[code] === 401) reply.header("www-authenticate", 'Bearer realm="legate"');
    const body = { error: { code, message, requestId: request.id, ...(Object.keys(details).length > 0 && { details }) } };
    return reply
      .code(errors[code])
      .type("application/json; charset=utf-8")
      .send(withoutKeys(JSON.stringify(body)));
  });
};
