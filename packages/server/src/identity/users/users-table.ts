import { type Handle, lookup, olderThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { User } from "./user.ts";

const toUser = (row: Row<"users">): User => ({
  id: row.id,
  issuer: row.issuer,
  subject: row.subject,
  subjectClaim: row.subject_claim ?? undefined,
  proven: row.proven === 1,
  status: row.status,
  epoch: row.epoch,
  createdAt: row.created_at,
});

const bySubject = lookup<{ tenant: string; issuer: string; subject: string }, Row<"users">>((db, { tenant, issuer, subject }) =>
  db.selectFrom("users").selectAll().where("tenant_id", "=", tenant).where("issuer", "=", issuer).where("subject", "=", subject).limit(1),
);

/** The statements of this room; each takes the tenant first, and none exists without it. */
export const usersTable = {
  /** Answers undefined where the user is already there. */
  insertOnce: async (tx: Handle, tenant: string, user: User): Promise<User | undefined> => {
    const row = await tx
      .insertInto("users")
      .values({
        tenant_id: tenant,
        id: user.id,
        issuer: user.issuer,
        subject: user.subject,
        subject_claim: user.subjectClaim ?? null,
        proven: user.proven ? 1 : 0,
        status: user.status,
        epoch: user.epoch,
        created_at: user.createdAt,
      })
      .onConflict((c) => c.columns(["tenant_id", "issuer", "subject"]).doNothing())
      .returningAll()
      .executeTakeFirst();
    return row && toUser(row);
  },
  bySubject: async (db: Handle, tenant: string, issuer: string, subject: string): Promise<User | undefined> => {
    const row = await bySubject(db, { tenant, issuer, subject });
    return row && toUser(row);
  },
  byId: async (db: Handle, tenant: string, id: string): Promise<User | undefined> => {
    const row = await db.selectFrom("users").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toUser(row);
  },
  /** The claim that named the users of an issuer, where there are any. */
  claimOf: async (db: Handle, tenant: string, issuer: string): Promise<string | undefined> => {
    const row = await db
      .selectFrom("users")
      .select("subject_claim")
      .where("tenant_id", "=", tenant)
      .where("issuer", "=", issuer)
      .limit(1)
      .executeTakeFirst();
    return row?.subject_claim ?? undefined;
  },
  /** How many users an issuer's tokens proved, and some of them. */
  ofIssuer: async (db: Handle, tenant: string, issuer: string, most: number) => {
    const all = db.selectFrom("users").where("tenant_id", "=", tenant).where("issuer", "=", issuer);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    return { count: Number(count), some: await all.select(["id", "subject"]).limit(most).execute() };
  },
  /** Newest first, after `place`. */
  list: async (db: Handle, tenant: string, place: Place | undefined, limit: number): Promise<readonly User[]> => {
    let query = db.selectFrom("users").selectAll().where("tenant_id", "=", tenant);
    if (place) query = query.where(olderThan(place));
    const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toUser);
  },
  /** Raises the epoch, so that what names the user dies. A revoked user stays as they are and answers undefined. */
  setStatus: async (tx: Handle, tenant: string, id: string, status: User["status"]): Promise<User | undefined> => {
    const row = await tx
      .updateTable("users")
      .set((eb) => ({ status, epoch: eb("epoch", "+", 1) }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("status", "!=", "revoked")
      .returningAll()
      .executeTakeFirst();
    return row && toUser(row);
  },
};
