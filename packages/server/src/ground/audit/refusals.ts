import type { Clock, Principal } from "../kernel/index.ts";
import type { About } from "./audit.ts";

interface Needs {
  readonly clock: Clock;
  /** Writes one row for each, all or none. */
  readonly write: (rows: readonly Refused[]) => Promise<void>;
}

/** Somebody was turned away. */
export interface Refused {
  readonly who: Principal;
  readonly action: string;
  readonly about: Omit<About, "outcome">;
}

interface Folded {
  /** When its last row was written. */
  at: number;
  /** How often it came again since. */
  more: number;
  latest: Refused;
}

/** For how long a refusal that repeats is only counted, and how many kinds of refusal are remembered at most. */
const foldedFor = 60_000;
const remembered = 1_000;
/** How often counts are looked at that nothing came after. */
const lookEvery = 30_000;

const callerId = ({ caller }: Principal) => (caller.kind === "anonymous" ? "" : caller.id);

const kindOf = ({ who, action, about: { target, agent, user, details } }: Refused): string =>
  JSON.stringify([who.tenant, action, who.caller.kind, callerId(who), who.through, target, agent, user, details]);

/** One of the many that are only counted together, once so many kinds came that each cannot be remembered. */
const asOther = ({ who, action }: Refused): Refused => ({
  who: { tenant: who.tenant, caller: { kind: "anonymous" }, actors: [], method: "none", requestId: who.requestId },
  action,
  about: { details: { others: true } },
});

/** A row stands for one refusal, and for as many more as it says: all rows together tell the true number. */
const telling = ({ who, action, about }: Refused, more: number): Refused => ({
  who,
  action,
  about: more > 0 ? { ...about, details: { ...about.details, repeated: more } } : about,
});

/**
 * Folds refusals that repeat into a row a minute, so that nobody who may do nothing fills the disk or the memory by trying. What is only counted is
 * told within two minutes, and when the house closes.
 */
export const makeRefusals = ({ clock, write }: Needs) => {
  const lately = new Map<string, Folded>();
  let timer: NodeJS.Timeout | undefined;

  // A clock that was set back must not silence anybody for long.
  const isOver = ({ at }: Folded): boolean => Math.abs(clock() - at) >= foldedFor;

  /** Writes what was counted of those kinds that are due, and forgets those of which nothing was. */
  const tell = async (isDue: (folded: Folded) => boolean): Promise<void> => {
    const due = [...lately].filter(([, folded]) => isDue(folded));
    for (const [kind, { more }] of due) if (more === 0) lately.delete(kind);
    const counted = due.flatMap(([, folded]) => (folded.more > 0 ? [{ folded, more: folded.more }] : []));
    if (counted.length === 0) return;
    for (const { folded } of counted) Object.assign(folded, { at: clock(), more: 0 });
    try {
      await write(counted.map(({ folded, more }) => telling(folded.latest, more - 1)));
    } catch (error) {
      for (const { folded, more } of counted) folded.more += more;
      throw error;
    }
  };

  const look = (): void => {
    timer = undefined;
    // What could not be written stays counted, and is tried again.
    void tell(isOver)
      .catch(() => undefined)
      .finally(arm);
  };
  const arm = (): void => {
    if (lately.size > 0) timer ??= setTimeout(look, lookEvery).unref();
  };

  return {
    /** Answers when it is written, or counted. @throws Refusal unavailable when the store cannot be written */
    add: async (given: Refused): Promise<void> => {
      const kind = kindOf(given);
      const isNew = !lately.has(kind);
      const refused = isNew && lately.size >= remembered ? asOther(given) : given;
      const key = refused === given ? kind : kindOf(refused);
      const last = lately.get(key);
      if (last && !isOver(last)) {
        last.more += 1;
        last.latest = refused;
        return;
      }
      const folded: Folded = { at: clock(), more: 0, latest: refused };
      lately.set(key, folded);
      arm();
      try {
        await write([telling(refused, last?.more ?? 0)]);
      } catch (error) {
        // Those that were counted meanwhile were told nothing; the next one is to be written again.
        folded.more += last?.more ?? 0;
        folded.at = Number.NEGATIVE_INFINITY;
        if (folded.more === 0) lately.delete(key);
        throw error;
      }
    },

    /** Writes whatever was only counted. */
    close: async (): Promise<void> => {
      clearTimeout(timer);
      await tell(() => true);
      lately.clear();
    },
  };
};
