import type { Audit } from "../../ground/audit/index.ts";
import { type Db, type Handle, makeCache } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, readPage, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import { assertedIssuer, newUserId, type User } from "./user.ts";
import { usersTable } from "./users-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends what is under way for a user who is suspended. */
  readonly onSuspended: (tx: Handle, who: Principal, userId: string) => Promise<void>;
  /** Erases what rooms above hold for a user who is revoked. */
  readonly onRevoked: (tx: Handle, who: Principal, userId: string) => Promise<void>;
}

export type Users = ReturnType<typeof makeUsers>;

/** Users that are remembered at most. */
const remembered = 20_000;

const unknown = () => new Refusal("user_unknown", "There is no such user.");

const revoked = () => new Refusal("user_revoked", "The user is revoked, which is final.");

export const makeUsers = ({ db, audit, clock, random, onSuspended, onRevoked }: Needs) => {
  const cached = makeCache<User>(db.changes, remembered, ({ id }) => [["user", id]]);

  const ensure = async (who: Principal, issuer: string, subject: string, subjectClaim: string | undefined): Promise<User> => {
    const known = await cached(JSON.stringify([who.tenant, issuer, subject]), () =>
      usersTable.bySubject(db.read, who.tenant, issuer, subject),
    );
    if (known) return known;
    return db.write(async (tx) => {
      const proven = subjectClaim !== undefined;
      const fresh: User = { id: newUserId(random), issuer, subject, subjectClaim, proven, status: "active", epoch: 0, createdAt: clock() };
      const made = await usersTable.insertOnce(tx, who.tenant, fresh);
      if (made) await audit.record(tx, who, "user.created", { target: made.id, user: made.id, details: { issuer, proven } });
      const user = made ?? (await usersTable.bySubject(tx, who.tenant, issuer, subject));
      if (!user) throw new Error("A user was there and is gone, though users are never deleted.");
      return user;
    });
  };
  const setStatus = (who: Principal, id: string, status: User["status"], action: string): Promise<User> =>
    db.write(async (tx) => {
      const user = await usersTable.setStatus(tx, who.tenant, id, status);
      if (!user) throw (await usersTable.byId(tx, who.tenant, id)) ? revoked() : unknown();
      if (status === "suspended") await onSuspended(tx, who, id);
      if (status === "revoked") await onRevoked(tx, who, id);
      await audit.record(tx, who, action, { target: id, user: id });
      await db.changes.announce(tx, who.tenant, "user", id);
      return user;
    });

  return {
    /**
     * The user whom a trusted issuer's verified token names; made at first sight.
     * @throws Refusal user_token_invalid where the same text names a user by another claim: they need not be the same person
     */
    proven: async (who: Principal, issuer: string, subject: string, subjectClaim = "sub"): Promise<User> => {
      const user = await ensure(who, issuer, subject, subjectClaim);
      if (user.subjectClaim === subjectClaim) return user;
      throw new Refusal("user_token_invalid", "The user token was refused: its user is known by another claim.", { reason: "subject" });
    },

    /** The user whom this agent merely asserts; made at first sight, and no other agent's user of the same id. */
    asserted: (who: Principal, agentId: string, userId: string): Promise<User> => ensure(who, assertedIssuer(agentId), userId, undefined),

    find: (handle: Handle, tenant: string, issuer: string, subject: string): Promise<User | undefined> =>
      usersTable.bySubject(handle, tenant, issuer, subject),

    findAsserted: (handle: Handle, tenant: string, agentId: string, userId: string): Promise<User | undefined> =>
      usersTable.bySubject(handle, tenant, assertedIssuer(agentId), userId),

    byId: (handle: Handle, tenant: string, id: string): Promise<User | undefined> => usersTable.byId(handle, tenant, id),

    /** The claim that named the users of this issuer, where there are any. */
    claimOf: (handle: Handle, tenant: string, issuer: string): Promise<string | undefined> => usersTable.claimOf(handle, tenant, issuer),

    /** @throws Refusal user_unknown */
    get: async (tenant: string, id: string): Promise<User> => {
      const user = await usersTable.byId(db.read, tenant, id);
      if (!user) throw unknown();
      return user;
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: (tenant: string, ask: PageAsk): Promise<Page<User>> =>
      readPage(
        [tenant, "users"],
        ask,
        (place, most) => usersTable.list(db.read, tenant, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      ),

    /** How many users an issuer's tokens proved, and at most `most` of them. */
    ofIssuer: (tenant: string, issuer: string, most: number) => usersTable.ofIssuer(db.read, tenant, issuer, most),

    /** @throws Refusal user_unknown, user_revoked */
    suspend: (who: Principal, id: string): Promise<User> => setStatus(who, id, "suspended", "user.suspended"),

    /** Tokens from before the suspension stay dead. @throws Refusal user_unknown, user_revoked */
    resume: (who: Principal, id: string): Promise<User> => setStatus(who, id, "active", "user.resumed"),

    /**
     * Final: also a valid token of the user's issuer brings nobody back. The row stays, for else the next token would make the user anew.
     * @throws Refusal user_unknown; user_revoked where they were already
     */
    revoke: (who: Principal, id: string): Promise<User> => setStatus(who, id, "revoked", "user.revoked"),
  };
};
