import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { OperatorRole, Place } from "../../ground/kernel/index.ts";
import type { Peppered } from "../../ground/seal/index.ts";
import type { Operator } from "./operator.ts";

const toOperator = (row: Row<"operators">): Operator => ({
  tenant: row.tenant_id,
  id: row.id,
  name: row.name,
  role: row.role,
  hint: row.hint ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at ?? undefined,
  lastUsedAt: row.last_used_at ?? undefined,
});

interface HolderRow extends Row<"operators"> {
  readonly tenant_status: Row<"tenants">["status"];
}

const byKey = lookup<{ hash: string }, HolderRow>((db, { hash }) =>
  db
    .selectFrom("operators as o")
    .innerJoin("tenants as t", "t.id", "o.tenant_id")
    .selectAll("o")
    .select("t.status as tenant_status")
    .where("o.key_hash", "=", hash)
    .limit(1),
);

/** Whom a presented key belongs to, and whether their tenant is open. */
export interface Holder {
  readonly operator: Operator;
  readonly isOpen: boolean;
}

/** The statements of this room; each takes the tenant first, but for the one that a key alone asks. */
export const operatorsTable = {
  /** A key names its tenant, so this alone asks without one. */
  byKey: async (db: Handle, hash: string): Promise<Holder | undefined> => {
    const row = await byKey(db, { hash });
    return row && { operator: toOperator(row), isOpen: row.tenant_status === "active" };
  },
  keyHash: async (db: Handle, tenant: string, id: string): Promise<string | undefined> => {
    const row = await db.selectFrom("operators").select("key_hash").where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row?.key_hash;
  },
  byId: async (db: Handle, tenant: string, id: string): Promise<Operator | undefined> => {
    const row = await db.selectFrom("operators").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toOperator(row);
  },
  /** As `byId`; nobody changes or removes the operator until the transaction ends. */
  lock: async (tx: Handle, tenant: string, id: string): Promise<Operator | undefined> => {
    const row = await tx
      .updateTable("operators")
      .set((eb) => ({ role: eb.ref("role") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toOperator(row);
  },
  /** Answers false where the name is taken. */
  insert: async (tx: Handle, tenant: string, operator: Operator, { hash, pepperId }: Peppered): Promise<boolean> => {
    const made = await tx
      .insertInto("operators")
      .values({
        tenant_id: tenant,
        id: operator.id,
        name: operator.name,
        role: operator.role,
        key_hash: hash,
        pepper_id: pepperId,
        expires_at: operator.expiresAt ?? null,
        created_at: operator.createdAt,
        hint: operator.hint ?? null,
      })
      .onConflict((c) => c.columns(["tenant_id", "name"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return made !== undefined;
  },
  /** Answers whether the operator is there. */
  setKey: async (tx: Handle, tenant: string, id: string, { hash, pepperId }: Peppered, hint: string | undefined): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("operators")
      .set({ key_hash: hash, pepper_id: pepperId, hint: hint ?? null })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },
  update: async (
    tx: Handle,
    tenant: string,
    id: string,
    change: { readonly role: OperatorRole; readonly expiresAt: number | undefined },
  ): Promise<Operator | undefined> => {
    const row = await tx
      .updateTable("operators")
      .set({ role: change.role, expires_at: change.expiresAt ?? null })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toOperator(row);
  },
  remove: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.deleteFrom("operators").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
  /** The ids of the admins whose keys do not expire; nobody else changes or removes one of them until the transaction ends. */
  lockLastingAdmins: async (tx: Handle, tenant: string): Promise<readonly string[]> => {
    const rows = await tx
      .updateTable("operators")
      .set((eb) => ({ role: eb.ref("role") }))
      .where("tenant_id", "=", tenant)
      .where("role", "=", "admin")
      .where("expires_at", "is", null)
      .returning("id")
      .execute();
    return rows.map(({ id }) => id);
  },
  /** Remembers that a key was used, and hashes it as new keys are; nothing where it was replaced meanwhile. */
  touch: async (tx: Handle, tenant: string, id: string, from: Peppered, to: Peppered, now: number): Promise<void> => {
    await tx
      .updateTable("operators")
      .set({ last_used_at: now, key_hash: to.hash, pepper_id: to.pepperId })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("key_hash", "=", from.hash)
      .execute();
  },
  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly Operator[]> => {
    let query = db.selectFrom("operators").selectAll().where("tenant_id", "=", tenant);
    if (place) query = query.where(olderThan(place));
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toOperator);
  },
};
