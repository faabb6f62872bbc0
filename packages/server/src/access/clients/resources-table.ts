import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Resource, ResourceScope } from "./resource.ts";

const list = (json: string): readonly string[] => JSON.parse(json) as string[];

const toScope = ({ name, description, agents }: Partial<ResourceScope>): ResourceScope => ({ name: name ?? "", description, agents });

const toResource = (row: Row<"resources">): Resource => ({
  id: row.id,
  identifier: row.identifier,
  name: row.name,
  agents: list(row.agents),
  clients: list(row.clients),
  servers: list(row.servers),
  scopes: (JSON.parse(row.scopes) as Partial<ResourceScope>[]).map(toScope),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** What may change of a row. */
const columnsOf = (resource: Resource) => ({
  name: resource.name,
  agents: JSON.stringify(resource.agents),
  clients: JSON.stringify(resource.clients),
  servers: JSON.stringify(resource.servers),
  scopes: JSON.stringify(resource.scopes),
  updated_at: resource.updatedAt,
});

const all = (db: Handle, tenant: string) => db.selectFrom("resources").selectAll().where("tenant_id", "=", tenant);

/** The statements of resources; each takes the tenant first. */
export const resourcesTable = {
  /** Answers false where the name or the identifier is taken. */
  insert: async (tx: Handle, tenant: string, resource: Resource): Promise<boolean> => {
    const { id, identifier, createdAt } = resource;
    const row = await tx
      .insertInto("resources")
      .values({ tenant_id: tenant, id, identifier, created_at: createdAt, ...columnsOf(resource) })
      .onConflict((c) => c.doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<Resource | undefined> => {
    const row = await all(db, tenant).where("id", "=", id).executeTakeFirst();
    return row && toResource(row);
  },

  byName: async (db: Handle, tenant: string, name: string): Promise<Resource | undefined> => {
    const row = await all(db, tenant).where("name", "=", name).executeTakeFirst();
    return row && toResource(row);
  },

  byIdentifier: async (db: Handle, tenant: string, identifier: string): Promise<Resource | undefined> => {
    const row = await all(db, tenant).where("identifier", "=", identifier).executeTakeFirst();
    return row && toResource(row);
  },

  /** Oldest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly Resource[]> => {
    let query = all(db, tenant);
    if (place) query = query.where(newerThan(place));
    const rows = await query.orderBy("created_at").orderBy("id").limit(limit).execute();
    return rows.map(toResource);
  },

  /** The ids of those that name somebody, in whichever list; in one order, so that whoever locks them one after the other waits for nobody in a ring. */
  naming: async (tx: Handle, tenant: string, id: string): Promise<readonly string[]> => {
    const named = `%"${id}"%`;
    const rows = await tx
      .selectFrom("resources")
      .select("id")
      .where("tenant_id", "=", tenant)
      .where((eb) => eb.or((["agents", "clients", "servers", "scopes"] as const).map((column) => eb(column, "like", named))))
      .orderBy("id")
      .execute();
    return rows.map((row) => row.id);
  },

  /** Lists of who may ask people, of those resources that let some client with a document in; each list once. */
  listsOfDocuments: async (db: Handle, tenant: string): Promise<readonly (readonly string[])[]> => {
    const rows = await db
      .selectFrom("resources")
      .select("clients")
      .distinct()
      .where("tenant_id", "=", tenant)
      .where((eb) => eb.or([eb("clients", "like", '%"*"%'), eb("clients", "like", '%"https://%')]))
      .execute();
    return rows.map(({ clients }) => list(clients));
  },

  /** Reads a resource's row and keeps others from changing it until the transaction ends. */
  lock: async (tx: Handle, tenant: string, id: string): Promise<Resource | undefined> => {
    const row = await tx
      .updateTable("resources")
      .set((eb) => ({ updated_at: eb.ref("updated_at") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toResource(row);
  },

  /** Writes every field that may change, of a row that the transaction holds. */
  update: async (tx: Handle, tenant: string, resource: Resource): Promise<void> => {
    await tx.updateTable("resources").set(columnsOf(resource)).where("tenant_id", "=", tenant).where("id", "=", resource.id).execute();
  },

  remove: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.deleteFrom("resources").where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
};
