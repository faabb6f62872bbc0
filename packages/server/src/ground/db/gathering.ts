import { Refusal } from "../kernel/index.ts";

interface Waiting<T, R> {
  readonly one: T;
  readonly resolve: (answer: R) => void;
  readonly reject: (error: unknown) => void;
}

/** How many share one run at most. */
const mostAtOnce = 1_024;
/** How many runs are under way at most: the second is made while the disk, or the server, has the first. */
const mostUnderWay = 2;

/**
 * Gathers what many callers want one each of into few runs: two at a time at most, and whatever arrives while they run goes into the next. For what
 * stands alone and many requests want: rows to be written in one transaction, or to be found by one statement.
 * @param run Does it for all that `take` gives, and answers one thing for each, in their order. `take` may be called late, and gives the same again.
 */
export const makeGathering = <T, R>(run: (take: () => readonly T[]) => Promise<readonly R[]>) => {
  const waiting: Waiting<T, R>[] = [];
  let working = false;
  const underWay = new Set<Promise<void>>();

  /** One that cannot be done must not cost the others theirs. */
  const alone = async ({ one, resolve, reject }: Waiting<T, R>): Promise<void> => {
    try {
      const [answer] = await run(() => [one]);
      resolve(answer as R);
    } catch (error) {
      reject(error);
    }
  };

  const flush = async (onTaken: () => void): Promise<void> => {
    let taken: readonly Waiting<T, R>[] | undefined;
    const take = () => {
      taken ??= waiting.splice(0, mostAtOnce);
      onTaken();
      return taken;
    };
    try {
      const answers = await run(() => take().map(({ one }) => one));
      take().forEach(({ resolve }, at) => resolve(answers[at] as R));
    } catch (error) {
      const all = take();
      if (all.length > 1 && !(error instanceof Refusal && error.code === "unavailable")) await Promise.all(all.map(alone));
      else for (const { reject } of all) reject(error);
    }
  };

  const work = async (): Promise<void> => {
    working = true;
    while (waiting.length > 0) {
      // A run costs more than a turn of the event loop, so it waits as long as turns bring anything.
      for (let known = 0; waiting.length > known && waiting.length < mostAtOnce; ) {
        known = waiting.length;
        await new Promise(setImmediate);
      }
      if (underWay.size >= mostUnderWay) {
        await Promise.race(underWay);
        continue;
      }
      // The next must not begin only to find that this one has not taken what is waiting yet.
      await new Promise<void>((onTaken) => {
        const begun = flush(onTaken).finally(() => underWay.delete(begun));
        underWay.add(begun);
      });
    }
    working = false;
  };

  /** Answers when the run that it went into is done. @throws what the run throws; of many, what it throws for this one alone */
  return (one: T): Promise<R> =>
    new Promise((resolve, reject) => {
      waiting.push({ one, resolve, reject });
      if (!working) void work();
    });
};
