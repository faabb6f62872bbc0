import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { Foreign, Place } from "../../ground/kernel/index.ts";
import { type Agent, defaultProject, isAgentId } from "./agent.ts";

export const toAgent = (row: Row<"agents">): Agent => ({
  id: row.id,
  name: row.name,
  title: row.title ?? undefined,
  description: row.description ?? undefined,
  ownerEmail: row.owner_email ?? undefined,
  status: row.status,
  origin: row.origin,
  permissions: JSON.parse(row.permissions) as string[],
  allowedReturnUrls: JSON.parse(row.return_urls) as string[],
  issuerId: row.issuer_id ?? undefined,
  roleArn: row.role_arn ?? undefined,
  binding: row.binding ?? undefined,
  assertedUsers: row.asserted_users === 1,
  tier: row.tier ?? undefined,
  project: row.project ?? defaultProject,
  labels: JSON.parse(row.labels) as Record<string, string>,
  foreign: JSON.parse(row.foreign_attributes ?? "{}") as Foreign,
  epoch: row.epoch,
  roleEpoch: row.role_epoch,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const mutable = (agent: Agent) => ({
  name: agent.name,
  title: agent.title ?? null,
  description: agent.description ?? null,
  owner_email: agent.ownerEmail ?? null,
  permissions: JSON.stringify(agent.permissions),
  return_urls: JSON.stringify(agent.allowedReturnUrls),
  issuer_id: agent.issuerId ?? null,
  role_arn: agent.roleArn ?? null,
  role_epoch: agent.roleEpoch,
  binding: agent.binding ?? null,
  asserted_users: agent.assertedUsers ? 1 : 0,
  tier: agent.tier ?? null,
  project: agent.project === defaultProject ? null : agent.project,
  labels: JSON.stringify(agent.labels),
  foreign_attributes: Object.keys(agent.foreign).length === 0 ? null : JSON.stringify(agent.foreign),
  updated_at: agent.updatedAt,
});

const living = (db: Handle, tenant: string) =>
  db.selectFrom("agents").selectAll().where("tenant_id", "=", tenant).where("deleted_at", "is", null);

const byId = lookup<{ tenant: string; ref: string }, Row<"agents">>((db, { tenant, ref }) =>
  living(db, tenant).where("id", "=", ref).limit(1),
);
const byName = lookup<{ tenant: string; ref: string }, Row<"agents">>((db, { tenant, ref }) =>
  living(db, tenant).where("name", "=", ref).limit(1),
);

const byIdAlone = lookup<{ id: string }, Pick<Row<"agents">, "tenant_id" | "status" | "deleted_at">>((db, { id }) =>
  db.selectFrom("agents").select(["tenant_id", "status", "deleted_at"]).where("id", "=", id).limit(1),
);

/** The statements of this room; each takes the tenant first, and none but `whose` exists without it. */
export const agentsTable = {
  /** Answers undefined where the name is taken. */
  insert: async (tx: Handle, tenant: string, agent: Agent): Promise<Agent | undefined> => {
    const row = await tx
      .insertInto("agents")
      .values({
        tenant_id: tenant,
        id: agent.id,
        status: agent.status,
        origin: agent.origin,
        epoch: agent.epoch,
        created_at: agent.createdAt,
        deleted_at: null,
        ...mutable(agent),
      })
      .onConflict((c) => c.columns(["tenant_id", "name"]).where("deleted_at", "is", null).doNothing())
      .returningAll()
      .executeTakeFirst();
    return row && toAgent(row);
  },

  /** A living agent by name or id. */
  byRef: async (db: Handle, tenant: string, ref: string): Promise<Agent | undefined> => {
    const row = await (isAgentId(ref) ? byId : byName)(db, { tenant, ref });
    return row && toAgent(row);
  },

  /** Whose agent this is, and how it stands, tombstones too: an id names its tenant. */
  whose: async (db: Handle, id: string): Promise<{ readonly tenant: string; readonly status: Agent["status"] | "deleted" } | undefined> => {
    const row = await byIdAlone(db, { id });
    return row && { tenant: row.tenant_id, status: row.deleted_at === null ? row.status : "deleted" };
  },

  /** Reads a living agent's row and keeps others from changing it until the transaction ends. */
  lock: async (tx: Handle, tenant: string, id: string): Promise<Agent | undefined> => {
    const row = await tx
      .updateTable("agents")
      .set((eb) => ({ epoch: eb.ref("epoch") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .returningAll()
      .executeTakeFirst();
    return row && toAgent(row);
  },

  /** Id and name of those of `refs` that live. */
  named: (db: Handle, tenant: string, refs: readonly string[]): Promise<{ id: string; name: string }[]> =>
    db
      .selectFrom("agents")
      .select(["id", "name"])
      .where("tenant_id", "=", tenant)
      .where("deleted_at", "is", null)
      .where((eb) => eb.or([eb("id", "in", refs), eb("name", "in", refs)]))
      .execute(),

  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly Agent[]> => {
    let query = living(db, tenant);
    if (place) query = query.where(olderThan(place));
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toAgent);
  },

  /** Whether a living agent names this issuer. */
  anyNaming: async (db: Handle, tenant: string, issuerId: string): Promise<boolean> =>
    (await living(db, tenant).where("issuer_id", "=", issuerId).limit(1).executeTakeFirst()) !== undefined,

  /** Whether a living agent belongs to this project, which is not the tenant's default. */
  anyInProject: async (db: Handle, tenant: string, project: string): Promise<boolean> => {
    const agents = db.selectFrom("agents").select("id").where("tenant_id", "=", tenant).where("project", "=", project);
    return (await agents.where("deleted_at", "is", null).limit(1).executeTakeFirst()) !== undefined;
  },

  /** How many living agents name this issuer, and some of them. */
  ofIssuer: async (db: Handle, tenant: string, issuerId: string, most: number) => {
    const all = db.selectFrom("agents").where("tenant_id", "=", tenant).where("deleted_at", "is", null).where("issuer_id", "=", issuerId);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return { count: Number(count), some: await all.select(["id", "name"]).limit(most).execute() };
  },

  /** Writes every field that may change of a living agent whose row the transaction holds. */
  update: async (tx: Handle, tenant: string, agent: Agent): Promise<Agent> =>
    toAgent(
      await tx
        .updateTable("agents")
        .set(mutable(agent))
        .where("tenant_id", "=", tenant)
        .where("id", "=", agent.id)
        .where("deleted_at", "is", null)
        .returningAll()
        .executeTakeFirstOrThrow(),
    ),

  /** Raises the epoch, so that everything handed out before dies. A revoked agent stays as it is and answers undefined. */
  setStatus: async (tx: Handle, tenant: string, id: string, status: Agent["status"], now: number): Promise<Agent | undefined> => {
    const row = await tx
      .updateTable("agents")
      .set((eb) => ({ status, epoch: eb("epoch", "+", 1), updated_at: now }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("status", "!=", "revoked")
      .returningAll()
      .executeTakeFirst();
    return row && toAgent(row);
  },

  /** Leaves a tombstone whose name is free again; answers false where there is one already. */
  bury: async (tx: Handle, tenant: string, id: string, now: number): Promise<boolean> => {
    const row = await tx
      .updateTable("agents")
      .set((eb) => ({ status: "revoked", epoch: eb("epoch", "+", 1), updated_at: now, deleted_at: now }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },
};
