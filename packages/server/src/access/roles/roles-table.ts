import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import { isRoleId, type Role, type RoleCloud } from "./role.ts";

/** A role of its row. */
const toRole = (row: Row<"roles">): Role => ({
  id: row.id,
  name: row.name,
  arn: row.arn,
  description: row.description ?? undefined,
  agents: JSON.parse(row.agents) as string[],
  trustPolicy: row.trust_policy ?? undefined,
  permissionPolicy: row.permission_policy ?? undefined,
  cloud: row.cloud === null ? undefined : (JSON.parse(row.cloud) as RoleCloud),
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** What may change of a row. */
const columnsOf = (role: Role) => ({
  arn: role.arn,
  description: role.description ?? null,
  agents: JSON.stringify(role.agents),
  trust_policy: role.trustPolicy ?? null,
  permission_policy: role.permissionPolicy ?? null,
  cloud: role.cloud === undefined ? null : JSON.stringify(role.cloud),
  version: role.version,
  updated_at: role.updatedAt,
});

const all = (db: Handle, tenant: string) => db.selectFrom("roles").selectAll().where("tenant_id", "=", tenant);

/** The statements of roles; each takes the tenant first, and none exists without it. */
export const rolesTable = {
  /** Answers false where the name or the ARN is taken. */
  insert: async (tx: Handle, tenant: string, role: Role): Promise<boolean> => {
    const { id, name, createdAt } = role;
    const row = await tx
      .insertInto("roles")
      .values({ tenant_id: tenant, id, name, created_at: createdAt, ...columnsOf(role) })
      .onConflict((c) => c.doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  /** By id, by ARN, or by name: none of them looks like another. */
  byRef: async (db: Handle, tenant: string, ref: string): Promise<Role | undefined> => {
    const column = isRoleId(ref) ? "id" : ref.includes(":") ? "arn" : "name";
    const row = await all(db, tenant).where(column, "=", ref).executeTakeFirst();
    return row && toRole(row);
  },

  /** Oldest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly Role[]> => {
    let query = all(db, tenant);
    if (place) query = query.where(newerThan(place));
    const rows = await query.orderBy("created_at").orderBy("id").limit(limit).execute();
    return rows.map(toRole);
  },

  /** Reads a role's row and keeps others from changing it, and what is attached to it, until the transaction ends. */
  lock: async (tx: Handle, tenant: string, id: string): Promise<Role | undefined> => {
    const row = await tx
      .updateTable("roles")
      .set((eb) => ({ version: eb.ref("version") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toRole(row);
  },

  /** Writes every field that may change, of a row that the transaction holds. */
  update: async (tx: Handle, tenant: string, role: Role): Promise<void> => {
    await tx.updateTable("roles").set(columnsOf(role)).where("tenant_id", "=", tenant).where("id", "=", role.id).execute();
  },

  /** With what is attached to it. */
  remove: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.deleteFrom("role_policy_attachments").where("tenant_id", "=", tenant).where("role_id", "=", id).execute();
    await tx.deleteFrom("roles").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
};
