import type { Db, Handle } from "../../ground/db/index.ts";
import type { Job } from "../../ground/jobs/index.ts";
import type { Clock } from "../../ground/kernel/index.ts";
import { requestMemory } from "./authorization-request.ts";
import { codeMemory } from "./codes.ts";
import { codesTable } from "./codes-table.ts";
import { familiesTable } from "./families-table.ts";
import { consentMemory } from "./remembered-consents.ts";
import { rememberedConsentsTable } from "./remembered-consents-table.ts";
import { refreshGrace } from "./refresh-tokens.ts";
import { refreshTokensTable } from "./refresh-tokens-table.ts";
import { requestsTable } from "./requests-table.ts";
import { revokedTokensTable } from "./revoked-tokens-table.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
}

/** Something that ends, and is of no use some time later. */
interface Swept {
  /** Milliseconds that it is kept beyond its end: clocks of replicas, and a clock that is set back, may differ by as much. */
  readonly keptFor: number;
  readonly any: (db: Handle, before: number) => Promise<boolean>;
  /** Answers how many, `most` at most. */
  readonly sweep: (tx: Handle, before: number, most: number) => Promise<number>;
}

const hour = 60 * 60_000;

const swept: readonly Swept[] = [
  // A spent refresh token tells no next one once it would end its family: nobody who has an old one and a copy of the store goes on from there.
  { keptFor: 6 * refreshGrace, any: refreshTokensTable.anySalted, sweep: refreshTokensTable.forgetSalts },
  { keptFor: hour, any: refreshTokensTable.anyEnded, sweep: refreshTokensTable.deleteEnded },
  { keptFor: requestMemory, any: requestsTable.anyEnded, sweep: requestsTable.deleteEnded },
  { keptFor: codeMemory, any: codesTable.anyEnded, sweep: codesTable.deleteEnded },
  { keptFor: hour, any: revokedTokensTable.anyEnded, sweep: revokedTokensTable.deleteEnded },
  // After the codes that name them: one that is brought again is still told what it gave.
  { keptFor: codeMemory + hour, any: familiesTable.anyEnded, sweep: familiesTable.deleteEnded },
  { keptFor: consentMemory, any: rememberedConsentsTable.anyUnused, sweep: rememberedConsentsTable.deleteUnused },
];

const sweptAtOnce = 500;

/** Forgets what has ended so long ago that nobody could use it. */
export const makeSweeping = ({ db, clock }: Needs): Job => ({
  name: "grants.sweep",
  every: 60_000,
  isNeeded: async () => {
    for (const { keptFor, any } of swept) if (await any(db.read, clock() - keptFor)) return true;
    return false;
  },
  run: async (signal) => {
    for (const { keptFor, sweep } of swept)
      while (!signal.aborted && (await db.write((tx) => sweep(tx, clock() - keptFor, sweptAtOnce))) === sweptAtOnce);
  },
});
