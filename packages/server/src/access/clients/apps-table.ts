import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { App } from "./app.ts";

const toApp = (row: Row<"clients">): App => ({
  id: row.id,
  name: row.name,
  title: row.title ?? undefined,
  redirectUris: JSON.parse(row.redirect_uris) as string[],
  issuerId: row.issuer_id ?? undefined,
  scopes: row.scopes === null ? undefined : (JSON.parse(row.scopes) as string[]),
  status: row.status,
  version: row.version,
  epoch: row.epoch,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** What may change of a row. */
const columnsOf = (app: App) => ({
  title: app.title ?? null,
  redirect_uris: JSON.stringify(app.redirectUris),
  issuer_id: app.issuerId ?? null,
  scopes: app.scopes === undefined ? null : JSON.stringify(app.scopes),
  status: app.status,
  version: app.version,
  epoch: app.epoch,
  updated_at: app.updatedAt,
});

const all = (db: Handle, tenant: string) => db.selectFrom("clients").selectAll().where("tenant_id", "=", tenant);

const byIdAlone = lookup<{ id: string }, Row<"clients">>((db, { id }) =>
  db.selectFrom("clients").selectAll().where("id", "=", id).limit(1),
);

/** The statements of registered apps; each takes the tenant first, and none but `whose` exists without it. */
export const appsTable = {
  /** Answers false where the name is taken. */
  insert: async (tx: Handle, tenant: string, app: App): Promise<boolean> => {
    const { id, name, createdAt } = app;
    const row = await tx
      .insertInto("clients")
      .values({ tenant_id: tenant, id, name, created_at: createdAt, ...columnsOf(app) })
      .onConflict((c) => c.columns(["tenant_id", "name"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  /** An id names its tenant, so this alone asks without one. */
  whose: async (db: Handle, id: string): Promise<{ readonly tenant: string; readonly app: App } | undefined> => {
    const row = await byIdAlone(db, { id });
    return row && { tenant: row.tenant_id, app: toApp(row) };
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<App | undefined> => {
    const row = await all(db, tenant).where("id", "=", id).executeTakeFirst();
    return row && toApp(row);
  },

  byName: async (db: Handle, tenant: string, name: string): Promise<App | undefined> => {
    const row = await all(db, tenant).where("name", "=", name).executeTakeFirst();
    return row && toApp(row);
  },

  /** Id and name of those of `refs` that there are. */
  named: (db: Handle, tenant: string, refs: readonly string[]): Promise<{ id: string; name: string }[]> =>
    db
      .selectFrom("clients")
      .select(["id", "name"])
      .where("tenant_id", "=", tenant)
      .where((eb) => eb.or([eb("id", "in", refs), eb("name", "in", refs)]))
      .execute(),

  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly App[]> => {
    let query = all(db, tenant);
    if (place) query = query.where(olderThan(place));
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toApp);
  },

  /** Whether an app names this issuer. */
  anyNaming: async (db: Handle, tenant: string, issuerId: string): Promise<boolean> =>
    (await all(db, tenant).where("issuer_id", "=", issuerId).limit(1).executeTakeFirst()) !== undefined,

  /** How many apps name this issuer, and some of them. */
  ofIssuer: async (db: Handle, tenant: string, issuerId: string, most: number) => {
    const naming = db.selectFrom("clients").where("tenant_id", "=", tenant).where("issuer_id", "=", issuerId);
    const { count } = await naming.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return { count: Number(count), some: await naming.select(["id", "name"]).limit(most).execute() };
  },

  /** Reads an app's row and keeps others from changing it until the transaction ends. */
  lock: async (tx: Handle, tenant: string, id: string): Promise<App | undefined> => {
    const row = await tx
      .updateTable("clients")
      .set((eb) => ({ version: eb.ref("version") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toApp(row);
  },

  /** Writes every field that may change, of a row that the transaction holds. */
  update: async (tx: Handle, tenant: string, app: App): Promise<void> => {
    await tx.updateTable("clients").set(columnsOf(app)).where("tenant_id", "=", tenant).where("id", "=", app.id).execute();
  },

  remove: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.deleteFrom("clients").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
};
