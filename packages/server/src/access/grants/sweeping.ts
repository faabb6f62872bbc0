import type { Db, Handle } from "../../ground/db/index.ts";
import type { Job } from "../../ground/jobs/index.ts";
import type { Clock } from "../../ground/kernel/index.ts";
import { requestMemory } from "./authorization-request.ts";
import { codeMemory } from "./codes.ts";
import { endedRowsTable } from "./ended-rows-table.ts";
import { refreshGrace } from "./refresh-tokens.ts";
import { refreshTokensTable } from "./refresh-tokens-table.ts";
import { consentMemory } from "./remembered-consents.ts";
import { rememberedConsentsTable } from "./remembered-consents-table.ts";

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

const ended = (table: Parameters<typeof endedRowsTable.any>[1]): Pick<Swept, "any" | "sweep"> => ({
  any: (db, before) => endedRowsTable.any(db, table, before),
  sweep: (tx, before, most) => endedRowsTable.delete(tx, table, before, most),
});

const swept: readonly Swept[] = [
  // A spent refresh token tells no next one once it would end its family: nobody who has an old one and a copy of the store goes on from there.
  { keptFor: 6 * refreshGrace, any: refreshTokensTable.anySalted, sweep: refreshTokensTable.forgetSalts },
  { keptFor: hour, ...ended("refresh_tokens") },
  { keptFor: requestMemory, ...ended("authorization_requests") },
  { keptFor: codeMemory, ...ended("authorization_codes") },
  { keptFor: hour, ...ended("revoked_tokens") },
  // After the codes that name them: one that is brought again is still told what it gave.
  { keptFor: codeMemory + hour, ...ended("oauth_grants") },
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
