import { type RawBuilder, sql } from "kysely";
import type { Handle, Tables } from "../../ground/db/index.ts";

/**
 * Every table, and what becomes of its rows when their tenant is deleted. A tenant's own go, in the order of the column named: the store has an index
 * that begins with the tenant and goes on with it, where there may be many rows. What is the installation's stays, and so does the tombstone.
 */
const fates = {
  data_keys: "created_at",
  // Before the signing keys, which no longer open: nobody is to be asked to seal or sign the chain.
  audit_unsealed: "at",
  audit_blocks: "number",
  audit_block_filters: "last_at",
  audit_checkpoints: "block",
  operators: "created_at",
  agent_keys: "agent_id",
  client_secrets: "agent_id",
  client_keys: "agent_id",
  clients: "created_at",
  client_documents: "id",
  resources: "created_at",
  authorization_requests: "id",
  authorization_codes: "hash",
  refresh_tokens: "hash",
  oauth_grants: "created_at",
  remembered_consents: "user_id",
  revoked_tokens: "jti",
  variables: "id",
  integrations: "id",
  projects: "id",
  access_keys: "created_at",
  role_policy_attachments: "role_id",
  role_policies: "created_at",
  roles: "created_at",
  gateway_policies: "gateway",
  policies: "set_id",
  policy_sets: "created_at",
  token_vaults: "created_at",
  counters: "name",
  agents: "created_at",
  users: "created_at",
  issuers: "name",
  signing_keys: "signs_from",
  providers: "vault",
  connections: "created_at",
  authorization_visits: "id",
  authorization_sessions: "id",
  audit_events: "at",
  used_once: "space",
  limit_counts: "bucket",
  tenants: "tombstone",
  peppers: "installation",
  master_keys: "installation",
  jobs: "installation",
  // The other replicas have yet to hear of the deletion itself; all of it is pruned within minutes.
  changes: "installation",
} as const satisfies Record<keyof Tables, string>;

type Owned = { [T in keyof typeof fates]: (typeof fates)[T] extends "tombstone" | "installation" ? never : T }[keyof typeof fates];

const isOwned = (table: keyof typeof fates): table is Owned => fates[table] !== "tombstone" && fates[table] !== "installation";

/** The tables whose rows are erased with their tenant. */
export const ownedTables: readonly Owned[] = (Object.keys(fates) as (keyof typeof fates)[]).filter(isOwned);

const run = async (db: Handle, statement: RawBuilder<unknown>): Promise<number> =>
  Number((await statement.execute(db)).numAffectedRows ?? 0n);

/** The statements of a deletion. They alone know other rooms' tables, so that no room can forget to be erased: a new table has to say its fate here. */
export const erasureTable = {
  /** Erases some rows of a table, about `most` of them; answers whether there were any. */
  eraseSome: async (tx: Handle, tenant: string, table: Owned, most: number): Promise<boolean> => {
    const [from, by] = [sql.table(table), sql.ref(fates[table])];
    const boundary = await sql<{ last: string | number }>`
      select ${by} as last from ${from} where tenant_id = ${tenant} order by ${by} limit 1 offset ${most}`.execute(tx);
    const last = boundary.rows[0]?.last;
    const whole = sql`delete from ${from} where tenant_id = ${tenant}`;
    const erased = await run(tx, last === undefined ? whole : sql`${whole} and ${by} <= ${last}`);
    return erased > 0;
  },

  /** The ids of the data keys that it erases. */
  eraseDataKeys: async (tx: Handle, tenant: string): Promise<readonly string[]> => {
    const rows = await tx.deleteFrom("data_keys").where("tenant_id", "=", tenant).returning("id").execute();
    return rows.map(({ id }) => id);
  },

  /** The last link of a tenant's audit chain. */
  chainHead: async (db: Handle, tenant: string): Promise<{ readonly block: number; readonly hash: string } | undefined> => {
    const row = await db
      .selectFrom("audit_blocks")
      .select(["number", "hash"])
      .where("tenant_id", "=", tenant)
      .orderBy("number", "desc")
      .limit(1)
      .executeTakeFirst();
    return row && { block: row.number, hash: row.hash };
  },

  /** The tenants that were deleted and may still own something, and since when. */
  unfinished: async (db: Handle): Promise<readonly { readonly tenant: string; readonly deletedAt: number }[]> => {
    const rows = await db
      .selectFrom("tenants")
      .select(["id", "deleted_at"])
      .where("status", "=", "deleted")
      .where("erased_at", "is", null)
      .execute();
    return rows.map((row) => ({ tenant: row.id, deletedAt: row.deleted_at ?? 0 }));
  },

  finish: async (tx: Handle, tenant: string, now: number): Promise<void> => {
    await tx.updateTable("tenants").set({ erased_at: now }).where("id", "=", tenant).execute();
  },
};
