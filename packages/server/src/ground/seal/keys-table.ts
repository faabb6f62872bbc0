import type { Handle } from "../db/index.ts";

/** A data key or pepper as stored: wrapped by a key-encryption key. */
export interface WrappedKey {
  readonly id: string;
  readonly kekId: string;
  readonly wrapped: string;
}

/** The statements of the sealed keys. Peppers are the installation's, so they alone name no tenant. */
export const keysTable = {
  newestDataKey: async (db: Handle, tenant: string): Promise<WrappedKey | undefined> => {
    const row = await db
      .selectFrom("data_keys")
      .select(["id", "kek_id", "wrapped"])
      .where("tenant_id", "=", tenant)
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(1)
      .executeTakeFirst();
    return row && { id: row.id, kekId: row.kek_id, wrapped: row.wrapped };
  },
  dataKey: async (db: Handle, tenant: string, id: string): Promise<WrappedKey | undefined> => {
    const row = await db
      .selectFrom("data_keys")
      .select(["id", "kek_id", "wrapped"])
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && { id: row.id, kekId: row.kek_id, wrapped: row.wrapped };
  },
  insertDataKey: async (tx: Handle, tenant: string, key: WrappedKey, now: number): Promise<void> => {
    await tx
      .insertInto("data_keys")
      .values({ tenant_id: tenant, id: key.id, kek_id: key.kekId, wrapped: key.wrapped, created_at: now })
      .execute();
  },
  peppers: async (db: Handle): Promise<readonly WrappedKey[]> => {
    const rows = await db
      .selectFrom("peppers")
      .select(["id", "kek_id", "wrapped"])
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .execute();
    return rows.map((row) => ({ id: row.id, kekId: row.kek_id, wrapped: row.wrapped }));
  },
  /** Does nothing where the id is taken. */
  insertPepperOnce: async (tx: Handle, key: WrappedKey, now: number): Promise<void> => {
    await tx
      .insertInto("peppers")
      .values({ id: key.id, kek_id: key.kekId, wrapped: key.wrapped, created_at: now })
      .onConflict((c) => c.column("id").doNothing())
      .execute();
  },
};
