import type { Handle } from "../../ground/db/index.ts";

/** The statements of access tokens that were taken back; each takes the tenant first. */
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
};
