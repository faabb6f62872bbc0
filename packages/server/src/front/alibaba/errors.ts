import type { Code } from "@legate/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { countedRefusalOf, setRefusalHeaders, withoutKeys } from "../http/index.ts";
import { workloadAccessToken } from "./names.ts";
import type { Interface, Naming } from "./operation.ts";

/** What was asked, as far as it is known when something is refused. */
export interface About {
  readonly interface: Interface;
  readonly naming: Naming;
  /** Whose things were searched; undefined where nobody is proven. */
  readonly account: string | undefined;
  readonly region: string;
}

type Status = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 429 | 500 | 503;

/** What this wire says for a reason: the HTTP status and `Code`. */
interface Said {
  readonly status: Status | ((about: About, refusal: Refusal) => Status);
  readonly code: string | ((about: About, refusal: Refusal) => string);
}

const say = (status: Said["status"], code: Said["code"]): Said => ({ status, code });

interface Issue {
  /** A parameter of this wire. */
  readonly parameter?: string;
  /** A field, as a room calls it. */
  readonly path?: string;
  readonly missing?: boolean;
}

const firstIssue = ({ details }: Refusal): Issue =>
  (Array.isArray(details["issues"]) ? (details["issues"] as readonly Issue[])[0] : undefined) ?? {};

const parameterOf = ({ parameter, path = "" }: Issue, { naming: { fields = {} } }: About): string | undefined =>
  parameter ?? (Object.hasOwn(fields, path) ? fields[path] : undefined);

/** `MissingParameter.X`, `InvalidParameter.X`: of the first that is wrong, if it is one of this wire. */
const faulty = (about: About, refusal: Refusal): string => {
  const issue = firstIssue(refusal);
  const parameter = parameterOf(issue, about);
  return [issue.missing === true ? "MissingParameter" : "InvalidParameter", ...(parameter === undefined ? [] : [parameter])].join(".");
};

const isToken = (refusal: Refusal): boolean => firstIssue(refusal).parameter === workloadAccessToken;

/** RAM and STS spell it without an s (wire: known error codes). */
const entityUnknown: Readonly<Record<Interface, string>> = {
  agentidentity: "EntityNotExists",
  agentidentitydata: "EntityNotExists",
  ram: "EntityNotExist",
  sts: "EntityNotExist",
};

const invalidParameter = (parameter: string) => `InvalidParameter.${parameter}`;
const policyInvalid: Readonly<Record<Interface, (parameter: string) => string>> = {
  agentidentity: invalidParameter,
  agentidentitydata: invalidParameter,
  ram: () => "MalformedPolicyDocument",
  sts: invalidParameter,
};

const quota = () => "QuotaExceeded";
const tooMany: Readonly<Record<Interface, (thing: string) => string>> = {
  agentidentity: quota,
  agentidentitydata: quota,
  ram: (thing) => `LimitExceeded.${thing}`,
  sts: quota,
};

const thingOf = ({ naming }: About, { code }: Refusal, usual: string): string => naming.things?.[code] ?? usual;

const unknown = (thing: string) => (about: About, refusal: Refusal) =>
  `${entityUnknown[about.interface]}.${thingOf(about, refusal, thing)}`;

const providerOf = ({ naming }: About): string => naming.provider ?? "OAuth2CredentialProvider";

const inUse =
  (thing: string): Said["code"] =>
  ({ naming }) =>
    `DeleteConflict.${naming.conflict ?? thing}`;

/** Whether the caller says where an issuer is: then it is at fault where none is there. */
const namesAddress = ({ naming }: About): boolean => naming.fields?.["discoveryUrl"] !== undefined;

/** What only other wires refuse. */
const fault = say(500, "InternalError");

