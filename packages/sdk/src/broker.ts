import { ExpiringCache } from "./cache.ts";
import { type CredentialIdentity, credentialKey, requestKey } from "./cache-key.ts";
import type { AgentContextValues } from "./context.ts";
import { AuthorizationRequiredError } from "./errors.ts";
import { Flights } from "./flights.ts";
import type { Identity } from "./identity.ts";
import { orAbort } from "./pause.ts";
import { type PollOptions, poll } from "./poll.ts";
import type { Asker, Bearer, Lease, Limits, Pending, Service, StsQuestion, TokenQuestion } from "./service.ts";
import type { Settings } from "./settings.ts";
import type { Flow, StsCredential } from "./wire.ts";

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

/** What a broker may be told beside the request itself. */
interface Told {
  /** Which agent acts, where the service leaves that open. */
  readonly agent?: string | undefined;
}

/** An access token, as every service may be asked for one. */
interface TokenTold extends AccessTokenRequest, Told {
  /** Instead of the context's. */
  readonly customState?: string | undefined;
  /** Whether a consent that is needed is waited for; left out, it is where `onAuthUrl` could tell the user. */
  readonly pollForToken?: boolean | undefined;
  /** Goes on with this consent instead of beginning one. The user has been shown it. */
  readonly sessionUri?: string | undefined;
}

