import type { Operation } from "@legate/contract";
import { LegateApiError, LegateConnectionError } from "./errors.ts";

/** Waits longer than this are the caller's to decide. */
export const longestRetryAfterMs = 30_000;
const transient = new Set([429, 502, 503, 504]);
const safePosts = new Set(["createWorkloadToken", "getApiKey", "getOauth2Token", "readVariables"]);
const neverSent = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** Whether doing it twice does no more than doing it once. */
export const safeToRepeat = (operation: Operation): boolean => operation.method === "GET" || safePosts.has(operation.id);

/** Whether a request never reached the server: such a one may be sent again, whatever it was. */
export const isUnsent = (error: unknown): boolean => error instanceof LegateConnectionError && neverSent.has(error.reason);

/** Whether the same request may succeed a little later. */
export const isTransient = (error: unknown): boolean =>
  error instanceof LegateConnectionError || (error instanceof LegateApiError && transient.has(error.status));

/** Milliseconds before the attempt after this one, counted from 0: doubled each time up to 5 s, and jittered. */
export const backoffMs = (attempt: number, random: () => number): number => {
  const ceiling = Math.min(5_000, 200 * 2 ** attempt);
  return ceiling / 2 + (random() * ceiling) / 2;
};

/** How many milliseconds to wait before the next attempt, or undefined when there must be none. */
export const retryDelay = (operation: Operation, error: unknown, attempt: number, random: () => number): number | undefined => {
  if (!isTransient(error)) return undefined;
  if (!isUnsent(error) && !safeToRepeat(operation)) return undefined;
  const backoff = backoffMs(attempt, random);
  if (!(error instanceof LegateApiError) || error.retryAfter === undefined) return backoff;
  const asked = error.retryAfter * 1000;
  return asked > longestRetryAfterMs ? undefined : Math.max(asked, backoff);
};

/** `Retry-After` in seconds: either form of RFC 9110 10.2.3. */
export const retryAfterSeconds = (header: string | null, now: number): number | undefined => {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
};

/** A short name for why a connection failed: a system error code where one is found. Never the message, which may quote the request. */
export const failureReason = (error: unknown): string => {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    const code: unknown = (cause as { code?: unknown }).code;
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]{2,60}$/.test(code)) return code;
  }
  return "network";
};
