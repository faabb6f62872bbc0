import { type Handle, held, olderThan, type Row, type Tables } from "../db/index.ts";
import type { Place } from "../kernel/index.ts";

/** A data key or pepper as stored: wrapped by a key-encryption key. */
export interface WrappedKey {
  readonly id: string;
  /** Which key-encryption key wraps it. */
  readonly kekId: string;
  readonly wrapped: string;
  readonly createdAt: number;
  /** Since when nothing stored needs it, as far as the last look saw. */
  readonly unneededSince: number | undefined;
}

/** A data key, and whose. */
export interface DataKey extends WrappedKey {
  readonly tenant: string;
}

/** What holds hashes that were made with a pepper. */
export type PepperedTable = {
  [T in keyof Tables]: Tables[T] extends { pepper_id: unknown } ? T : never;
}[keyof Tables];

const toKey = (row: Row<"peppers">): WrappedKey => ({
  id: row.id,
  kekId: row.kek_id,
  wrapped: row.wrapped,
  createdAt: row.created_at,
  unneededSince: row.unneeded_since ?? undefined,
});
const toDataKey = (row: Row<"data_keys">): DataKey => ({ ...toKey(row), tenant: row.tenant_id });

/** The statements of data keys; each takes the tenant first, but those of whoever looks after the keys of all tenants. */
export const dataKeysTable = {
  newest: async (db: Handle, tenant: string): Promise<DataKey | undefined> => {
    const row = await db
      .selectFrom("data_keys")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(1)
      .executeTakeFirst();
    return row && toDataKey(row);
  },
  byId: async (db: Handle, tenant: string, id: string): Promise<DataKey | undefined> => {
    const row = await db.selectFrom("data_keys").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toDataKey(row);
  },
  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly DataKey[]> => {
    let query = db.selectFrom("data_keys").selectAll().where("tenant_id", "=", tenant);
    if (place) query = query.where(olderThan(place));
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toDataKey);
  },
  insert: async (tx: Handle, tenant: string, key: Omit<WrappedKey, "unneededSince">): Promise<void> => {
    await tx
      .insertInto("data_keys")
      .values({ tenant_id: tenant, id: key.id, kek_id: key.kekId, wrapped: key.wrapped, created_at: key.createdAt })
      .execute();
  },
  setUnneeded: async (tx: Handle, tenant: string, id: string, since: number | null): Promise<void> => {
    await tx.updateTable("data_keys").set({ unneeded_since: since }).where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
  remove: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.deleteFrom("data_keys").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },

  /** Those of all tenants that a newer one has followed. */
  outdated: async (db: Handle): Promise<readonly DataKey[]> => {
    const rows = await db
      .selectFrom("data_keys as one")
      .selectAll()
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom("data_keys as newer")
            .select("newer.id")
            .whereRef("newer.tenant_id", "=", "one.tenant_id")
            .where((of) =>
              of.or([
                of("newer.created_at", ">", of.ref("one.created_at")),
                of.and([of("newer.created_at", "=", of.ref("one.created_at")), of("newer.id", ">", of.ref("one.id"))]),
              ]),
            ),
        ),
      )
      .orderBy("one.created_at")
      .execute();
    return rows.map(toDataKey);
  },
  /** Of any tenant, at most `most` that this key wraps, by id after `after`. */
  wrappedBy: async (db: Handle, kekId: string, after: string, most: number): Promise<readonly DataKey[]> => {
    const wrapped = db.selectFrom("data_keys").selectAll().where("kek_id", "=", kekId).where("id", ">", after);
    const rows = await wrapped.orderBy("id").limit(most).execute();
    return rows.map(toDataKey);
  },
  /** Answers false where it was wrapped anew meanwhile. */
  rewrap: async (tx: Handle, tenant: string, key: WrappedKey, kekId: string, wrapped: string): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("data_keys")
      .set({ kek_id: kekId, wrapped })
      .where("tenant_id", "=", tenant)
      .where("id", "=", key.id)
      .where("wrapped", "=", key.wrapped)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },
  /** How many each key-encryption key wraps. */
  countByKek: async (db: Handle): Promise<ReadonlyMap<string, number>> => {
    const rows = await db
      .selectFrom("data_keys")
      .select(({ fn }) => ["kek_id", fn.countAll().as("many")])
      .groupBy("kek_id")
      .execute();
    return new Map(rows.map((row) => [row.kek_id, Number(row.many)]));
  },
};