/** What temporary cloud credentials are asked with. */
export interface StsRequest extends StsQuestion {
  /** Asks again even where memory holds credentials. */
  readonly fresh?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Gets credentials for whoever the context names, asking the server no more often than needed. */
export type Broker = ReturnType<typeof makeBroker>;

/** What a workload token is asked for with. */
interface WorkloadTokenTold extends Told {
  /** Asks again even where memory holds a token. One that was given stays as it is. */
  readonly fresh?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Temporary keys are served from memory no longer than this, so that what is taken back or changed at the server bites. */
export const longestKeysMs = 600_000;

/** Whoever gets credentials works with them for a while: the end of their life is not handed out. */
const usableMs = (lifeMs: number): number => Math.min(longestKeysMs, lifeMs - Math.min(300_000, lifeMs / 4));

/** Makes the broker of one client. */
export const makeBroker = (settings: Pick<Settings, "cache" | "clock" | "random" | "sleep" | "timeoutMs">, service: Service) => {
  const { clock } = settings;
  const workloadTokens = new ExpiringCache<Lease>({ entries: settings.cache.entries, clock });
  const secrets = new ExpiringCache<string>({ entries: settings.cache.entries, clock });
  const temporary = new ExpiringCache<StsCredential>({ entries: settings.cache.entries, clock });
  const flights = new Flights();

  const parts = (who: Identity, { credential, agent }: Asker): CredentialIdentity => ({
    kind: "workload-token",
    url: service.place,
    credential,
    agent,
    who: who.kind,
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
  const cached = async <V extends string | object>(
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
      const old = service.isPassing(error) ? cache.usable(key) : undefined;
      if (old === undefined) throw error;
      return old;
    }
  };

  const fetchWorkloadToken = async (
    who: Identity,
    asker: Asker,
    signal: AbortSignal | undefined,
    fresh = false,
  ): Promise<Bearer & { readonly drop?: () => void }> => {
    const key = await credentialKey(parts(who, asker));
    if (who.kind === "token") return { token: who.workloadToken, key, asker };
    const load = async (shared: AbortSignal) => {
      const fetched = await service.workloadToken(who, asker, { signal: shared });
      workloadTokens.set(key, fetched, fetched.lifeMs);
      return fetched;
    };
    const lease = await (fresh ? flights.join(`${key} fresh`, signal, load) : cached(workloadTokens, key, signal, load));
    return { token: lease.secret, key, asker, drop: () => workloadTokens.drop(key, lease) };
  };

  /** Uses a workload token. One that we fetched and the server refuses is dropped, and another is fetched, once. */
  const withWorkloadToken = async <T>(
    who: Identity,
    asker: Asker,
    signal: AbortSignal | undefined,
    use: (bearer: Bearer) => Promise<T>,
  ): Promise<T> => {
    const { drop, ...bearer } = await fetchWorkloadToken(who, asker, signal);
    try {
      return await use(bearer);
    } catch (error) {
      if (!drop || !service.isRefused(error)) throw error;
      drop();
    }
    return use(await fetchWorkloadToken(who, asker, signal));
  };

  const accessToken = async (values: AgentContextValues, request: TokenTold): Promise<string> => {
    const { signal } = request;
    signal?.throwIfAborted();
    const who = service.identity(values);
    const asker = await service.asker(who, request.agent, signal);
    const key = await credentialKey({
      ...parts(who, asker),
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
    const begun = consent ? request.sessionUri : undefined;
    // Never forced where a consent is asked for that was begun: that would begin another.
    const force = consent && begun === undefined && request.forceAuthentication === true;
    const customState = request.customState ?? values.customState;
    const question: TokenQuestion = {
      provider: request.provider,
      ...(request.vault !== undefined && { vault: request.vault }),
      ...(request.flow !== undefined && { flow: request.flow }),
      ...(request.scopes !== undefined && { scopes: [...request.scopes] }),
      ...(request.resource !== undefined && { resource: request.resource }),
      ...(request.audience !== undefined && { audience: request.audience }),
      ...(consent && request.callbackUrl !== undefined && { returnUrl: request.callbackUrl }),
      ...(consent && customState !== undefined && { customState }),
      ...(consent && request.customParameters !== undefined && { customParameters: { ...request.customParameters } }),
      ...(begun !== undefined && { sessionUri: begun }),
    };
    const ask = async (asked: TokenQuestion, limits: Limits): Promise<string | Pending> => {
      const answer = await withWorkloadToken(who, asker, limits.signal, (bearer) => service.accessToken(asked, bearer, limits));
      if ("url" in answer) return answer;
      secrets.set(key, answer.secret, Math.min(answer.lifeMs, settings.cache.accessTokenMs));
      return answer.secret;
    };

    const fresh = request.fresh === true || force || begun !== undefined;
    if (!fresh) {
      const known = secrets.fresh(key);
      if (known !== undefined) return known;
    }
    const since = clock();
    // What the consent itself is asked with keeps flights apart, so that nobody's custom state travels through another's consent.
    const flight = await requestKey(key, { ...question, force, fresh: request.fresh === true });
    let first: string | Pending;
    try {
      first = await flights.join(flight, signal, (shared) =>
        ask({ ...question, ...(force && { forceAuthentication: true }) }, { signal: shared }),
      );
    } catch (error) {
      const old = !fresh && service.isPassing(error) ? secrets.usable(key) : undefined;
      if (old === undefined) throw error;
      return old;
    }
    if (typeof first === "string") return first;

    const pending = first;
    if (request.onAuthUrl && begun === undefined) {
      await orAbort(Promise.resolve(request.onAuthUrl(pending.url, { sessionUri: pending.sessionUri })), signal);
    }
    if (!(request.pollForToken ?? request.onAuthUrl !== undefined)) throw new AuthorizationRequiredError(request.provider, pending);
    return poll(
      {
        pending,
        since,
        options: request.poll ?? {},
        signal,
        isPassing: service.isPassing,
        // Nor is this one forced.
        ask: async (polling, leftMs) => {
          const timeoutMs = Math.min(settings.timeoutMs, leftMs);
          const answer = await ask({ ...question, sessionUri: pending.sessionUri }, { signal: polling, timeoutMs, retries: 0 });
          return typeof answer === "string" ? answer : undefined;
        },
      },
      settings,
    );
  };

  const apiKey = async (values: AgentContextValues, request: ApiKeyRequest & Told): Promise<string> => {
    const { signal, provider, vault } = request;
    signal?.throwIfAborted();
    const who = service.identity(values);
    const asker = await service.asker(who, request.agent, signal);
    const key = await credentialKey({ ...parts(who, asker), kind: "api-key", provider, vault });
    return cached(secrets, key, signal, async (shared) => {
      const question = { provider, ...(vault !== undefined && { vault }) };
      const secret = await withWorkloadToken(who, asker, shared, (bearer) => service.apiKey(question, bearer, { signal: shared }));
      secrets.set(key, secret, settings.cache.apiKeyMs);
      return secret;
    });
  };

  const stsCredential = async (values: AgentContextValues, request: StsRequest & Told): Promise<StsCredential> => {
    const { signal, provider, vault, durationSeconds, policy, sessionName } = request;
    signal?.throwIfAborted();
    const who = service.identity(values);
    const asker = await service.asker(who, request.agent, signal);
    const question: StsQuestion = { provider, vault, durationSeconds, policy, sessionName };
    const place = await credentialKey({ ...parts(who, asker), kind: "sts", provider, vault });
    return withWorkloadToken(who, asker, signal, async (bearer) => {
      // They die with the workload token they were had with: keys had with one that was found dead are not given on.
      const key = await requestKey(place, [bearer.token, question]);
      const load = async (shared: AbortSignal) => {
        const credential = await service.stsCredential(question, bearer, { signal: shared });
        temporary.set(key, credential, usableMs(Date.parse(credential.expiration) - clock()));
        return credential;
      };
      return request.fresh ? flights.join(`${key} fresh`, signal, load) : cached(temporary, key, signal, load);
    });
  };

  const workloadToken = async (values: AgentContextValues, { signal, agent, fresh }: WorkloadTokenTold) => {
    signal?.throwIfAborted();
    const who = service.identity(values);
    // A token that was given needs nobody to ask for it.
    if (who.kind === "token") return who.workloadToken;
    return (await fetchWorkloadToken(who, await service.asker(who, agent, signal), signal, fresh)).token;
  };

  return { accessToken, apiKey, stsCredential, workloadToken };
};
