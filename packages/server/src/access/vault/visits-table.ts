import type { Handle, Row } from "../../ground/db/index.ts";
import type { Visit } from "./visit.ts";

const toVisit = (row: Row<"authorization_visits">): Visit => ({
  id: row.id,
  session: row.session_id,
  stage: row.stage,
  stateHash: row.state_hash,
  sealedSecrets: row.sealed_secrets,
  createdAt: row.created_at,
});

/** The statements of visits; each takes the tenant first. */
export const visitsTable = {
  insert: async (tx: Handle, tenant: string, visit: Visit): Promise<void> => {
    await tx
      .insertInto("authorization_visits")
      .values({
        tenant_id: tenant,
        id: visit.id,
        session_id: visit.session,
        stage: visit.stage,
        state_hash: visit.stateHash,
        sealed_secrets: visit.sealedSecrets,
        created_at: visit.createdAt,
      })
      .execute();
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<Visit | undefined> => {
    const row = await db
      .selectFrom("authorization_visits")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toVisit(row);
  },

  byState: async (db: Handle, tenant: string, stateHash: string): Promise<Visit | undefined> => {
    const row = await db
      .selectFrom("authorization_visits")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("state_hash", "=", stateHash)
      .executeTakeFirst();
    return row && toVisit(row);
  },

  /** How often a session was visited, counted up to `most`. */
  count: async (db: Handle, tenant: string, session: string, most: number): Promise<number> => {
    const rows = await db
      .selectFrom("authorization_visits")
      .select("id")
      .where("tenant_id", "=", tenant)
      .where("session_id", "=", session)
      .limit(most)
      .execute();
    return rows.length;
  },

  /** Moves a visit on from the state it was read with; answers false where another request did so first. */
  advance: async (
    tx: Handle,
    tenant: string,
    from: Pick<Visit, "id" | "stateHash">,
    to: Pick<Visit, "stage" | "stateHash" | "sealedSecrets">,
  ): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_visits")
      .set({ stage: to.stage, state_hash: to.stateHash, sealed_secrets: to.sealedSecrets })
      .where("tenant_id", "=", tenant)
      .where("id", "=", from.id)
      .where("state_hash", "=", from.stateHash)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** Erases what visits of these sessions kept; the hashes stay, so that a late callback is told the truth. */
  eraseSecrets: async (tx: Handle, tenant: string, ...sessions: readonly string[]): Promise<void> => {
    await tx
      .updateTable("authorization_visits")
      .set({ sealed_secrets: "" })
      .where("tenant_id", "=", tenant)
      .where("session_id", "in", sessions)
      .execute();
  },

  deleteOf: async (tx: Handle, tenant: string, sessions: readonly string[]): Promise<void> => {
    await tx.deleteFrom("authorization_visits").where("tenant_id", "=", tenant).where("session_id", "in", sessions).execute();
  },
};
