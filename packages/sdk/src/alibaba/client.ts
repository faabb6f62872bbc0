import { type Broker, makeBroker, type OnAuthUrl } from "../broker.ts";
import type { AgentContextValues } from "../context.ts";
import { ConfigurationError, IdentityError } from "../errors.ts";
import { givenName, isJwt } from "../identity.ts";
import type { PollOptions } from "../poll.ts";
import type { StsCredential } from "../wire.ts";
import { assumeRole, makeAlibabaService, makeAskData } from "./alibaba-service.ts";
import { type Credentials, sourceOf } from "./credentials/credential.ts";
import { identityEnvironment } from "./environment.ts";
import { type Interfaces, makeInterfaces } from "./interfaces.ts";
import type { RequestOptions } from "./rpc.ts";
import { type IdentityClientOptions, type IdentitySettings, settingsFrom } from "./settings.ts";
import { StsCredentialClient } from "./sts-credential-client.ts";
import { madeUpName, makeLocalWorkload } from "./workload.ts";

/** What {@link IdentityClient.createWorkloadIdentity} is told. */
export interface CreateWorkloadIdentityOptions extends RequestOptions {
  /** `workload-` and 8 hexadecimal digits unless given. */
  readonly workloadName?: string | undefined;
  readonly description?: string | undefined;
  readonly roleArn?: string | undefined;
  /** Makes a role named like the workload. */
  readonly createRamRole?: boolean | undefined;
  readonly allowedResourceOAuth2ReturnUrls?: readonly string[] | undefined;
  readonly identityProviderName?: string | undefined;
  readonly sessionBindingEnabled?: boolean | undefined;
}

/** What {@link IdentityClient.getWorkloadAccessToken} is told. */
export interface WorkloadAccessTokenOptions extends RequestOptions {
  /** The client's own unless given. */
  readonly workloadName?: string | undefined;
  /** A token of the user, from the issuer that the workload trusts. Given, it must be good: the id never stands in for it. */
  readonly userToken?: string | undefined;
  /** The user as the caller asserts it. */
  readonly userId?: string | undefined;
}

interface ForCredential {
  readonly credentialProviderName: string;
  readonly workloadAccessToken: string;
  /** `default` unless given. */
  readonly tokenVaultName?: string | undefined;
  /** Signs the request, instead of the role's keys or the caller's own. */
  readonly credential?: Credentials | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link IdentityClient.getToken} is told. */
export interface GetTokenOptions extends ForCredential {
  readonly scopes?: readonly string[] | undefined;
  /** Left out, the service goes by the provider and the token's user. */
  readonly authFlow?: "USER_FEDERATION" | "M2M" | undefined;
  readonly audience?: string | undefined;
  readonly callbackUrl?: string | undefined;
  /** Asks the user again even where a token is stored. */
  readonly forceAuthentication?: boolean | undefined;
  /** Travels through the consent and comes back as `state`: unguessable, and bound to the user's session. */
  readonly customState?: string | undefined;
  readonly customParameters?: Readonly<Record<string, string>> | undefined;
  /**
   * Goes on with the consent that an `AuthorizationRequiredError` or `PollTimeoutError` told of, instead of beginning one: the vault is asked for what came of it, and
   * `onAuthUrl` is not called again.
   */
  readonly sessionUri?: string | undefined;
  /** Left out, a consent that is needed throws, unless `pollForToken` says otherwise. */
  readonly onAuthUrl?: OnAuthUrl | undefined;
  /** Whether a consent that is needed is waited for; left out, it is where there is `onAuthUrl`. */
  readonly pollForToken?: boolean | undefined;
  readonly poll?: PollOptions | undefined;
  /** Asks the vault even where memory holds the token. */
  readonly fresh?: boolean | undefined;
}

/** What {@link IdentityClient.getApiKey} is told. */
export interface GetApiKeyOptions extends ForCredential {}

/** What {@link IdentityClient.assumeRoleForWorkloadIdentity} is told. */
export interface AssumeRoleOptions extends RequestOptions {
  readonly workloadAccessToken: string;
  /** `AgentIdentitySessionRole-` and a UUID unless given. */
  readonly roleSessionName?: string | undefined;
  /** 3,600 unless given. */
  readonly durationSeconds?: number | undefined;
  /** Narrows what the keys may do: JSON text. */
  readonly policy?: string | undefined;
}

