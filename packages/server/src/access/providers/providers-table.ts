import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Foreign, Place } from "../../ground/kernel/index.ts";
import type { ClientAuthMethod, Flow, KindName, Provider } from "./provider.ts";

const list = <T extends string = string>(json: string): readonly T[] => JSON.parse(json) as T[];

/** A provider of its row. */
const toProvider = (row: Row<"providers">): Provider => ({
  id: row.id,
  vault: row.vault,
  name: row.name,
  type: row.type,
  kind: (row.kind as KindName | null) ?? undefined,
  status: row.status,
  agents: list(row.agents),
  discoveryUrl: row.discovery_url ?? undefined,
  authorizationEndpoint: row.authorization_endpoint ?? undefined,
  tokenEndpoint: row.token_endpoint ?? undefined,
  issuer: row.issuer ?? undefined,
  clientId: row.client_id ?? undefined,
  clientAuth: (row.client_auth as ClientAuthMethod | null) ?? undefined,
  sealedSecret: row.sealed_secret ?? undefined,
  scopes: list(row.scopes),
  scopesKey: row.scopes_key,
  flows: row.flows === null ? undefined : list<Flow>(row.flows),
  description: row.description ?? undefined,
  redirectUri: row.redirect_uri ?? undefined,
  pkce: row.pkce === null ? undefined : row.pkce === 1,
  roleArn: row.role_arn ?? undefined,
  foreign: JSON.parse(row.foreign_attributes ?? "{}") as Foreign,
  warnings: list(row.warnings),
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** What may change of a row. */
const columnsOf = (provider: Provider) => ({
  kind: provider.kind ?? null,
  agents: JSON.stringify(provider.agents),
  discovery_url: provider.discoveryUrl ?? null,
  authorization_endpoint: provider.authorizationEndpoint ?? null,
  token_endpoint: provider.tokenEndpoint ?? null,
  issuer: provider.issuer ?? null,
  client_id: provider.clientId ?? null,
  client_auth: provider.clientAuth ?? null,
  sealed_secret: provider.sealedSecret ?? null,
  scopes: JSON.stringify(provider.scopes),
  scopes_key: provider.scopesKey,
  flows: provider.flows === undefined ? null : JSON.stringify(provider.flows),
  description: provider.description ?? null,
  redirect_uri: provider.redirectUri ?? null,
  pkce: provider.pkce === undefined ? null : Number(provider.pkce),
  role_arn: provider.roleArn ?? null,
  foreign_attributes: Object.keys(provider.foreign).length === 0 ? null : JSON.stringify(provider.foreign),
  warnings: JSON.stringify(provider.warnings),
  version: provider.version,
  updated_at: provider.updatedAt,
});

/** The statements of this room; each takes the tenant first, and none exists without it. */
export const providersTable = {
  /** Answers false where the name is taken in the vault. */
  insert: async (tx: Handle, tenant: string, provider: Provider): Promise<boolean> => {
    const { id, vault, name, type, createdAt } = provider;
    const row = await tx
      .insertInto("providers")
      .values({ tenant_id: tenant, id, vault, name, type, created_at: createdAt, ...columnsOf(provider) })
      .onConflict((c) => c.columns(["tenant_id", "vault", "name"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  byName: async (db: Handle, tenant: string, vault: string, name: string): Promise<Provider | undefined> => {
    const row = await db
      .selectFrom("providers")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("vault", "=", vault)
      .where("name", "=", name)
      .executeTakeFirst();
    return row && toProvider(row);
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<Provider | undefined> => {
    const row = await db.selectFrom("providers").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toProvider(row);
  },

  /** Oldest first, after `place`. */
  list: async (
    db: Handle,
    tenant: string,
    vault: string,
    place: Place | undefined,
    limit: number,
    type: Provider["type"] | undefined,
  ): Promise<readonly Provider[]> => {
    let query = db.selectFrom("providers").selectAll().where("tenant_id", "=", tenant).where("vault", "=", vault);
    if (type !== undefined) query = query.where("type", "=", type);
    if (place) query = query.where(newerThan(place));
    const rows = await query.orderBy("created_at").orderBy("id").limit(limit).execute();
    return rows.map(toProvider);
  },

  /** Answers false where it has changed since `provider.version - 1`. */
  update: async (tx: Handle, tenant: string, provider: Provider): Promise<boolean> => {
    const row = await tx
      .updateTable("providers")
      .set(columnsOf(provider))
      .where("tenant_id", "=", tenant)
      .where("id", "=", provider.id)
      .where("version", "=", provider.version - 1)
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  /** Answers undefined where there is none. */
  setStatus: async (tx: Handle, tenant: string, id: string, status: Provider["status"], now: number): Promise<Provider | undefined> => {
    const row = await tx
      .updateTable("providers")
      .set((eb) => ({ status, version: eb("version", "+", 1), updated_at: now }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toProvider(row);
  },

  /** Reads a provider's row and keeps others from changing it until the transaction ends. */
  lock: async (tx: Handle, tenant: string, id: string): Promise<Provider | undefined> => {
    const row = await tx
      .updateTable("providers")
      .set((eb) => ({ version: eb.ref("version") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toProvider(row);
  },

  /** Whether any stands in this vault. */
  anyIn: async (db: Handle, tenant: string, vault: string): Promise<boolean> => {
    const inVault = db.selectFrom("providers").select("id").where("tenant_id", "=", tenant).where("vault", "=", vault);
    return (await inVault.limit(1).executeTakeFirst()) !== undefined;
  },

  /** Answers false where there is none. */
  remove: async (tx: Handle, tenant: string, id: string): Promise<boolean> => {
    const row = await tx.deleteFrom("providers").where("tenant_id", "=", tenant).where("id", "=", id).returning("id").executeTakeFirst();
    return row !== undefined;
  },
};
