import type { Handle } from "../db/index.ts";

/** Something that is used, under the hash of its id. */
export interface Use {
  readonly tenant: string;
  readonly space: string;
  readonly hash: string;
  readonly expiresAt: number;
}

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

  /** Which of them were not there; of those that are the same, the first. */
  insertAll: async (tx: Handle, uses: readonly Use[]): Promise<readonly boolean[]> => {
    const keyOf = ({ tenant, space, hash }: Omit<Use, "expiresAt">) => JSON.stringify([tenant, space, hash]);
    const byKey = new Map(uses.map((use) => [keyOf(use), use]));
    // In one order everywhere, so that no two who write the same wait for each other.
    const rows = await tx
      .insertInto("used_once")
      .values(
        [...byKey]
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .map(([, { tenant, space, hash, expiresAt }]) => ({ tenant_id: tenant, space, hash, expires_at: expiresAt })),
      )
      .onConflict((c) => c.columns(["tenant_id", "space", "hash"]).doNothing())
      .returning(["tenant_id", "space", "hash"])
      .execute();
    const fresh = new Set(rows.map(({ tenant_id, space, hash }) => keyOf({ tenant: tenant_id, space, hash })));
    return uses.map((use) => fresh.delete(keyOf(use)));
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
