import { sql } from "kysely";
import type { Handle } from "../../ground/db/index.ts";

/** The tables whose rows end, each with what tells its rows apart within a tenant; each has an index by `expires_at`. */
const keys = {
  authorization_requests: "id",
  authorization_codes: "hash",
  oauth_grants: "id",
  refresh_tokens: "hash",
  revoked_tokens: "jti",
} as const;

/** The statements that sweep what has ended, of all tenants. */
export const endedRowsTable = {
  any: async (db: Handle, table: keyof typeof keys, before: number): Promise<boolean> =>
    (await db.selectFrom(table).select("tenant_id").where("expires_at", "<", before).limit(1).executeTakeFirst()) !== undefined,

  /** Answers how many were deleted, `most` at most: those that ended first. */
  delete: async (tx: Handle, table: keyof typeof keys, before: number, most: number): Promise<number> => {
    const [rows, key] = [sql.table(table), sql.ref(keys[table])];
    // The limit is written out: PostgreSQL takes an unknown one for a tenth of the table, and then reads all of it.
    const { numAffectedRows } = await sql`
      delete from ${rows} where (tenant_id, ${key}) in
        (select tenant_id, ${key} from ${rows} where expires_at < ${before} order by expires_at limit ${sql.lit(most)})`.execute(tx);
    return Number(numAffectedRows ?? 0n);
  },
};
