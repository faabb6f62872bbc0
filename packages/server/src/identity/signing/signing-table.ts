import { type Handle, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";

export type KeyRow = Row<"signing_keys">;

const of = (db: Handle, tenant: string) => db.selectFrom("signing_keys").selectAll().where("tenant_id", "=", tenant);

/** The statements of this room; each takes the tenant first but those that look after the keys of all tenants. */
export const signingTable = {
  /** Those in the key set, the one that signs first before the one that signs next. One whose private half is gone is never in it again. */
  live: (db: Handle, tenant: string, now: number): Promise<KeyRow[]> =>
    of(db, tenant)
      .where("expires_at", ">", now)
      .where("revoked_at", "is", null)
      .where("sealed_private_jwk", "!=", "")
      .orderBy("signs_from")
      .orderBy("id")
      .execute(),

  /** Lets one transaction at a time decide on a tenant's keys: it holds the tenant's row. */
  lock: async (tx: Handle, tenant: string): Promise<void> => {
    await tx
      .updateTable("tenants")
      .set((eb) => ({ epoch: eb.ref("epoch") }))
      .where("id", "=", tenant)
      .execute();
  },

  byId: (db: Handle, tenant: string, id: string): Promise<KeyRow | undefined> => of(db, tenant).where("id", "=", id).executeTakeFirst(),

  /** Newest first, after `place`. */
  list: (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<KeyRow[]> => {
    let query = of(db, tenant);
    if (place) query = query.where(olderThan(place));
    return query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
  },

  all: (db: Handle, tenant: string): Promise<KeyRow[]> => of(db, tenant).orderBy("created_at").orderBy("id").execute(),

  insert: async (tx: Handle, tenant: string, key: Omit<KeyRow, "tenant_id" | "revoked_at">): Promise<void> => {
    await tx
      .insertInto("signing_keys")
      .values({ ...key, tenant_id: tenant })
      .execute();
  },

  setTimes: async (tx: Handle, tenant: string, id: string, times: { readonly signs_from?: number; readonly expires_at?: number }) => {
    await tx.updateTable("signing_keys").set(times).where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },

  /** Those that signed before `signsFrom`, all of them, leave the key set at `at`, if they would not sooner. */
  expireFormer: async (tx: Handle, tenant: string, signsFrom: number, at: number): Promise<void> => {
    await tx
      .updateTable("signing_keys")
      .set({ expires_at: at })
      .where("tenant_id", "=", tenant)
      .where("signs_from", "<", signsFrom)
      .where("expires_at", ">", at)
      .execute();
  },

  /** Answers false where it was revoked before. */
  revoke: async (tx: Handle, tenant: string, id: string, now: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("signing_keys")
      .set({ revoked_at: now, sealed_private_jwk: "" })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("revoked_at", "is", null)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** Every key of every tenant leaves its key set and never signs again. Answers those that could have. */
  retireAll: async (tx: Handle, now: number): Promise<readonly { readonly tenant_id: string; readonly id: string }[]> => {
    await tx.updateTable("signing_keys").set({ expires_at: now }).where("expires_at", ">", now).execute();
    return tx
      .updateTable("signing_keys")
      .set({ sealed_private_jwk: "" })
      .where("sealed_private_jwk", "!=", "")
      .returning(["tenant_id", "id"])
      .execute();
  },

  /** At most `most` of all tenants whose private half nobody can need. */
  erasable: (db: Handle, before: number, most: number): Promise<{ tenant_id: string; id: string }[]> =>
    db
      .selectFrom("signing_keys")
      .select(["tenant_id", "id"])
      .where("expires_at", "<", before)
      .where("sealed_private_jwk", "!=", "")
      .limit(most)
      .execute(),

  erase: async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await tx.updateTable("signing_keys").set({ sealed_private_jwk: "" }).where("tenant_id", "=", tenant).where("id", "=", id).execute();
  },
};
