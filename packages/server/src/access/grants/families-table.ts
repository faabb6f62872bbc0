import { sql } from "kysely";
import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import { type Family, type FamilyEnd, type FamilyRevoked, placeHashOf } from "./family.ts";

type FamilyRow = Row<"oauth_grants"> & { readonly ended: FamilyEnd | null };

const toFamily = (row: FamilyRow): Family => ({
  id: row.id,
  client: row.client_id,
  clientVersion: row.client_version,
  clientEpoch: row.client_epoch ?? undefined,
  agent: row.agent_id === null ? undefined : { id: row.agent_id, epoch: row.agent_epoch ?? 0 },
  user: { id: row.user_id, epoch: row.user_epoch },
  tenantEpoch: row.tenant_epoch,
  resource: row.resource,
  scopes: JSON.parse(row.scopes) as string[],
  status: row.ended === null ? "active" : "revoked",
  reason: row.ended ?? undefined,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  expiresAt: row.expires_at,
});

/** Families with everybody whom they name, each by its primary key. */
const withParties = (db: Handle) =>
  db
    .selectFrom("oauth_grants as g")
    .innerJoin("tenants as t", "t.id", "g.tenant_id")
    .leftJoin("agents as a", (join) => join.onRef("a.tenant_id", "=", "g.tenant_id").onRef("a.id", "=", "g.agent_id"))
    .leftJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "g.tenant_id").onRef("u.id", "=", "g.user_id"))
    .leftJoin("clients as c", (join) => join.onRef("c.tenant_id", "=", "g.tenant_id").onRef("c.id", "=", "g.client_id"));

/**
 * Why a family of {@link withParties} is over; null while it lives. The one place where that is decided. Whoever is gone, or whose epoch is not there,
 * counts as stopped.
 */
const ended = sql<FamilyEnd | null>`case
  when g.status <> 'active' then coalesce(g.reason, 'operator')
  when t.status <> 'active' or t.epoch <> g.tenant_epoch then 'tenant_suspended'
  when g.agent_id is not null and (a.id is null or a.status = 'revoked') then 'agent_removed'
  when g.agent_id is not null and (a.status <> 'active' or a.epoch is distinct from g.agent_epoch) then 'agent_suspended'
  when u.id is null or u.status = 'revoked' then 'user_revoked'
  when u.status <> 'active' or u.epoch <> g.user_epoch then 'user_suspended'
  when g.client_epoch is not null and c.id is null then 'client_removed'
  when g.client_epoch is not null and (c.status <> 'active' or c.epoch <> g.client_epoch) then 'client_suspended'
end`;

const families = (db: Handle) => withParties(db).selectAll("g").select(ended.as("ended"));

const byId = lookup<{ tenant: string; id: string }, FamilyRow>((db, { tenant, id }) =>
  families(db).where("g.tenant_id", "=", tenant).where("g.id", "=", id).limit(1),
);

const named = ["g.id", "g.client_id", "g.user_id", "g.resource"] as const;

const someOf = (count: unknown, rows: readonly Pick<Row<"oauth_grants">, "id" | "client_id" | "user_id" | "resource">[]) => ({
  count: Number(count),
  some: rows.map((row) => ({ id: row.id, client: row.client_id, user: row.user_id, resource: row.resource })),
});

const columnOf = { client: "g.client_id", agent: "g.agent_id", user: "g.user_id" } as const;

/** Which families a list shows. */
export interface FamilyFilter {
  readonly client?: string | undefined;
  readonly agent?: string | undefined;
  readonly user?: string | undefined;
}