/** What {@link IdentityClient.getStsCredentialClient} is told. */
export interface StsCredentialClientOptions {
  readonly workloadAccessToken: string;
  readonly sessionDuration?: number | undefined;
  readonly policy?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const named = (name: string, value: unknown): string => {
  const given = givenName(`\`${name}\``, value);
  if (given === undefined) throw new IdentityError(`\`${name}\` is left out. No other identity is used in its place.`);
  return given;
};

/** One user, as whoever consented must be named: by a token or by an id. */
const oneUser = (userToken: string | undefined, userId: string | undefined) => {
  const token = givenName("`userToken`", userToken);
  if (token !== undefined) {
    if (!isJwt(token)) throw new IdentityError("`userToken` is not a JWT. No other identity is used in its place.");
    return { userToken: token };
  }
  const id = givenName("`userId`", userId);
  return id === undefined ? undefined : { userId: id };
};

/** What the wrappers use of a client. */
export interface IdentityBroker {
  readonly broker: Broker;
  readonly sessionDuration: number | undefined;
  readonly policy: string | undefined;
}

const brokers = new WeakMap<IdentityClient, IdentityBroker>();

/** M2M acts for no user: what the context says of one is not sent. A workload token in hand still counts. */
export const valuesFor = (flow: string | undefined, values: AgentContextValues): AgentContextValues =>
  flow === "M2M" ? { workloadToken: values.workloadToken } : values;

/**
 * Alibaba Cloud Agent Identity, at the cloud or at Legate.
 *
 * @example
 * ```ts
 * import { IdentityClient } from "@legate/sdk/alibaba";
 *
 * const client = new IdentityClient({ region: "cn-beijing", workloadName: "mail-reader" });
 * const workloadAccessToken = await client.getWorkloadAccessToken({ userId: "alice" });
 * console.log(await client.getApiKey({ credentialProviderName: "search", workloadAccessToken }));
 * ```
 */
export class IdentityClient {
  /** The control plane: 25 actions that register things, 15 of policies and gateways. */
  readonly control: Interfaces["control"];
  /** The data plane, each action as it is. Nothing is cached here. */
  readonly data: Interfaces["data"];
  /** What of RAM a workload's role needs. */
  readonly ram: Interfaces["ram"];
  readonly sts: Interfaces["sts"];
  // A true private: credentials stand in no property that printing, cloning or serialising would show.
  readonly #settings: IdentitySettings;
  readonly #broker: Broker;

