import { createHash } from "node:crypto";
import type { Db } from "../db/index.ts";
import { limitsTable, type Used } from "./limits-table.ts";
import { type Counter, newCounter, type Window } from "./window.ts";

interface Needs {
  readonly db: Db;
  /** Hears once of an outage: until it is over, each replica counts by itself. */
  readonly onFailure: (error: unknown) => void;
}

/** One counter of one kind of limit. */
interface Told {
  readonly bucket: string;
  readonly tenant: string;
  readonly counter: Counter;
}

/** Milliseconds between two reports. */
const every = 1_000;
const rowsAtOnce = 1_000;
/** More than this wait for a store that does not answer is not kept: they are counted here alone. */
const mostWaiting = 20_000;

/** Of what a limit allows, the part that a replica keeps to itself until it is worth telling. */
const worthTelling = (limit: number): number => Math.max(1, Math.floor(limit / 100));

const keyOf = ({ tenant, bucket, period }: Pick<Used, "tenant" | "bucket" | "period">): string => `${tenant} ${bucket} ${period}`;

/** An address is nobody's business in the store: equal ones have equal hashes. */
export const hashed = (address: string): string => createHash("sha256").update(address, "utf8").digest("base64url").slice(0, 22);

/** Tells the other replicas each second what was used here, and hears what they used. Nothing of it is in any request's way. */
export const makeSharing = ({ db, onFailure }: Needs) => {
  let waiting: Told[] = [];
  let timer: NodeJS.Timeout | undefined;
  let under: Promise<void> | undefined;
  let failing = false;

  const reportSome = async (told: readonly Told[]): Promise<void> => {
    const rows = told.flatMap(({ tenant, bucket, counter }) => {
      // The window still covers a part of the last minute: what everybody used in it is asked for once.
      if (counter.reported === 0) counter.before ??= newCounter(counter.key, counter.period - 1);
      return (counter.reported === 0 && counter.before ? [counter, counter.before] : [counter]).map((each) => ({
        tenant,
        bucket,
        counter: each,
        period: each.period,
        used: each.own - each.reported,
      }));
    });
    // In one order on every replica, or two of them could wait for each other.
    rows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const totals = await db.write((tx) =>
      limitsTable.add(
        tx,
        rows.map(({ counter: _, ...row }) => row),
      ),
    );
    const all = new Map(totals.map((row) => [keyOf(row), row.used]));
    for (const row of rows) {
      const { counter } = row;
      counter.reported += row.used;
      counter.others = Math.max(0, (all.get(keyOf(row)) ?? 0) - counter.reported);
    }
  };

  const report = async (): Promise<void> => {
    const told = waiting;
    waiting = [];
    // Whatever becomes of this report, what is used from now on is worth another.
    for (const { counter } of told) counter.waiting = false;
    try {
      for (let at = 0; at < told.length; at += rowsAtOnce) await reportSome(told.slice(at, at + rowsAtOnce));
      failing = false;
    } catch (error) {
      // What was not told is told when the counter is used again.
      if (!failing) onFailure(error);
      failing = true;
    }
  };

  const reportOnce = (): Promise<void> => {
    under ??= report().finally(() => {
      under = undefined;
    });
    return under;
  };

  return {
    /** Remembers to tell of a counter, once enough of it was used. */
    note: ({ limit }: Window, counter: Counter, bucketOf: (key: string) => string, tenant: string): void => {
      if (!timer || counter.waiting || counter.own - counter.reported < worthTelling(limit) || waiting.length >= mostWaiting) return;
      counter.waiting = true;
      waiting.push({ tenant, bucket: bucketOf(counter.key), counter });
    },
    start: (): void => {
      timer ??= setInterval(() => {
        if (waiting.length > 0) void reportOnce();
      }, every).unref();
    },
    /** Tells now: for tests. */
    report: reportOnce,
    close: async (): Promise<void> => {
      clearInterval(timer);
      timer = undefined;
      await under;
    },
  };
};
