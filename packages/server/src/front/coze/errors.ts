import type { Code } from "@legate/contract";
import type { FastifyInstance } from "fastify";
import type { Limits } from "../../ground/limits/index.ts";
import { countedRefusalOf, refusalOf, setRefusalHeaders, withoutKeys } from "../http/index.ts";

/** What the token endpoint says (RFC 6749 5.2). */
type TokenError = "invalid_request" | "invalid_client" | "unsupported_grant_type" | "temporarily_unavailable" | "server_error";

/** What this wire says for a reason: the HTTP status, `code` of the secret endpoints, which is never 0, and `error` of the token endpoint. */
interface CozeError {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 429 | 500 | 503;
  readonly code: number;
  readonly error: TokenError;
}

/** Of the same status, `nth` tells one reason from another. */
const because = (status: CozeError["status"], nth: number, error: TokenError = "invalid_request"): CozeError => ({
  status,
  code: status * 100 + nth,
  error,
});

/** What only other wires refuse. */
const fault = because(500, 0, "server_error");

/** What this wire says for each reason. */
export const errors: Record<Code, CozeError> = {
  invalid_request: because(400, 0),
  grant_type_unsupported: because(400, 1, "unsupported_grant_type"),
  provider_wrong_type: because(400, 2),

  unauthenticated: because(401, 0, "invalid_client"),
  client_unauthenticated: because(401, 1, "invalid_client"),

  forbidden: because(403, 0),
  agent_suspended: because(403, 1, "invalid_client"),
  provider_suspended: because(403, 2),

  not_found: because(404, 0),
  project_unknown: because(404, 1),
  integration_unknown: because(404, 2),
  provider_unknown: because(404, 3),

  method_not_allowed: because(405, 0),
  provider_refused: because(409, 0),
  payload_too_large: because(413, 0),
  unsupported_media_type: because(415, 0),
  rate_limited: because(429, 0, "temporarily_unavailable"),

  unavailable: because(503, 0, "temporarily_unavailable"),
  provider_unavailable: because(503, 1, "temporarily_unavailable"),
  issuer_unavailable: because(503, 2, "temporarily_unavailable"),
  internal: fault,

  return_url_required: fault,
  return_url_not_allowed: fault,
  user_required: fault,
  user_token_invalid: fault,
  grant_invalid: fault,
  client_not_allowed: fault,
  scope_invalid: fault,
  target_invalid: fault,
  dpop_invalid: fault,
  dpop_nonce_required: fault,
  redirect_uri_invalid: fault,
  login_required: fault,
  consent_required: fault,
  user_suspended: fault,
  asserted_users_forbidden: fault,
  session_user_mismatch: fault,
  authorization_denied: fault,
  authorization_expired: fault,
  authorization_failed: fault,
  tenant_unknown: fault,
  operator_unknown: fault,
  agent_unknown: fault,
  key_unknown: fault,
  user_unknown: fault,
  issuer_unknown: fault,
  connection_unknown: fault,
  session_unknown: fault,
  client_unknown: fault,
  resource_unknown: fault,
  grant_unknown: fault,
  variable_unknown: fault,
  tenant_exists: fault,
  tenant_default: fault,
  operator_exists: fault,
  last_admin: fault,
  first_operator: fault,
  agent_exists: fault,
  agent_revoked: fault,
  user_revoked: fault,
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
};

/** RFC 6749 5.2: what an `error_description` may hold. */
const describable = (text: string): string => withoutKeys(text).replaceAll(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, "'");

/**
 * Answers every refusal of a scope as RFC 6749 5.2 says it. The original client reads nothing of it but the status, unless it comes with 200. No request
 * id stands in the body: equal refusals are equal byte for byte.
 */
export const answerTokenErrors = (scope: FastifyInstance, limits: Pick<Limits, "takeUnproven">): void => {
  scope.setErrorHandler((thrown, request, reply) => {
    const refusal = countedRefusalOf(thrown, request, limits);
    const { status, error } = errors[refusal.code];
    setRefusalHeaders(reply, refusal);
    // RFC 6749 5.2: with the scheme that a client tried.
    if (status === 401 && request.headers.authorization !== undefined) reply.header("www-authenticate", 'Basic realm="legate"');
    return reply
      .code(status)
      .header("pragma", "no-cache")
      .send({ error, error_description: describable(refusal.message) });
  });
};

/** Answers every refusal of a scope as the secret endpoints do: `{ code, msg }`, of which the original client shows `msg`. */
export const answerSecretErrors = (scope: FastifyInstance): void => {
  scope.setErrorHandler((thrown, request, reply) => {
    const refusal = refusalOf(thrown, request);
    const { status, code } = errors[refusal.code];
    setRefusalHeaders(reply, refusal);
    if (status === 401) reply.header("www-authenticate", 'Bearer realm="legate"');
    return reply.code(status).send({ code, msg: withoutKeys(refusal.message) });
  });
};

/** The same as the skill environments' clients read it: they look for `BaseResp` as well. */
export const answerSkillErrors = (scope: FastifyInstance): void => {
  scope.setErrorHandler((thrown, request, reply) => {
    const refusal = refusalOf(thrown, request);
    const { status, code } = errors[refusal.code];
    setRefusalHeaders(reply, refusal);
    if (status === 401) reply.header("www-authenticate", 'Bearer realm="legate"');
    const msg = withoutKeys(refusal.message);
    return reply.code(status).send({ code, msg, BaseResp: { StatusCode: code, StatusMessage: msg } });
  });
};