/** What this wire says for each reason: the codes that its clients know (wire: known error codes), and beside them such as they would guess. */
export const errors: Record<Code, Said> = {
  invalid_request: say((_, refusal) => (isToken(refusal) ? 401 : 400), faulty),
  return_url_required: say(400, "MissingParameter.ResourceOAuth2ReturnURL"),
  return_url_not_allowed: say(400, "Missmatch.ResourceOAuth2ReturnURL"),
  user_required: say(400, "InvalidParameter.OAuth2Flow"),
  user_token_invalid: say(400, "InvalidParameter.JsonWebToken"),
  provider_wrong_type: say(400, ({ naming }, { details }) =>
    details["flow"] === undefined
      ? `InvalidParameter.${naming.fields?.["provider"] ?? "ResourceCredentialProviderName"}`
      : "InvalidParameter.OAuth2Flow",
  ),
  policy_invalid: say(400, ({ interface: of, naming }) => policyInvalid[of](naming.policy ?? "Policy")),
  role_required: say(400, "MissingRoleArn"),
  action_unsupported: say(400, "UnsupportedOperation"),

  unauthenticated: say(401, (_, refusal) => (isToken(refusal) ? `InvalidParameter.${workloadAccessToken}` : "IncompleteSignature")),
  access_key_unknown: say(401, "InvalidAccessKeyId.NotFound"),
  signature_mismatch: say(401, "SignatureDoesNotMatch"),
  nonce_used: say(401, "SignatureNonceUsed"),
  request_time_skewed: say(401, "InvalidTimeStamp.Expired"),
  security_token_invalid: say(401, "InvalidSecurityToken.MismatchWithAccessKey"),

  forbidden: say(403, "NoPermission"),
  role_refused: say(403, "NoPermission"),
  agent_suspended: say(403, "Forbidden.WorkloadIdentitySuspended"),
  user_suspended: say(403, "Forbidden.UserSuspended"),
  provider_suspended: say(403, (about) => `Forbidden.${providerOf(about)}Suspended`),
  asserted_users_forbidden: say(403, "Forbidden.UserId"),
  session_user_mismatch: say(403, "Forbidden.UserIdentifier"),
  authorization_denied: say(403, "Forbidden.AuthorizationDenied"),

  not_found: say(404, "NotFound"),
  tenant_unknown: say(404, "NotFound"),
  action_unknown: say(404, "InvalidAction.NotFound"),
  agent_unknown: say(404, unknown("WorkloadIdentity")),
  user_unknown: say(404, unknown("User")),
  issuer_unknown: say(404, unknown("IdentityProvider")),
  provider_unknown: say(404, (about, refusal) => unknown(providerOf(about))(about, refusal)),
  session_unknown: say(404, unknown("AuthorizationSession")),
  role_unknown: say(404, unknown("Role")),
  vault_unknown: say(404, unknown("TokenVault")),
  policy_set_unknown: say(404, unknown("PolicySet")),
  policy_unknown: say(404, unknown("Policy")),
  gateway_unknown: say(404, unknown("Gateway")),

  method_not_allowed: say(405, "UnsupportedHTTPMethod"),

  agent_exists: say(409, "EntityAlreadyExists.WorkloadIdentity"),
  issuer_exists: say(409, "EntityAlreadyExists.IdentityProvider"),
  provider_exists: say(409, (about) => `EntityAlreadyExists.${providerOf(about)}`),
  role_exists: say(409, "EntityAlreadyExists.Role"),
  vault_exists: say(409, "EntityAlreadyExists.TokenVault"),
  policy_set_exists: say(409, "EntityAlreadyExists.PolicySet"),
  policy_exists: say(409, (about, refusal) => `EntityAlreadyExists.${thingOf(about, refusal, "Policy")}`),
  agent_revoked: say(409, "InvalidStatus.WorkloadIdentity"),
  user_revoked: say(409, "InvalidStatus.User"),
  issuer_in_use: say(409, inUse("IdentityProvider")),
  role_in_use: say(409, inUse("Role")),
  vault_in_use: say(409, inUse("TokenVault")),
  policy_set_in_use: say(409, ({ naming }) =>
    naming.things?.policy_set_in_use === undefined
      ? `DeleteConflict.${naming.conflict ?? "PolicySet"}`
      : `EntityAlreadyExists.${naming.things.policy_set_in_use}`,
  ),
  too_many: say(409, (about, refusal) => tooMany[about.interface](thingOf(about, refusal, "Role"))),
  session_used: say(409, "AuthorizationSessionUsed"),
  authorization_pending: say(409, "AuthorizationPending"),
  authorization_expired: say(409, "AuthorizationExpired"),
  authorization_failed: say(409, "AuthorizationFailed"),
  provider_refused: say(409, "CredentialProviderRefused"),

  payload_too_large: say(413, "RequestTooLarge"),
  unsupported_media_type: say(415, "UnsupportedMediaType"),
  rate_limited: say(429, "Throttling.User"),

  issuer_unavailable: say(
    (about) => (namesAddress(about) ? 400 : 503),
    (about) => (namesAddress(about) ? "InvalidOAuthDiscoveryURL" : "ServiceUnavailable.IdentityProvider"),
  ),
  provider_unavailable: say(503, "ServiceUnavailable.CredentialProvider"),
  unavailable: say(503, "ServiceUnavailable"),
  internal: fault,

  grant_invalid: fault,
  grant_type_unsupported: fault,
  client_not_allowed: fault,
  scope_invalid: fault,
  target_invalid: fault,
  dpop_invalid: fault,
  dpop_nonce_required: fault,
  redirect_uri_invalid: fault,
  login_required: fault,
  consent_required: fault,
  client_unauthenticated: fault,
  operator_unknown: fault,
  key_unknown: fault,
  connection_unknown: fault,
  client_unknown: fault,
  resource_unknown: fault,
  grant_unknown: fault,
  project_unknown: fault,
  variable_unknown: fault,
  integration_unknown: fault,
  tenant_exists: fault,
  tenant_default: fault,
  operator_exists: fault,
  last_admin: fault,
  first_operator: fault,
  too_many_keys: fault,
  client_exists: fault,
  resource_exists: fault,
  project_in_use: fault,
};

