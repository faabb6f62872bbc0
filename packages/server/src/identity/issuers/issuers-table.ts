import { type Handle, held, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Issuer } from "./issuer.ts";

/** An issuer as the store holds it: with the sealed secret, without what follows from settings. */
export type StoredIssuer = Omit<Issuer, "loginCallbackUrl"> & { readonly sealedLoginSecret: string | undefined };

const toIssuer = (row: Row<"issuers">): StoredIssuer => ({
  id: row.id,
  name: row.name,
  issuer: row.issuer,
  discoveryUrl: row.discovery_url,
  audiences: JSON.parse(row.audiences) as string[],
  subjectClaim: row.subject_claim,
  login:
    row.login_client_id === null
      ? undefined
      : {
          clientId: row.login_client_id,
          clientAuth: row.login_client_auth ?? "none",
          scopes: JSON.parse(row.login_scopes ?? "[]") as string[],
        },
  sealedLoginSecret: row.sealed_login_secret ?? undefined,
  description: row.description ?? undefined,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** The columns that a change may touch. */
const changing = (issuer: StoredIssuer) => ({
  issuer: issuer.issuer,
  discovery_url: issuer.discoveryUrl,
  audiences: JSON.stringify(issuer.audiences),
  subject_claim: issuer.subjectClaim,
  login_client_id: issuer.login?.clientId ?? null,
  login_client_auth: issuer.login?.clientAuth ?? null,
  login_scopes: issuer.login ? JSON.stringify(issuer.login.scopes) : null,
  sealed_login_secret: issuer.sealedLoginSecret ?? null,
  description: issuer.description ?? null,
  updated_at: issuer.updatedAt,
});

/** The statements of this room; each takes the tenant first, and none exists without it. */
export const issuersTable = {
  /** Answers false where the name or the issuer is taken. */
  insert: async (tx: Handle, tenant: string, issuer: StoredIssuer): Promise<boolean> => {
    const row = await tx
      .insertInto("issuers")
      .values({
        tenant_id: tenant,
        id: issuer.id,
        name: issuer.name,
        created_at: issuer.createdAt,
        ...changing(issuer),
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<StoredIssuer | undefined> => {
    const row = await db.selectFrom("issuers").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toIssuer(row);
  },

  byName: async (db: Handle, tenant: string, name: string): Promise<StoredIssuer | undefined> => {
    const row = await db.selectFrom("issuers").selectAll().where("tenant_id", "=", tenant).where("name", "=", name).executeTakeFirst();
    return row && toIssuer(row);
  },

  /** The id of an issuer that nobody changes or removes until the transaction ends. */
  hold: async (tx: Handle, tenant: string, by: "id" | "name", value: string): Promise<string | undefined> => {
    const one = tx.selectFrom("issuers").select("id").where("tenant_id", "=", tenant).where(by, "=", value);
    return (await held(tx, one).executeTakeFirst())?.id;
  },

  byIss: async (db: Handle, tenant: string, iss: string): Promise<StoredIssuer | undefined> => {
    const row = await db.selectFrom("issuers").selectAll().where("tenant_id", "=", tenant).where("issuer", "=", iss).executeTakeFirst();
    return row && toIssuer(row);
  },

  withLogin: async (db: Handle, tenant: string, most: number): Promise<readonly StoredIssuer[]> => {
    const rows = await db
      .selectFrom("issuers")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("login_client_id", "is not", null)
      .orderBy("name")
      .limit(most)
      .execute();
    return rows.map(toIssuer);
  },

  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly StoredIssuer[]> => {
    let query = db.selectFrom("issuers").selectAll().where("tenant_id", "=", tenant);
    if (place) query = query.where(olderThan(place));
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toIssuer);
  },

  update: async (tx: Handle, tenant: string, issuer: StoredIssuer): Promise<void> => {
    await tx.updateTable("issuers").set(changing(issuer)).where("tenant_id", "=", tenant).where("id", "=", issuer.id).execute();
  },

  /** Reads an issuer's row and keeps others from changing it until the transaction ends. */
  lock: async (tx: Handle, tenant: string, id: string): Promise<StoredIssuer | undefined> => {
    const row = await tx
      .updateTable("issuers")
      .set((eb) => ({ updated_at: eb.ref("updated_at") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toIssuer(row);
  },

  /** Answers false where there is none. */
  delete: async (tx: Handle, tenant: string, id: string): Promise<boolean> => {
    const row = await tx.deleteFrom("issuers").where("tenant_id", "=", tenant).where("id", "=", id).returning("id").executeTakeFirst();
    return row !== undefined;
  },
};
