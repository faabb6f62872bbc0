import type { Handle, Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { FamiliesOf, Family, FamilyEnd } from "./family.ts";

const toFamily = (row: Row<"oauth_grants">): Family => ({
  id: row.id,
  client: row.client_id,
  clientVersion: row.client_version,
  agent: row.agent_id === null ? undefined : { id: row.agent_id, epoch: row.agent_epoch ?? 0 },
  user: { id: row.user_id, epoch: row.user_epoch },
  tenantEpoch: row.tenant_epoch,
  resource: row.resource,
  scopes: JSON.parse(row.scopes) as string[],
  status: row.status,
  reason: row.reason ?? undefined,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  expiresAt: row.expires_at,
});

const columnOf = { client: "client_id", agent: "agent_id", user: "user_id" } as const;

/** Which families a list shows. */
export interface FamilyFilter {
  readonly client?: string | undefined;
  readonly agent?: string | undefined;
  readonly user?: string | undefined;
}

/** The statements of families; each takes the tenant first but those that sweep. */
export const familiesTable = {
  insert: async (tx: Handle, tenant: string, family: Family): Promise<void> => {
    await tx
      .insertInto("oauth_grants")
      .values({
        tenant_id: tenant,
        id: family.id,
        client_id: family.client,
        client_version: family.clientVersion,
        agent_id: family.agent?.id ?? null,
        agent_epoch: family.agent?.epoch ?? null,
        user_id: family.user.id,
        user_epoch: family.user.epoch,
        tenant_epoch: family.tenantEpoch,
        resource: family.resource,
        scopes: JSON.stringify(family.scopes),
        status: family.status,
        reason: family.reason ?? null,
        created_at: family.createdAt,
        updated_at: family.updatedAt,
        expires_at: family.expiresAt,
      })
      .execute();
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<Family | undefined> => {
    const row = await db.selectFrom("oauth_grants").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toFamily(row);
  },

  /** Whether a family is active, and whose it is. */
  stateOf: async (db: Handle, tenant: string, id: string) => {
    const row = await db
      .selectFrom("oauth_grants")
      .select(["status", "client_id", "agent_id", "user_id"])
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && { isActive: row.status === "active", client: row.client_id, agent: row.agent_id ?? undefined, user: row.user_id };
  },

  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, filter: FamilyFilter, place: Place | undefined, limit: number): Promise<readonly Family[]> => {
    let query = db.selectFrom("oauth_grants").selectAll().where("tenant_id", "=", tenant);
    for (const kind of ["client", "agent", "user"] as const) {
      const id = filter[kind];
      if (id !== undefined) query = query.where(columnOf[kind], "=", id);
    }
    if (place)
      query = query.where((eb) =>
        eb.or([eb("created_at", "<", place.at), eb.and([eb("created_at", "=", place.at), eb("id", "<", place.id)])]),
      );
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toFamily);
  },

  /**
   * Moves the end of an active family on, never back, and keeps it from being revoked until the transaction ends. Answers false where it is not
   * active.
   */
  slide: async (tx: Handle, tenant: string, id: string, expiresAt: number, now: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("oauth_grants")
      .set((eb) => ({
        updated_at: now,
        expires_at: eb.case().when("expires_at", "<", expiresAt).then(expiresAt).else(eb.ref("expires_at")).end(),
      }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("status", "=", "active")
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** Answers the family as it is now, or undefined where it was not active. */
  revoke: async (tx: Handle, tenant: string, id: string, reason: FamilyEnd, now: number): Promise<Family | undefined> => {
    const row = await tx
      .updateTable("oauth_grants")
      .set({ status: "revoked", reason, updated_at: now })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("status", "=", "active")
      .returningAll()
      .executeTakeFirst();
    return row && toFamily(row);
  },

  /** Answers how many were active. */
  revokeOf: async (tx: Handle, tenant: string, of: FamiliesOf, reason: FamilyEnd, now: number): Promise<number> => {
    const { numUpdatedRows } = await tx
      .updateTable("oauth_grants")
      .set({ status: "revoked", reason, updated_at: now })
      .where("tenant_id", "=", tenant)
      .where(columnOf[of.kind], "=", of.id)
      .where("status", "=", "active")
      .executeTakeFirstOrThrow();
    return Number(numUpdatedRows);
  },

  /** How many of somebody's are active, and some of them, from an index alone but for those that are named. */
  someOf: async (db: Handle, tenant: string, of: FamiliesOf, most: number) => {
    const all = db
      .selectFrom("oauth_grants")
      .where("tenant_id", "=", tenant)
      .where(columnOf[of.kind], "=", of.id)
      .where("status", "=", "active");
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    const rows = await all.select(["id", "client_id", "user_id", "resource"]).limit(most).execute();
    return {
      count: Number(count),
      some: rows.map((row) => ({ id: row.id, client: row.client_id, user: row.user_id, resource: row.resource })),
    };
  },

  anyEnded: async (db: Handle, before: number): Promise<boolean> =>
    (await db.selectFrom("oauth_grants").select("id").where("expires_at", "<", before).limit(1).executeTakeFirst()) !== undefined,

  /** Answers how many were deleted, `most` at most. */
  deleteEnded: async (tx: Handle, before: number, most: number): Promise<number> => {
    const rows = await tx
      .selectFrom("oauth_grants")
      .select(["tenant_id", "id"])
      .where("expires_at", "<", before)
      .orderBy("expires_at")
      .limit(most)
      .execute();
    for (const { tenant_id, id } of rows)
      await tx.deleteFrom("oauth_grants").where("tenant_id", "=", tenant_id).where("id", "=", id).execute();
    return rows.length;
  },
};
