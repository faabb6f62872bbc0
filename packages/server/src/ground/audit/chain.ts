import type { Db } from "../db/index.ts";
import type { Job } from "../jobs/index.ts";
import type { Clock } from "../kernel/index.ts";
import { blocksTable } from "./blocks-table.ts";
import { makeCheckpoints, type Signer } from "./checkpoints.ts";
import { makeExport } from "./export.ts";
import { makeRetention } from "./retention.ts";
import { makeSealer } from "./sealer.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly signer: Signer;
  /** Whether there is such a tenant, neither suspended nor deleted: for others nothing is signed, so nothing is cut either. */
  readonly isOpen: (tenant: string) => Promise<boolean>;
  readonly retentionDays: number | undefined;
}

export type Chain = ReturnType<typeof makeChain>;

const hour = 60 * 60 * 1000;

/** Seals what was recorded, signs where it stands, cuts what is too old, and exports it all with its proof. */
export const makeChain = ({ db, clock, signer, isOpen, retentionDays }: Needs) => {
  const sealer = makeSealer({ db, clock });
  const checkpoints = makeCheckpoints({ db, clock, signer });
  const retention = makeRetention({ db, clock, checkpoints, days: retentionDays });

  /** One tenant's failure waits until all others had their turn. */
  const forEach = async (signal: AbortSignal, act: (tenant: string) => Promise<void>): Promise<void> => {
    let failure: { readonly error: unknown } | undefined;
    let tenant = await blocksTable.nextSealedTenant(db.read, "");
    for (; tenant !== undefined && !signal.aborted; tenant = await blocksTable.nextSealedTenant(db.read, tenant)) {
      try {
        if (await isOpen(tenant)) await act(tenant);
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure) throw failure.error;
  };

  const jobs: readonly Job[] = [
    { name: "audit.seal", every: 2_000, isNeeded: sealer.isNeeded, run: sealer.sealAll },
    { name: "audit.checkpoint", every: hour, run: (signal) => forEach(signal, checkpoints.take) },
    {
      name: "audit.retention",
      every: hour,
      isNeeded: retention.isNeeded,
      run: (signal) => forEach(signal, (tenant) => retention.cut(tenant, signal)),
    },
  ];

  return {
    jobs,
    /** Seals what waits of one tenant now. */
    seal: sealer.seal,
    /**
     * A tenant's events with the chain that proves them, as pieces of JSON lines. What waits is sealed first; the last line comes only if all went
     * well.
     */
    export: makeExport({ db, clock, signer, sealer, checkpoints }),
  };
};
