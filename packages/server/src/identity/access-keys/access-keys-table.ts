import { sql } from "kysely";
import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { OperatorRole, Place } from "../../ground/kernel/index.ts";
import type { AccessKey, KeySession } from "./access-key.ts";

/** A key by its id, with what decides whether its owner may use it; whether an agent may act at all is asked for elsewhere. */
interface FoundRow extends Row<"access_keys"> {
  readonly agent_role_epoch: number | null;
  readonly operator_role: OperatorRole | null;
  readonly operator_expires_at: number | null;
  readonly tenant_status: Row<"tenants">["status"];
}

const byId = lookup<{ id: string }, FoundRow>((db, { id }) =>
  db
    .selectFrom("access_keys as k")
    .innerJoin("tenants as t", "t.id", "k.tenant_id")
    .leftJoin("operators as o", (join) => join.onRef("o.tenant_id", "=", "k.tenant_id").onRef("o.id", "=", "k.operator_id"))
    .leftJoin("agents as a", (join) => join.onRef("a.tenant_id", "=", "k.tenant_id").onRef("a.id", "=", "k.agent_id"))
    .selectAll("k")
    .select(["a.role_epoch as agent_role_epoch", "o.role as operator_role", "o.expires_at as operator_expires_at"])
    .select("t.status as tenant_status")
    .where("k.id", "=", id)
    .limit(1),
);

interface ShownRow extends Pick<Row<"access_keys">, "id" | "operator_id" | "agent_id" | "description" | "created_at" | "last_used_at"> {
  readonly agent_name: string | null;
}

const toKey = (row: ShownRow): AccessKey => ({
  id: row.id,
  operator: row.operator_id ?? undefined,
  agent: row.agent_id === null ? undefined : { id: row.agent_id, name: row.agent_name ?? row.agent_id },
  description: row.description ?? undefined,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at ?? undefined,
});

const shown = (db: Handle, tenant: string) =>
  db
    .selectFrom("access_keys as k")
    .leftJoin("agents as a", (join) => join.onRef("a.tenant_id", "=", "k.tenant_id").onRef("a.id", "=", "k.agent_id"))
    .select(["k.id", "k.operator_id", "k.agent_id", "k.description", "k.created_at", "k.last_used_at", "a.name as agent_name"])
    .where("k.tenant_id", "=", tenant)
    .where("k.expires_at", "is", null);

/** Whose keys: an operator's, or an agent's. */
export interface Owner {
  readonly kind: "operator" | "agent";
  readonly id: string;
}

const columnOf = { operator: "operator_id", agent: "agent_id" } as const;

const lastingOf = (db: Handle, tenant: string, { kind, id }: Owner) =>
  db.selectFrom("access_keys").where("tenant_id", "=", tenant).where(columnOf[kind], "=", id).where("expires_at", "is", null);

/** Whose temporary keys are gone, each named as often as keys of it are. */
type Gone = readonly { readonly tenant: string; readonly agent: string }[];

/** What every key is stored with. */
interface Stored {
  readonly id: string;
  readonly sealed: string;
  readonly createdAt: number;
}

