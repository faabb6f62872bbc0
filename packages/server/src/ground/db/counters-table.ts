import { sql } from "kysely";
import type { Handle } from "./tables.ts";

/** What may be counted: a noun, or things of one kind in one place (`policies/<set>`). */
export type Counter =
  | "agents"
  | "issuers"
  | "token_vaults"
  | "policy_sets"
  | "roles"
  | "role_policies"
  | `policies/${string}`
  | `gateways/${string}`
  | `temporary_keys/${string}`
  | `providers/${"api_key" | "oauth2" | "sts"}/${string}`;

/** How many of something a tenant has: changed with each of them, so that nobody ever counts rows. */
export const counters = {
  /**
   * In the transaction that makes or deletes them, after all else in it: others who do so wait for this row.
   * @returns how many there are then, with all that were made or deleted before
   */
  add: async (tx: Handle, tenant: string, name: Counter, by: number): Promise<number> => {
    const { count } = await tx
      .insertInto("counters")
      .values({ tenant_id: tenant, name, count: by })
      .onConflict((c) => c.columns(["tenant_id", "name"]).doUpdateSet({ count: sql<number>`counters.count + excluded.count` }))
      .returning("count")
      .executeTakeFirstOrThrow();
    return count;
  },
  /** Zero for what was never counted. */
  read: async (db: Handle, tenant: string, name: Counter): Promise<number> => {
    const row = await db.selectFrom("counters").select("count").where("tenant_id", "=", tenant).where("name", "=", name).executeTakeFirst();
    return row?.count ?? 0;
  },
  /** Of what goes with all its things. */
  forget: async (tx: Handle, tenant: string, name: Counter): Promise<void> => {
    await tx.deleteFrom("counters").where("tenant_id", "=", tenant).where("name", "=", name).execute();
  },
};
