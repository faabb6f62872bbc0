import type { Handle, Row } from "../../ground/db/index.ts";
import { placeHashOf } from "./family.ts";

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

/** The statements of remembered consents; each takes the tenant first but those that sweep. */
export const rememberedConsentsTable = {
  find: async (db: Handle, tenant: string, { user, ...place }: Key): Promise<RememberedConsent | undefined> => {
    const row = await db
      .selectFrom("remembered_consents")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("user_id", "=", user)
      .where("place_hash", "=", placeHashOf(place))
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
        place_hash: placeHashOf(consent),
        created_at: now,
        ...said,
      })
      .onConflict((conflict) => conflict.columns(["tenant_id", "user_id", "place_hash"]).doUpdateSet(said))
      .execute();
  },

  /** The person, or an operator, took it back. */
  forget: async (tx: Handle, tenant: string, { user, ...place }: Key): Promise<void> => {
    await tx
      .deleteFrom("remembered_consents")
      .where("tenant_id", "=", tenant)
      .where("user_id", "=", user)
      .where("place_hash", "=", placeHashOf(place))
      .execute();
  },

  /** It was used: what was said or used last before `since` is young again. */
  touch: async (tx: Handle, tenant: string, { user, ...place }: Key, now: number, since: number): Promise<void> => {
    await tx
      .updateTable("remembered_consents")
      .set({ updated_at: now })
      .where("tenant_id", "=", tenant)
      .where("user_id", "=", user)
      .where("place_hash", "=", placeHashOf(place))
      .where("updated_at", "<=", since)
      .execute();
  },

  /** Forgets `most` of a client's; answers whether there may be more. */
  forgetSomeOf: async (tx: Handle, tenant: string, client: string, most: number): Promise<boolean> => {
    const rows = await tx
      .selectFrom("remembered_consents")
      .select(["user_id", "place_hash"])
      .where("tenant_id", "=", tenant)
      .where("client_id", "=", client)
      .limit(most)
      .execute();
    for (const { user_id, place_hash } of rows)
      await tx
        .deleteFrom("remembered_consents")
        .where("tenant_id", "=", tenant)
        .where("user_id", "=", user_id)
        .where("place_hash", "=", place_hash)
        .execute();
    return rows.length === most;
  },

  anyUnused: async (db: Handle, before: number): Promise<boolean> =>
    (await db.selectFrom("remembered_consents").select("place_hash").where("updated_at", "<", before).limit(1).executeTakeFirst()) !==
    undefined,

  /** Answers how many were looked at, `most` at most. */
  deleteUnused: async (tx: Handle, before: number, most: number): Promise<number> => {
    const rows = await tx
      .selectFrom("remembered_consents")
      .select(["tenant_id", "user_id", "place_hash"])
      .where("updated_at", "<", before)
      .orderBy("updated_at")
      .limit(most)
      .execute();
    for (const { tenant_id, user_id, place_hash } of rows)
      await tx
        .deleteFrom("remembered_consents")
        .where("tenant_id", "=", tenant_id)
        .where("user_id", "=", user_id)
        .where("place_hash", "=", place_hash)
        .where("updated_at", "<", before)
        .execute();
    return rows.length;
  },
};
