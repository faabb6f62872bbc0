import { sql } from "kysely";
import type { Handle } from "../../ground/db/index.ts";
import { defaultLane, type Integration, type Project, type SealedVariable } from "./project.ts";
import { toIntegration } from "./integrations-table.ts";
import { toProject } from "./projects-table.ts";
import { toVariable } from "./variables-table.ts";

/** A project, or one variable of it: `one` to `four` hold what is text. */
interface Part {
  readonly part: 0 | 1;
  readonly name: string;
  readonly one: string | null;
  readonly two: string | null;
  readonly three: string | null;
  readonly four: string | null;
  readonly size: number;
  readonly version: number;
  readonly created_at: number;
  readonly updated_at: number;
}

/** What agents read is read in one statement. */
export const readingTable = {
  /** A project with the variables of its default set and of one lane. */
  withVariables: async (
    db: Handle,
    tenant: string,
    name: string,
    lane: string,
  ): Promise<{ readonly project: Project; readonly variables: readonly SealedVariable[] } | undefined> => {
    const rows = await db
      .selectFrom("projects")
      .select([
        sql.lit(0).as("part"),
        "id as name",
        "description as one",
        "agents as two",
        "lanes as three",
        "sets as four",
        sql.lit(0).as("size"),
        "version",
        "created_at",
        "updated_at",
      ])
      .where("tenant_id", "=", tenant)
      .where("id", "=", name)
      .$castTo<Part>()
      .unionAll(
        db
          .selectFrom("variables")
          .select([
            sql.lit(1).as("part"),
            "name",
            "lane as one",
            "id as two",
            "sealed_value as three",
            sql.lit(null).as("four"),
            "size",
            "version",
            "created_at",
            "updated_at",
          ])
          .where("tenant_id", "=", tenant)
          .where("project_id", "=", name)
          .where("lane", "in", [...new Set([defaultLane, lane])])
          .$castTo<Part>(),
      )
      .execute();
    const found = rows.find(({ part }) => part === 0);
    if (!found) return undefined;
    const project = toProject({
      ...found,
      id: found.name,
      description: found.one,
      agents: found.two ?? "",
      lanes: found.three ?? "",
      sets: found.four ?? "",
    });
    const variables = rows.flatMap((row) =>
      row.part === 1 ? toVariable({ ...row, lane: row.one ?? "", id: row.two ?? "", sealed_value: row.three ?? "" }) : [],
    );
    return { project, variables };
  },

  /** A project with one of its integrations, if there is such a one. */
  withIntegration: async (
    db: Handle,
    tenant: string,
    name: string,
    integration: string,
  ): Promise<{ readonly project: Project; readonly integration: Integration | undefined } | undefined> => {
    const row = await db
      .selectFrom("projects as j")
      .leftJoin("integrations as i", (join) =>
        join.onRef("i.tenant_id", "=", "j.tenant_id").onRef("i.project_id", "=", "j.id").on("i.name", "=", integration),
      )
      .leftJoin("providers as p", (join) => join.onRef("p.tenant_id", "=", "i.tenant_id").onRef("p.id", "=", "i.provider_id"))
      .selectAll("j")
      .select([
        "i.id as integration_id",
        "i.sealed_credential as sealed_credential",
        "i.provider_id as provider_id",
        "i.scopes as scopes",
        "i.version as integration_version",
        "i.created_at as made_at",
        "i.updated_at as changed_at",
        "p.name as provider_name",
        "p.vault as vault",
        "p.type as type",
      ])
      .where("j.tenant_id", "=", tenant)
      .where("j.id", "=", name)
      .executeTakeFirst();
    if (!row) return undefined;
    const { integration_id: id, integration_version: version, made_at, changed_at } = row;
    return {
      project: toProject(row),
      integration:
        id === null || version === null || made_at === null || changed_at === null
          ? undefined
          : toIntegration({ ...row, id, name: integration, version, created_at: made_at, updated_at: changed_at }),
    };
  },
};
