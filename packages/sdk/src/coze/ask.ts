import { linkedSignal, orAbort } from "../pause.ts";
import { failureReason, retryAfterSeconds } from "../retry.ts";
import type { Step } from "./log.ts";
import { outlineOf, quotable } from "../secrecy.ts";
import type { Reach } from "./settings.ts";

/** One request. Each of this subpath's is safe to repeat: it fetches, and changes nothing. */
export interface Question {
  readonly step: Step;
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What no text may quote. */
  readonly secrets: readonly string[];
}

/** What came back, whatever its status. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly requestId: string | undefined;
  readonly text: string;
}

/** There was no answer, or one too large to take. Whoever asks turns it into an error of its own. */
export class NoAnswer extends Error {
  readonly code: string;
  readonly underneath: Error | undefined;

  constructor(code: string, message: string, underneath?: Error) {
    super(message);
    this.code = code;
    this.underneath = underneath;
  }
}

/** Asks, and repeats what may have failed by chance. @throws NoAnswer, and the signal's reason once it aborts */
export type Ask = (question: Question, signal: AbortSignal | undefined) => Promise<Answer>;

const longestAnswer = 8 * 1024 * 1024;
/** All waits for one answer together. Whoever is told to come back later than this decides for itself. */
const longestWaitMs = 30_000;

/** An address as texts may show it: a query may hold what is nobody's business. */
const placeOf = (url: string): string => {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
};

const isTransient = (status: number): boolean => status === 429 || (status >= 500 && status !== 501);

/** The whole body as text, or the end of patience with it. Bytes that are no UTF-8 are refused: a value must not be changed silently. */
const textOf = async (response: Response, place: string): Promise<string> => {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (!done) {
      bytes += value.byteLength;
      if (bytes > longestAnswer) {
        void reader.cancel().catch(() => undefined);
        throw new NoAnswer("too_large", `the answer of ${place} is larger than ${longestAnswer} bytes`);
      }
    }
    try {
      text += done ? decoder.decode() : decoder.decode(value, { stream: true });
    } catch {
      void reader.cancel().catch(() => undefined);
      throw new NoAnswer("not_text", `the answer of ${place} is not UTF-8`);
    }
    if (done) return text;
  }
};

/** Makes the one function through which this subpath asks anything. */
export const makeAsk = ({ fetch, timeoutMs, retries, backoff, sleep, clock, log }: Reach): Ask => {
  const exchange = async (question: Question, place: string, signal: AbortSignal) => {
    const { method, url, headers, body } = question;
    // No redirect is followed: it would carry the request's secrets to an address that nobody configured.
    const init = { method, headers, ...(body !== undefined && { body }), redirect: "manual" as const, signal };
    const response = await fetch(url, init);
    // Legate's own header, and Coze's.
    const requestId = response.headers.get("x-request-id") || response.headers.get("x-tt-logid") || "";
    return {
      status: response.status,
      statusText: response.statusText,
      requestId: quotable(requestId, question.secrets) || undefined,
      retryAfterMs: (retryAfterSeconds(response.headers.get("retry-after"), clock()) ?? 0) * 1000,
      text: await textOf(response, place),
    };
  };

  const attempt = async (question: Question, signal: AbortSignal | undefined) => {
    const place = placeOf(question.url);
    const limit = linkedSignal([signal]);
    const late = new NoAnswer("timeout", `${place} timed out after ${timeoutMs} ms`);
    const timer = setTimeout(() => limit.abort(late), timeoutMs);
    try {
      return await orAbort(exchange(question, place, limit.signal), limit.signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (limit.signal.aborted) throw late;
      if (error instanceof NoAnswer) throw error;
      const code = failureReason(error);
      throw new NoAnswer(code, `${place} cannot be reached (${code})`, outlineOf(error, question.secrets));
    } finally {
      clearTimeout(timer);
      limit.release();
    }
  };

  return async (question, signal) => {
    const { step } = question;
    for (let tries = 0, waited = 0; ; tries += 1) {
      signal?.throwIfAborted();
      const outcome = await attempt(question, signal).catch((error: unknown) => {
        if (error instanceof NoAnswer) return error;
        throw error;
      });
      const failed = outcome instanceof NoAnswer;
      const facts = failed ? { code: outcome.code } : { status: outcome.status, requestId: outcome.requestId };
      // A request that ran out of time has used up what its caller would wait.
      const again = failed ? !["timeout", "too_large", "not_text"].includes(outcome.code) : isTransient(outcome.status);
      const delayMs = Math.max(backoff(tries), failed ? 0 : outcome.retryAfterMs);
      if (again && tries < retries && waited + delayMs <= longestWaitMs) {
        log({ level: "warn", message: "The request is repeated after a wait.", step, attempt: tries + 1, delayMs, ...facts });
        waited += delayMs;
        await sleep(delayMs, signal);
        continue;
      }
      if (failed) {
        log({ level: "error", message: "There was no answer.", step, attempt: tries + 1, ...facts });
        throw outcome;
      }
      log({ level: outcome.status < 400 ? "debug" : "error", message: "There was an answer.", step, attempt: tries + 1, ...facts });
      const { retryAfterMs: _, ...answer } = outcome;
      return answer;
    }
  };
};
