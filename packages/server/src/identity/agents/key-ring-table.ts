import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Peppered } from "../../ground/seal/index.ts";
import type { AgentKey } from "./agent-key.ts";

/** What holds keys of agents, hashed: one table for each sort, all of the same columns. */
export type KeyTable = "agent_keys" | "client_secrets";

const toKey = (row: Row<KeyTable>): AgentKey => ({
  id: row.id,
  description: row.description ?? undefined,
  hint: row.hint,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at ?? undefined,
});

/** What a presented key leads to. */
export interface KeyHolder {
  readonly tenant: string;
  readonly keyId: string;
  readonly agentId: string;
  readonly lastUsedAt: number;
  /** The pepper that its hash was made with. */
  readonly pepperId: string;
}

/** The statements of one sort of keys. */
export const keyRingTable = (table: KeyTable) => {
  const byHash = lookup<{ hash: string }, Row<KeyTable>>((db, { hash }) =>
    db.selectFrom(table).selectAll().where("hash", "=", hash).limit(1),
  );
  const ofAgent = (db: Handle, tenant: string, agentId: string) =>
    db.selectFrom(table).where("tenant_id", "=", tenant).where("agent_id", "=", agentId);

  return {
    insert: async (tx: Handle, tenant: string, agentId: string, key: AgentKey, hash: string, pepperId: string): Promise<void> => {
      await tx
        .insertInto(table)
        .values({
          tenant_id: tenant,
          id: key.id,
          agent_id: agentId,
          hash,
          pepper_id: pepperId,
          hint: key.hint,
          description: key.description ?? null,
          created_at: key.createdAt,
          last_used_at: null,
        })
        .execute();
    },
    count: async (tx: Handle, tenant: string, agentId: string): Promise<number> =>
      (await ofAgent(tx, tenant, agentId).select("id").execute()).length,
    /** A key names its tenant, so this alone asks without one. */
    holder: async (db: Handle, hash: string): Promise<KeyHolder | undefined> => {
      const row = await byHash(db, { hash });
      return (
        row && { tenant: row.tenant_id, keyId: row.id, agentId: row.agent_id, lastUsedAt: row.last_used_at ?? 0, pepperId: row.pepper_id }
      );
    },
    /** @param moved The hash it has from now on, where its pepper is no longer the newest. */
    touch: async (tx: Handle, tenant: string, id: string, now: number, moved: Peppered | undefined): Promise<void> => {
      await tx
        .updateTable(table)
        .set({ last_used_at: now, ...(moved && { hash: moved.hash, pepper_id: moved.pepperId }) })
        .where("tenant_id", "=", tenant)
        .where("id", "=", id)
        .execute();
    },
    /** How many keys an agent has, and some of them. */
    some: async (db: Handle, tenant: string, agentId: string, most: number) => {
      const all = ofAgent(db, tenant, agentId);
      const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
      return { count: Number(count), some: await all.select(["id", "hint"]).limit(most).execute() };
    },
    /** Newest first, after `place`. */
    list: async (db: Handle, tenant: string, agentId: string, place: Place | undefined, limit: number): Promise<readonly AgentKey[]> => {
      let query = ofAgent(db, tenant, agentId).selectAll();
      if (place) query = query.where(olderThan(place));
      const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
      return rows.map(toKey);
    },
    /** Answers whether it was there. */
    remove: async (tx: Handle, tenant: string, agentId: string, id: string): Promise<boolean> => {
      const row = await tx
        .deleteFrom(table)
        .where("tenant_id", "=", tenant)
        .where("agent_id", "=", agentId)
        .where("id", "=", id)
        .returning("id")
        .executeTakeFirst();
      return row !== undefined;
    },
    removeAll: async (tx: Handle, tenant: string, agentId: string): Promise<void> => {
      await tx.deleteFrom(table).where("tenant_id", "=", tenant).where("agent_id", "=", agentId).execute();
    },
  };
};
