import { nothing, type Operation } from "@legate/contract";
import { apiError, ConfigurationError, LegateApiError, LegateConnectionError, LegateError } from "./errors.ts";
import { linkedSignal, orAbort } from "./pause.ts";
import { failureReason, retryAfterSeconds, retryDelay } from "./retry.ts";
import { bearerToken, limitsOf, type Settings } from "./settings.ts";
import type { AnswerOf, BodyOf, ParamsOf, QueryOf } from "./wire.ts";

/** What every call may be given. */
export interface CallOptions {
  /** Used instead of the client's own key. */
  readonly bearer?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for this call, its retries included. */
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
}

type IsEmpty<T> = string extends keyof T ? true : keyof T extends never ? true : false;
type Part<Name extends string, T> =
  IsEmpty<T> extends true
    ? { readonly [P in Name]?: undefined }
    : Record<never, never> extends T
      ? { readonly [P in Name]?: T | undefined }
      : { readonly [P in Name]: T };

/** What an operation is asked with: the parts it reads, and {@link CallOptions}. */
export type Asked<O extends Operation> = CallOptions & Part<"params", ParamsOf<O>> & Part<"query", QueryOf<O>> & Part<"body", BodyOf<O>>;

/**
 * Asks the server one operation.
 *
 * @throws LegateApiError for a refusal, LegateConnectionError without an answer, ConfigurationError before anything is sent
 */
export type Call = <O extends Operation>(operation: O, asked: Asked<O>) => Promise<AnswerOf<O>>;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface Loose extends CallOptions {
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly query?: Query | undefined;
  readonly body?: unknown;
}

const pathOf = (operation: Operation, params: Readonly<Record<string, unknown>> = {}): string =>
  operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    // "." and ".." are not escaped by percent-encoding and would climb to another address.
    if (typeof value !== "string" || value === "" || value === "." || value === "..") {
      throw new ConfigurationError(`\`${name}\` must be a string that can stand in a path.`);
    }
    return encodeURIComponent(value);
  });

const queryOf = (query: Query = {}): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search.toString()}`;
};

/** Which of the client's keys an operation is asked with: an agent's own before an operator's. */
const keyFor = (operation: Operation, settings: Settings): string | undefined => {
  const may = (...rights: readonly string[]) => operation.rights.some((right) => rights.includes(right));
  if (settings.agentKey !== undefined && may("agent")) return settings.agentKey;
  if (settings.operatorKey !== undefined && may("installation-admin", "admin", "operator", "auditor")) return settings.operatorKey;
  if (may("anyone")) return undefined;
  const needed = may("agent")
    ? "an `agentKey` or `operatorKey`"
    : may("workload-token")
      ? "a workload token as `bearer`"
      : "an `operatorKey`";
  throw new ConfigurationError(`\`${operation.id}\` needs ${needed}, and this client has none.`);
};

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

/** Makes the one function through which everything is asked of the server. */
export const makeCall = (settings: Settings): Call => {
  const { clock } = settings;

  const answerOf = async (operation: Operation, response: Response): Promise<unknown> => {
    const facts = {
      status: response.status,
      requestId: response.headers.get("x-request-id") ?? undefined,
      retryAfter: retryAfterSeconds(response.headers.get("retry-after"), clock()),
      details: {},
    };
    const unexpected = () =>
      apiError(`The answer to ${operation.id} (HTTP ${response.status}) is not one of Legate's: is \`url\` right?`, {
        ...facts,
        code: "unexpected_answer",
      });
    const text = await response.text();
    if (response.status === operation.status && operation.answer === nothing) return {};
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw unexpected();
    }
    const shape =
      response.status === operation.status
        ? operation.answer
        : response.status === operation.also?.status
          ? operation.also.answer
          : undefined;
    if (shape) {
      const parsed = shape.safeParse(json);
      if (!parsed.success) throw unexpected();
      return parsed.data;
    }
    const error = record(record(json).error);
    if (response.ok || typeof error.code !== "string") throw unexpected();
    throw apiError(typeof error.message === "string" ? error.message : error.code, {
      ...facts,
      code: error.code,
      requestId: typeof error.requestId === "string" ? error.requestId : facts.requestId,
      details: record(error.details),
    });
  };

  const attempt = async (operation: Operation, url: string, init: RequestInit, signal: AbortSignal): Promise<unknown> => {
    try {
      const exchange = async () => answerOf(operation, await settings.fetch(url, { ...init, signal }));
      return await orAbort(exchange(), signal);
    } catch (error) {
      if (error instanceof LegateError) throw error;
      if (signal.aborted) throw signal.reason;
      const reason = failureReason(error);
      throw new LegateConnectionError(`No answer to ${operation.id} from ${settings.url} (${reason}).`, reason);
    }
  };

  const ask = async (operation: Operation, asked: Loose): Promise<unknown> => {
    const bearer = asked.bearer === undefined ? keyFor(operation, settings) : bearerToken("bearer", asked.bearer);
    const url = settings.url + pathOf(operation, asked.params) + queryOf(asked.query);
    const hasBody = operation.method !== "GET" && operation.body !== nothing;
    const init: RequestInit = {
      method: operation.method,
      headers: {
        accept: "application/json",
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(hasBody && { "content-type": "application/json" }),
      },
      ...(hasBody && { body: JSON.stringify(asked.body ?? {}) }),
      // A redirect would carry the request's secrets to an address nobody configured.
      redirect: "manual",
    };
    const { timeoutMs, retries } = limitsOf(asked, settings);
    const limit = linkedSignal([asked.signal]);
    const late = new LegateConnectionError(`No answer to ${operation.id} from ${settings.url} within ${timeoutMs} ms.`, "timeout");
    const timer = setTimeout(() => limit.abort(late), timeoutMs);
    const end = clock() + timeoutMs;
    try {
      for (let tries = 0; ; tries += 1) {
        limit.signal.throwIfAborted();
        try {
          return await attempt(operation, url, init, limit.signal);
        } catch (error) {
          if (limit.signal.aborted) throw limit.signal.reason;
          const delay = tries < retries ? retryDelay(operation, error, tries, settings.random) : undefined;
          if (delay === undefined || clock() + delay >= end) throw error;
          await settings.sleep(delay, limit.signal);
        }
      }
    } finally {
      clearTimeout(timer);
      limit.release();
    }
  };

  return (operation, asked) => ask(operation, asked as Loose) as Promise<AnswerOf<typeof operation>>;
};

/** Whether what the caller presented was refused as such. */
export const isUnauthenticated = (error: unknown): boolean => error instanceof LegateApiError && error.status === 401;