  /** @throws ConfigurationError */
  constructor(options: IdentityClientOptions = {}) {
    this.#settings = settingsFrom(options);
    const { control, data, ram, sts } = makeInterfaces(this.#settings);
    this.control = control;
    this.data = data;
    this.ram = ram;
    this.sts = sts;
    this.#broker = makeBroker(this.#settings, makeAlibabaService(this.#settings, makeLocalWorkload(this.#settings)));
    const { sessionDuration, policy } = this.#settings.sts;
    brokers.set(this, { broker: this.#broker, sessionDuration, policy });
  }

  get region(): string {
    return this.#settings.region;
  }

  /** Where each interface is. */
  get endpoints(): Readonly<Record<"control" | "data" | "ram" | "sts", string>> {
    return { ...this.#settings.endpoints };
  }

  get useSts(): boolean {
    return this.#settings.useSts;
  }

  /** Makes a workload identity and answers its name. */
  async createWorkloadIdentity(options: CreateWorkloadIdentityOptions = {}): Promise<string> {
    const { workloadName, signal, timeoutMs, retries } = options;
    const params = {
      WorkloadIdentityName: workloadName ?? madeUpName(this.#settings.nonce),
      Description: options.description,
      RoleArn: options.roleArn,
      CreateRAMRole: options.createRamRole,
      AllowedResourceOAuth2ReturnURLs: options.allowedResourceOAuth2ReturnUrls ?? [],
      IdentityProviderName: options.identityProviderName,
      SessionBindingEnabled: options.sessionBindingEnabled,
    };
    const { WorkloadIdentity } = await this.control.request("CreateWorkloadIdentity", params, { signal, timeoutMs, retries });
    return WorkloadIdentity.WorkloadIdentityName;
  }

  /**
   * A workload access token: for the user whose token there is, else for the user who is named, else for the workload alone. Each call asks the service.
   *
   * @throws IdentityError when the user's token is no JWT, or the id is empty
   */
  async getWorkloadAccessToken(options: WorkloadAccessTokenOptions = {}): Promise<string> {
    const { signal, timeoutMs, retries } = options;
    const user = oneUser(options.userToken, options.userId);
    const workloadName = options.workloadName ?? this.#settings.workloadName;
    if (!workloadName) throw new ConfigurationError("Which workload? Give `workloadName`, or set AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME.");
    const limits = { signal, timeoutMs, retries };
    const params = { WorkloadIdentityName: workloadName };
    const answer =
      user && "userToken" in user
        ? await this.data.request("GetWorkloadAccessTokenForJWT", { ...params, UserToken: user.userToken }, limits)
        : user
          ? await this.data.request("GetWorkloadAccessTokenForUserId", { ...params, UserId: user.userId }, limits)
          : await this.data.request("GetWorkloadAccessToken", params, limits);
    return answer.WorkloadAccessToken;
  }

  /**
   * Says that this user is the one whose consent this is, at the return URL. The service fetches the token then.
   *
   * @throws IdentityError unless exactly one of both names the user
   */
  async confirmUserAuth(
    options: {
      readonly sessionUri: string;
      readonly userId?: string | undefined;
      readonly userToken?: string | undefined;
    } & RequestOptions,
  ): Promise<void> {
    const { sessionUri, userToken, userId, signal, timeoutMs, retries } = options;
    const user = oneUser(userToken, userId);
    if (!user || (userToken !== undefined && userId !== undefined)) throw new IdentityError("Give `userToken` or `userId`, one of both.");
    const UserIdentifier = "userToken" in user ? { UserJWT: user.userToken } : { UserId: user.userId };
    await this.data.request("CompleteResourceTokenAuth", { SessionURI: sessionUri, UserIdentifier }, { signal, timeoutMs, retries });
  }

  /**
   * An access token of an OAuth 2 provider.
   *
   * @throws AuthorizationRequiredError when the user must consent first and nobody waits for it
   * @throws AuthorizationDeniedError, AuthorizationExpiredError, AuthorizationFailedError, PollTimeoutError when the consent ends without a token
   */
  async getToken(options: GetTokenOptions): Promise<string> {
    const { credentialProviderName, tokenVaultName, authFlow, credential, workloadAccessToken, ...rest } = options;
    const request = { ...rest, provider: credentialProviderName, vault: tokenVaultName, flow: authFlow };
    return this.#brokerWith(credential).accessToken({ workloadToken: named("workloadAccessToken", workloadAccessToken) }, request);
  }

  /** An API key that the vault holds. */
  async getApiKey({ credentialProviderName, tokenVaultName, workloadAccessToken, credential, signal }: GetApiKeyOptions): Promise<string> {
    const request = { provider: credentialProviderName, vault: tokenVaultName, signal };
    return this.#brokerWith(credential).apiKey({ workloadToken: named("workloadAccessToken", workloadAccessToken) }, request);
  }

  /** Keys of the workload's role, fetched at each call. */
  async assumeRoleForWorkloadIdentity(options: AssumeRoleOptions): Promise<StsCredential> {
    const { workloadAccessToken, roleSessionName, durationSeconds, policy, signal, timeoutMs, retries } = options;
    const question = { durationSeconds, policy, sessionName: roleSessionName };
    return assumeRole(makeAskData(this.#settings), named("workloadAccessToken", workloadAccessToken), question, {
      signal,
      timeoutMs,
      retries,
    });
  }

  /** Keys of the workload's role as a client of credentials, renewed ahead of their end for as long as the workload access token holds. */
  async getStsCredentialClient(options: StsCredentialClientOptions): Promise<StsCredentialClient> {
    const { sessionDuration, policy, signal } = options;
    const workloadToken = named("workloadAccessToken", options.workloadAccessToken);
    const question = {
      durationSeconds: sessionDuration ?? this.#settings.sts.sessionDuration,
      policy: policy ?? this.#settings.sts.policy,
    };
    const client = new StsCredentialClient((until) => this.#broker.stsCredential({ workloadToken }, { ...question, signal: until }));
    // What is wrong shows here, not at the first use.
    await client.getCredential(signal);
    return client;
  }

  /** Nothing of what is signed with another key is kept. */
  #brokerWith(credential: Credentials | undefined): Broker {
    if (credential === undefined) return this.#broker;
    const settings: IdentitySettings = { ...this.#settings, credentials: sourceOf(credential), useSts: false };
    return makeBroker(settings, makeAlibabaService(settings, makeLocalWorkload(settings)));
  }

  toJSON(): { readonly region: string; readonly endpoints: Readonly<Record<string, string>> } {
    return { region: this.region, endpoints: this.endpoints };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `IdentityClient { region: '${this.region}', data: '${this.endpoints.data}' }`;
  }
}

/** The part of a client that the wrappers use. */
export const brokerOf = (client: IdentityClient): IdentityBroker => {
  const broker = brokers.get(client);
  if (!broker) throw new ConfigurationError("`client` must be an IdentityClient of this same copy of @legate/sdk.");
  return broker;
};

let shared: { readonly of: string; readonly client: IdentityClient } | undefined;

/** The client that the environment describes, made when first needed and kept until the environment changes. */
export const environmentClient = (): IdentityClient => {
  const of = JSON.stringify(identityEnvironment());
  if (shared?.of !== of) shared = { of, client: new IdentityClient() };
  return shared.client;
};
