import type { AccessTokenRequest, ApiKeyRequest, Broker } from "./broker.ts";
import { brokerOf, environmentClient, type LegateClient } from "./client.ts";
import { type Given, inject, type Obtain, type Wanting } from "./inject.ts";
import type { StsCredential } from "./wire.ts";

interface Common<K extends string> {
  /** The field of the first argument that gets the credential. */
  readonly injectAs?: K | undefined;
  /** Left out, one is made from the environment when first needed. */
  readonly client?: LegateClient | undefined;
}

/** What {@link withAccessToken} is told. */
export interface AccessTokenOptions<K extends string = "accessToken"> extends AccessTokenRequest, Common<K> {}
/** What {@link withApiKey} is told. */
export interface ApiKeyOptions<K extends string = "apiKey"> extends ApiKeyRequest, Common<K> {}
/** What {@link withWorkloadToken} is told. */
export interface WorkloadTokenOptions<K extends string = "workloadToken"> extends Common<K> {
  /** Asks for a new token even where memory holds one. A token that was given stays as it is. */
  readonly fresh?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}
/** What {@link withStsCredential} is told. */
export interface StsCredentialOptions<K extends string = "stsCredential"> extends Common<K> {
  /** The name of a credential provider of type `sts`; the agent's own role when left out. */
  readonly provider?: string | undefined;
  /** The token vault it stands in; `default` unless given. */
  readonly vault?: string | undefined;
  /** 900 to 43,200; the server's hour when left out. */
  readonly durationSeconds?: number | undefined;
  /** Narrows what the credential may do: JSON text, in the words of RAM or in those of the role's cloud. */
  readonly policy?: string | undefined;
  /** By what the cloud's records know the session; the agent's name when left out. */
  readonly sessionName?: string | undefined;
  /** Asks for new credentials even where memory holds some. */
  readonly fresh?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A kind of credential: how it is obtained with these options, and the field it arrives in. */
export interface Kind<V> {
  readonly name: string;
  readonly obtain: Obtain<V>;
}

const from = (client: LegateClient | undefined): Broker => brokerOf(client ?? environmentClient());

export const accessTokenKind = (options: AccessTokenOptions<string>): Kind<string> => ({
  name: options.injectAs ?? "accessToken",
  obtain: async (values) => from(options.client).accessToken(values, options),
});
export const apiKeyKind = (options: ApiKeyOptions<string>): Kind<string> => ({
  name: options.injectAs ?? "apiKey",
  obtain: async (values) => from(options.client).apiKey(values, options),
});
export const workloadTokenKind = (options: WorkloadTokenOptions<string>): Kind<string> => ({
  name: options.injectAs ?? "workloadToken",
  obtain: async (values) => from(options.client).workloadToken(values, { signal: options.signal, fresh: options.fresh }),
});
export const stsCredentialKind = (options: StsCredentialOptions<string>): Kind<StsCredential> => ({
  name: options.injectAs ?? "stsCredential",
  obtain: async (values) => from(options.client).stsCredential(values, options),
});

/**
 * Gives `fn` a fresh access token of an OAuth 2 provider, for the current user, in the field `accessToken` of its first argument.
 * `fn` may be sync, async or an `async function*`.
 *
 * @example
 * ```ts
 * import { AgentContext, withAccessToken } from "@legate/sdk";
 *
 * const repositories = withAccessToken({ provider: "github", scopes: ["repo"] }, async ({ accessToken }: { accessToken: string }) =>
 *   fetch("https://api.github.com/user/repos", { headers: { authorization: `Bearer ${accessToken}` } }),
 * );
 * await AgentContext.run({ userId: "alice" }, () => repositories());
 * ```
 * @throws AuthorizationRequiredError when the user must consent first and there is no `onAuthUrl`
 * @throws AuthorizationDeniedError, AuthorizationExpiredError, AuthorizationFailedError, PollTimeoutError when the consent ends without a token
 * @throws IdentityError, ConfigurationError, LegateApiError, LegateConnectionError
 */
export const withAccessToken = <
  const K extends string = "accessToken",
  Input extends Wanting<K, string> = { [P in K]: string },
  Rest extends unknown[] = [],
  R = unknown,
>(
  options: AccessTokenOptions<K>,
  fn: (input: Input, ...rest: Rest) => R,
): Given<K, Input, Rest, R> => {
  const { name, obtain } = accessTokenKind(options);
  return inject(name, obtain, fn) as Given<K, Input, Rest, R>;
};

/**
 * Gives `fn` an API key that the vault holds, in the field `apiKey` of its first argument.
 *
 * @throws IdentityError, ConfigurationError, LegateApiError, LegateConnectionError
 */
export const withApiKey = <
  const K extends string = "apiKey",
  Input extends Wanting<K, string> = { [P in K]: string },
  Rest extends unknown[] = [],
  R = unknown,
>(
  options: ApiKeyOptions<K>,
  fn: (input: Input, ...rest: Rest) => R,
): Given<K, Input, Rest, R> => {
  const { name, obtain } = apiKeyKind(options);
  return inject(name, obtain, fn) as Given<K, Input, Rest, R>;
};

/**
 * Gives `fn` the agent's workload access token, for the current user, in the field `workloadToken` of its first argument.
 *
 * @throws IdentityError, ConfigurationError, LegateApiError, LegateConnectionError
 */
export const withWorkloadToken = <
  const K extends string = "workloadToken",
  Input extends Wanting<K, string> = { [P in K]: string },
  Rest extends unknown[] = [],
  R = unknown,
>(
  options: WorkloadTokenOptions<K>,
  fn: (input: Input, ...rest: Rest) => R,
): Given<K, Input, Rest, R> => {
  const { name, obtain } = workloadTokenKind(options);
  return inject(name, obtain, fn) as Given<K, Input, Rest, R>;
};

/**
 * Gives `fn` temporary credentials of a role, of a cloud's or of Legate's own, in the field `stsCredential` of its first argument. They are kept
 * until they near their end, ten minutes at most, for the same agent, user and request.
 *
 * @throws IdentityError, ConfigurationError, LegateApiError, LegateConnectionError
 */
export const withStsCredential = <
  const K extends string = "stsCredential",
  Input extends Wanting<K, StsCredential> = { [P in K]: StsCredential },
  Rest extends unknown[] = [],
  R = unknown,
>(
  options: StsCredentialOptions<K>,
  fn: (input: Input, ...rest: Rest) => R,
): Given<K, Input, Rest, R> => {
  const { name, obtain } = stsCredentialKind(options);
  return inject(name, obtain, fn) as Given<K, Input, Rest, R>;
};
