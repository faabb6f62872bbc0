import { type Handle, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Connection, ConnectionFilter, ConnectionState } from "./connection.ts";

const list = (json: string) => JSON.parse(json) as readonly string[];

interface ViewRow extends Omit<Row<"connections">, "state"> {
  readonly state: ConnectionState;
  readonly agent_name: string | null;
  readonly user_issuer: string | null;
  readonly user_subject: string | null;
  readonly provider_name: string;
  readonly provider_vault: string;
}

const toConnection = (row: ViewRow): Connection => ({
  id: row.id,
  agent: { id: row.agent_id, ...(row.agent_name !== null && { name: row.agent_name }) },
  ...(row.user_issuer !== null &&
    row.user_subject !== null && { user: { id: row.user_id, issuer: row.user_issuer, subject: row.user_subject } }),
  provider: { id: row.provider_id, name: row.provider_name, vault: row.provider_vault },
  state: row.state,
  ...(row.resource !== "" && { resource: row.resource }),
  ...(row.audience !== "" && { audience: row.audience }),
  requestedScopes: list(row.requested_scopes),
  grantedScopes: list(row.granted_scopes),
  ...(row.expires_at !== null && { expiresAt: row.expires_at }),
  refreshable: row.refreshable === 1,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** Connections with the names of those concerned, in one statement. */
const views = (db: Handle, tenant: string) =>
  db
    .selectFrom("connections as c")
    .innerJoin("providers as p", (join) => join.onRef("p.tenant_id", "=", "c.tenant_id").onRef("p.id", "=", "c.provider_id"))
    .leftJoin("agents as a", (join) =>
      join.onRef("a.tenant_id", "=", "c.tenant_id").onRef("a.id", "=", "c.agent_id").on("a.deleted_at", "is", null),
    )
    .leftJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "c.tenant_id").onRef("u.id", "=", "c.user_id"))
    .selectAll("c")
    .select([
      "a.name as agent_name",
      "u.issuer as user_issuer",
      "u.subject as user_subject",
      "p.name as provider_name",
      "p.vault as provider_vault",
    ])
    .where("c.tenant_id", "=", tenant)
    // At version 0 a row holds a lease for tokens that were never had.
    .where("c.version", ">", 0);

/** The statements that show connections to operators. */
export const connectionViews = {
  /** Newest first, after `place`. */
  list: async (
    db: Handle,
    tenant: string,
    filter: ConnectionFilter,
    place: Place | undefined,
    limit: number,
  ): Promise<readonly Connection[]> => {
    let query = views(db, tenant);
    const { agent, provider } = filter;
    if (agent?.startsWith("agt_")) query = query.where("c.agent_id", "=", agent);
    else if (agent !== undefined) query = query.where("a.name", "=", agent);
    if (filter.user !== undefined) query = query.where("c.user_id", "=", filter.user);
    if (provider !== undefined)
      query = query.where((eb) => eb.or([eb("p.id", "=", provider), eb.and([eb("p.name", "=", provider), eb("p.vault", "=", "default")])]));
    if (place) query = query.where(olderThan(place, { at: "c.created_at", id: "c.id" }));
    const rows = await query.orderBy("c.created_at", "desc").orderBy("c.id", "desc").limit(limit).execute();
    return rows.map(toConnection);
  },

  get: async (db: Handle, tenant: string, id: string): Promise<Connection | undefined> => {
    const row = await views(db, tenant).where("c.id", "=", id).executeTakeFirst();
    return row && toConnection(row);
  },
};
