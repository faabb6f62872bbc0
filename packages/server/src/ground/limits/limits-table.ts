import { sql } from "kysely";
import type { Handle } from "../db/index.ts";

/** What was used of one limit in one minute. */
export interface Used {
  readonly tenant: string;
  readonly bucket: string;
  readonly period: number;
  readonly used: number;
}

/** Rows of one statement: few sizes, because each is another statement that every connection prepares and keeps. */
const sizes = [500, 100, 20, 5, 1];

/** The statements of this room: counts of all tenants, which no caller ever sees. */
export const limitsTable = {
  /** Adds what one replica used, in as few statements as {@link sizes} allow, and answers what all of them used. */
  add: async (tx: Handle, used: readonly Used[]): Promise<readonly Used[]> => {
    const totals: Used[] = [];
    for (let at = 0; at < used.length; ) {
      const size = sizes.find((each) => each <= used.length - at) ?? 1;
      const rows = await tx
        .insertInto("limit_counts")
        .values(
          used.slice(at, at + size).map(({ tenant, bucket, period, used: more }) => ({ tenant_id: tenant, bucket, period, used: more })),
        )
        .onConflict((c) =>
          c.columns(["tenant_id", "bucket", "period"]).doUpdateSet({ used: sql<number>`limit_counts.used + excluded.used` }),
        )
        .returning(["tenant_id", "bucket", "period", "used"])
        .execute();
      totals.push(...rows.map(({ tenant_id, ...row }) => ({ tenant: tenant_id, ...row })));
      at += size;
    }
    return totals;
  },

  anyOutside: async (db: Handle, from: number, to: number): Promise<boolean> =>
    (await db
      .selectFrom("limit_counts")
      .select("period")
      .where((eb) => eb.or([eb("period", "<", from), eb("period", ">", to)]))
      .limit(1)
      .executeTakeFirst()) !== undefined,

  deleteOutside: async (tx: Handle, from: number, to: number): Promise<void> => {
    await tx
      .deleteFrom("limit_counts")
      .where((eb) => eb.or([eb("period", "<", from), eb("period", ">", to)]))
      .execute();
  },
};
