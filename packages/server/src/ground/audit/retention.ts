import type { Db } from "../db/index.ts";
import type { Clock } from "../kernel/index.ts";
import { blocksTable } from "./blocks-table.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { checkpointsTable } from "./checkpoints-table.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly checkpoints: Checkpoints;
  /** For how many days events are kept; for ever where it is left out. */
  readonly days: number | undefined;
}

const day = 24 * 60 * 60 * 1000;
/** Blocks read at once. */
const atOnce = 20;

const turn = (): Promise<unknown> => new Promise(setImmediate);

/** Cuts events that are too old: whole blocks, of which the chain keeps all but the events. */
export const makeRetention = ({ db, clock, checkpoints, days }: Needs) => {
  /** The first block that still has its events: cutting goes by number, so half of what is left can be ruled out at each look. */
  const firstUncut = async (tenant: string, head: number): Promise<number> => {
    let [low, high] = [1, head + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const block = await blocksTable.block(db.read, tenant, middle);
      if (block && !block.events) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  /** The last block, from one on, before which and in which everything is too old. */
  const lastTooOld = async (
    tenant: string,
    from: number,
    before: number,
    signal: AbortSignal,
  ): Promise<{ number: number; hash: string } | undefined> => {
    let last: { number: number; hash: string } | undefined;
    for (let next = from; !signal.aborted; ) {
      const ends = await blocksTable.ends(db.read, tenant, next, atOnce * 10);
      for (const { number, hash, last_at: lastAt } of ends) {
        if (lastAt >= before) return last;
        last = { number, hash };
      }
      const end = ends.at(-1);
      if (!end) return last;
      next = end.number + 1;
      await turn();
    }
    return undefined;
  };

  return {
    isNeeded: (): Promise<boolean> => Promise.resolve(days !== undefined),

    /** The word on what is cut is signed and kept before anything goes. A run that was broken off is finished by the next. */
    cut: async (tenant: string, signal: AbortSignal): Promise<void> => {
      if (days === undefined) return;
      const head = await blocksTable.head(db.read, tenant);
      if (!head) return;
      let next = await firstUncut(tenant, head.number);
      const tooOld = await lastTooOld(tenant, next, clock() - days * day, signal);
      if (tooOld) await checkpoints.takeCut(tenant, tooOld.number, tooOld.hash);
      const last = (await checkpointsTable.last(db.read, tenant, Number.MAX_SAFE_INTEGER, true))?.block ?? 0;
      while (next <= last && !signal.aborted) {
        const blocks = await blocksTable.blocks(db.read, tenant, next, last, atOnce);
        if (blocks.length === 0) return;
        for (const block of blocks) {
          if (signal.aborted) return;
          if (block.events) await db.write((tx) => blocksTable.cut(tx, tenant, block));
          next = block.number + 1;
          await turn();
        }
      }
    },
  };
};
