import type { Db } from "../db/index.ts";
import type { Job } from "../jobs/index.ts";
import { type Clock, type Principal, Refusal } from "../kernel/index.ts";
import { addressKey, neighbourhoodOf } from "./address-key.ts";
import { limitsTable } from "./limits-table.ts";
import { hashed, makeSharing } from "./sharing.ts";
import { type Counter, makeWindow, minute, type Moment, momentOf, type Window } from "./window.ts";

/** What is limited: an address that proved nobody, guesses at credentials from an address, and everybody who proved who they are. */
export type LimitKind = "address" | "guesses" | "tenant" | "operator" | "agent" | "user";

/** In a minute. `guesses` are points: what a wrong key costs is {@link guessCosts}. */
const defaultLimits: Readonly<Record<LimitKind, number>> = {
  address: 3_000,
  guesses: 1_200,
  tenant: 600_000,
  operator: 60_000,
  agent: 12_000,
  user: 3_000,
};

/**
 * Points. A key that nobody has is a guess: 120 of them a minute. A token that is dead, or none at all, is mostly somebody who has yet to hear of it:
 * after a key is revoked a whole fleet behind one address may come with such.
 */
const guessCosts = { key: 10, token: 1 } as const;

/** What a credential looks like that may be none. */
type Guess = keyof typeof guessCosts;

/** Who guesses what: dead tokens shut nobody out who has a key, nor wrong keys whoever has a token. */
const guesser = (address: string, what: Guess): string => (what === "key" ? addressKey(address) : `token ${addressKey(address)}`);

/** How many callers of one kind are counted each by themselves, and how many crowds all others form. */
const most = 50_000;
const crowds = 1_024;

/** What a caller may still do. */
export interface Allowance {
  /** In a minute. */
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the minute ends. */
  readonly reset: number;
}

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  /** What the defaults are multiplied by; `off` limits nobody. */
  readonly scale: number | "off";
  /** Hears once of a store that cannot be told what was used: until it can, each replica counts by itself. */
  readonly onFailure?: (error: unknown) => void;
}

export type Limits = ReturnType<typeof makeLimits>;

const who: Readonly<Record<LimitKind, string>> = {
  address: "from this address",
  guesses: "without a live credential from this address",
  tenant: "of this tenant",
  operator: "with this operator key",
  agent: "of this agent",
  user: "for this user",
};

/** Whose rows they are that belong to no tenant: no tenant is named so. */
const nobodys = "*";

const crowdOf = (key: string): string => {
  let sum = 0;
  for (let at = 0; at < key.length; at += 1) sum = (sum * 31 + key.charCodeAt(at)) | 0;
  return `crowd ${Math.abs(sum) % crowds}`;
};

/**
 * One limiter for all dialects: sliding windows of one minute, in this process's memory, so that a decision takes about a microsecond and waits
 * for nothing. On PostgreSQL the replicas tell each other each second what was used; between two reports a caller who is spread over replicas may
 * have what it uses in that second more than its limit.
 */
