import type { AccessTokenRequest, ApiKeyRequest } from "../broker.ts";
import { type Given, inject, type Wanting } from "../inject.ts";
import type { StsCredential } from "../wire.ts";
import type { Kind } from "../wrappers.ts";
import { brokerOf, environmentClient, IdentityClient, valuesFor } from "./client.ts";
import type { IdentityClientOptions } from "./settings.ts";

interface Common<K extends string> {
  /** The field of the first argument that gets the credential. */
  readonly injectAs?: K | undefined;
  /** A client, or what one is made with. Left out, the environment says. */
  readonly client?: IdentityClient | IdentityClientOptions | undefined;
  /** The workload that acts, where it is not the client's own. */
  readonly workloadName?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link withAccessToken} is told. */
export interface AccessTokenOptions<K extends string = "accessToken"> extends Omit<AccessTokenRequest, "resource" | "signal">, Common<K> {
  /** Instead of the context's. */
  readonly customState?: string | undefined;
  /** Whether a consent that is needed is waited for; left out, it is where there is `onAuthUrl`. */
  readonly pollForToken?: boolean | undefined;
}
/** What {@link withApiKey} is told. */
export interface ApiKeyOptions<K extends string = "apiKey"> extends Omit<ApiKeyRequest, "signal">, Common<K> {}
/** What {@link withWorkloadAccessToken} is told. */
export interface WorkloadAccessTokenOptions<K extends string = "workloadAccessToken"> extends Common<K> {
  /** Fetches a token at each call. One that was given stays as it is. */
  readonly fresh?: boolean | undefined;
}
/** What {@link withStsCredential} is told. */
export interface StsCredentialOptions<K extends string = "stsCredential"> extends Common<K> {
  /** Seconds. 3,600 unless set. */
  readonly sessionDuration?: number | undefined;
  /** Narrows what the keys may do: JSON text. */
  readonly policy?: string | undefined;
  readonly sessionName?: string | undefined;
  /** Fetches keys at each call. */
  readonly fresh?: boolean | undefined;
}

/** The client is made when it is first needed: where a function is wrapped, nothing is read and nothing can fail. */
const from = (client: Common<string>["client"]) => {
  let made: IdentityClient | undefined;
  return () => {
    if (client === undefined) return brokerOf(environmentClient());
    made ??= client instanceof IdentityClient ? client : new IdentityClient(client);
    return brokerOf(made);
  };
};

export const accessTokenKind = (options: AccessTokenOptions<string>): Kind<string> => {
  const client = from(options.client);
  const { workloadName: agent, injectAs: name = "accessToken", client: _, ...request } = options;
  return { name, obtain: async (values) => client().broker.accessToken(valuesFor(request.flow, values), { ...request, agent }) };
};
export const apiKeyKind = (options: ApiKeyOptions<string>): Kind<string> => {
  const client = from(options.client);
  const { workloadName: agent, injectAs: name = "apiKey", provider, vault, signal } = options;
  return { name, obtain: async (values) => client().broker.apiKey(values, { provider, vault, signal, agent }) };
};
export const workloadAccessTokenKind = (options: WorkloadAccessTokenOptions<string>): Kind<string> => {
  const client = from(options.client);
  const { workloadName: agent, injectAs: name = "workloadAccessToken", fresh, signal } = options;
  return { name, obtain: async (values) => client().broker.workloadToken(values, { fresh, signal, agent }) };
};
export const stsCredentialKind = (options: StsCredentialOptions<string>): Kind<StsCredential> => {
  const client = from(options.client);
  const { workloadName: agent, injectAs: name = "stsCredential", sessionName, fresh, signal } = options;
  return {
    name,
    obtain: async (values) => {
      const { broker, sessionDuration, policy } = client();
      const question = { durationSeconds: options.sessionDuration ?? sessionDuration, policy: options.policy ?? policy, sessionName };
      return broker.stsCredential(values, { ...question, fresh, signal, agent });
    },
  };
};

/**
 * Gives `fn` a fresh access token of an OAuth 2 provider, for the current user, in the field `accessToken` of its first argument.
 * `fn` may be sync, async or an `async function*`.
 *
 * @example
 * ```ts
 * import { AgentContext, withAccessToken } from "@legate/sdk/alibaba";
 *
 * const events = withAccessToken({ provider: "calendar", scopes: ["read"], onAuthUrl: (url) => console.log(url) }, async ({ accessToken }) =>
 *   fetch("https://calendar.example.com/events", { headers: { authorization: `Bearer ${accessToken}` } }),
 * );
 * await AgentContext.run({ userId: "alice" }, () => events());
 * ```
 * @throws AuthorizationRequiredError when the user must consent first and nobody waits for it
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
 * Gives `fn` temporary keys of the workload's role, for the current user, in the field `stsCredential` of its first argument.
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

/**
 * Gives `fn` a workload access token, for the current user, in the field `workloadAccessToken` of its first argument.
 *
 * @throws IdentityError, ConfigurationError, LegateApiError, LegateConnectionError
 */
export const withWorkloadAccessToken = <
  const K extends string = "workloadAccessToken",
  Input extends Wanting<K, string> = { [P in K]: string },
  Rest extends unknown[] = [],
  R = unknown,
>(
  options: WorkloadAccessTokenOptions<K>,
  fn: (input: Input, ...rest: Rest) => R,
): Given<K, Input, Rest, R> => {
  const { name, obtain } = workloadAccessTokenKind(options);
  return inject(name, obtain, fn) as Given<K, Input, Rest, R>;
};
