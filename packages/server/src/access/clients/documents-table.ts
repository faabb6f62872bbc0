import type { Handle, Row } from "../../ground/db/index.ts";
import type { ClientDocument } from "./document.ts";

/** A document as it was last fetched. */
export interface StoredDocument {
  readonly document: ClientDocument;
  readonly hash: string;
  readonly fetchedAt: number;
  readonly freshUntil: number;
  /** Within a day. */
  readonly usedAt: number;
}

const toStored = (row: Row<"client_documents">): StoredDocument => ({
  document: JSON.parse(row.document) as ClientDocument,
  hash: row.hash,
  fetchedAt: row.fetched_at,
  freshUntil: row.fresh_until,
  usedAt: row.used_at,
});

/** The statements of clients' metadata documents; each takes the tenant first, but those that sweep. */
export const documentsTable = {
  byId: async (db: Handle, tenant: string, id: string): Promise<StoredDocument | undefined> => {
    const row = await db.selectFrom("client_documents").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toStored(row);
  },

  /** Keeps what was fetched, unless something was fetched later. */
  put: async (tx: Handle, tenant: string, id: string, { document, hash, fetchedAt, freshUntil, usedAt }: StoredDocument): Promise<void> => {
    const said = { document: JSON.stringify(document), hash, fetched_at: fetchedAt, fresh_until: freshUntil, used_at: usedAt };
    await tx
      .insertInto("client_documents")
      .values({ tenant_id: tenant, id, ...said })
      .onConflict((c) => c.columns(["tenant_id", "id"]).doUpdateSet(said).where("client_documents.fetched_at", "<=", fetchedAt))
      .execute();
  },

  touch: async (tx: Handle, tenant: string, id: string, now: number): Promise<void> => {
    await tx.updateTable("client_documents").set({ used_at: now }).where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },

  /** Forgets what a tenant has used longest ago, so that `most` are left. */
  keep: async (tx: Handle, tenant: string, most: number): Promise<void> => {
    const beyond = await tx
      .selectFrom("client_documents")
      .select("id")
      .where("tenant_id", "=", tenant)
      .orderBy("used_at", "desc")
      .orderBy("id")
      .limit(100)
      .offset(most)
      .execute();
    for (const { id } of beyond) await tx.deleteFrom("client_documents").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },

  anyUnusedSince: async (db: Handle, moment: number): Promise<boolean> =>
    (await db.selectFrom("client_documents").select("id").where("used_at", "<", moment).limit(1).executeTakeFirst()) !== undefined,

  /** Those that were not used since, longest ago first, `most` at most. */
  unusedSince: async (db: Handle, moment: number, most: number): Promise<readonly { readonly tenant: string; readonly id: string }[]> => {
    const rows = await db
      .selectFrom("client_documents")
      .select(["tenant_id", "id"])
      .where("used_at", "<", moment)
      .orderBy("used_at")
      .limit(most)
      .execute();
    return rows.map((row) => ({ tenant: row.tenant_id, id: row.id }));
  },

  /** Forgets those of them that were not used meanwhile either. */
  deleteUnused: async (tx: Handle, unused: readonly { readonly tenant: string; readonly id: string }[], moment: number): Promise<void> => {
    for (const { tenant, id } of unused) {
      await tx.deleteFrom("client_documents").where("tenant_id", "=", tenant).where("id", "=", id).where("used_at", "<", moment).execute();
    }
  },
};
