import { type Db, isUniqueViolation } from "../db/index.ts";
import type { Clock } from "../kernel/index.ts";
import { beforeAll, type Block, blockHash, eventLine, noRow, rootOf, type Sealed, sha256 } from "./block.ts";
import { filtersOf } from "./block-filter.ts";
import { blocksTable, type Waiting } from "./blocks-table.ts";
import { filtersTable } from "./filters-table.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  /** How large filters are; usual ones where it is left out. */
  readonly bitsPerId?: number | undefined;
}

/** Events of one block at most: so much is hashed in one go. */
export const mostEvents = 500;

/** Another sealer took some of the same events. */
class Overtaken extends Error {}

const turn = (): Promise<unknown> => new Promise(setImmediate);

export type Sealer = ReturnType<typeof makeSealer>;

/**
 * Links events into each tenant's chain: in the order of their time, but never by their time alone, for a transaction that began long ago may commit
 * its rows last.
 */
export const makeSealer = ({ db, clock, bitsPerId }: Needs) => {
  /** Events with their hashes; those that were written before there was a chain get theirs now. */
  const hashed = async (tenant: string, rows: readonly Waiting[]): Promise<readonly Sealed[]> => {
    const sealed = rows.map(({ at, id, hash }): Sealed => [at, id, hash]);
    const without = sealed.filter(([, , hash]) => hash === "");
    if (without.length === 0) return sealed;
    const events = await blocksTable.events(db.read, tenant, without);
    return sealed.map(([at, id, hash]): Sealed => {
      const event = hash === "" ? events.get(id) : undefined;
      return [at, id, event ? sha256(eventLine(tenant, event)) : hash === "" ? noRow : hash];
    });
  };

  /** Makes one block; answers how many events went into it. */
  const sealSome = async (tenant: string): Promise<number> => {
    // Should another sealer come between the two, the transaction below finds out.
    const [rows, head] = await Promise.all([blocksTable.waiting(db.read, tenant, mostEvents), blocksTable.head(db.read, tenant)]);
    const [first, last] = [rows[0], rows.at(-1)];
    if (!first || !last) return 0;
    const events = await hashed(tenant, rows);
    const block: Omit<Block, "hash"> = {
      number: (head?.number ?? 0) + 1,
      count: events.length,
      firstAt: first.at,
      lastAt: last.at,
      sealedAt: clock(),
      root: rootOf(events),
      events,
    };
    const filters = filtersOf(rows, bitsPerId);
    try {
      await db.write(async (tx) => {
        // Of two sealers, one finds the number taken and starts over.
        await blocksTable.insertBlock(tx, tenant, { ...block, hash: blockHash(tenant, head?.hash ?? beforeAll, block) });
        await filtersTable.insert(tx, tenant, block.number, filters);
        if ((await blocksTable.deleteUnsealed(tx, tenant, rows)) !== rows.length) throw new Overtaken();
      });
      return rows.length;
    } catch (error) {
      if (isUniqueViolation(error) || error instanceof Overtaken) return sealSome(tenant);
      throw error;
    }
  };

  return {
    isNeeded: (): Promise<boolean> => blocksTable.anyUnsealed(db.read),

    /** Seals what waits, of every tenant in turn, block by block, and lets others work in between. */
    sealAll: async (signal: AbortSignal): Promise<void> => {
      for (let isBusy = true; isBusy && !signal.aborted; ) {
        isBusy = false;
        let tenant = await blocksTable.nextUnsealedTenant(db.read, "");
        for (; tenant !== undefined && !signal.aborted; tenant = await blocksTable.nextUnsealedTenant(db.read, tenant)) {
          if ((await sealSome(tenant)) === mostEvents) isBusy = true;
          await turn();
        }
      }
    },

    /** Seals what waits of one tenant now. */
    seal: async (tenant: string): Promise<void> => {
      while ((await sealSome(tenant)) === mostEvents) await turn();
    },
  };
};
