import type { Refusal } from "../kernel/index.ts";
import type { Change, Hearing } from "./changes.ts";
import { asRefusal, asUnsynced } from "./failures.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import type { Handle } from "./tables.ts";

interface Needs {
  /** Commits without waiting for the disk. */
  readonly connection: SqliteConnection;
  /** Runs its statements on that connection. */
  readonly tx: Handle;
  readonly hearing: Hearing;
  /** Answers when all that was committed before is on disk. */
  readonly sync: () => Promise<void>;
}

/** A transaction that is committed, and not yet on disk. */
interface Committed {
  readonly units: readonly Waiting[];
  readonly answers: readonly (() => void)[];
}

interface Waiting {
  readonly run: (tx: Handle) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** How many units share one transaction at most: the longest anyone waits for strangers. */
const unitsPerCommit = 128;

/**
 * Lets the writes of the same few milliseconds share one transaction, and so one sync to disk. Units run one after another, each in a
 * savepoint; a unit that throws undoes only itself. Nobody is answered before COMMIT: if that fails, every unit of the transaction failed. Then
 * everybody hears what was changed, the disk is waited for, and only then are answers given. What arrives meanwhile is committed too, one transaction
 * ahead, and synced next. If the disk fails, whoever waits is refused, and nothing is written any more.
 */
export const makeGroupCommit = ({ connection, tx, hearing, sync }: Needs) => {
  const queue: Waiting[] = [];
  let working: Promise<void> | undefined;
  let closed = false;
  let lost: Refusal | undefined;
  /** The sync that is under way: one at a time, for a disk tells only once that it failed. */
  let landing: Promise<void> = Promise.resolve();

  const checkWritable = (): void => {
    if (lost) throw lost;
  };

  /** Prepared once like any other statement: these run more often than all others. */
  const say = (sql: string): void => {
    connection.run(sql, []);
  };

  const runUnit = async (unit: Waiting, changed: Change[]): Promise<() => void> => {
    say("savepoint unit");
    try {
      const { value, changes } = await hearing.gather(tx, unit.run);
      say("release unit");
      changed.push(...changes);
      return () => unit.resolve(value);
    } catch (error) {
      // A full disk ends the whole transaction; then there is no savepoint left and every unit of it has failed.
      if (!connection.inTransaction()) throw asRefusal(error);
      say("rollback to unit");
      say("release unit");
      return () => unit.reject(asRefusal(error));
    }
  };

  /** Answers undefined where the transaction failed, and with it all its units. */
  const commitSome = async (): Promise<Committed | undefined> => {
    const taken: Waiting[] = [];
    const answers: (() => void)[] = [];
    const changed: Change[] = [];
    try {
      say("begin immediate");
      for (let unit = queue.shift(); unit; unit = taken.length < unitsPerCommit ? queue.shift() : undefined) {
        taken.push(unit);
        answers.push(await runUnit(unit, changed));
      }
      say("commit");
    } catch (error) {
      try {
        if (connection.inTransaction()) say("rollback");
      } catch {
        // The next `begin` says what is wrong; whoever waits must hear of this failure first.
      }
      if (taken.length === 0) taken.push(...queue.splice(0));
      for (const unit of taken) unit.reject(asRefusal(error));
      return undefined;
    }
    for (const change of changed) hearing.deliver(change);
    return { units: taken, answers };
  };

  const land = async ({ units, answers }: Committed): Promise<void> => {
    try {
      if (!lost) await sync();
    } catch (error) {
      lost = asUnsynced(error);
    }
    if (lost) for (const unit of [...units, ...queue.splice(0)]) unit.reject(lost);
    else for (const answer of answers) answer();
  };

  const work = async (): Promise<void> => {
    while (queue.length > 0) {
      // Whatever else the next turns of the event loop bring in joins the same transaction: a sync costs more than a turn, so it waits as long
      // as turns bring anything.
      for (let known = 0; queue.length > known && queue.length < unitsPerCommit; ) {
        known = queue.length;
        await new Promise(setImmediate);
      }
      const committed = await commitSome();
      if (!committed) continue;
      await landing;
      landing = land(committed);
    }
    working = undefined;
  };

  return {
    write: <T>(unit: (tx: Handle) => Promise<T>): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        if (closed) throw new Error("SQLite: the store is closed");
        checkWritable();
        queue.push({ run: unit, resolve: resolve as (value: unknown) => void, reject });
        working ??= work();
      }),
    /** @throws Refusal unavailable once the disk has failed */
    checkWritable,
    /** How many units wait to be begun. */
    waiting: (): number => queue.length,
    /** Waits for what was accepted, and accepts nothing more. */
    close: async (): Promise<void> => {
      closed = true;
      await working;
      await landing;
    },
  };
};
