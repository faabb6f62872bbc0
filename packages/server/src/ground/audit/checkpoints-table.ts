import type { Handle, Row } from "../db/index.ts";

/** A signed word on where the chain stood. */
export interface Checkpoint {
  readonly block: number;
  readonly hash: string;
  /** Compact JWS. */
  readonly token: string;
  readonly at: number;
  /** Whether everything up to this block was cut. */
  readonly cut: boolean;
}

const toCheckpoint = ({ block, hash, token, at, cut }: Row<"audit_checkpoints">): Checkpoint => ({
  block,
  hash,
  token,
  at,
  cut: cut === 1,
});

/** The statements of checkpoints; each takes the tenant first. */
export const checkpointsTable = {
  /** Where there is one over this block already, it stays. */
  insert: async (tx: Handle, tenant: string, { block, hash, token, at, cut }: Checkpoint): Promise<void> => {
    await tx
      .insertInto("audit_checkpoints")
      .values({ tenant_id: tenant, block, hash, token, at, cut: cut ? 1 : 0 })
      .onConflict((c) => c.columns(["tenant_id", "block", "cut"]).doNothing())
      .execute();
  },

  /** The newest over this block or an earlier one; of cuts only, if so asked. */
  last: async (db: Handle, tenant: string, upTo: number, cutsOnly = false): Promise<Checkpoint | undefined> => {
    let query = db.selectFrom("audit_checkpoints").selectAll().where("tenant_id", "=", tenant).where("block", "<=", upTo);
    if (cutsOnly) query = query.where("cut", "=", 1);
    const row = await query.orderBy("block", "desc").orderBy("cut", "desc").limit(1).executeTakeFirst();
    return row && toCheckpoint(row);
  },

  /** In the order of their blocks. */
  between: async (db: Handle, tenant: string, from: number, to: number): Promise<readonly Checkpoint[]> => {
    const rows = await db
      .selectFrom("audit_checkpoints")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("block", ">=", from)
      .where("block", "<=", to)
      .orderBy("block")
      .orderBy("cut")
      .execute();
    return rows.map(toCheckpoint);
  },
};
