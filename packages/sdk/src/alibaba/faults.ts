import {
  type ApiErrorFacts,
  AuthorizationDeniedError,
  AuthorizationExpiredError,
  AuthorizationFailedError,
  LegateApiError,
  LegateConnectionError,
} from "../errors.ts";

const endings = [
  [/denied|reject|refus|cancel/i, AuthorizationDeniedError, "Forbidden.AuthorizationDenied"],
  [/expired|timeout/i, AuthorizationExpiredError, "AuthorizationExpired"],
  [/fail|error/i, AuthorizationFailedError, "AuthorizationFailed"],
] as const;

/** The error that a consent's status ends in; undefined while it is under way, which a word means that nobody documented. */
export const consentEnd = (status: string | undefined, facts: Omit<ApiErrorFacts, "code">): LegateApiError | undefined => {
  const found = status === undefined ? undefined : endings.find(([pattern]) => pattern.test(status));
  return found && new found[1]("The consent ended without a token.", { ...facts, code: found[2] });
};

const hints: readonly (readonly [RegExp, string])[] = [
  [/^MissingParameter\.ResourceOAuth2ReturnURL$/, "Give `callbackUrl`, or turn the workload's session binding off."],
  [
    /^Missmatch\.ResourceOAuth2ReturnURL$/,
    "`callbackUrl` must be, character for character, one of the workload's AllowedResourceOAuth2ReturnURLs; http and https are two.",
  ],
  [/^MissingRoleArn$/, "Give the workload a role, or set AGENT_IDENTITY_USE_STS=false to sign with the caller's own key."],
];

/** What a code alone does not tell, and the place that was asked: two accounts or regions are easily mixed up. */
export const hintFor = (code: string, place: string): string =>
  /^EntityNotExists?\./.test(code) ? `It was asked of ${place}.` : (hints.find(([pattern]) => pattern.test(code))?.[1] ?? "");

/** The error class that a code deserves. */
export const faultOf = (message: string, facts: ApiErrorFacts): LegateApiError => {
  const found = /^(Forbidden\.)?Authorization/.test(facts.code) ? endings.find(([pattern]) => pattern.test(facts.code)) : undefined;
  return new (found?.[1] ?? LegateApiError)(message, facts);
};

const passing = new Set([429, 500, 502, 503, 504]);

/** A certificate that is not trusted will not be so in a moment either. */
const untrusted = /CERT|SELF_SIGNED|^UNABLE_TO|^ERR_TLS/;

/** Whether the same request may succeed a little later. The cloud throttles with any status. */
export const isPassing = (error: unknown): boolean =>
  (error instanceof LegateConnectionError && !untrusted.test(error.reason)) ||
  (error instanceof LegateApiError && (passing.has(error.status) || /^(Throttling|ServiceUnavailable)/.test(error.code)));

/** Whether the workload token was refused, not the key that signed. */
export const isTokenRefused = (error: unknown): boolean => error instanceof LegateApiError && error.code.endsWith(".WorkloadAccessToken");

/** Whether the key that signed was refused, and another may do: it has expired or was taken back. */
export const isKeyRefused = (error: unknown): boolean =>
  error instanceof LegateApiError &&
  /^(InvalidAccessKeyId|InvalidSecurityToken|MissingSecurityToken|SecurityTokenExpired)/.test(error.code);

/** Whether the key was good and its holder may not do this. */
export const isForbidden = (error: unknown): boolean =>
  error instanceof LegateApiError && /^(NoPermission|Forbidden\.(RAM|NoPermission))/.test(error.code);
