import { longestKeysMs } from "../broker.ts";
import { ExpiringCache } from "../cache.ts";
import { requestKey } from "../cache-key.ts";
import { LegateApiError } from "../errors.ts";
import { Flights } from "../flights.ts";
import { type Identity, identityOf, lifeOf } from "../identity.ts";
import type { Bearer, Limits, Service, StsQuestion, TokenQuestion } from "../service.ts";
import type { StsCredential } from "../wire.ts";
import type { SigningKey } from "./acs3.ts";
import type { Actions, AnswerOf, ParamsOf } from "./action.ts";
import { keyFrom, signingKey, withKeyFrom } from "./credentials/credential.ts";
import { dataPlane, type ResourceOAuth2TokenParams } from "./data-plane.ts";
import { consentEnd, isForbidden, isKeyRefused, isPassing, isTokenRefused } from "./faults.ts";
import type { RequestOptions } from "./rpc.ts";
import type { IdentitySettings } from "./settings.ts";
import type { LocalWorkload } from "./workload.ts";

type Data = typeof dataPlane;

/** Asks the data plane one action. */
export type AskData = <N extends keyof Data>(
  name: N,
  params: ParamsOf<Data[N]>,
  key: SigningKey | undefined,
  options?: RequestOptions,
) => Promise<AnswerOf<Data[N]>>;

export const makeAskData =
  ({ rpc, endpoints }: IdentitySettings): AskData =>
  (name, params, key, options) => {
    const action = (dataPlane satisfies Actions)[name];
    return rpc({ plane: "data", name, action, params: params as object, endpoint: endpoints.data, key }, options) as Promise<
      AnswerOf<Data[typeof name]>
    >;
  };

/** Asks for the keys of the workload's role; only the workload access token proves who asks. */
export const assumeRole = async (
  ask: AskData,
  token: string,
  { durationSeconds, policy, sessionName }: StsQuestion,
  options: RequestOptions,
): Promise<StsCredential> => {
  const params = {
    WorkloadAccessToken: token,
    RoleSessionName: sessionName ?? `AgentIdentitySessionRole-${crypto.randomUUID()}`,
    DurationSeconds: durationSeconds ?? 3_600,
    Policy: policy,
  };
  const { Credentials } = await ask("AssumeRoleForWorkloadIdentity", params, undefined, options);
  return {
    accessKeyId: Credentials.AccessKeyId,
    accessKeySecret: Credentials.AccessKeySecret,
    securityToken: Credentials.SecurityToken,
    expiration: Credentials.Expiration,
  };
};

/** Keys of a workload's role, and since when they are held. */
interface RoleKey {
  readonly key: SigningKey;
  readonly since: number;
}

/** What younger keys may not do the role may not either. */
const tellingMs = 30_000;

