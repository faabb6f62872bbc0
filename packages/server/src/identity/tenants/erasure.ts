import type { Db } from "../../ground/db/index.ts";
import type { Job } from "../../ground/jobs/index.ts";
import type { Clock } from "../../ground/kernel/index.ts";
import { erasureTable, ownedTables } from "./erasure-table.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
}

/** Rows of one step: a transaction that others hardly notice. */
const atOnce = 500;
/** For how long a request that was under way when its tenant was deleted could still write: longer than any may take. */
const settleFor = 10 * 60_000;

/**
 * Erases what deleted tenants own, in small steps that each stand by themselves: what a dead replica left is erased by the next. A tenant is done
 * when nothing was found after every request that was under way at its deletion must be over.
 */
export const makeErasure = ({ db, clock }: Needs): Job => ({
  name: "tenants.erase",
  every: 10_000,
  isNeeded: async () => (await erasureTable.unfinished(db.read)).length > 0,
  run: async (signal) => {
    for (const { tenant, deletedAt } of await erasureTable.unfinished(db.read)) {
      const begun = clock();
      for (const table of ownedTables) {
        while (!signal.aborted && (await db.write((tx) => erasureTable.eraseSome(tx, tenant, table, atOnce)))) {
          // Step by step.
        }
      }
      if (signal.aborted) return;
      // A clock that was set back must not keep the job busy for ever.
      if (Math.abs(begun - deletedAt) >= settleFor) await db.write((tx) => erasureTable.finish(tx, tenant, clock()));
    }
  },
});
