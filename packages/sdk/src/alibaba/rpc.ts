import { ConfigurationError, LegateApiError, LegateConnectionError, LegateError } from "../errors.ts";
import { linkedSignal, orAbort } from "../pause.ts";
import { backoffMs, failureReason, isUnsent, longestRetryAfterMs, retryAfterSeconds } from "../retry.ts";
import { quotable } from "../secrecy.ts";
import { limitsOf } from "../settings.ts";
import { type Action, type Answered, type Plane, versions } from "./action.ts";
import { canonicalQuery, type SigningKey, signedHeaders } from "./acs3.ts";
import { faultOf, hintFor, isPassing } from "./faults.ts";
import { Mismatch } from "./shape.ts";

/** What every request may be given. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for this request, its repeats included. */
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
}

/** What requests need of the world. */
export interface Reach {
  readonly timeoutMs: number;
  readonly retries: number;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** 32 hexadecimal digits, never twice the same. */
  readonly nonce: () => string;
}

/** One question. */
export interface Asked<P, A> {
  readonly plane: Plane;
  readonly name: string;
  readonly action: Action<P, A>;
  readonly params: P;
  /** With scheme, without a final slash. */
  readonly endpoint: string;
  /** Left out for what is anonymous. */
  readonly key: SigningKey | undefined;
}

/**
 * Asks one question.
 *
 * @throws LegateApiError for a refusal, LegateConnectionError without an answer, ConfigurationError before anything is sent
 */
export type Rpc = <P extends object, A>(asked: Asked<P, A>, options?: RequestOptions) => Promise<A & Answered>;

/** Lists, maps and objects travel as JSON text. */
const valueOf = (name: string, value: unknown): string => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (!text.isWellFormed() || text.includes("\0")) throw new ConfigurationError(`\`${name}\` is not well-formed Unicode, or holds a NUL.`);
  return text;
};
const fieldsOf = (params: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(params).flatMap(([name, value]: [string, unknown]) =>
      value === undefined || value === null ? [] : [[name, valueOf(name, value)]],
    ),
  );

/** Every text in a value: what of it a server could quote. */
const textsIn = (value: unknown): readonly string[] => {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
};

const parsed = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};

/** Both spellings of the wire's error fields are in use. */
const told = (body: Readonly<Record<string, unknown>>, name: "Code" | "Message" | "RequestId"): string | undefined => {
  const value = body[name] ?? body[name.charAt(0).toLowerCase() + name.slice(1)];
  return typeof value === "string" && value !== "" ? value : undefined;
};

