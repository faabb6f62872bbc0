import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Foreign, Place } from "../../ground/kernel/index.ts";
import { defaultVault, type TokenVault } from "./vault.ts";

const toVault = (row: Row<"token_vaults">): TokenVault => ({
  name: row.name,
  description: row.description ?? undefined,
  foreign: JSON.parse(row.foreign_attributes ?? "{}") as Foreign,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** What may change of a row. */
const columnsOf = ({ description, foreign, updatedAt }: TokenVault) => ({
  description: description ?? null,
  foreign_attributes: Object.keys(foreign).length === 0 ? null : JSON.stringify(foreign),
  updated_at: updatedAt,
});

/** The statements about token vaults; each takes the tenant first, and none exists without it. */
export const vaultsTable = {
  /** Answers false where the name is taken. */
  insert: async (tx: Handle, tenant: string, vault: TokenVault): Promise<boolean> => {
    const row = await tx
      .insertInto("token_vaults")
      .values({ tenant_id: tenant, name: vault.name, created_at: vault.createdAt, ...columnsOf(vault) })
      .onConflict((c) => c.columns(["tenant_id", "name"]).doNothing())
      .returning("name")
      .executeTakeFirst();
    return row !== undefined;
  },

  byName: async (db: Handle, tenant: string, name: string): Promise<TokenVault | undefined> => {
    const row = await db.selectFrom("token_vaults").selectAll().where("tenant_id", "=", tenant).where("name", "=", name).executeTakeFirst();
    return row && toVault(row);
  },

  /** All but the one that every tenant has; oldest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly TokenVault[]> => {
    let query = db.selectFrom("token_vaults").selectAll().where("tenant_id", "=", tenant).where("name", "!=", defaultVault);
    if (place) query = query.where(newerThan(place, { id: "name" }));
    const rows = await query.orderBy("created_at").orderBy("name").limit(limit).execute();
    return rows.map(toVault);
  },

  /** Reads a vault's row and keeps others from changing or deleting it until the transaction ends. */
  lock: async (tx: Handle, tenant: string, name: string): Promise<TokenVault | undefined> => {
    const row = await tx
      .updateTable("token_vaults")
      .set((eb) => ({ updated_at: eb.ref("updated_at") }))
      .where("tenant_id", "=", tenant)
      .where("name", "=", name)
      .returningAll()
      .executeTakeFirst();
    return row && toVault(row);
  },

  update: async (tx: Handle, tenant: string, vault: TokenVault): Promise<void> => {
    await tx.updateTable("token_vaults").set(columnsOf(vault)).where("tenant_id", "=", tenant).where("name", "=", vault.name).execute();
  },

  /** Answers false where there is none. */
  remove: async (tx: Handle, tenant: string, name: string): Promise<boolean> => {
    const query = tx.deleteFrom("token_vaults").where("tenant_id", "=", tenant).where("name", "=", name);
    return (await query.returning("name").executeTakeFirst()) !== undefined;
  },
};
