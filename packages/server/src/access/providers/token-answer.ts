import type { Kind } from "./kinds.ts";

/** What a provider gave. */
export interface UpstreamTokens {
  readonly accessToken: string;
  readonly tokenType: string;
  /** Undefined at a refresh: the one that was used stays. */
  readonly refreshToken?: string | undefined;
  /** Seconds; undefined where the provider does not say. */
  readonly expiresIn?: number | undefined;
  /** What was granted, where the provider says. */
  readonly scopes?: readonly string[] | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === "";

/** The fields of RFC 6749 5.1, wherever the kind puts them. An ID token is left out: the vault wants the access token and believes no claim. */
const standard = (kind: Kind, answer: Fields): Fields => {
  const nested = kind.userTokenIn && answer[kind.userTokenIn];
  const from = isObject(nested) && !isEmpty(nested["access_token"]) ? nested : answer;
  const { access_token, token_type, refresh_token, expires_in, scope } = from;
  return {
    access_token,
    token_type: isEmpty(token_type) || kind.ownTokenTypes ? "Bearer" : token_type,
    ...(!isEmpty(refresh_token) && { refresh_token }),
    ...(!isEmpty(expires_in) && { expires_in }),
    ...(!isEmpty(scope) && { scope: Array.isArray(scope) ? scope.join(kind.scopeAnswer) : scope }),
  };
};

/**
 * A token endpoint's answer as RFC 6749 5.1 and 5.2 have it, whatever the provider's way: errors with status 4xx, tokens at the top. What is not a
 * JSON object passes as it is, for the protocol library to refuse.
 */
export const conformed = async (kind: Kind, response: Response): Promise<Response> => {
  const text = await response.text();
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    given = undefined;
  }
  // Without WWW-Authenticate, so that an error in the body is what is read (RFC 6749 5.2 sends both).
  const headers = { "content-type": isObject(given) ? "application/json" : "text/plain" };
  if (!isObject(given)) return new Response(text, { status: response.status === 200 ? 200 : 502, headers });
  const named = Object.entries(kind.tokenMembers ?? {}).map(([name, own]) => [name, given[own]] as const);
  const answer: Fields = { ...given, ...Object.fromEntries(named) };
  const { error, error_description } = answer;
  const failed = response.status !== 200 || (kind.errorsWithStatus200 && !isEmpty(error));
  if (!failed) return new Response(JSON.stringify(standard(kind, answer)), { status: 200, headers });
  const status = response.status === 200 ? 400 : response.status;
  return new Response(JSON.stringify({ error, ...(typeof error_description === "string" && { error_description }) }), { status, headers });
};

/** About thirty years: what says more does not expire in any sense that matters, and a moment stays a whole number. */
const longestLife = 1_000_000_000;

/** @param answer As the protocol library accepted it. */
export const tokensFrom = (
  kind: Kind,
  answer: {
    readonly access_token: string;
    readonly refresh_token?: string;
    readonly expires_in?: number;
    readonly scope?: string;
  },
): UpstreamTokens => ({
  accessToken: answer.access_token,
  tokenType: "Bearer",
  refreshToken: answer.refresh_token,
  expiresIn: answer.expires_in === undefined ? undefined : Math.min(Math.floor(answer.expires_in), longestLife),
  scopes: answer.scope
    ?.split(kind.scopeAnswer)
    .map((scope) => scope.trim())
    .filter(Boolean),
});
