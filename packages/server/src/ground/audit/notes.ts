import type { Db, Handle } from "../db/index.ts";
import { Refusal } from "../kernel/index.ts";
import { auditTable, type Written } from "./audit-table.ts";

interface Waiting {
  readonly row: Written;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** How many rows share one transaction at most. */
const mostAtOnce = 1_024;
/** How many transactions are under way at most: the second is made while the disk has the first. */
const mostUnderWay = 2;

/** Gathers rows of many callers into few transactions: two at a time at most, and whatever arrives while they run goes into the next. */
export const makeNotes = (db: Pick<Db, "write" | "engine">) => {
  const waiting: Waiting[] = [];
  let working = false;
  const underWay = new Set<Promise<void>>();

  const write = async (rows: readonly Written[]): Promise<void> => db.write((tx: Handle) => auditTable.insert(tx, rows));

  const alone = async ({ row, resolve, reject }: Waiting): Promise<void> => {
    try {
      await write([row]);
      resolve();
    } catch (error) {
      reject(error);
    }
  };

  const flush = async (onTaken: () => void): Promise<void> => {
    let taken: readonly Waiting[] | undefined;
    try {
      await db.write((tx) => {
        // Taken only now, for on PostgreSQL it took a while until the transaction began; and once, for a unit may be run again.
        taken ??= waiting.splice(0, mostAtOnce);
        onTaken();
        return auditTable.insert(
          tx,
          taken.map(({ row }) => row),
        );
      });
    } catch (error) {
      taken ??= waiting.splice(0);
      onTaken();
      // One row that cannot be written must not cost the others theirs.
      if (taken.length > 1 && !(error instanceof Refusal && error.code === "unavailable")) await Promise.all(taken.map(alone));
      else for (const { reject } of taken) reject(error);
      return;
    }
    for (const { resolve } of taken ?? []) resolve();
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

  return {
    /** Answers when the row is committed. @throws Refusal unavailable when the store cannot be written */
    add: (row: Written): Promise<void> =>
      new Promise((resolve, reject) => {
        waiting.push({ row, resolve, reject });
        if (!working) void work();
      }),
  };
};