const textOf = (code: Said["code"], about: About, refusal: Refusal): string => (typeof code === "string" ? code : code(about, refusal));

/** The sentence; where something is not there, also where it was looked for: two accounts are easily mixed up. */
const messageOf = ({ message }: Refusal, code: string, { account, region }: About): string =>
  account !== undefined && code.startsWith("EntityNotExist")
    ? `${message} It was looked for in account ${account}, region ${region}.`
    : message;

/** What a refusal is on this wire. */
export const saidOf = (refusal: Refusal, about: About): { readonly status: Status; readonly code: string; readonly message: string } => {
  const said = errors[refusal.code];
  const code = textOf(said.code, about, refusal);
  const status = typeof said.status === "number" ? said.status : said.status(about, refusal);
  return { status, code, message: withoutKeys(messageOf(refusal, code, about)) };
};

/** Answers every refusal of a scope: `{ RequestId, Code, Message }`. A client takes what says when to come back for throttling, and waits. */
export const answerErrors = (
  scope: FastifyInstance,
  limits: Pick<Limits, "takeUnproven">,
  aboutOf: (request: FastifyRequest) => About,
): void => {
  scope.setErrorHandler((thrown, request, reply) => {
    const refusal = countedRefusalOf(thrown, request, limits);
    const { status, code, message } = saidOf(refusal, aboutOf(request));
    setRefusalHeaders(reply, refusal);
    const seconds = Number(reply.getHeader("retry-after"));
    if (refusal.code === "rate_limited") reply.header("x-acs-retry-after", String(seconds * 1000));
    // RFC 9110 11.6.1: a 401 says which scheme would do.
    if (status === 401) reply.header("www-authenticate", "ACS3-HMAC-SHA256");
    return reply.code(status).type("application/json; charset=utf-8").send({ RequestId: request.id, Code: code, Message: message });
  });
};
