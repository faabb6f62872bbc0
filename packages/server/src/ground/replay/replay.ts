import { createHash } from "node:crypto";
import { type Db, type Handle, makeGathering } from "../db/index.ts";
import type { Clock } from "../kernel/index.ts";
import type { Job } from "../jobs/index.ts";
import { replayTable, type Use } from "./replay-table.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
}

export type Replay = ReturnType<typeof makeReplay>;

/** How long something is remembered beyond its end: clocks of replicas, and a clock that is set back, may differ by as much. */
const grace = 60 * 60_000;
const sweptAtOnce = 500;

/** Remembers what was used, for as long as it could be used again. */
export const makeReplay = ({ db, clock }: Needs) => {
  // Ids come from outside and may be of any length; equal ids have equal hashes, and no two others do.
  const hashOf = (id: string): string => createHash("sha256").update(id, "utf8").digest("base64url");
  const useAlone = makeGathering((take: () => readonly Use[]) => db.write((tx) => replayTable.insertAll(tx, take())));

  return {
    /**
     * Uses something up in the caller's transaction, so that it is used exactly if the action happens.
     * @param space What kind of thing, and whose: ids of different spaces never meet.
     * @param until When it could no longer be used anyway, in milliseconds since 1970.
     * @returns whether this was its first use, on any replica
     */
    use: (tx: Handle, tenant: string, space: string, id: string, until: number): Promise<boolean> =>
      replayTable.insert(tx, tenant, space, hashOf(id), until + grace),

    /** The same by itself, in a transaction that others who do so share. */
    useNow: (tenant: string, space: string, id: string, until: number): Promise<boolean> =>
      useAlone({ tenant, space, hash: hashOf(id), expiresAt: until + grace }),

    /** Forgets what nobody could use again. */
    sweep: {
      name: "replay.sweep",
      every: 60_000,
      isNeeded: () => replayTable.anyBefore(db.read, clock()),
      run: async (signal) => {
        while (!signal.aborted && (await db.write((tx) => replayTable.deleteBefore(tx, clock(), sweptAtOnce))) === sweptAtOnce);
      },
    } satisfies Job,
  };
};
