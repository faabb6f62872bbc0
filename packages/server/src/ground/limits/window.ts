/** Milliseconds: what a limit is counted over. */
export const minute = 60_000;

/** What one caller used in one minute. */
export interface Counter {
  readonly key: string;
  /** Which minute since 1970. */
  readonly period: number;
  /** By this replica. */
  own: number;
  /** What of `own` the other replicas know. */
  reported: number;
  /** By the others, as far as known. */
  others: number;
  /** The minute before. */
  before: Counter | undefined;
  /** Whether it waits to be told to the others. */
  waiting: boolean;
}

export const newCounter = (key: string, period: number, before?: Counter): Counter => ({
  key,
  period,
  own: 0,
  reported: 0,
  others: 0,
  before,
  waiting: false,
});

/** Where in time a decision is made: the minute, and the share of it that is still to come. */
export interface Moment {
  readonly period: number;
  readonly left: number;
}

export const momentOf = (now: number): Moment => {
  const period = Math.floor(now / minute);
  return { period, left: 1 - (now - period * minute) / minute };
};

const usedIn = (counter: Counter | undefined): number => (counter ? counter.own + counter.others : 0);

interface WindowSettings {
  /** In a minute. */
  readonly limit: number;
  /** How many callers are counted each by themselves. */
  readonly most: number;
  /** With whom a caller is counted together once there are that many. */
  readonly crowdOf: (key: string) => string;
}

/**
 * A sliding window of one minute over any number of callers. What counts is this minute, and of the last one the share that the window still
 * covers: exact at a steady pace, and never more than twice the limit in any minute of the worst burst.
 *
 * Counters live for two minutes, so that nobody has to look for idle ones. Once `most` callers are known, newcomers are counted with their
 * neighbours: a flood from a million addresses fills no memory and pushes nobody out.
 */
export const makeWindow = ({ limit, most, crowdOf }: WindowSettings) => {
  let period = Number.NEGATIVE_INFINITY;
  let now = new Map<string, Counter>();
  let last = new Map<string, Counter>();

  const turn = (to: number): void => {
    // A clock that was set back a little stays in the minute it was in; one that jumped begins anew.
    if (to < period && to >= period - 2) return;
    last = to === period + 1 ? now : new Map();
    for (const counter of last.values()) counter.before = undefined;
    now = new Map();
    period = to;
  };

  const counterOf = (key: string, at: Moment): Counter => {
    if (at.period !== period) turn(at.period);
    const known = now.get(key);
    if (known) return known;
    const place = now.size < most ? key : crowdOf(key);
    const shared = now.get(place);
    if (shared) return shared;
    const made = newCounter(place, period, last.get(place));
    now.set(place, made);
    return made;
  };

  /** The counter by which a caller is judged, if there is one already: looking makes none. */
  const find = (key: string, at: Moment): Counter | undefined => {
    if (at.period !== period) turn(at.period);
    return now.get(key) ?? (last.has(key) ? counterOf(key, at) : now.size < most ? undefined : now.get(crowdOf(key)));
  };

  const used = ({ own, others, before }: Counter, { left }: Moment): number =>
    before ? own + others + usedIn(before) * left : own + others;

  return {
    limit,
    counterOf,
    find,
    used,
    /** Whether `cost` more fit. */
    fits: (counter: Counter, at: Moment, cost = 1): boolean => used(counter, at) + cost <= limit,
    /** Seconds until one more fits, if nothing else is used until then: at least one. */
    wait: (counter: Counter, { left }: Moment): number => {
      const current = counter.own + counter.others;
      const spare = limit - 1 - current;
      const minutes = spare >= 0 ? left - spare / Math.max(1, usedIn(counter.before)) : left + 1 - (limit - 1) / current;
      return Math.max(1, Math.ceil((minutes * minute) / 1000));
    },
    /** How many counters there are. */
    size: (): number => now.size + last.size,
  };
};
export type Window = ReturnType<typeof makeWindow>;