export const makeLimits = ({ db, clock, scale, onFailure = () => undefined }: Needs) => {
  const sharing = makeSharing({ db, onFailure });
  const refused: Record<LimitKind, number> = { address: 0, guesses: 0, tenant: 0, operator: 0, agent: 0, user: 0 };

  const windowOf = (kind: LimitKind): Window =>
    makeWindow({
      limit: scale === "off" ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(defaultLimits[kind] * scale)),
      most,
      crowdOf: kind === "address" || kind === "guesses" ? (key) => crowdOf(neighbourhoodOf(key)) : crowdOf,
    });
  const windows: Readonly<Record<LimitKind, Window>> = {
    address: windowOf("address"),
    guesses: windowOf("guesses"),
    tenant: windowOf("tenant"),
    operator: windowOf("operator"),
    agent: windowOf("agent"),
    user: windowOf("user"),
  };
  const bucketOf = (kind: LimitKind) =>
    kind === "address" || kind === "guesses" ? (key: string) => `${kind}/${hashed(key)}` : (key: string) => `${kind}/${key}`;
  const buckets: Readonly<Record<LimitKind, (key: string) => string>> = {
    address: bucketOf("address"),
    guesses: bucketOf("guesses"),
    tenant: bucketOf("tenant"),
    operator: bucketOf("operator"),
    agent: bucketOf("agent"),
    user: bucketOf("user"),
  };

  /** The counter of an address that has guessed too often. */
  const shutOut = (address: string, what: Guess, at: Moment): Counter | undefined => {
    const counter = windows.guesses.find(guesser(address, what), at);
    return counter && !windows.guesses.fits(counter, at) ? counter : undefined;
  };

  const refuse = (kind: LimitKind, counter: Counter, at: Moment): Refusal => {
    refused[kind] += 1;
    const window = windows[kind];
    const retryAfter = window.wait(counter, at);
    return new Refusal("rate_limited", `Too many requests ${who[kind]}. Try again in ${retryAfter} s.`, {
      limit: kind,
      perMinute: window.limit,
      retryAfter,
    });
  };

  const spend = (kind: LimitKind, counter: Counter, tenant: string, cost = 1): void => {
    counter.own += cost;
    sharing.note(windows[kind], counter, buckets[kind], tenant);
  };

  /** By which limits a caller is held, and under which key in each. */
  const heldBy = ({ tenant, caller, agent, user }: Principal): (readonly [LimitKind, string])[] => {
    const held: (readonly [LimitKind, string])[] = [["tenant", tenant]];
    if (caller.kind === "operator") held.push(["operator", caller.id]);
    if (agent) held.push(["agent", agent.id]);
    if (user) held.push(["user", user.id]);
    return held;
  };

  const allowanceIn = (kind: LimitKind, counter: Counter, at: Moment): Allowance => {
    const { limit, used } = windows[kind];
    return {
      limit,
      remaining: Math.max(0, Math.floor(limit - used(counter, at))),
      reset: Math.max(1, Math.ceil((at.left * minute) / 1000)),
    };
  };

  return {
    /**
     * Counts a request of somebody who was proven, against each limit that holds them; one that is refused is not counted.
     * @throws Refusal rate_limited, with `details.limit` (a {@link LimitKind}), `perMinute` and `retryAfter` (seconds)
     */
    take: (principal: Principal): void => {
      if (scale === "off" || principal.caller.kind === "anonymous") return;
      const at = momentOf(clock());
      const taken: [LimitKind, Counter][] = [];
      for (const [kind, key] of heldBy(principal)) {
        const counter = windows[kind].counterOf(key, at);
        if (!windows[kind].fits(counter, at)) throw refuse(kind, counter, at);
        taken.push([kind, counter]);
      }
      for (const [kind, counter] of taken) spend(kind, counter, principal.tenant);
    },

    /** Counts a request that nobody proves anything for. @throws Refusal rate_limited */
    takeUnproven: (address: string): void => {
      if (scale === "off") return;
      const at = momentOf(clock());
      const counter = windows.address.counterOf(addressKey(address), at);
      if (!windows.address.fits(counter, at)) throw refuse("address", counter, at);
      spend("address", counter, nobodys);
    },

    /** Whether {@link mayGuess} would say no. */
    isShutOut: (address: string, what: Guess): boolean => scale !== "off" && shutOut(address, what, momentOf(clock())) !== undefined,

    /** Whether more credentials of this sort are looked at that come from an address. @throws Refusal rate_limited */
    mayGuess: (address: string, what: Guess): void => {
      if (scale === "off") return;
      const at = momentOf(clock());
      const counter = shutOut(address, what, at);
      if (counter) throw refuse("guesses", counter, at);
    },

    /**
     * Counts a credential that was none: a key that nobody has, or a token that is dead or missing.
     * @param costs Where it costs what another sort does.
     */
    guessed: (address: string, what: Guess, costs: Guess = what): void => {
      if (scale === "off") return;
      const at = momentOf(clock());
      spend("guesses", windows.guesses.counterOf(guesser(address, what), at), nobodys, guessCosts[costs]);
    },

    /** The narrowest of what holds a caller who was proven; undefined where nothing does. */
    allowanceOf: (principal: Principal): Allowance | undefined => {
      if (scale === "off" || principal.caller.kind === "anonymous") return undefined;
      const at = momentOf(clock());
      let narrowest: Allowance | undefined;
      for (const [kind, key] of heldBy(principal)) {
        const allowance = allowanceIn(kind, windows[kind].counterOf(key, at), at);
        if (!narrowest || allowance.remaining < narrowest.remaining) narrowest = allowance;
      }
      return narrowest;
    },

    /** The same of whoever proves nothing, at an address. */
    allowanceAt: (address: string): Allowance | undefined => {
      if (scale === "off") return undefined;
      const at = momentOf(clock());
      return allowanceIn("address", windows.address.counterOf(addressKey(address), at), at);
    },

    /** How many requests each kind of limit refused since the start. */
    refused: (): Readonly<Record<LimitKind, number>> => ({ ...refused }),

    /** How many counters are in memory. */
    size: (): number => Object.values(windows).reduce((sum, window) => sum + window.size(), 0),

    /** Forgets what no window covers any more. */
    prune: {
      name: "limits.prune",
      every: minute,
      isNeeded: () => {
        const { period } = momentOf(clock());
        return limitsTable.anyOutside(db.read, period - 2, period + 2);
      },
      run: () => {
        const { period } = momentOf(clock());
        return db.write((tx) => limitsTable.deleteOutside(tx, period - 2, period + 2));
      },
    } satisfies Job,

    /** Shares with other replicas from now on, where there can be any. */
    start: (): void => {
      if (db.engine === "postgres" && scale !== "off") sharing.start();
    },
    /** Tells the others now: for tests. */
    share: sharing.report,
    close: sharing.close,
  };
};
