import type { Handle, Row } from "../../ground/db/index.ts";

/** What a person consented to once: for this client as it then was, at this resource. */
export interface RememberedConsent {
  readonly client: string;
  readonly clientVersion: string;
  readonly user: string;
  readonly resource: string;
  /** Sorted, no repeats. */
  readonly scopes: readonly string[];
}

const toConsent = (row: Row<"remembered_consents">): RememberedConsent => ({
  client: row.client_id,
  clientVersion: row.client_version,
  user: row.user_id,
  resource: row.resource,
  scopes: JSON.parse(row.scopes) as string[],
});

type Key = Pick<RememberedConsent, "client" | "user" | "resource">;

/** The statements of remembered consents; each takes the tenant first. */
export const rememberedConsentsTable = {
  find: async (db: Handle, tenant: string, { client, user, resource }: Key): Promise<RememberedConsent | undefined> => {
    const row = await db
      .selectFrom("remembered_consents")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("user_id", "=", user)
      .where("client_id", "=", client)
      .where("resource", "=", resource)
      .executeTakeFirst();
    return row && toConsent(row);
  },

  /** Puts it in the place of what was remembered before. */
  put: async (tx: Handle, tenant: string, consent: RememberedConsent, now: number): Promise<void> => {
    const said = { client_version: consent.clientVersion, scopes: JSON.stringify(consent.scopes), updated_at: now };
    await tx
      .insertInto("remembered_consents")
      .values({
        tenant_id: tenant,
        user_id: consent.user,
        client_id: consent.client,
        resource: consent.resource,
        created_at: now,
        ...said,
      })
      .onConflict((conflict) => conflict.columns(["tenant_id", "user_id", "client_id", "resource"]).doUpdateSet(said))
      .execute();
  },

  /** The person, or an operator, took it back. */
  forget: async (tx: Handle, tenant: string, { client, user, resource }: Key): Promise<void> => {
    await tx
      .deleteFrom("remembered_consents")
      .where("tenant_id", "=", tenant)
      .where("user_id", "=", user)
      .where("client_id", "=", client)
      .where("resource", "=", resource)
      .execute();
  },

  forgetUser: async (tx: Handle, tenant: string, user: string): Promise<void> => {
    await tx.deleteFrom("remembered_consents").where("tenant_id", "=", tenant).where("user_id", "=", user).execute();
  },

  forgetClient: async (tx: Handle, tenant: string, client: string): Promise<void> => {
    await tx.deleteFrom("remembered_consents").where("tenant_id", "=", tenant).where("client_id", "=", client).execute();
  },
};
