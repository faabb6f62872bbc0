import type { Handle, Row } from "../../ground/db/index.ts";
import type { SealedVariable } from "./project.ts";

type Read = Omit<Row<"variables">, "tenant_id" | "project_id">;

export const toVariable = (row: Read): SealedVariable => ({
  id: row.id,
  name: row.name,
  lane: row.lane,
  sealedValue: row.sealed_value,
  size: row.size,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** Rows that one statement writes or names at most. */
const atOnce = 100;

const slices = <T>(items: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / atOnce) }, (_, at) => items.slice(at * atOnce, (at + 1) * atOnce));

/** Where a set stands. */
export interface SetPlace {
  readonly project: string;
  /** Empty: the default set. */
  readonly lane: string;
}

const inSet = (db: Handle, tenant: string, { project, lane }: SetPlace) =>
  db.selectFrom("variables").selectAll().where("tenant_id", "=", tenant).where("project_id", "=", project).where("lane", "=", lane);

/** The statements of variables; each takes the tenant first, and none exists without it. */
export const variablesTable = {
  byName: async (db: Handle, tenant: string, set: SetPlace, name: string): Promise<SealedVariable | undefined> => {
    const row = await inSet(db, tenant, set).where("name", "=", name).executeTakeFirst();
    return row && toVariable(row);
  },

  /** By name, after `after`. */
  list: async (db: Handle, tenant: string, set: SetPlace, after: string, limit: number): Promise<readonly SealedVariable[]> =>
    (await inSet(db, tenant, set).where("name", ">", after).orderBy("name").limit(limit).execute()).map(toVariable),

  insert: async (tx: Handle, tenant: string, project: string, variables: readonly SealedVariable[]): Promise<void> => {
    for (const slice of slices(variables))
      await tx
        .insertInto("variables")
        .values(
          slice.map((variable) => ({
            tenant_id: tenant,
            project_id: project,
            lane: variable.lane,
            name: variable.name,
            id: variable.id,
            sealed_value: variable.sealedValue,
            size: variable.size,
            version: variable.version,
            created_at: variable.createdAt,
            updated_at: variable.updatedAt,
          })),
        )
        .execute();
  },

  update: async (tx: Handle, tenant: string, project: string, variable: SealedVariable): Promise<void> => {
    await tx
      .updateTable("variables")
      .set({
        sealed_value: variable.sealedValue,
        size: variable.size,
        version: variable.version,
        updated_at: variable.updatedAt,
      })
      .where("tenant_id", "=", tenant)
      .where("project_id", "=", project)
      .where("lane", "=", variable.lane)
      .where("name", "=", variable.name)
      .execute();
  },

  remove: async (tx: Handle, tenant: string, { project, lane }: SetPlace, names: readonly string[]): Promise<void> => {
    for (const slice of slices(names))
      await tx
        .deleteFrom("variables")
        .where("tenant_id", "=", tenant)
        .where("project_id", "=", project)
        .where("lane", "=", lane)
        .where("name", "in", slice)
        .execute();
  },
};
