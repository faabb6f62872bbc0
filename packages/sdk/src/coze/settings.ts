import { backoffMs } from "../retry.ts";
import { pause } from "../pause.ts";
import { envKeys } from "./env-keys.ts";
import { processVariables, type Variables } from "./environment.ts";
import { ConfigurationError } from "./errors.ts";
import { type Log, quiet } from "./log.ts";

/**
 * How long one attempt may take, in milliseconds, from the first packet to the last byte of the answer. `fetch` does not tell when a connection
 * stands, so a pair of the original's kind (to connect, to read) counts as its sum.
 */
export type Timeout = number | readonly [connect: number, read: number] | { readonly connect: number; readonly read: number };

/** How a {@link Client} is made. What is left out comes from the environment, which is read once, when the client is made. */
export interface ClientOptions {
  /** `COZE_WORKLOAD_IDENTITY_CLIENT_ID` unless given. */
  readonly clientId?: string | undefined;
  /** `COZE_WORKLOAD_IDENTITY_CLIENT_SECRET` unless given. */
  readonly clientSecret?: string | undefined;
  /** `COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT` unless given. */
  readonly tokenEndpoint?: string | undefined;
  /** `COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT` unless given. */
  readonly accessTokenEndpoint?: string | undefined;
  /** `COZE_OUTBOUND_AUTH_ENDPOINT` unless given; needed for credentials and variables only. */
  readonly outboundEndpoint?: string | undefined;
  /** `COZE_SERVER_ENV` unless given; `NONE` is no lane, the empty string is one. */
  readonly lane?: string | undefined;
  /** `[5_000, 30_000]` unless given. A request whose time is over is not repeated. */
  readonly timeout?: Timeout | undefined;
  /** How often a request is repeated after a broken connection, 429 or 5xx. 3 unless given. */
  readonly retries?: number | undefined;
  /** Asks for credentials where version 0.1.2 of the Python package does: at the outbound endpoint itself. */
  readonly legacy?: boolean | undefined;
  /** Ends every call of this client. */
  readonly signal?: AbortSignal | undefined;
  readonly log?: Log | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** The time in milliseconds. Clients with clocks of their own share no tokens with others. */
  readonly clock?: (() => number) | undefined;
  /** A number from 0 up to, not including, 1: the jitter of waits. */
  readonly random?: (() => number) | undefined;
  /** Waits; rejects with the signal's reason once it aborts. */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/** What a request needs beside the question. */
export interface Reach {
  readonly timeoutMs: number;
  readonly retries: number;
  readonly log: Log;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: () => number;
  /** Milliseconds before the attempt after this one, counted from 0. */
  readonly backoff: (attempt: number) => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** Options with nothing left open. */
export interface Settings extends Reach {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly tokenEndpoint: string;
  readonly accessTokenEndpoint: string;
  readonly outboundEndpoint: string | undefined;
  readonly lane: string;
  readonly legacy: boolean;
  readonly signal: AbortSignal | undefined;
}

/** An address that requests with secrets may go to. Its text is never quoted: it may hold a password. */
export const endpoint = (name: string, value: string): string => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw new ConfigurationError(`${name} must be an http or https URL.`);
  if (url.username || url.password) throw new ConfigurationError(`${name} must carry no user name or password.`);
  return value;
};

const wholeNumber = (name: string, value: number, least: number): number => {
  if (Number.isInteger(value) && value >= least && value <= 2 ** 31 - 1) return value;
  throw new ConfigurationError(`\`${name}\` must be a whole number from ${least} to ${2 ** 31 - 1}.`);
};

const attemptMs = (timeout: Timeout): number => {
  if (typeof timeout === "number") return wholeNumber("timeout", timeout, 1);
  const [connect, read] = "connect" in timeout ? [timeout.connect, timeout.read] : timeout;
  return wholeNumber("timeout", wholeNumber("timeout", connect, 0) + wholeNumber("timeout", read, 1), 1);
};

/** @throws ConfigurationError for a timeout or number of retries that makes no sense */
export const reachOf = (
  options: Pick<ClientOptions, "timeout" | "retries" | "log" | "fetch" | "clock" | "random" | "sleep">,
  otherwise: Timeout,
): Reach => {
  const random = options.random ?? Math.random;
  return {
    timeoutMs: attemptMs(options.timeout ?? otherwise),
    retries: wholeNumber("retries", options.retries ?? 3, 0),
    log: quiet(options.log),
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    clock: options.clock ?? Date.now,
    backoff: (attempt) => backoffMs(attempt, random),
    sleep: options.sleep ?? pause,
  };
};

/** @throws ConfigurationError that names everything missing at once */
export const settingsFrom = (options: ClientOptions, variables: Variables = processVariables()): Settings => {
  const missing: string[] = [];
  const needed = (name: string, given: string | undefined): string => {
    const value = given ?? variables[name] ?? "";
    if (value === "") missing.push(name);
    return value;
  };
  const clientId = needed(envKeys.COZE_WORKLOAD_IDENTITY_CLIENT_ID, options.clientId);
  const clientSecret = needed(envKeys.COZE_WORKLOAD_IDENTITY_CLIENT_SECRET, options.clientSecret);
  const tokenEndpoint = needed(envKeys.COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT, options.tokenEndpoint);
  const accessTokenEndpoint = needed(envKeys.COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT, options.accessTokenEndpoint);
  if (missing.length > 0) throw new ConfigurationError(`Missing required environment variables: ${missing.join(", ")}`);

  const outbound = options.outboundEndpoint ?? variables[envKeys.COZE_OUTBOUND_AUTH_ENDPOINT];
  const lane = options.lane ?? variables[envKeys.COZE_SERVER_ENV] ?? envKeys.DEFAULT_COZE_SERVER_ENV;
  // What no header can hold would fail at each request, in words that do not name the variable.
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(lane)) throw new ConfigurationError(`${envKeys.COZE_SERVER_ENV} cannot stand in an HTTP header.`);
  return {
    ...reachOf(options, [5_000, 30_000]),
    clientId,
    clientSecret,
    tokenEndpoint: endpoint(envKeys.COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT, tokenEndpoint),
    accessTokenEndpoint: endpoint(envKeys.COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT, accessTokenEndpoint),
    outboundEndpoint: outbound ? endpoint(envKeys.COZE_OUTBOUND_AUTH_ENDPOINT, outbound).replace(/\/+$/, "") : undefined,
    lane,
    legacy: options.legacy ?? false,
    signal: options.signal,
  };
};
