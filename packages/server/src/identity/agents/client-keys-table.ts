import type { JsonWebKey } from "node:crypto";
import { type Handle, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { ClientKey } from "./client-key.ts";

const toKey = (row: Row<"client_keys">): ClientKey => ({
  id: row.id,
  kid: row.kid,
  publicJwk: JSON.parse(row.public_jwk) as JsonWebKey,
  description: row.description ?? undefined,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at ?? undefined,
});

const ofAgent = (db: Handle, tenant: string, agentId: string) =>
  db.selectFrom("client_keys").where("tenant_id", "=", tenant).where("agent_id", "=", agentId);

/** The statements of agents' client keys; each takes the tenant first. */
export const clientKeysTable = {
  /** Answers false where the agent has a key of this `kid`. */
  insert: async (tx: Handle, tenant: string, agentId: string, key: ClientKey): Promise<boolean> => {
    const row = await tx
      .insertInto("client_keys")
      .values({
        tenant_id: tenant,
        id: key.id,
        agent_id: agentId,
        kid: key.kid,
        public_jwk: JSON.stringify(key.publicJwk),
        description: key.description ?? null,
        created_at: key.createdAt,
        last_used_at: null,
      })
      .onConflict((c) => c.columns(["tenant_id", "agent_id", "kid"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },
  count: async (tx: Handle, tenant: string, agentId: string): Promise<number> =>
    (await ofAgent(tx, tenant, agentId).select("id").execute()).length,
  /** All of them: there are few. */
  all: async (db: Handle, tenant: string, agentId: string): Promise<readonly ClientKey[]> =>
    (await ofAgent(db, tenant, agentId).selectAll().execute()).map(toKey),
  /** How many an agent has, and some of them. */
  some: async (db: Handle, tenant: string, agentId: string, most: number) => {
    const all = await ofAgent(db, tenant, agentId).select(["id", "kid"]).execute();
    return { count: all.length, some: all.slice(0, most) };
  },
  touch: async (tx: Handle, tenant: string, id: string, now: number): Promise<void> => {
    await tx.updateTable("client_keys").set({ last_used_at: now }).where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, agentId: string, place: Place | undefined, limit: number): Promise<readonly ClientKey[]> => {
    let query = ofAgent(db, tenant, agentId).selectAll();
    if (place) query = query.where(olderThan(place));
    return (await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute()).map(toKey);
  },
  /** Answers whether it was there. */
  remove: async (tx: Handle, tenant: string, agentId: string, id: string): Promise<boolean> => {
    const row = await tx
      .deleteFrom("client_keys")
      .where("tenant_id", "=", tenant)
      .where("agent_id", "=", agentId)
      .where("id", "=", id)
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },
  removeAll: async (tx: Handle, tenant: string, agentId: string): Promise<void> => {
    await tx.deleteFrom("client_keys").where("tenant_id", "=", tenant).where("agent_id", "=", agentId).execute();
  },
};
