import type { Handle, Row } from "../../ground/db/index.ts";
import { sql } from "kysely";
import type { Ending, Session } from "./session.ts";
import { columnOf, type Of } from "./credential-key.ts";

const toSession = (row: Row<"authorization_sessions">): Session => ({
  id: row.id,
  key: {
    kind: "user",
    tenant: row.tenant_id,
    agent: row.agent_id,
    user: row.user_id,
    provider: row.provider_id,
    resource: row.resource,
    audience: row.audience,
    scopes: row.scopes_key,
  },
  agentEpoch: row.agent_epoch,
  userEpoch: row.user_epoch,
  requestedScopes: JSON.parse(row.requested_scopes) as string[],
  binding: row.binding,
  returnUrl: row.return_url ?? undefined,
  sealedCustomState: row.sealed_custom_state ?? undefined,
  customParameters: JSON.parse(row.custom_parameters) as Record<string, string>,
  forced: row.forced === 1,
  state: row.state,
  reason: row.reason ?? undefined,
  sealedCode: row.sealed_code ?? undefined,
  exchangingSince: row.exchanging_since ?? undefined,
  connectionId: row.connection_id ?? undefined,
  connectionVersion: row.connection_version ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/** Written out, character for character as the partial indexes say it: a parameter would keep both stores from using them. */
export const underWay = sql<boolean>`state in ('pending', 'authorized', 'exchanging')`;

/** The statements of authorization sessions; each takes the tenant first. Every change of state compares the state it leaves. */
export const sessionsTable = {
  insert: async (tx: Handle, session: Session): Promise<void> => {
    const { key } = session;
    await tx
      .insertInto("authorization_sessions")
      .values({
        tenant_id: key.tenant,
        id: session.id,
        agent_id: key.agent,
        agent_epoch: session.agentEpoch,
        user_id: key.user,
        user_epoch: session.userEpoch,
        provider_id: key.provider,
        resource: key.resource,
        audience: key.audience,
        scopes_key: key.scopes,
        requested_scopes: JSON.stringify(session.requestedScopes),
        binding: session.binding,
        return_url: session.returnUrl ?? null,
        sealed_custom_state: session.sealedCustomState ?? null,
        custom_parameters: JSON.stringify(session.customParameters),
        forced: session.forced ? 1 : 0,
        state: session.state,
        reason: null,
        sealed_code: null,
        exchanging_since: null,
        connection_id: null,
        connection_version: null,
        created_at: session.createdAt,
        expires_at: session.expiresAt,
      })
      .execute();
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<Session | undefined> => {
    const row = await db
      .selectFrom("authorization_sessions")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toSession(row);
  },

  /** pending -> authorized. */
  authorize: async (tx: Handle, tenant: string, id: string, sealedCode: string): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_sessions")
      .set({ state: "authorized", sealed_code: sealedCode })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("state", "=", "pending")
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** `from` -> exchanging: whoever is told true, and nobody else, may call the provider. */
  take: async (tx: Handle, tenant: string, id: string, from: "pending" | "authorized", now: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_sessions")
      .set({ state: "exchanging", exchanging_since: now })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("state", "=", from)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** exchanging -> completed, while the exchange that began at `since` is the one under way. */
  complete: async (
    tx: Handle,
    tenant: string,
    id: string,
    since: number,
    stored: { readonly connectionId: string; readonly version: number },
  ): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_sessions")
      .set({
        state: "completed",
        sealed_code: null,
        exchanging_since: null,
        connection_id: stored.connectionId,
        connection_version: stored.version,
      })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("state", "=", "exchanging")
      .where("exchanging_since", "=", since)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** Ends a session that is still in the state it was read in; the code goes with it. */
  end: async (tx: Handle, { key, id, state }: Session, ending: Ending): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_sessions")
      .set({ state: ending.state, reason: ending.reason, sealed_code: null, exchanging_since: null })
      .where("tenant_id", "=", key.tenant)
      .where("id", "=", id)
      .where("state", "=", state)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** Keeps others from ending an exchange until the transaction does. Answers whether the one that began at `since` is still under way. */
  hold: async (tx: Handle, tenant: string, id: string, since: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_sessions")
      .set({ exchanging_since: since })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("state", "=", "exchanging")
      .where("exchanging_since", "=", since)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** Ends whatever is under way for an agent, a user or a provider, its codes with it. Answers the ids. */
  endAllOf: async (tx: Handle, tenant: string, of: Of, ending: Ending): Promise<readonly string[]> => {
    const rows = await tx
      .updateTable("authorization_sessions")
      .set({ state: ending.state, reason: ending.reason, sealed_code: null, exchanging_since: null })
      .where("tenant_id", "=", tenant)
      .where(columnOf[of.kind], "=", of.id)
      .where(underWay)
      .returning("id")
      .execute();
    return rows.map(({ id }) => id);
  },

  /** Ends whatever is under way in a tenant, its codes with it. Answers the ids. */
  endAll: async (tx: Handle, tenant: string, ending: Ending): Promise<readonly string[]> => {
    const rows = await tx
      .updateTable("authorization_sessions")
      .set({ state: ending.state, reason: ending.reason, sealed_code: null, exchanging_since: null })
      .where("tenant_id", "=", tenant)
      .where(underWay)
      .returning("id")
      .execute();
    return rows.map(({ id }) => id);
  },

  /** The ids of at most `limit` sessions whose deadline lies before `before`, oldest first. */
  endedBefore: async (tx: Handle, tenant: string, before: number, limit: number): Promise<readonly string[]> => {
    const rows = await tx
      .selectFrom("authorization_sessions")
      .select("id")
      .where("tenant_id", "=", tenant)
      .where("expires_at", "<", before)
      .orderBy("expires_at")
      .limit(limit)
      .execute();
    return rows.map(({ id }) => id);
  },

  delete: async (tx: Handle, tenant: string, ids: readonly string[]): Promise<void> => {
    await tx.deleteFrom("authorization_sessions").where("tenant_id", "=", tenant).where("id", "in", ids).execute();
  },
};
