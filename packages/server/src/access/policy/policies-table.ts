import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Policy } from "./policy.ts";

const toPolicy = (row: Row<"policies">): Policy => ({
  id: row.id,
  set: row.set_id,
  name: row.name,
  description: row.description ?? undefined,
  cedar: row.cedar,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** The columns that a change may touch. */
const changing = ({ description, cedar, version, updatedAt }: Policy) => ({
  description: description ?? null,
  cedar,
  version,
  updated_at: updatedAt,
});

const inSet = (db: Handle, tenant: string, set: string) =>
  db.selectFrom("policies").selectAll().where("tenant_id", "=", tenant).where("set_id", "=", set);

/** The statements of policies; each takes the tenant first, and none exists without it. */
export const policiesTable = {
  /** Answers false where the name is taken in the set. */
  insert: async (tx: Handle, tenant: string, policy: Policy): Promise<boolean> => {
    const { id, set, name, createdAt } = policy;
    const row = await tx
      .insertInto("policies")
      .values({ tenant_id: tenant, set_id: set, id, name, created_at: createdAt, ...changing(policy) })
      .onConflict((conflict) => conflict.columns(["tenant_id", "set_id", "name"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  byName: async (db: Handle, tenant: string, set: string, name: string): Promise<Policy | undefined> => {
    const row = await inSet(db, tenant, set).where("name", "=", name).executeTakeFirst();
    return row && toPolicy(row);
  },

  /** Oldest first, after `place`. */
  list: async (db: Handle, tenant: string, set: string, place: Place | undefined, limit: number): Promise<readonly Policy[]> => {
    let query = inSet(db, tenant, set);
    if (place) query = query.where(newerThan(place));
    const rows = await query.orderBy("created_at").orderBy("id").limit(limit).execute();
    return rows.map(toPolicy);
  },

  update: async (tx: Handle, tenant: string, policy: Policy): Promise<void> => {
    await tx.updateTable("policies").set(changing(policy)).where("tenant_id", "=", tenant).where("id", "=", policy.id).execute();
  },

  /** Answers the one that was there. */
  remove: async (tx: Handle, tenant: string, set: string, name: string): Promise<Policy | undefined> => {
    const row = await tx
      .deleteFrom("policies")
      .where("tenant_id", "=", tenant)
      .where("set_id", "=", set)
      .where("name", "=", name)
      .returningAll()
      .executeTakeFirst();
    return row && toPolicy(row);
  },
};
