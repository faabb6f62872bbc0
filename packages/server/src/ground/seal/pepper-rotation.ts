import type { Db } from "../db/index.ts";
import type { Job } from "../jobs/index.ts";
import { anonymous, type Clock, type Page, type PageAsk, type Place, readPage, type Principal, type Random } from "../kernel/index.ts";
import { countAll } from "./counting.ts";
import type { Kek } from "./kek.ts";
import { type PepperedTable, peppersTable, type WrappedKey } from "./keys-table.ts";
import { type RecordEvent, type Tell } from "./needs.ts";
import { hashingPepper, pepperIdentity } from "./pepper.ts";
import { isDue, isRipe, lookEvery } from "./unneeded.ts";

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
  readonly clock: Clock;
  readonly random: Random;
  /** Every table that holds hashes made with a pepper. */
  readonly tables: readonly PepperedTable[];
  /** The tenant in whose record it stands what is done to the installation. */
  readonly installation: string;
  readonly record: RecordEvent;
  readonly tell: Tell;
}

/** A pepper as it may be shown. */
export interface ShownPepper {
  readonly id: string;
  /** Whether it is the one that hashes. */
  readonly hashes: boolean;
  readonly createdAt: number;
  /** How many keys can be looked up by it alone, by table. */
  readonly keys: Readonly<Partial<Record<PepperedTable, number>>>;
  readonly unneededSince: number | undefined;
}

export type Peppers = ReturnType<typeof makePeppers>;

/** Makes peppers, and removes those that no key needs any more. */
export const makePeppers = ({ db, kek, clock, random, tables, installation, record, tell }: Needs) => {
  let quietSince: number | undefined;
  db.changes.subscribe((change) => {
    if (!change || change.kind === "pepper") quietSince = undefined;
  });

  /** Those that a newer one, which hashes already, has followed. */
  const followed = (newestFirst: readonly WrappedKey[], now: number): readonly WrappedKey[] => {
    const hashing = hashingPepper(newestFirst, now);
    return hashing ? newestFirst.slice(newestFirst.indexOf(hashing) + 1) : [];
  };

  const settle = (id: string): Promise<void> =>
    db.write(async (tx) => {
      const now = clock();
      // Whoever hashes with it to store something does so before this looks, or hashes with another.
      await peppersTable.lock(tx, id);
      const pepper = followed(await peppersTable.all(tx), now).find((each) => each.id === id);
      if (!pepper) return;
      const since = pepper.unneededSince;
      for (const table of tables) {
        if (!(await peppersTable.anyOf(tx, table, id))) continue;
        if (since !== undefined) await peppersTable.setUnneeded(tx, id, null);
        return;
      }
      if (since === undefined || since > now) await peppersTable.setUnneeded(tx, id, now);
      else if (isRipe(since, now)) {
        await peppersTable.remove(tx, id);
        await record(tx, anonymous(installation, "peppers"), "pepper.removed", { target: id });
        await db.changes.announce(tx, installation, "pepper", id);
        tell({ pepper: id }, "a pepper that no key needs was removed");
      }
    });

  const isToDo = async ({ id, unneededSince }: WrappedKey, now: number): Promise<boolean> => {
    if (!isDue(unneededSince, now)) return false;
    if (unneededSince !== undefined) return true;
    for (const table of tables) if (await peppersTable.anyOf(db.read, table, id)) return false;
    return true;
  };

  const show = async ({ id, createdAt, unneededSince }: WrappedKey, hashing: string | undefined): Promise<ShownPepper> => {
    const keys: Partial<Record<PepperedTable, number>> = {};
    for (const table of tables) keys[table] = await countAll((after, most) => peppersTable.count(db.read, table, id, after, most));
    return { id, hashes: id === hashing, createdAt, keys, unneededSince };
  };

  return {
    /** Every table that is looked after. */
    tables,

    /** Makes one that hashes new keys as soon as every replica tries it; the others go on being tried, and a key moves when it is next used. */
    rotate: (who: Principal): Promise<ShownPepper> =>
      db.write(async (tx) => {
        const [newest] = await peppersTable.all(tx);
        const id = `pepper_${random(8).toString("hex")}`;
        const createdAt = Math.max(clock(), (newest?.createdAt ?? 0) + 1);
        await peppersTable.insertOnce(tx, { id, kekId: kek.id, wrapped: kek.wrap(pepperIdentity(id), random(32)), createdAt });
        await record(tx, who, "pepper.created", { target: id });
        await db.changes.announce(tx, installation, "pepper", id);
        return { id, hashes: false, createdAt, keys: Object.fromEntries(tables.map((table) => [table, 0])), unneededSince: undefined };
      }),

    /** Newest first. */
    list: async (ask: PageAsk): Promise<Page<ShownPepper>> => {
      const all = await peppersTable.all(db.read);
      const after = ({ at, id: last }: Place) => all.filter(({ createdAt, id }) => createdAt < at || (createdAt === at && id < last));
      const read = (place: Place | undefined) => Promise.resolve(place ? after(place) : all);
      const { items, ...more } = await readPage([installation, "peppers"], ask, read, ({ createdAt, id }) => ({ at: createdAt, id }));
      const hashing = hashingPepper(all, clock())?.id;
      const shown: ShownPepper[] = [];
      for (const pepper of items) shown.push(await show(pepper, hashing));
      return { items: shown, ...more };
    },

    job: {
      name: "peppers.retire",
      every: 5_000,
      isNeeded: async () => {
        const now = clock();
        if (quietSince !== undefined && Math.abs(now - quietSince) < lookEvery) return false;
        const old = followed(await peppersTable.all(db.read), now);
        for (const pepper of old) if (await isToDo(pepper, now)) return true;
        quietSince = now;
        return false;
      },
      run: async (signal) => {
        for (const { id } of followed(await peppersTable.all(db.read), clock())) if (!signal.aborted) await settle(id);
      },
    } satisfies Job,
  };
};
