import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Project, SetTotals } from "./project.ts";

const mapOf = <V>(json: string): ReadonlyMap<string, V> => new Map(Object.entries(JSON.parse(json) as Record<string, V>));
const textOf = (map: ReadonlyMap<string, unknown>): string => JSON.stringify(Object.fromEntries(map));

type Read = Omit<Row<"projects">, "tenant_id">;

export const toProject = (row: Read): Project => ({
  name: row.id,
  description: row.description ?? undefined,
  agents: JSON.parse(row.agents) as string[],
  lanes: mapOf<readonly string[]>(row.lanes),
  sets: mapOf<SetTotals>(row.sets),
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const columnsOf = ({ description, agents, lanes, version, updatedAt }: Project) => ({
  description: description ?? null,
  agents: JSON.stringify(agents),
  lanes: textOf(lanes),
  version,
  updated_at: updatedAt,
});

/** The statements of projects; each takes the tenant first, and none exists without it. */
export const projectsTable = {
  /** Answers false where there is one of this name. */
  insert: async (tx: Handle, tenant: string, project: Project): Promise<boolean> => {
    const row = await tx
      .insertInto("projects")
      .values({
        tenant_id: tenant,
        id: project.name,
        ...columnsOf(project),
        sets: textOf(project.sets),
        created_at: project.createdAt,
      })
      .onConflict((c) => c.columns(["tenant_id", "id"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  byName: async (db: Handle, tenant: string, name: string): Promise<Project | undefined> => {
    const row = await db.selectFrom("projects").selectAll().where("tenant_id", "=", tenant).where("id", "=", name).executeTakeFirst();
    return row && toProject(row);
  },

  /** Reads a project's row and keeps others from changing it, and what it holds, until the transaction ends. */
  lock: async (tx: Handle, tenant: string, name: string): Promise<Project | undefined> => {
    const row = await tx
      .updateTable("projects")
      .set((eb) => ({ version: eb.ref("version") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", name)
      .returningAll()
      .executeTakeFirst();
    return row && toProject(row);
  },

  count: async (tx: Handle, tenant: string): Promise<number> => {
    const all = tx.selectFrom("projects").where("tenant_id", "=", tenant);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return Number(count);
  },

  /** Oldest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly Project[]> => {
    let query = db.selectFrom("projects").selectAll().where("tenant_id", "=", tenant);
    if (place) query = query.where(newerThan(place));
    const rows = await query.orderBy("created_at").orderBy("id").limit(limit).execute();
    return rows.map(toProject);
  },

  /** The names of those that name an agent as one that may read them. */
  naming: async (tx: Handle, tenant: string, agentId: string): Promise<readonly string[]> => {
    const named = `%"${agentId}"%`;
    const rows = await tx
      .selectFrom("projects")
      .select("id")
      .where("tenant_id", "=", tenant)
      .where((eb) => eb.or([eb("agents", "like", named), eb("lanes", "like", named)]))
      .orderBy("id")
      .execute();
    return rows.map(({ id }) => id);
  },

  /** Writes every field that may change of a project whose row the transaction holds, but for what its sets hold. */
  update: async (tx: Handle, tenant: string, project: Project): Promise<void> => {
    await tx.updateTable("projects").set(columnsOf(project)).where("tenant_id", "=", tenant).where("id", "=", project.name).execute();
  },

  /** Writes what the sets hold, of a project whose row the transaction holds. */
  setSets: async (tx: Handle, tenant: string, name: string, sets: ReadonlyMap<string, SetTotals>): Promise<void> => {
    await tx
      .updateTable("projects")
      .set({ sets: textOf(sets) })
      .where("tenant_id", "=", tenant)
      .where("id", "=", name)
      .execute();
  },

  /** With all that it holds. */
  remove: async (tx: Handle, tenant: string, name: string): Promise<void> => {
    await tx.deleteFrom("projects").where("tenant_id", "=", tenant).where("id", "=", name).execute();
    await tx.deleteFrom("variables").where("tenant_id", "=", tenant).where("project_id", "=", name).execute();
    await tx.deleteFrom("integrations").where("tenant_id", "=", tenant).where("project_id", "=", name).execute();
  },
};
