import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Foreign, Place } from "../../ground/kernel/index.ts";
import type { PolicySet } from "./policy.ts";

const toSet = (row: Row<"policy_sets">): PolicySet => ({
  id: row.id,
  name: row.name,
  description: row.description ?? undefined,
  foreign: JSON.parse(row.foreign_attributes ?? "{}") as Foreign,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** The columns that a change may touch. */
const changing = ({ description, foreign, updatedAt }: PolicySet) => ({
  description: description ?? null,
  foreign_attributes: Object.keys(foreign).length === 0 ? null : JSON.stringify(foreign),
  updated_at: updatedAt,
});

/** The statements of policy sets; each takes the tenant first, and none exists without it. */
export const policySetsTable = {
  /** Answers false where the name is taken. */
  insert: async (tx: Handle, tenant: string, set: PolicySet): Promise<boolean> => {
    const row = await tx
      .insertInto("policy_sets")
      .values({ tenant_id: tenant, id: set.id, name: set.name, created_at: set.createdAt, ...changing(set) })
      .onConflict((conflict) => conflict.columns(["tenant_id", "name"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  byName: async (db: Handle, tenant: string, name: string): Promise<PolicySet | undefined> => {
    const row = await db.selectFrom("policy_sets").selectAll().where("tenant_id", "=", tenant).where("name", "=", name).executeTakeFirst();
    return row && toSet(row);
  },

  /** Reads a set's row and keeps others from changing it, its policies and its gateways until the transaction ends. */
  lock: async (tx: Handle, tenant: string, name: string): Promise<PolicySet | undefined> => {
    const row = await tx
      .updateTable("policy_sets")
      .set((eb) => ({ updated_at: eb.ref("updated_at") }))
      .where("tenant_id", "=", tenant)
      .where("name", "=", name)
      .returningAll()
      .executeTakeFirst();
    return row && toSet(row);
  },

  /** Oldest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly PolicySet[]> => {
    let query = db.selectFrom("policy_sets").selectAll().where("tenant_id", "=", tenant);
    if (place) query = query.where(newerThan(place));
    const rows = await query.orderBy("created_at").orderBy("id").limit(limit).execute();
    return rows.map(toSet);
  },

  update: async (tx: Handle, tenant: string, set: PolicySet): Promise<void> => {
    await tx.updateTable("policy_sets").set(changing(set)).where("tenant_id", "=", tenant).where("id", "=", set.id).execute();
  },

  /** With its policies. */
  remove: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.deleteFrom("policies").where("tenant_id", "=", tenant).where("set_id", "=", id).execute();
    await tx.deleteFrom("policy_sets").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
};
