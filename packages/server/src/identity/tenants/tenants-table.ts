import type { Handle } from "../../ground/db/index.ts";
import type { Tenant } from "./tenant.ts";

/** The statements of this room. */
export const tenantsTable = {
  ping: async (db: Handle): Promise<void> => {
    await db.selectFrom("tenants").select("id").limit(1).execute();
  },
  /** Answers whether it was made now. */
  insertOnce: async (tx: Handle, tenant: Tenant, now: number): Promise<boolean> => {
    const made = await tx
      .insertInto("tenants")
      .values({ id: tenant.id, status: tenant.status, epoch: tenant.epoch, created_at: now })
      .onConflict((c) => c.column("id").doNothing())
      .returning("id")
      .executeTakeFirst();
    return made !== undefined;
  },
};
