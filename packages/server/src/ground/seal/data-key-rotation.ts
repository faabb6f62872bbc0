import { setImmediate as breathe } from "node:timers/promises";
import type { Db } from "../db/index.ts";
import type { Job } from "../jobs/index.ts";
import { anonymous, type Clock, type Page, type PageAsk, type Place, readPage, type Principal } from "../kernel/index.ts";
import { SealBroken } from "./cipher.ts";
import { countAll } from "./counting.ts";
import { type DataKey, dataKeysTable } from "./keys-table.ts";
import { type RecordEvent, type Tell, tellEvery } from "./needs.ts";
import type { Seal } from "./seal.ts";
import type { Resealable, SealedTable } from "./sealed-column-table.ts";
import { isDue, isRipe, lookEvery } from "./unneeded.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly seal: Seal;
  /** Every sealed column there is, as the rooms that own them introduce them. */
  readonly columns: readonly Resealable[];
  readonly record: RecordEvent;
  readonly tell: Tell;
}

/** A data key as it may be shown. */
export interface ShownDataKey {
  readonly id: string;
  /** Whether it is the one that seals. */
  readonly seals: boolean;
  readonly createdAt: number;
  /** How many texts of it are left to be sealed anew, by table; nothing of the one that seals. */
  readonly left: Readonly<Partial<Record<SealedTable, number>>> | undefined;
  readonly unneededSince: number | undefined;
}

export type DataKeyRotation = ReturnType<typeof makeDataKeyRotation>;

/** Rows sealed anew in one transaction: few, so that nobody waits for them. */
const atOnce = 50;
/** Texts that do not open are tried again after this. */
const triedAgainAfter = 10 * 60_000;

