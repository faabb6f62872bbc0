import { ConfigurationError } from "../errors.ts";
import { pause } from "../pause.ts";
import { bearerToken, count } from "../settings.ts";
import type { Plane } from "./action.ts";
import type { NewWorkloadIdentity } from "./control-plane.ts";
import { type ChainStep, makeChain } from "./credentials/chain.ts";
import { type Credentials, type CredentialSource, sourceOf } from "./credentials/credential.ts";
import { homeOf, readText } from "./credentials/files.ts";
import { type IdentityEnvironment, identityEnvironment, processVariables } from "./environment.ts";
import { makeRpc, type Reach, type Rpc } from "./rpc.ts";
import { fetchAsEnvironmentSays } from "./tunnel.ts";

/** How an {@link IdentityClient} is made. What is left out comes from the environment, read when the client is made; credentials are looked for at each call. */
export interface IdentityClientOptions {
  /** `AGENT_IDENTITY_REGION_ID` unless given, else `cn-beijing`. */
  readonly region?: string | undefined;
  /** Where both planes are, with or without scheme (https then): Legate's address, say. `AGENT_IDENTITY_ENDPOINT` unless given, else the cloud's own. */
  readonly endpoint?: string | undefined;
  /** `AGENT_IDENTITY_CONTROL_ENDPOINT` unless given. */
  readonly controlEndpoint?: string | undefined;
  /** `AGENT_IDENTITY_DATA_ENDPOINT` unless given. */
  readonly dataEndpoint?: string | undefined;
  /** `AGENT_IDENTITY_RAM_ENDPOINT` unless given, else `endpoint` where that is not the cloud's, else `ram.aliyuncs.com`. */
  readonly ramEndpoint?: string | undefined;
  /** `AGENT_IDENTITY_STS_ENDPOINT` unless given, else as `ramEndpoint`, with `sts.aliyuncs.com`. */
  readonly stsEndpoint?: string | undefined;
  /** The caller's own. The default chain unless given. */
  readonly credentials?: Credentials | undefined;
  /** Places that the default chain leaves out. */
  readonly withoutCredentialsOf?: readonly ChainStep[] | undefined;
  /** `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME` unless given, else the name in the file. */
  readonly workloadName?: string | undefined;
  /** A workload access token that the platform gave. `AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN` unless given, where data is asked where the environment says: a client of another place is given this or `credentials`. */
  readonly workloadAccessToken?: string | undefined;
  /** Whether credentials are fetched with temporary keys of the workload's role, or with the caller's own. `AGENT_IDENTITY_USE_STS` unless given, else true. */
  readonly useSts?: boolean | undefined;
  /** The temporary keys that `useSts` signs with. */
  readonly sts?: StsOptions | undefined;
  /** How a workload that nobody named is kept and made. */
  readonly localWorkload?: LocalWorkloadOptions | undefined;
  /** Milliseconds that one call may take, its repeats included. 60,000 unless set. */
  readonly timeoutMs?: number | undefined;
  /** How often a call that is safe to repeat is repeated. 3 unless set. */
  readonly retries?: number | undefined;
  readonly cache?: IdentityCacheOptions | undefined;
  /** Unless given, Node's, by way of the proxy that the environment names. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** The time in milliseconds. */
  readonly clock?: (() => number) | undefined;
  /** A number from 0 up to, not including, 1: the jitter of waits. */
  readonly random?: (() => number) | undefined;
  /** Waits; rejects with the signal's reason once it aborts. */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/** What temporary keys are asked with. */
export interface StsOptions {
  /** Seconds, 900 to 43,200. 3,600 unless set. */
  readonly sessionDuration?: number | undefined;
  /** Narrows what the keys may do: JSON text. */
  readonly policy?: string | undefined;
}

/** How a workload is made and remembered that nobody named: for development. */
export interface LocalWorkloadOptions {
  /** Where the name is kept: `.config.json` in the working directory unless set; false keeps it in memory alone. */
  readonly file?: string | false | undefined;
  /** What else it is made with, such as its return URLs. A role is made for it, if `useSts` needs one, unless `RoleArn` or `CreateRAMRole` stands here. */
  readonly register?: Omit<NewWorkloadIdentity, "WorkloadIdentityName"> | undefined;
}

/** What is kept in memory, and for how long. */
export interface IdentityCacheOptions {
  /** How many things of each kind are kept at most. 1,000 unless set. */
  readonly entries?: number | undefined;
  /** Access tokens are served from memory no longer than this, so that a revocation bites. 60,000 unless set; 0 keeps none. */
  readonly accessTokenMs?: number | undefined;
  /** As `accessTokenMs`, for API keys. 0 unless set: each call asks the vault. At most 60,000. */
  readonly apiKeyMs?: number | undefined;
  /** For workload access tokens that do not say when they end. 300,000 unless set. */
  readonly workloadTokenMs?: number | undefined;
}

/** Options with nothing left open. */
export interface IdentitySettings extends Reach {
  readonly region: string;
  readonly endpoints: Readonly<Record<Plane, string>>;
  readonly credentials: CredentialSource;
  readonly workloadName: string | undefined;
  readonly workloadAccessToken: string | undefined;
  readonly useSts: boolean;
  readonly sts: StsOptions;
  readonly localWorkload: LocalWorkloadOptions;
  readonly cache: { readonly entries: number; readonly accessTokenMs: number; readonly apiKeyMs: number; readonly workloadTokenMs: number };
  readonly rpc: Rpc;
}

const endpointOf = (name: string, given: string): string => {
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `https://${given}`;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  // Its text is not quoted: it may hold a password.
  if (!url || !/^https?:$/.test(url.protocol)) throw new ConfigurationError(`\`${name}\` must be a host, or an http or https URL.`);
  if (url.username || url.password || url.search || url.hash)
    throw new ConfigurationError(`\`${name}\` must carry no user information, query or fragment.`);
  return url.href.replace(/\/+$/, "");
};

const cloudHost = /^(https:\/\/agentidentity)(data)?((?:-vpc)?\.[a-z0-9-]+\.aliyuncs\.com)$/;

type Given = Pick<IdentityClientOptions, "endpoint" | "controlEndpoint" | "dataEndpoint" | "ramEndpoint" | "stsEndpoint">;

/** Where each interface is. An endpoint of the cloud's own names one of its two planes, and thereby the other. */
const endpointsOf = (region: string, given: Given): Record<Plane, string> => {
  const both = given.endpoint === undefined ? undefined : endpointOf("endpoint", given.endpoint);
  const cloud = both === undefined ? ["", "https://agentidentity", undefined, `.${region}.aliyuncs.com`] : cloudHost.exec(both);
  const named = (name: Exclude<keyof Given, "endpoint">, otherwise: string) =>
    given[name] === undefined ? otherwise : endpointOf(name, given[name]);
  const elsewhere = both ?? "";
  return {
    control: named("controlEndpoint", cloud ? `${cloud[1]}${cloud[3]}` : elsewhere),
    data: named("dataEndpoint", cloud ? `${cloud[1]}data${cloud[3]}` : elsewhere),
    ram: named("ramEndpoint", cloud ? "https://ram.aliyuncs.com" : elsewhere),
    sts: named("stsEndpoint", cloud ? "https://sts.aliyuncs.com" : elsewhere),
  };
};

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Requests of the outer world, as the options say. */
const reachOf = (options: IdentityClientOptions): Reach => ({
  timeoutMs: count("timeoutMs", options.timeoutMs, 60_000),
  retries: count("retries", options.retries, 3),
  fetch: options.fetch ?? fetchAsEnvironmentSays(),
  clock: options.clock ?? Date.now,
  random: options.random ?? Math.random,
  sleep: options.sleep ?? pause,
  nonce: () => hex(crypto.getRandomValues(new Uint8Array(16))),
});

/** The default chain, over these requests. */
const chainOf = (reach: Reach, rpc: Rpc, options: Pick<IdentityClientOptions, "fetch" | "withoutCredentialsOf">): CredentialSource =>
  makeChain({
    variables: processVariables,
    home: homeOf,
    read: readText,
    fetch: reach.fetch,
    direct: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    rpc,
    clock: reach.clock,
    without: options.withoutCredentialsOf ?? [],
  });

/** How {@link defaultCredentials} looks. */
export type DefaultCredentialsOptions = Pick<IdentityClientOptions, "fetch" | "clock" | "withoutCredentialsOf">;

/** The credentials of the place where this runs, by the documented default chain. */
export const defaultCredentials = (options: DefaultCredentialsOptions = {}): CredentialSource => {
  const reach = reachOf(options);
  return chainOf(reach, makeRpc(reach), options);
};

/** Where the environment says that data is asked; undefined where what it says is no place. */
const environmentPlace = (environment: IdentityEnvironment): string | undefined => {
  try {
    return endpointsOf(environment.region ?? "cn-beijing", environment).data;
  } catch (error) {
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  }
};

/** A platform's token is for the platform's service: it is not sent to another, and who acts there instead must be said. */
const environmentToken = (environment: IdentityEnvironment, place: string, hasCredentials: boolean): string | undefined => {
  const token = environment.workloadAccessToken;
  if (token === undefined || environmentPlace(environment) === place) return token;
  if (hasCredentials) return undefined;
  throw new ConfigurationError(
    "AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN is for where the environment says, and this client asks elsewhere: give it `credentials`, or a `workloadAccessToken` of its own.",
  );
};

/** @throws ConfigurationError */
export const settingsFrom = (options: IdentityClientOptions): IdentitySettings => {
  const environment = identityEnvironment();
  const region = options.region ?? environment.region ?? "cn-beijing";
  if (!/^[a-z0-9-]{1,64}$/.test(region)) throw new ConfigurationError("`region` is no region's name.");
  // An option for one plane leaves the environment's for the other; one for both replaces what the environment says of either.
  const { endpoint, controlEndpoint, dataEndpoint, ramEndpoint, stsEndpoint } = options;
  const own: Given = { controlEndpoint, dataEndpoint, ramEndpoint, stsEndpoint };
  const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  const endpoints = endpointsOf(region, endpoint === undefined ? { ...environment, ...given } : { endpoint, ...given });
  const reach = reachOf(options);
  const rpc = makeRpc(reach);
  const token = options.workloadAccessToken ?? environmentToken(environment, endpoints.data, options.credentials !== undefined);
  const { sessionDuration } = options.sts ?? {};
  if (sessionDuration !== undefined && !(Number.isInteger(sessionDuration) && sessionDuration > 0))
    throw new ConfigurationError("`sts.sessionDuration` must be a whole number of seconds.");
  return {
    ...reach,
    rpc,
    region,
    endpoints,
    credentials: options.credentials === undefined ? chainOf(reach, rpc, options) : sourceOf(options.credentials),
    workloadName: options.workloadName ?? environment.workloadName,
    workloadAccessToken: token === undefined ? undefined : bearerToken("workloadAccessToken", token),
    useSts: options.useSts ?? environment.useSts,
    sts: options.sts ?? {},
    localWorkload: options.localWorkload ?? {},
    cache: {
      entries: count("cache.entries", options.cache?.entries, 1_000),
      accessTokenMs: count("cache.accessTokenMs", options.cache?.accessTokenMs, 60_000),
      apiKeyMs: count("cache.apiKeyMs", options.cache?.apiKeyMs, 0, 60_000),
      workloadTokenMs: count("cache.workloadTokenMs", options.cache?.workloadTokenMs, 300_000),
    },
  };
};
