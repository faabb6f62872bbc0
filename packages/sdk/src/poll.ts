import { ConfigurationError, LegateApiError, LegateConnectionError, PollTimeoutError } from "./errors.ts";
import { linkedSignal } from "./pause.ts";
import type { Settings } from "./settings.ts";

/** How long and how often a pending consent is asked for. */
export interface PollOptions {
  /** The first wait between two polls; each further one is half as long again. 1,000 unless set. */
  readonly intervalMs?: number | undefined;
  /** The longest wait. 5,000 unless set. */
  readonly maxIntervalMs?: number | undefined;
  /** From the moment the consent was asked for. 600,000 unless set: the life of a consent. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Poll<T> {
  readonly pending: { readonly url: string; readonly sessionUri: string };
  /** When the consent was asked for. */
  readonly since: number;
  /** Asks once, within `timeoutMs`; undefined while the consent is pending. */
  readonly ask: (signal: AbortSignal, timeoutMs: number) => Promise<T | undefined>;
  /** Whether the same question may be answered a little later. */
  readonly isPassing: (error: unknown) => boolean;
  readonly options: PollOptions;
  readonly signal: AbortSignal | undefined;
}

/** What the last poll gets, however little time is left. */
const shortestAskMs = 5_000;

/** A time that is none would poll without end or pause. */
const aTime = (name: string, value: unknown): void => {
  if (typeof value !== "number" || !(value >= 0))
    throw new ConfigurationError(`\`poll.${name}\` must be a number of milliseconds, 0 or more.`);
};

/**
 * Asks until there is a definitive answer. A refusal ends it at once, with the refusal; a server that is briefly away does not end it.
 *
 * @throws PollTimeoutError; ConfigurationError
 */
export const poll = async <T>(given: Poll<T>, { clock, random, sleep }: Pick<Settings, "clock" | "random" | "sleep">): Promise<T> => {
  const { intervalMs = 1_000, maxIntervalMs = 5_000, timeoutMs = 600_000 } = given.options;
  for (const [name, value] of Object.entries({ intervalMs, maxIntervalMs, timeoutMs })) aTime(name, value);
  const { signal, release } = linkedSignal([given.signal, given.options.signal]);
  const end = given.since + timeoutMs;
  let interval = Math.min(Math.max(intervalMs, 1), maxIntervalMs);
  let answered = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      let askedWait = 0;
      let lastError: LegateApiError | LegateConnectionError | undefined;
      try {
        const answer = await given.ask(signal, Math.max(end - clock(), shortestAskMs));
        if (answer !== undefined) return answer;
        answered = true;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!given.isPassing(error)) throw error;
        if (error instanceof LegateApiError || error instanceof LegateConnectionError) lastError = error;
        if (error instanceof LegateApiError) askedWait = (error.retryAfter ?? 0) * 1000;
      }
      const wait = Math.max(askedWait, interval * (1 - random() / 4));
      const left = end - clock();
      if (left <= 0) throw new PollTimeoutError(given.pending, clock() - given.since, { lastError, answered });
      await sleep(Math.min(wait, left), signal);
      interval = Math.min(interval * 1.5, maxIntervalMs);
    }
  } finally {
    release();
  }
};
