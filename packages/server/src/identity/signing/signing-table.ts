import type { Handle, Row } from "../../ground/db/index.ts";

/** The statements of this room; each takes the tenant first, and none exists without it. */
export const signingTable = {
  /** Those not expired, oldest first. */
  live: (db: Handle, tenant: string, now: number): Promise<Row<"signing_keys">[]> =>
    db
      .selectFrom("signing_keys")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("expires_at", ">", now)
      .orderBy("signs_from")
      .orderBy("id")
      .execute(),
  insert: async (tx: Handle, tenant: string, key: Omit<Row<"signing_keys">, "tenant_id" | "revoked_at">): Promise<void> => {
    await tx
      .insertInto("signing_keys")
      .values({ ...key, tenant_id: tenant })
      .execute();
  },
  expireAt: async (tx: Handle, tenant: string, id: string, at: number): Promise<void> => {
    await tx.updateTable("signing_keys").set({ expires_at: at }).where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
};
