import type { NewAgent } from "./wire.ts";
import { readEnvironment } from "./environment.ts";
import { ConfigurationError } from "./errors.ts";
import { pause } from "./pause.ts";

/** How a {@link LegateClient} is made. */
export interface LegateClientOptions {
  /** Where the server is, such as `https://legate.example.com`. */
  readonly url: string;
  /** The agent's own key (`sk_...`). The agent is then the key's. */
  readonly agentKey?: string | undefined;
  /** An operator's key: for management, and in development for acting as any agent. */
  readonly operatorKey?: string | undefined;
  /** Which agent an operator key acts as. Left out, one is made up, registered and remembered in a file. */
  readonly agent?: string | undefined;
  /** A workload token the platform handed to this process. Left out, the environment's counts where `LEGATE_URL` is unset or this URL. */
  readonly workloadToken?: string | undefined;
  /** How the made-up agent of an operator key is kept and registered. */
  readonly localAgent?: LocalAgentOptions | undefined;
  /** Milliseconds that one call may take, its retries included. 60,000 unless set. */
  readonly timeoutMs?: number | undefined;
  /** How often a call that is safe to repeat is repeated. 3 unless set. */
  readonly retries?: number | undefined;
  readonly cache?: CacheOptions | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** The time in milliseconds. */
  readonly clock?: (() => number) | undefined;
  /** A number from 0 up to, not including, 1: the jitter of waits. */
  readonly random?: (() => number) | undefined;
  /** Waits; rejects with the signal's reason once it aborts. */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/** How the agent is kept that an operator key without an `agent` acts as. */
export interface LocalAgentOptions {
  /** Where the name is kept; `.legate-agent.json` in the working directory unless set. */
  readonly file?: string | undefined;
  /** What else the agent is registered with, such as `allowedReturnUrls`. */
  readonly register?: Omit<NewAgent, "name"> | undefined;
}

/** What is kept in memory, and for how long. */
export interface CacheOptions {
  /** How many workload tokens are kept at most, and how many credentials. 1,000 of each unless set. */
  readonly entries?: number | undefined;
  /** Access tokens are served from memory no longer than this, so that a revocation bites. 60,000 unless set; 0 keeps none. */
  readonly accessTokenMs?: number | undefined;
  /** As `accessTokenMs`, for API keys. 0 unless set: each call asks the vault. At most 60,000. */
  readonly apiKeyMs?: number | undefined;
}

/** Options with nothing left open. */
export interface Settings {
  readonly url: string;
  readonly agentKey: string | undefined;
  readonly operatorKey: string | undefined;
  readonly agent: string | undefined;
  readonly workloadToken: string | undefined;
  readonly localAgent: LocalAgentOptions;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly cache: { readonly entries: number; readonly accessTokenMs: number; readonly apiKeyMs: number };
  readonly fetch: typeof globalThis.fetch;
  readonly clock: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/**
 * What may stand in a bearer header. `fetch` quotes a header it refuses in its error, so a malformed secret must never reach it.
 */
export const bearerToken = (name: string, value: string): string => {
  if (!/^[\x21-\x7e]+$/.test(value)) throw new ConfigurationError(`\`${name}\` must be printable ASCII without spaces, and not empty.`);
  return value;
};

const serverUrl = (value: string): string => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) throw new ConfigurationError("`url` must be an http or https URL.");
  if (url.username || url.password || url.search || url.hash) {
    throw new ConfigurationError("`url` must carry no user information, query or fragment.");
  }
  return url.href.replace(/\/+$/, "");
};

/** A whole number of this option. @throws ConfigurationError */
export const count = (name: string, value: number | undefined, otherwise: number, max = 2 ** 31 - 1): number => {
  const given = value ?? otherwise;
  if (!Number.isInteger(given) || given < 0 || given > max)
    throw new ConfigurationError(`\`${name}\` must be a whole number from 0 to ${max}.`);
  return given;
};

/** What one call may be told of its own limits, for the client's where it says nothing. @throws ConfigurationError */
export const limitsOf = (
  own: { readonly timeoutMs?: number | undefined; readonly retries?: number | undefined },
  { timeoutMs, retries }: { readonly timeoutMs: number; readonly retries: number },
): { readonly timeoutMs: number; readonly retries: number } => {
  const longest = 2 ** 31 - 1;
  const ms: unknown = own.timeoutMs ?? timeoutMs;
  // A timer takes whatever else for no time at all.
  if (typeof ms !== "number" || !(ms >= 0 && ms <= longest))
    throw new ConfigurationError(`\`timeoutMs\` must be a number from 0 to ${longest}.`);
  return { timeoutMs: ms, retries: count("retries", own.retries, retries) };
};

/** A platform's workload token is for the platform's server: it is not sent to another. */
const environmentToken = (url: string): string | undefined => {
  const environment = readEnvironment();
  if (environment.workloadToken === undefined) return undefined;
  const same = environment.url === undefined || (URL.canParse(environment.url) && serverUrl(environment.url) === url);
  return same ? environment.workloadToken : undefined;
};

/** @throws ConfigurationError */
export const settingsFrom = (options: LegateClientOptions): Settings => {
  const secret = (name: "agentKey" | "operatorKey" | "workloadToken", value: string | undefined) =>
    value === undefined ? undefined : bearerToken(name, value);
  const url = serverUrl(options.url);
  return {
    url,
    agentKey: secret("agentKey", options.agentKey),
    operatorKey: secret("operatorKey", options.operatorKey),
    agent: options.agent,
    workloadToken: secret("workloadToken", options.workloadToken ?? environmentToken(url)),
    localAgent: options.localAgent ?? {},
    timeoutMs: count("timeoutMs", options.timeoutMs, 60_000),
    retries: count("retries", options.retries, 3),
    cache: {
      entries: count("cache.entries", options.cache?.entries, 1000),
      accessTokenMs: count("cache.accessTokenMs", options.cache?.accessTokenMs, 60_000),
      apiKeyMs: count("cache.apiKeyMs", options.cache?.apiKeyMs, 0, 60_000),
    },
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    clock: options.clock ?? Date.now,
    random: options.random ?? Math.random,
    sleep: options.sleep ?? pause,
  };
};
