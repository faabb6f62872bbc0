import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Tenant } from "./tenant.ts";

const toTenant = (row: Row<"tenants">): Tenant => ({
  id: row.id,
  status: row.status,
  epoch: row.epoch,
  accountId: row.account_id ?? "",
  createdAt: row.created_at,
});

const byId = lookup<{ id: string }, Row<"tenants">>((db, { id }) => db.selectFrom("tenants").selectAll().where("id", "=", id).limit(1));

/** The statements of tenants themselves. */
export const tenantsTable = {
  ping: async (db: Handle): Promise<void> => {
    await db.selectFrom("tenants").select("id").limit(1).execute();
  },
  /** Tombstones too. */
  byId: async (db: Handle, id: string): Promise<Tenant | undefined> => {
    const row = await byId(db, { id });
    return row && toTenant(row);
  },
  /** Answers whether it was made now; a name that was ever taken makes nothing. */
  insertOnce: async (tx: Handle, tenant: Tenant): Promise<boolean> => {
    const made = await tx
      .insertInto("tenants")
      .values({
        id: tenant.id,
        status: tenant.status,
        epoch: tenant.epoch,
        account_id: tenant.accountId,
        created_at: tenant.createdAt,
      })
      .onConflict((c) => c.column("id").doNothing())
      .returning("id")
      .executeTakeFirst();
    return made !== undefined;
  },
  hasAccount: async (db: Handle, accountId: string): Promise<boolean> =>
    (await db.selectFrom("tenants").select("id").where("account_id", "=", accountId).executeTakeFirst()) !== undefined,
  /** Gives an account id to a tenant that was made before there were any. */
  setAccountOnce: async (tx: Handle, id: string, accountId: string): Promise<void> => {
    await tx.updateTable("tenants").set({ account_id: accountId }).where("id", "=", id).where("account_id", "is", null).execute();
  },
  /** Newest first, after `place`; no tombstones. */
  list: async (db: Handle, place: Place | undefined, limit: number): Promise<readonly Tenant[]> => {
    let query = db.selectFrom("tenants").selectAll().where("status", "!=", "deleted");
    if (place) query = query.where(olderThan(place));
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toTenant);
  },
  /** Moves on from one status and raises the epoch; answers undefined where the tenant has another. */
  move: async (tx: Handle, id: string, from: Tenant["status"], to: "active" | "suspended"): Promise<Tenant | undefined> => {
    const row = await tx
      .updateTable("tenants")
      .set((eb) => ({ status: to, epoch: eb("epoch", "+", 1) }))
      .where("id", "=", id)
      .where("status", "=", from)
      .returningAll()
      .executeTakeFirst();
    return row && toTenant(row);
  },
  /** Leaves a tombstone; answers false where there is nothing but one. */
  bury: async (tx: Handle, id: string, now: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("tenants")
      .set((eb) => ({ status: "deleted", epoch: eb("epoch", "+", 1), deleted_at: now }))
      .where("id", "=", id)
      .where("status", "!=", "deleted")
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },
};
