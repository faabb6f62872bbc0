import type { Db } from "./open.ts";
import { Refusal } from "../kernel/index.ts";
import type { Handle } from "./tables.ts";

interface Waiting<T, R> {
  readonly row: T;
  readonly resolve: (answer: R) => void;
  readonly reject: (error: unknown) => void;
}

/** How many rows share one transaction at most. */
const mostAtOnce = 1_024;
/** How many transactions are under way at most: the second is made while the disk has the first. */
const mostUnderWay = 2;

/**
 * Gathers rows of many callers into few transactions: two at a time at most, and whatever arrives while they run goes into the next. For rows that
 * stand alone, which many requests write one each.
 * @param insert Writes rows, and answers one thing for each, in their order. It may be run again with the same rows.
 */
export const makeGathering = <T, R>(db: Pick<Db, "write">, insert: (tx: Handle, rows: readonly T[]) => Promise<readonly R[]>) => {
  const waiting: Waiting<T, R>[] = [];
  let working = false;
  const underWay = new Set<Promise<void>>();

  /** One row that cannot be written must not cost the others theirs. */
  const alone = async ({ row, resolve, reject }: Waiting<T, R>): Promise<void> => {
    try {
      const [answer] = await db.write((tx) => insert(tx, [row]));
      resolve(answer as R);
    } catch (error) {
      reject(error);
    }
  };

  const flush = async (onTaken: () => void): Promise<void> => {
    let taken: readonly Waiting<T, R>[] | undefined;
    let answers: readonly R[];
    try {
      answers = await db.write((tx) => {
        // Taken only now, for on PostgreSQL it took a while until the transaction began; and once, for a unit may be run again.
        taken ??= waiting.splice(0, mostAtOnce);
        onTaken();
        return insert(
          tx,
          taken.map(({ row }) => row),
        );
      });
    } catch (error) {
      taken ??= waiting.splice(0);
      onTaken();
      if (taken.length > 1 && !(error instanceof Refusal && error.code === "unavailable")) await Promise.all(taken.map(alone));
      else for (const { reject } of taken) reject(error);
      return;
    }
    taken?.forEach(({ resolve }, at) => resolve(answers[at] as R));
  };

  const work = async (): Promise<void> => {
    working = true;
    while (waiting.length > 0) {
      // A sync costs more than a turn of the event loop, so it waits as long as turns bring anything.
      for (let known = 0; waiting.length > known && waiting.length < mostAtOnce; ) {
        known = waiting.length;
        await new Promise(setImmediate);
      }
      if (underWay.size >= mostUnderWay) {
        await Promise.race(underWay);
        continue;
      }
      // The next must not begin only to find that this one has not taken its rows yet.
      await new Promise<void>((onTaken) => {
        const begun = flush(onTaken).finally(() => underWay.delete(begun));
        underWay.add(begun);
      });
    }
    working = false;
  };

  /** Answers when the row is committed. @throws Refusal unavailable when the store cannot be written */
  return (row: T): Promise<R> =>
    new Promise((resolve, reject) => {
      waiting.push({ row, resolve, reject });
      if (!working) void work();
    });
};
