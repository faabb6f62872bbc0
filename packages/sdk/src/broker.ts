import { operations } from "@legate/contract";
import { ExpiringCache } from "./cache.ts";
import { type CredentialIdentity, credentialKey, requestKey } from "./cache-key.ts";
import { type Call, isUnauthenticated } from "./call.ts";
import type { AgentContextValues } from "./context.ts";
import { AuthorizationRequiredError, ConfigurationError } from "./errors.ts";
import { Flights } from "./flights.ts";
import { type Identity, identityOf } from "./identity.ts";
import { makeLocalAgent } from "./local-agent.ts";
import { orAbort } from "./pause.ts";
import { type PollOptions, poll } from "./poll.ts";
import { isTransient } from "./retry.ts";
import type { Settings } from "./settings.ts";
import type { AccessToken, BodyOf, Flow, PendingConsent, WorkloadToken } from "./wire.ts";

/** Shows the user where to consent. The credential is polled for once it returns. */
export type OnAuthUrl = (url: string, session: { readonly sessionUri: string }) => void | Promise<void>;

/** What a wrapper asks for an access token with. */
export interface AccessTokenRequest {
  /** The credential provider's name. */
  readonly provider: string;
  /** The token vault it stands in; `default` unless given. */
  readonly vault?: string | undefined;
  /** The provider's own when left out. */
  readonly scopes?: readonly string[] | undefined;
  /** `USER_FEDERATION` when there is a user, else `M2M`. */
  readonly flow?: Exclude<Flow, "ON_BEHALF_OF_TOKEN_EXCHANGE"> | undefined;
  /** RFC 8707. */
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
  /** Where the browser goes after the consent; on the agent's `allowedReturnUrls`. */
  readonly callbackUrl?: string | undefined;
  /** Added to the provider's authorization request. */
  readonly customParameters?: Readonly<Record<string, string>> | undefined;
  /** Asks the user again even where a token is stored. */
  readonly forceAuthentication?: boolean | undefined;
  /** Asks the vault even where memory holds the token, so that a revocation bites at once. */
  readonly fresh?: boolean | undefined;
  /** Left out, a consent that is needed throws {@link AuthorizationRequiredError}. */
  readonly onAuthUrl?: OnAuthUrl | undefined;
  readonly poll?: PollOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a wrapper asks for an API key with. */
export interface ApiKeyRequest {
  /** The credential provider's name. */
  readonly provider: string;
  /** The token vault it stands in; `default` unless given. */
  readonly vault?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Gets credentials for whoever the context names, asking the server no more often than needed. */
export type Broker = ReturnType<typeof makeBroker>;

/** Makes the broker of one client. */
export const makeBroker = (settings: Settings, call: Call) => {
  const { clock } = settings;
  const workloadTokens = new ExpiringCache<WorkloadToken>({ entries: settings.cache.entries, clock });
  const secrets = new ExpiringCache<string>({ entries: settings.cache.entries, clock });
  const flights = new Flights();
  const localAgent = makeLocalAgent(settings, call);

  const identity = (values: AgentContextValues) =>
    identityOf(values, settings.workloadToken, (settings.agentKey ?? settings.operatorKey) !== undefined);

  /** An agent key is its own agent; an operator key must say which. */
  const agentFor = (who: Identity, signal: AbortSignal | undefined): Promise<string | undefined> | undefined => {
    if (who.kind === "token" || settings.agentKey !== undefined) return undefined;
    if (settings.operatorKey === undefined) {
      throw new ConfigurationError("No credential: give `agentKey` (LEGATE_AGENT_KEY), or a workload token in the context or environment.");
    }
    return settings.agent === undefined ? flights.join("local-agent", signal, localAgent) : Promise.resolve(settings.agent);
  };

  const parts = (who: Identity, agent: string | undefined): CredentialIdentity => ({
    kind: "workload-token",
    url: settings.url,
    credential: who.kind === "token" ? undefined : (settings.agentKey ?? settings.operatorKey),
    agent,
    workloadToken: who.kind === "token" ? who.workloadToken : undefined,
    userToken: who.kind === "user-token" ? who.userToken : undefined,
    userId: who.kind === "user-id" ? who.userId : undefined,
    provider: undefined,
    vault: undefined,
    flow: undefined,
    scopes: undefined,
    resource: undefined,
    audience: undefined,
  });

  /** The fresh value, else one load for all who ask; while the server is briefly away, a value that has not expired still serves. */
  const cached = async <V extends string | WorkloadToken>(
    cache: ExpiringCache<V>,
    key: string,
    signal: AbortSignal | undefined,
    load: (signal: AbortSignal) => Promise<V>,
  ): Promise<V> => {
    const known = cache.fresh(key);
    if (known !== undefined) return known;
    try {
      return await flights.join(key, signal, load);
    } catch (error) {
      const old = isTransient(error) ? cache.usable(key) : undefined;
      if (old === undefined) throw error;
      return old;
    }
  };

  const fetchWorkloadToken = async (who: Identity, signal: AbortSignal | undefined): Promise<{ token: string; drop?: () => void }> => {
    if (who.kind === "token") return { token: who.workloadToken };
    const agent = await agentFor(who, signal);
    const key = await credentialKey(parts(who, agent));
    const body = {
      ...(agent !== undefined && { agent }),
      ...(who.kind === "user-token" && { userToken: who.userToken }),
      ...(who.kind === "user-id" && { userId: who.userId }),
    };
    const answer = await cached(workloadTokens, key, signal, async (shared) => {
      const fetched = await call(operations.createWorkloadToken, { body, signal: shared });
      workloadTokens.set(key, fetched, fetched.expiresIn * 1000);
      return fetched;
    });
    return { token: answer.token, drop: () => workloadTokens.drop(key, answer) };
  };

  /** Uses a workload token. One that we fetched and the server refuses is dropped, and another is fetched, once. */
  const withWorkloadToken = async <T>(who: Identity, signal: AbortSignal | undefined, use: (bearer: string) => Promise<T>): Promise<T> => {
    const first = await fetchWorkloadToken(who, signal);
    try {
      return await use(first.token);
    } catch (error) {
      if (!first.drop || !isUnauthenticated(error)) throw error;
      first.drop();
    }
    return use((await fetchWorkloadToken(who, signal)).token);
  };

  const accessToken = async (values: AgentContextValues, request: AccessTokenRequest): Promise<string> => {
    const { signal } = request;
    signal?.throwIfAborted();
    const who = identity(values);
    const agent = await agentFor(who, signal);
    const key = await credentialKey({
      ...parts(who, agent),
      kind: "access-token",
      provider: request.provider,
      vault: request.vault,
      flow: request.flow,
      scopes: request.scopes,
      resource: request.resource,
      audience: request.audience,
    });
    // M2M knows neither user nor consent.
    const consent = request.flow !== "M2M";
    const force = consent && request.forceAuthentication === true;
    const body: BodyOf<typeof operations.getOauth2Token> = {
      provider: request.provider,
      ...(request.vault !== undefined && { vault: request.vault }),
      ...(request.flow !== undefined && { flow: request.flow }),
      ...(request.scopes !== undefined && { scopes: [...request.scopes] }),
      ...(request.resource !== undefined && { resource: request.resource }),
      ...(request.audience !== undefined && { audience: request.audience }),
      ...(consent && request.callbackUrl !== undefined && { returnUrl: request.callbackUrl }),
      ...(consent && values.customState !== undefined && { customState: values.customState }),
      ...(consent && request.customParameters !== undefined && { customParameters: { ...request.customParameters } }),
    };
    const granted = (answer: AccessToken): string => {
      // An unknown expiry is no expiry to count on: such a token is asked for each time.
      const life = answer.expiresAt === undefined ? 0 : Date.parse(answer.expiresAt) - clock();
      secrets.set(key, answer.accessToken, Math.min(life, settings.cache.accessTokenMs));
      return answer.accessToken;
    };

    if (!force && !request.fresh) {
      const known = secrets.fresh(key);
      if (known !== undefined) return known;
    }
    const since = clock();
    // What the consent itself is asked with keeps flights apart, so that nobody's custom state travels through another's consent.
    const flight = await requestKey(key, { ...body, force, fresh: request.fresh === true });
    let first: string | PendingConsent;
    try {
      first = await flights.join(flight, signal, async (shared) => {
        const asked = { ...body, ...(force && { forceAuthentication: true }) };
        const answer = await withWorkloadToken(who, shared, (bearer) =>
          call(operations.getOauth2Token, { body: asked, bearer, signal: shared }),
        );
        return "authorizationUrl" in answer ? answer : granted(answer);
      });
    } catch (error) {
      const old = !force && !request.fresh && isTransient(error) ? secrets.usable(key) : undefined;
      if (old === undefined) throw error;
      return old;
    }
    if (typeof first === "string") return first;

    const pending = { url: first.authorizationUrl, sessionUri: first.sessionUri };
    if (!request.onAuthUrl) throw new AuthorizationRequiredError(request.provider, pending);
    await orAbort(Promise.resolve(request.onAuthUrl(pending.url, { sessionUri: pending.sessionUri })), signal);
    return poll(
      {
        pending,
        since,
        options: request.poll ?? {},
        signal,
        // Never forced again: that would begin another consent instead of asking for this one.
        ask: async (polling, leftMs) => {
          const timeoutMs = Math.min(settings.timeoutMs, leftMs);
          const answer = await withWorkloadToken(who, polling, (bearer) =>
            call(operations.getOauth2Token, {
              body: { ...body, sessionUri: pending.sessionUri },
              bearer,
              signal: polling,
              timeoutMs,
              retries: 0,
            }),
          );
          return "authorizationUrl" in answer ? undefined : granted(answer);
        },
      },
      settings,
    );
  };

  const apiKey = async (values: AgentContextValues, request: ApiKeyRequest): Promise<string> => {
    request.signal?.throwIfAborted();
    const who = identity(values);
    const agent = await agentFor(who, request.signal);
    const { provider, vault } = request;
    const key = await credentialKey({ ...parts(who, agent), kind: "api-key", provider, vault });
    return cached(secrets, key, request.signal, async (signal) => {
      const body = { provider, ...(vault !== undefined && { vault }) };
      const answer = await withWorkloadToken(who, signal, (bearer) => call(operations.getApiKey, { body, bearer, signal }));
      secrets.set(key, answer.apiKey, settings.cache.apiKeyMs);
      return answer.apiKey;
    });
  };

  const workloadToken = async (values: AgentContextValues, signal: AbortSignal | undefined): Promise<string> => {
    signal?.throwIfAborted();
    return (await fetchWorkloadToken(identity(values), signal)).token;
  };

  return { accessToken, apiKey, workloadToken };
};