/** The statements of this room; each takes the tenant first, but for the one that a key's id alone asks. */
export const accessKeysTable = {
  /** A key's id names its tenant, so this alone asks without one. */
  byId: async (db: Handle, id: string): Promise<FoundRow | undefined> => byId(db, { id }),

  insertLasting: async (tx: Handle, tenant: string, { id, sealed, createdAt }: Stored, owner: Owner, description: string | undefined) => {
    await tx
      .insertInto("access_keys")
      .values({
        tenant_id: tenant,
        id,
        operator_id: owner.kind === "operator" ? owner.id : null,
        agent_id: owner.kind === "agent" ? owner.id : null,
        agent_epoch: null,
        role_epoch: null,
        user_id: null,
        user_epoch: null,
        tenant_epoch: null,
        role_arn: null,
        role_id: null,
        session_name: null,
        session_policy: null,
        sealed_secret: sealed,
        token_hash: null,
        description: description ?? null,
        created_at: createdAt,
        last_used_at: null,
        expires_at: null,
      })
      .execute();
  },

  insertTemporary: async (
    tx: Handle,
    tenant: string,
    { id, sealed, createdAt }: Stored,
    agentId: string,
    session: KeySession,
    tokenHash: string,
  ): Promise<void> => {
    await tx
      .insertInto("access_keys")
      .values({
        tenant_id: tenant,
        id,
        operator_id: null,
        agent_id: agentId,
        agent_epoch: session.agentEpoch,
        role_epoch: session.roleEpoch,
        user_id: session.user?.id ?? null,
        user_epoch: session.user?.epoch ?? null,
        tenant_epoch: session.tenantEpoch,
        role_arn: session.roleArn,
        role_id: session.roleId ?? null,
        session_name: session.name,
        session_policy: session.policy ?? null,
        sealed_secret: sealed,
        token_hash: tokenHash,
        description: null,
        created_at: createdAt,
        last_used_at: null,
        expires_at: session.expiresAt,
      })
      .execute();
  },

  countLasting: async (tx: Handle, tenant: string, owner: Owner): Promise<number> =>
    (await lastingOf(tx, tenant, owner).select("id").execute()).length,

  /** Newest first, after `place`. */
  list: async (
    db: Handle,
    tenant: string,
    agentId: string | undefined,
    place: Place | undefined,
    limit: number,
  ): Promise<readonly AccessKey[]> => {
    let query = shown(db, tenant);
    if (agentId !== undefined) query = query.where("k.agent_id", "=", agentId);
    if (place) query = query.where(olderThan(place, { at: "k.created_at", id: "k.id" }));
    return (await query.orderBy("k.created_at", "desc").orderBy("k.id", "desc").limit(limit).execute()).map(toKey);
  },

  get: async (db: Handle, tenant: string, id: string): Promise<AccessKey | undefined> => {
    const row = await shown(db, tenant).where("k.id", "=", id).executeTakeFirst();
    return row && toKey(row);
  },

  remove: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.deleteFrom("access_keys").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },

  /** Remembers that a key was used, unless that is remembered of a moment less than `every` away. */
  touch: async (tx: Handle, tenant: string, id: string, now: number, every: number): Promise<void> => {
    await tx
      .updateTable("access_keys")
      .set({ last_used_at: now })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where((eb) => eb.or([eb("last_used_at", "is", null), eb("last_used_at", "<=", now - every), eb("last_used_at", ">=", now + every)]))
      .execute();
  },

  /** Deletes a temporary key; answers whose it was, or undefined where there is none. */
  removeTemporary: async (tx: Handle, tenant: string, id: string): Promise<string | undefined> => {
    const of = tx.deleteFrom("access_keys").where("tenant_id", "=", tenant).where("id", "=", id).where("expires_at", "is not", null);
    return (await of.returning("agent_id").executeTakeFirst())?.agent_id ?? undefined;
  },

  /** Deletes the lasting ones. */
  removeLastingOf: async (tx: Handle, tenant: string, owner: Owner): Promise<void> => {
    const { kind, id } = owner;
    const of = tx.deleteFrom("access_keys").where("tenant_id", "=", tenant).where(columnOf[kind], "=", id);
    await of.where("expires_at", "is", null).execute();
  },

  /** Deletes temporary keys of an agent, `most` at most: those that end last. Answers whose they were. */
  removeTemporaryOf: async (tx: Handle, tenant: string, agentId: string, most: number): Promise<Gone> => {
    // The limit is written out, here and below: PostgreSQL takes an unknown one for a tenth of the table, and then reads all of it.
    const { rows } = await sql<Gone[number]>`
      delete from access_keys where id in (select id from access_keys where tenant_id = ${tenant} and agent_id = ${agentId}
        and expires_at is not null order by expires_at desc limit ${sql.lit(most)})
      returning tenant_id as tenant, agent_id as agent`.execute(tx);
    return rows;
  },

  /** Deletes keys for a user, `most` at most: the newest. Answers whose they were. */
  removeOfUser: async (tx: Handle, tenant: string, userId: string, most: number): Promise<Gone> => {
    const { rows } = await sql<Gone[number]>`
      delete from access_keys where id in (select id from access_keys where tenant_id = ${tenant} and user_id = ${userId}
        order by created_at desc, id desc limit ${sql.lit(most)})
      returning tenant_id as tenant, agent_id as agent`.execute(tx);
    return rows;
  },

  /** How many lasting keys an agent has, and some of them. */
  someLasting: async (db: Handle, tenant: string, agentId: string, most: number) => {
    const all = lastingOf(db, tenant, { kind: "agent", id: agentId });
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return { count: Number(count), some: await all.select(["id"]).limit(most).execute() };
  },

  /** How many temporary keys an agent or a user has that have not ended, and some of them. */
  someTemporary: async (
    db: Handle,
    tenant: string,
    of: { readonly kind: "agent" | "user"; readonly id: string },
    now: number,
    most: number,
  ) => {
    const all = db
      .selectFrom("access_keys")
      .where("tenant_id", "=", tenant)
      .where(of.kind === "agent" ? "agent_id" : "user_id", "=", of.id)
      .where("expires_at", "is not", null)
      .where("expires_at", ">", now);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    const rows = await all.select(["id", "agent_id", "user_id", "role_arn", "expires_at"]).limit(most).execute();
    return {
      count: Number(count),
      some: rows.map((row) => ({
        id: row.id,
        agent: row.agent_id ?? "",
        user: row.user_id ?? undefined,
        roleArn: row.role_arn ?? "",
        expiresAt: row.expires_at ?? 0,
      })),
    };
  },

  /** Whether any temporary key, of whichever tenant, ended before. */
  anyBefore: async (db: Handle, before: number): Promise<boolean> =>
    (await db.selectFrom("access_keys").select("id").where("expires_at", "<", before).limit(1).executeTakeFirst()) !== undefined,

  /** Deletes `most` at most, those that ended first, of all tenants; answers whose they were. */
  removeBefore: async (tx: Handle, before: number, most: number): Promise<Gone> => {
    const { rows } = await sql<Gone[number]>`
      delete from access_keys where id in (select id from access_keys where expires_at < ${before} order by expires_at limit ${sql.lit(most)})
      returning tenant_id as tenant, agent_id as agent`.execute(tx);
    return rows;
  },
};
