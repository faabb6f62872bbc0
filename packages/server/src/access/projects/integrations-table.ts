import type { Handle, Row } from "../../ground/db/index.ts";
import type { Integration } from "./project.ts";

interface Found extends Omit<Row<"integrations">, "tenant_id" | "project_id"> {
  readonly provider_name: string | null;
  readonly vault: string | null;
  readonly type: "api_key" | "oauth2" | "sts" | null;
}

export const toIntegration = (row: Found): Integration => ({
  id: row.id,
  name: row.name,
  sealedCredential: row.sealed_credential ?? undefined,
  provider:
    row.provider_id === null || row.provider_name === null || row.vault === null || row.type === null
      ? undefined
      : { id: row.provider_id, name: row.provider_name, vault: row.vault, type: row.type },
  scopes: row.scopes === null ? undefined : (JSON.parse(row.scopes) as string[]),
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const columnsOf = ({ sealedCredential, provider, scopes, version, updatedAt }: Integration) => ({
  sealed_credential: sealedCredential ?? null,
  provider_id: provider?.id ?? null,
  scopes: scopes === undefined ? null : JSON.stringify(scopes),
  version,
  updated_at: updatedAt,
});

/** With what a provider is called, which never changes. */
const ofProject = (db: Handle, tenant: string, project: string) =>
  db
    .selectFrom("integrations as i")
    .leftJoin("providers as p", (join) => join.onRef("p.tenant_id", "=", "i.tenant_id").onRef("p.id", "=", "i.provider_id"))
    .selectAll("i")
    .select(["p.name as provider_name", "p.vault as vault", "p.type as type"])
    .where("i.tenant_id", "=", tenant)
    .where("i.project_id", "=", project);

/** The statements of integrations; each takes the tenant first, and none exists without it. */
export const integrationsTable = {
  byName: async (db: Handle, tenant: string, project: string, name: string): Promise<Integration | undefined> => {
    const row = await ofProject(db, tenant, project).where("i.name", "=", name).executeTakeFirst();
    return row && toIntegration(row);
  },

  /** By name, after `after`. */
  list: async (db: Handle, tenant: string, project: string, after: string, limit: number): Promise<readonly Integration[]> =>
    (await ofProject(db, tenant, project).where("i.name", ">", after).orderBy("i.name").limit(limit).execute()).map(toIntegration),

  count: async (tx: Handle, tenant: string, project: string): Promise<number> => {
    const all = tx.selectFrom("integrations").where("tenant_id", "=", tenant).where("project_id", "=", project);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return Number(count);
  },

  insert: async (tx: Handle, tenant: string, project: string, integration: Integration): Promise<void> => {
    const { id, name, createdAt } = integration;
    await tx
      .insertInto("integrations")
      .values({ tenant_id: tenant, project_id: project, name, id, created_at: createdAt, ...columnsOf(integration) })
      .execute();
  },

  /** Answers whether it was still there. */
  update: async (tx: Handle, tenant: string, project: string, integration: Integration): Promise<boolean> => {
    const row = await tx
      .updateTable("integrations")
      .set(columnsOf(integration))
      .where("tenant_id", "=", tenant)
      .where("project_id", "=", project)
      .where("id", "=", integration.id)
      .where("name", "=", integration.name)
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  /** Answers the id of the one that was there. */
  remove: async (tx: Handle, tenant: string, project: string, name: string): Promise<string | undefined> => {
    const row = await tx
      .deleteFrom("integrations")
      .where("tenant_id", "=", tenant)
      .where("project_id", "=", project)
      .where("name", "=", name)
      .returning("id")
      .executeTakeFirst();
    return row?.id;
  },

  /** Removes those of a provider, and answers which they were. */
  removeOfProvider: async (tx: Handle, tenant: string, providerId: string) => {
    const rows = await tx
      .deleteFrom("integrations")
      .where("tenant_id", "=", tenant)
      .where("provider_id", "=", providerId)
      .returning(["id", "project_id", "name"])
      .execute();
    return rows.map((row) => ({ id: row.id, project: row.project_id, name: row.name }));
  },
};
