import type { Handle } from "../db/index.ts";

/** The statements of this room; each takes the tenant first but the one that sweeps. */
export const replayTable = {
  /** Answers whether it was not there. */
  insert: async (tx: Handle, tenant: string, space: string, hash: string, expiresAt: number): Promise<boolean> => {
    const row = await tx
      .insertInto("used_once")
      .values({ tenant_id: tenant, space, hash, expires_at: expiresAt })
      .onConflict((c) => c.columns(["tenant_id", "space", "hash"]).doNothing())
      .returning("hash")
      .executeTakeFirst();
    return row !== undefined;
  },

  anyBefore: async (db: Handle, now: number): Promise<boolean> =>
    (await db.selectFrom("used_once").select("hash").where("expires_at", "<", now).limit(1).executeTakeFirst()) !== undefined,

  /** Answers how many were forgotten, `most` at most. */
  deleteBefore: async (tx: Handle, now: number, most: number): Promise<number> => {
    const rows = await tx
      .selectFrom("used_once")
      .select(["tenant_id", "space", "hash"])
      .where("expires_at", "<", now)
      .orderBy("expires_at")
      .limit(most)
      .execute();
    for (const { tenant_id, space, hash } of rows)
      await tx.deleteFrom("used_once").where("tenant_id", "=", tenant_id).where("space", "=", space).where("hash", "=", hash).execute();
    return rows.length;
  },
};
