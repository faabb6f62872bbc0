import type { Db } from "../../ground/db/index.ts";
import type { Job } from "../../ground/jobs/index.ts";
import type { Clock } from "../../ground/kernel/index.ts";
import { accessKeysTable } from "./access-keys-table.ts";
import { uncount } from "./temporary-count.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
}

/** How long a key is kept beyond its end: the clocks of replicas may differ by as much. */
const keptFor = 5 * 60_000;
const prunedAtOnce = 500;

/** Forgets temporary keys that ended so long ago that nobody could use them. */
export const makePruning = ({ db, clock }: Needs): Job => ({
  name: "access_keys.prune",
  every: 60_000,
  isNeeded: () => accessKeysTable.anyBefore(db.read, clock() - keptFor),
  run: async (signal) => {
    const some = () =>
      db.write(async (tx) => {
        const gone = await accessKeysTable.removeBefore(tx, clock() - keptFor, prunedAtOnce);
        await uncount(tx, gone);
        return gone.length;
      });
    while (!signal.aborted && (await some()) === prunedAtOnce);
  },
});