/** Makes the one function through which this subpath asks anything of an interface. */
export const makeRpc = (reach: Reach): Rpc => {
  const { clock } = reach;

  /** Signed anew for each attempt: a nonce is good for one. */
  const requestOf = async <P extends object, A>({ plane, name, action, params, endpoint, key }: Asked<P, A>) => {
    const { host, pathname, protocol } = new URL(`${endpoint}/`);
    const fields = fieldsOf(params);
    const now = `${new Date(clock()).toISOString().slice(0, 19)}Z`;
    const version = versions[plane];
    const query: Record<string, string> = {
      ...(action.query && fields),
      ...(action.anonymous && { Action: name, Format: "json", Version: version, Timestamp: now, SignatureNonce: reach.nonce() }),
    };
    const body = action.query ? "" : new URLSearchParams(fields).toString();
    const headers = {
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
      "user-agent": "legate-sdk",
      "x-acs-action": name,
      "x-acs-version": version,
    };
    const search = canonicalQuery(query);
    const url = `${protocol}//${host}${pathname}${search === "" ? "" : `?${search}`}`;
    if (action.anonymous) return { url, init: { method: "POST", headers, body } };
    if (!key) throw new ConfigurationError(`${name} must be signed, and there is no key to sign it with.`);
    // What proxies like to change, such as accept and user-agent, is not signed.
    const signed = {
      host,
      "content-type": headers["content-type"],
      "x-acs-action": name,
      "x-acs-version": version,
      "x-acs-date": now,
      "x-acs-signature-nonce": reach.nonce(),
    };
    const proof = await signedHeaders({ method: "POST", path: pathname, query, headers: signed, body }, key);
    const { host: _, ...sent } = signed;
    return { url, init: { method: "POST", headers: { ...headers, ...sent, ...proof }, body } };
  };

  const answerOf = async <P extends object, A>(
    asked: Asked<P, A>,
    response: Response,
    secrets: readonly string[],
  ): Promise<A & Answered> => {
    const { name, action, endpoint } = asked;
    const body = parsed(await response.text());
    const milliseconds = Number(response.headers.get("x-acs-retry-after") ?? Number.NaN);
    const clean = (text: string | null | undefined) => (text ? quotable(text, secrets) : undefined);
    const facts = {
      status: response.status,
      requestId: clean((body && told(body, "RequestId")) ?? response.headers.get("x-acs-request-id")),
      retryAfter: milliseconds > 0 ? milliseconds / 1000 : retryAfterSeconds(response.headers.get("retry-after"), clock()),
      details: { action: name, endpoint },
    };
    const unexpected = (why: string) =>
      new LegateApiError(`The answer to ${name} from ${endpoint} (HTTP ${response.status}) ${why}. Is the endpoint right?`, {
        ...facts,
        code: "unexpected_answer",
      });
    if (response.status >= 200 && response.status < 300) {
      if (!body) throw unexpected("is no JSON object");
      try {
        const answer = action.answer(body);
        return { ...answer, ...(facts.requestId !== undefined && { RequestId: facts.requestId }) };
      } catch (error) {
        if (error instanceof Mismatch) throw unexpected(`does not hold what it should: ${error.message}`);
        throw error;
      }
    }
    const code = body && told(body, "Code");
    if (!code) throw unexpected("is no error of this interface's");
    const message = clean(told(body, "Message")) ?? code;
    const hint = hintFor(code, endpoint);
    throw faultOf(hint === "" ? message : `${message} ${hint}`, { ...facts, code: quotable(code, secrets) });
  };

  const attempt = async <P extends object, A>(
    asked: Asked<P, A>,
    secrets: readonly string[],
    signal: AbortSignal,
  ): Promise<A & Answered> => {
    const { url, init } = await requestOf(asked);
    try {
      // No redirect is followed: it would carry the request's secrets to an address that nobody configured.
      const exchange = async () => answerOf(asked, await reach.fetch(url, { ...init, redirect: "manual", signal }), secrets);
      return await orAbort(exchange(), signal);
    } catch (error) {
      if (error instanceof LegateError) throw error;
      if (signal.aborted) throw signal.reason;
      const reason = failureReason(error);
      throw new LegateConnectionError(`No answer to ${asked.name} from ${asked.endpoint} (${reason}).`, reason);
    }
  };

  /** Milliseconds before the next attempt, or undefined when there must be none. */
  const delayAfter = (error: unknown, repeatable: boolean, tries: number): number | undefined => {
    if (!isPassing(error) || !(repeatable || isUnsent(error))) return undefined;
    const backoff = backoffMs(tries, reach.random);
    const asked = error instanceof LegateApiError ? (error.retryAfter ?? 0) * 1000 : 0;
    return asked > longestRetryAfterMs ? undefined : Math.max(asked, backoff);
  };

  return async (asked, options = {}) => {
    const { name, action, params, endpoint, key } = asked;
    const secrets = [
      ...(action.secrets ?? []).flatMap((field) => textsIn((params as Record<string, unknown>)[field])),
      ...(key ? [key.accessKeySecret, key.securityToken ?? ""] : []),
    ];
    const { timeoutMs, retries } = limitsOf(options, reach);
    const limit = linkedSignal([options.signal]);
    const late = new LegateConnectionError(`No answer to ${name} from ${endpoint} within ${timeoutMs} ms.`, "timeout");
    const timer = setTimeout(() => limit.abort(late), timeoutMs);
    const end = clock() + timeoutMs;
    try {
      for (let tries = 0; ; tries += 1) {
        limit.signal.throwIfAborted();
        try {
          return await attempt(asked, secrets, limit.signal);
        } catch (error) {
          if (limit.signal.aborted) throw limit.signal.reason;
          const delay = tries < retries ? delayAfter(error, action.repeatable, tries) : undefined;
          if (delay === undefined || clock() + delay >= end) throw error;
          await reach.sleep(delay, limit.signal);
        }
      }
    } finally {
      clearTimeout(timer);
      limit.release();
    }
  };
};