/** The statements of families; each takes the tenant first. */
export const familiesTable = {
  insert: async (tx: Handle, tenant: string, family: Omit<Family, "status" | "reason">): Promise<void> => {
    await tx
      .insertInto("oauth_grants")
      .values({
        tenant_id: tenant,
        id: family.id,
        client_id: family.client,
        client_version: family.clientVersion,
        client_epoch: family.clientEpoch ?? null,
        agent_id: family.agent?.id ?? null,
        agent_epoch: family.agent?.epoch ?? null,
        user_id: family.user.id,
        user_epoch: family.user.epoch,
        tenant_epoch: family.tenantEpoch,
        resource: family.resource,
        place_hash: placeHashOf(family),
        scopes: JSON.stringify(family.scopes),
        status: "active",
        reason: null,
        created_at: family.createdAt,
        updated_at: family.updatedAt,
        expires_at: family.expiresAt,
      })
      .execute();
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<Family | undefined> => {
    const row = await byId(db, { tenant, id });
    return row && toFamily(row);
  },

  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, filter: FamilyFilter, place: Place | undefined, limit: number): Promise<readonly Family[]> => {
    let query = families(db).where("g.tenant_id", "=", tenant);
    for (const kind of ["client", "agent", "user"] as const) {
      const id = filter[kind];
      if (id !== undefined) query = query.where(columnOf[kind], "=", id);
    }
    if (place) query = query.where(olderThan(place, { at: "g.created_at", id: "g.id" }));
    const rows = await query.orderBy("g.created_at", "desc").orderBy("g.id", "desc").limit(limit).execute();
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

  /** Answers whose it was, or undefined where it was revoked already. */
  revoke: async (
    tx: Handle,
    tenant: string,
    id: string,
    reason: FamilyRevoked,
    now: number,
  ): Promise<
    { readonly client: string; readonly agent: string | undefined; readonly user: string; readonly resource: string } | undefined
  > => {
    const row = await tx
      .updateTable("oauth_grants")
      .set({ status: "revoked", reason, updated_at: now })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("status", "=", "active")
      .returning(["client_id", "agent_id", "user_id", "resource"])
      .executeTakeFirst();
    return row && { client: row.client_id, agent: row.agent_id ?? undefined, user: row.user_id, resource: row.resource };
  },

  /** The ids of those of a user that live for one client and resource, newest first; of more than `most`, those that end first. */
  living: async (
    db: Handle,
    tenant: string,
    of: { readonly user: string } & Pick<Family, "client" | "resource">,
    now: number,
    most: number,
  ): Promise<readonly string[]> => {
    const rows = await withParties(db)
      .select(["g.id as id", "g.created_at as created_at"])
      .where("g.tenant_id", "=", tenant)
      .where("g.user_id", "=", of.user)
      .where("g.place_hash", "=", placeHashOf(of))
      .where("g.status", "=", "active")
      .where("g.expires_at", ">", now)
      .where(ended, "is", null)
      .orderBy("g.expires_at")
      .limit(most)
      .execute();
    return rows.sort((one, other) => other.created_at - one.created_at || (one.id < other.id ? 1 : -1)).map(({ id }) => id);
  },

  /** How many of a user's live, and some of them. */
  someOfUser: async (db: Handle, tenant: string, user: string, most: number) => {
    const all = withParties(db)
      .where("g.tenant_id", "=", tenant)
      .where("g.user_id", "=", user)
      .where("g.status", "=", "active")
      .where(ended, "is", null);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return someOf(count, await all.select(named).limit(most).execute());
  },

  /** How many of an agent's live, and some of them. There may be very many, so that nobody is looked up for each but its user. */
  someOfAgent: async (db: Handle, tenant: string, agent: string, most: number) => {
    const now = await db
      .selectFrom("agents as a")
      .innerJoin("tenants as t", "t.id", "a.tenant_id")
      .select(["a.epoch as agent", "t.epoch as tenant"])
      .where("a.tenant_id", "=", tenant)
      .where("a.id", "=", agent)
      .where("a.status", "=", "active")
      .where("t.status", "=", "active")
      .executeTakeFirst();
    if (!now) return someOf(0, []);
    const all = db
      .selectFrom("oauth_grants as g")
      .innerJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "g.tenant_id").onRef("u.id", "=", "g.user_id"))
      .where("g.tenant_id", "=", tenant)
      .where("g.agent_id", "=", agent)
      .where("g.status", "=", "active")
      .where("g.agent_epoch", "=", now.agent)
      .where("g.tenant_epoch", "=", now.tenant)
      .where("u.status", "=", "active")
      .whereRef("u.epoch", "=", "g.user_epoch");
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return someOf(count, await all.select(named).limit(most).execute());
  },
};