/** The statements of peppers, which are the installation's: they name no tenant. */
export const peppersTable = {
  /** Newest first. */
  all: async (db: Handle): Promise<readonly WrappedKey[]> => {
    const rows = await db.selectFrom("peppers").selectAll().orderBy("created_at", "desc").orderBy("id", "desc").execute();
    return rows.map(toKey);
  },
  /** As `all`; nobody removes one until the transaction ends. */
  allHeld: async (tx: Handle): Promise<readonly WrappedKey[]> => {
    const all = tx.selectFrom("peppers").selectAll().orderBy("created_at", "desc").orderBy("id", "desc");
    return (await held(tx, all).execute()).map(toKey);
  },
  /** Whoever holds it has come to an end, and nobody else will until this transaction does. */
  lock: async (tx: Handle, id: string): Promise<void> => {
    await tx
      .updateTable("peppers")
      .set((eb) => ({ kek_id: eb.ref("kek_id") }))
      .where("id", "=", id)
      .execute();
  },
  /** Does nothing where the id is taken. */
  insertOnce: async (tx: Handle, key: Omit<WrappedKey, "unneededSince">): Promise<void> => {
    await tx
      .insertInto("peppers")
      .values({ id: key.id, kek_id: key.kekId, wrapped: key.wrapped, created_at: key.createdAt })
      .onConflict((c) => c.column("id").doNothing())
      .execute();
  },
  setUnneeded: async (tx: Handle, id: string, since: number | null): Promise<void> => {
    await tx.updateTable("peppers").set({ unneeded_since: since }).where("id", "=", id).execute();
  },
  remove: async (tx: Handle, id: string): Promise<void> => {
    await tx.deleteFrom("peppers").where("id", "=", id).execute();
  },
  /** Answers false where it was wrapped anew meanwhile. */
  rewrap: async (tx: Handle, key: WrappedKey, kekId: string, wrapped: string): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("peppers")
      .set({ kek_id: kekId, wrapped })
      .where("id", "=", key.id)
      .where("wrapped", "=", key.wrapped)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },
  /** Counts the rows of a table that were hashed with a pepper and come after `after`, `most` at most, and answers the last one's id. */
  count: async (
    db: Handle,
    table: PepperedTable,
    pepperId: string,
    after: string,
    most: number,
  ): Promise<{ readonly many: number; readonly last: string }> => {
    const some = db.selectFrom(table).select("id").where("pepper_id", "=", pepperId).where("id", ">", after).orderBy("id").limit(most);
    const { many, last } = await db
      .selectFrom(some.as("found"))
      .select(({ fn }) => [fn.countAll().as("many"), fn.max("found.id").as("last")])
      .executeTakeFirstOrThrow();
    return { many: Number(many), last: last ?? "" };
  },
  anyOf: async (db: Handle, table: PepperedTable, pepperId: string): Promise<boolean> =>
    (await db.selectFrom(table).select("id").where("pepper_id", "=", pepperId).limit(1).executeTakeFirst()) !== undefined,
};

/** The statements on which master keys there were. They are the installation's too. */
export const masterKeysTable = {
  /** The id of the last that became the one that wraps. */
  newest: async (db: Handle): Promise<string | undefined> =>
    (await db.selectFrom("master_keys").select("id").orderBy("number", "desc").limit(1).executeTakeFirst())?.id,
  isKnown: async (db: Handle, id: string): Promise<boolean> =>
    (await db.selectFrom("master_keys").select("id").where("id", "=", id).executeTakeFirst()) !== undefined,
  /** Makes it the newest; does nothing where another process did something of the kind at the same moment. */
  insertNext: async (tx: Handle, id: string): Promise<void> => {
    const last = await tx.selectFrom("master_keys").select("number").orderBy("number", "desc").limit(1).executeTakeFirst();
    await tx
      .insertInto("master_keys")
      .values({ id, number: (last?.number ?? 0) + 1 })
      .onConflict((c) => c.doNothing())
      .execute();
  },
};