/** Alibaba Cloud's wire, behind a broker. */
export const makeAlibabaService = (settings: IdentitySettings, workload: LocalWorkload): Service => {
  const { clock, useSts } = settings;
  const ask = makeAskData(settings);
  const flights = new Flights();
  const keys = new ExpiringCache<RoleKey>({ entries: settings.cache.entries, clock });
  const ownKey = (signal: AbortSignal | undefined) => keyFrom(settings.credentials, signal);

  const assume = async ({ token, asker }: Bearer, question: StsQuestion, options: RequestOptions): Promise<StsCredential> => {
    try {
      return await assumeRole(ask, token, question, options);
    } catch (error) {
      throw workload.explained(asker.agent, error);
    }
  };

  const roleKey = async (bearer: Bearer, at: string, signal: AbortSignal): Promise<RoleKey> => {
    const fresh = keys.fresh(at);
    if (fresh) return fresh;
    try {
      return await flights.join(at, signal, async (shared) => {
        const { sessionDuration, policy } = settings.sts;
        const lent = await assume(bearer, { durationSeconds: sessionDuration, policy }, { signal: shared });
        const held = { key: signingKey(lent, "The role's credentials"), since: clock() };
        keys.set(at, held, Math.min(longestKeysMs, Date.parse(lent.expiration) - held.since));
        return held;
      });
    } catch (error) {
      const old = isPassing(error) ? keys.usable(at) : undefined;
      if (!old) throw error;
      return old;
    }
  };

  /**
   * Signs with the role's keys, or the caller's own. Keys that were lent and are refused are given up, and others borrowed, once. So are those that may not do
   * what they are asked to, for the role may have been changed since, unless they were borrowed a moment ago.
   */
  const signed = async <T>(bearer: Bearer, signal: AbortSignal, use: (key: SigningKey) => Promise<T>): Promise<T> => {
    if (!useSts) return withKeyFrom(settings.credentials, signal, use);
    const at = await requestKey(bearer.key, ["role", settings.sts.sessionDuration ?? null, settings.sts.policy ?? null]);
    const held = await roleKey(bearer, at, signal);
    try {
      return await use(held.key);
    } catch (error) {
      const outdated = isForbidden(error) && clock() - held.since >= tellingMs;
      if (!isKeyRefused(error) && !outdated) throw error;
      keys.drop(at, held);
    }
    return use((await roleKey(bearer, at, signal)).key);
  };

  const paramsOf = (question: TokenQuestion, { token }: Bearer): ResourceOAuth2TokenParams => ({
    ResourceCredentialProviderName: question.provider,
    WorkloadAccessToken: token,
    TokenVaultName: question.vault,
    OAuth2Flow: question.flow,
    Scopes: question.scopes,
    Audience: question.audience ?? question.resource,
    ResourceOAuth2ReturnURL: question.returnUrl,
    CustomState: question.customState,
    CustomParameters: question.customParameters,
    ForceAuthentication: question.flow === "M2M" ? undefined : (question.forceAuthentication ?? false),
    SessionURI: question.sessionUri,
  });

  const mint = async (who: Exclude<Identity, { kind: "token" }>, name: string, { signal }: Limits): Promise<string> => {
    const WorkloadIdentityName = name;
    const answer = await withKeyFrom(settings.credentials, signal, (key) =>
      who.kind === "user-token"
        ? ask("GetWorkloadAccessTokenForJWT", { WorkloadIdentityName, UserToken: who.userToken }, key, { signal })
        : who.kind === "user-id"
          ? ask("GetWorkloadAccessTokenForUserId", { WorkloadIdentityName, UserId: who.userId }, key, { signal })
          : ask("GetWorkloadAccessToken", { WorkloadIdentityName }, key, { signal }),
    );
    return answer.WorkloadAccessToken;
  };

  return {
    place: settings.endpoints.data,
    isRefused: isTokenRefused,
    isPassing,
    identity: (values) => identityOf(values, settings.workloadAccessToken, false),

    asker: async (who, agent, signal) => {
      // What a given token is spent with is the role's key, or the caller's own.
      const needed = who.kind !== "token" || !useSts;
      const key = needed ? await ownKey(signal) : undefined;
      return {
        credential: key && JSON.stringify([key.accessKeyId, key.accessKeySecret]),
        agent: who.kind === "token" ? undefined : (agent ?? (await flights.join("workload", signal, workload.name))),
      };
    },

    workloadToken: async (who, { agent = "" }, limits) => {
      let token: string;
      try {
        token = await mint(who, agent, limits);
      } catch (error) {
        if (!(await workload.revive(agent, error, { signal: limits.signal }))) throw error;
        token = await mint(who, agent, limits);
      }
      return { secret: token, lifeMs: lifeOf(token, clock()) ?? settings.cache.workloadTokenMs };
    },

    accessToken: async (question, bearer, limits) => {
      const answer = await signed(bearer, limits.signal, (key) => ask("GetResourceOAuth2Token", paramsOf(question, bearer), key, limits));
      const { AccessToken: token, ExpiresIn: seconds = 0, AuthorizationURL: url, SessionURI: sessionUri } = answer;
      if (token) return { secret: token, lifeMs: seconds * 1000 };
      const facts = { status: 200, requestId: answer.RequestId, retryAfter: undefined, details: {} };
      const end = consentEnd(answer.SessionStatus, facts);
      if (end) throw end;
      if (url && sessionUri) return { url, sessionUri };
      // A poll's answer need not repeat what is known.
      if (question.sessionUri !== undefined) return { url: url ?? "", sessionUri: question.sessionUri };
      const message = "The answer to GetResourceOAuth2Token holds neither a token nor where the user must go.";
      throw new LegateApiError(message, { ...facts, code: "unexpected_answer" });
    },

    apiKey: async ({ provider, vault }, bearer, limits) => {
      const params = { ResourceCredentialProviderName: provider, WorkloadAccessToken: bearer.token, TokenVaultName: vault };
      return (await signed(bearer, limits.signal, (key) => ask("GetResourceAPIKey", params, key, limits))).APIKey;
    },

    stsCredential: (question, bearer, limits) => assume(bearer, question, limits),
  };
};