/** Makes data keys, seals under the newest what others sealed, and removes those that nothing needs any more. */
export const makeDataKeyRotation = ({ db, clock, seal, columns, record, tell }: Needs) => {
  /** Keys under which texts stand that do not open, and when that was found. */
  const stuck = new Map<string, number>();
  let quietSince: number | undefined;
  db.changes.subscribe((change) => {
    if (!change || change.kind === "data_key") quietSince = undefined;
  });

  const isToDo = ({ id, unneededSince }: DataKey, now: number): boolean =>
    isDue(unneededSince, now) && Math.abs(now - (stuck.get(id) ?? Number.NEGATIVE_INFINITY)) >= triedAgainAfter;

  const anyUnder = async (handle: Db["read"], tenant: string, keyId: string): Promise<boolean> => {
    for (const column of columns) if (await column.any(handle, tenant, keyId)) return true;
    return false;
  };

  /** Looks whether anything needs the key still, and removes it where nothing did for long enough. Answers whether something does. */
  const settle = ({ tenant, id }: DataKey): Promise<boolean> =>
    db.write(async (tx) => {
      const key = await dataKeysTable.byId(tx, tenant, id);
      const newest = await dataKeysTable.newest(tx, tenant);
      if (!key || key.id === newest?.id) return false;
      const since = key.unneededSince;
      const now = clock();
      if (await anyUnder(tx, tenant, id)) {
        if (since !== undefined) await dataKeysTable.setUnneeded(tx, tenant, id, null);
        return true;
      }
      if (since === undefined || since > now) await dataKeysTable.setUnneeded(tx, tenant, id, now);
      else if (isRipe(since, now)) {
        await dataKeysTable.remove(tx, tenant, id);
        await record(tx, anonymous(tenant, "data_keys"), "data_key.removed", { target: id });
        await db.changes.announce(tx, tenant, "data_key", id);
      }
      return false;
    });

  /** Seals some rows anew. Whoever stored another text meanwhile has won: that one is under the newest key already. */
  const step = async (column: Resealable, { tenant, id }: DataKey, newest: string, after: string) => {
    const rows = await column.under(db.read, tenant, id, after, atOnce);
    const fresh: { readonly id: string; readonly sealed: string; readonly text: string }[] = [];
    let broken = 0;
    for (const row of rows) {
      try {
        fresh.push({ id: row.id, sealed: row.sealed, text: await seal.reseal(tenant, row.identity, row.sealed, newest) });
      } catch (error) {
        if (!(error instanceof SealBroken)) throw error;
        broken += 1;
      }
    }
    const done = await db.write(async (tx) => {
      const swapped: string[] = [];
      for (const row of fresh) if (await column.swap(tx, tenant, row.id, row.sealed, row.text)) swapped.push(row.id);
      if (column.changes) for (const each of swapped) await db.changes.announce(tx, tenant, column.changes, each);
      return swapped.length;
    });
    return { last: rows.length === atOnce ? rows.at(-1)?.id : undefined, done, broken };
  };

  const countLeft = async (tenant: string, id: string): Promise<NonNullable<ShownDataKey["left"]>> => {
    const left: Partial<Record<SealedTable, number>> = {};
    for (const column of columns) {
      const many = await countAll((after, most) => column.count(db.read, tenant, id, after, most));
      left[column.table] = (left[column.table] ?? 0) + many;
    }
    return left;
  };

  /** Goes through all columns once. */
  const resealAll = async (key: DataKey, signal: AbortSignal): Promise<void> => {
    const { tenant, id } = key;
    const newest = (await dataKeysTable.newest(db.read, tenant))?.id;
    if (newest === undefined || newest === id) return;
    const about = { tenant, dataKey: id, newest };
    const rows = Object.values(await countLeft(tenant, id)).reduce((sum, many) => sum + many, 0);
    if (rows > 0) tell({ ...about, rows }, "sealing anew what an older data key sealed");
    let [resealed, broken, told] = [0, 0, performance.now()];
    for (const column of columns) {
      for (let after: string | undefined = ""; after !== undefined && !signal.aborted; ) {
        const { last, ...counts }: Awaited<ReturnType<typeof step>> = await step(column, key, newest, after);
        after = last;
        resealed += counts.done;
        broken += counts.broken;
        if (performance.now() - told >= tellEvery) {
          told = performance.now();
          tell({ ...about, resealed, rows }, "sealing anew goes on");
        }
        await breathe();
      }
    }
    if (broken > 0) {
      stuck.set(id, clock());
      tell({ ...about, broken }, "some texts do not open where they stand: their data key is kept");
    }
    if (rows > 0) tell({ ...about, resealed }, signal.aborted ? "sealing anew was interrupted and will go on" : "sealed anew");
  };

  return {
    /** Every sealed column that is looked after: `table.column`. */
    columns: columns.map(({ table, column }) => `${table}.${column}`),

    /** Makes the key that seals from now on, on every replica within two seconds; what others sealed follows. */
    rotate: (who: Principal): Promise<ShownDataKey> =>
      db.write(async (tx) => {
        const { id, createdAt } = await seal.keys.make(tx, who.tenant);
        await record(tx, who, "data_key.created", { target: id });
        return { id, seals: true, createdAt, left: undefined, unneededSince: undefined };
      }),

    /** Newest first. */
    list: async (tenant: string, ask: PageAsk): Promise<Page<ShownDataKey>> => {
      const newest = await dataKeysTable.newest(db.read, tenant);
      const read = (place: Place | undefined, most: number) => dataKeysTable.list(db.read, tenant, place, most);
      const { items, ...more } = await readPage([tenant, "data_keys"], ask, read, ({ createdAt, id }) => ({ at: createdAt, id }));
      const shown: ShownDataKey[] = [];
      for (const { id, createdAt, unneededSince } of items) {
        const seals = id === newest?.id;
        shown.push({ id, seals, createdAt, left: seals ? undefined : await countLeft(tenant, id), unneededSince });
      }
      return { items: shown, ...more };
    },

    /** Where it stands is written on the rows themselves, so that whoever takes it over goes on where it was left. */
    job: {
      name: "data_keys.reseal",
      every: 2_000,
      isNeeded: async () => {
        const now = clock();
        if (quietSince !== undefined && Math.abs(now - quietSince) < lookEvery) return false;
        const needed = (await dataKeysTable.outdated(db.read)).some((key) => isToDo(key, now));
        quietSince = needed ? undefined : now;
        return needed;
      },
      run: async (signal) => {
        for (const key of await dataKeysTable.outdated(db.read)) {
          if (signal.aborted) return;
          if (!isToDo(key, clock())) continue;
          // One that nothing needed is looked at before anything is done: what a straggler sealed makes it wait anew.
          if (key.unneededSince !== undefined && !(await settle(key))) continue;
          await resealAll(key, signal);
          if (!signal.aborted) await settle(key);
        }
      },
    } satisfies Job,
  };
};
