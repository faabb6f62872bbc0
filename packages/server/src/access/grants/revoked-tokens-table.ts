import type { Handle } from "../../ground/db/index.ts";

/** The statements of access tokens that were taken back; each takes the tenant first but those that sweep. */
export const revokedTokensTable = {
  /** Answers whether it was not taken back before. */
  insert: async (tx: Handle, tenant: string, jti: string, expiresAt: number): Promise<boolean> => {
    const row = await tx
      .insertInto("revoked_tokens")
      .values({ tenant_id: tenant, jti, expires_at: expiresAt })
      .onConflict((conflict) => conflict.columns(["tenant_id", "jti"]).doNothing())
      .returning("jti")
      .executeTakeFirst();
    return row !== undefined;
  },

  has: async (db: Handle, tenant: string, jti: string): Promise<boolean> =>
    (await db.selectFrom("revoked_tokens").select("jti").where("tenant_id", "=", tenant).where("jti", "=", jti).executeTakeFirst()) !==
    undefined,

  anyEnded: async (db: Handle, before: number): Promise<boolean> =>
    (await db.selectFrom("revoked_tokens").select("jti").where("expires_at", "<", before).limit(1).executeTakeFirst()) !== undefined,

  /** Answers how many were deleted, `most` at most. */
  deleteEnded: async (tx: Handle, before: number, most: number): Promise<number> => {
    const rows = await tx
      .selectFrom("revoked_tokens")
      .select(["tenant_id", "jti"])
      .where("expires_at", "<", before)
      .orderBy("expires_at")
      .limit(most)
      .execute();
    for (const { tenant_id, jti } of rows)
      await tx.deleteFrom("revoked_tokens").where("tenant_id", "=", tenant_id).where("jti", "=", jti).execute();
    return rows.length;
  },
};
