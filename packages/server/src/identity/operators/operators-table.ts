import { type Handle, prepared, type Row } from "../../ground/db/index.ts";
import type { Operator } from "./operator.ts";

const toOperator = (row: Row<"operators">): Operator => ({
  tenant: row.tenant_id,
  id: row.id,
  name: row.name,
  role: row.role,
  expiresAt: row.expires_at ?? undefined,
});

const byKey = prepared<{ hash: string }, Row<"operators">>((db, { hash }) =>
  db.selectFrom("operators").selectAll().where("key_hash", "=", hash),
);

/** The statements of this room. */
export const operatorsTable = {
  /** A key names its tenant, so this alone asks without one. */
  byKey: async (db: Handle, hash: string): Promise<Operator | undefined> => {
    const [row] = await byKey(db, { hash });
    return row && toOperator(row);
  },
  keyHash: async (db: Handle, tenant: string, id: string): Promise<string | undefined> => {
    const row = await db.selectFrom("operators").select("key_hash").where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row?.key_hash;
  },
  /** Makes the operator, or gives it another key. */
  setKey: async (tx: Handle, operator: Operator, hash: string, pepperId: string, now: number): Promise<void> => {
    await tx
      .insertInto("operators")
      .values({
        tenant_id: operator.tenant,
        id: operator.id,
        name: operator.name,
        role: operator.role,
        key_hash: hash,
        pepper_id: pepperId,
        expires_at: operator.expiresAt ?? null,
        created_at: now,
      })
      .onConflict((c) => c.column("id").doUpdateSet({ key_hash: hash, pepper_id: pepperId }))
      .execute();
  },
};
