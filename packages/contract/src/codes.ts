/**
 * Every reason Legate can give for saying no, each with the sentence that documents it. The set is closed: adding one breaks the build of
 * every dialect until that dialect has an answer for it.
 */
export const codes = {
  invalid_request: "The request does not parse: a field is missing, unknown or malformed. `details.issues` names each field.",
  return_url_required: "This agent's binding needs a return URL. Send `returnUrl`, or set the agent's `binding` to `login` or `none`.",
  return_url_not_allowed: "The return URL is not, character for character, on the agent's `allowedReturnUrls`.",
  user_required: "The flow acts for a user, and the workload token names none.",
  user_token_invalid: "The user token is not one this agent may act on: `details.reason` says which check it failed.",
  provider_wrong_type: "The credential provider is of another type or does not serve this flow.",
  unauthenticated: "No credential, or one that is unknown, expired or dead.",
  forbidden: "The credential is known, and may not do this.",
  agent_suspended: "The agent is suspended or revoked.",
  user_suspended: "The user is suspended.",
  asserted_users_forbidden: "This agent may not speak for a user id without that user's token.",
  session_user_mismatch: "The consent was begun for another user.",
  authorization_denied: "The user, or the provider on the user's behalf, refused the consent.",
  authorization_expired: "The consent was not finished in time. Ask for the credential again to begin a new one.",
  authorization_failed: "The consent came back, but no token could be had for it. `details.reason` says why.",
  not_found: "There is nothing at this address.",
  agent_unknown: "There is no such agent.",
  key_unknown: "There is no such key.",
  user_unknown: "There is no such user.",
  issuer_unknown: "There is no such trusted issuer.",
  provider_unknown: "There is no such credential provider, or this agent may not use it.",
  connection_unknown: "There is no such connection.",
  session_unknown: "There is no such authorization session.",
  method_not_allowed: "The address exists, and does not answer this method.",
  agent_exists: "There is already an agent of this name.",
  agent_revoked: "The agent is revoked, which is final.",
  too_many_keys: "The agent already has two live keys. Delete one before making another.",
  issuer_exists: "There is already an issuer of this name or issuer URL.",
  issuer_in_use: "Users or agents depend on this issuer, so this cannot change.",
  provider_exists: "There is already a credential provider of this name in the vault.",
  authorization_pending: "The user has not come back from the consent yet.",
  session_used: "This authorization session has been used up.",
  provider_refused: "The credential provider refused. `details.error` carries its own error code.",
  payload_too_large: "The request is larger than this server reads.",
  unsupported_media_type: "The request's content type is not one this address reads.",
  rate_limited: "Too many requests. `Retry-After` says when to try again.",
  issuer_unavailable: "The trusted issuer cannot be reached, and nothing cached can stand in for it.",
  provider_unavailable: "The credential provider cannot be reached or answered nonsense. Try again.",
  unavailable: "Legate cannot serve this right now. Try again.",
  internal: "Something failed inside Legate. The request id finds it in the logs.",
} as const satisfies Record<string, string>;

/** One reason for saying no. */
export type Code = keyof typeof codes;
