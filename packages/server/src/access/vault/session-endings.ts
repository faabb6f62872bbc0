import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { type Ending, endedRefusal, lapseOf, type Session } from "./session.ts";
import { sessionsTable } from "./sessions-table.ts";
import { visitsTable } from "./visits-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
}

/** What an audit row of a session is about. */
export const aboutSession = ({ id, key }: Session) => ({ target: id, agent: key.agent, user: key.user });

export type Endings = ReturnType<typeof makeEndings>;

/** How sessions end without a token, each ending with its audit row. */
export const makeEndings = ({ db, audit, clock }: Needs) => {
  /** The sessions that this process exchanges right now: they go on, whatever a clock that jumps may say of them. */
  const exchanging = new Set<string>();
  const lapsed = (session: Session): Ending | undefined => (exchanging.has(session.id) ? undefined : lapseOf(session, clock()));

  /** Ends a session that is still in the state it was read in; answers the refusal for whoever brought the end about. */
  const end = async (
    tx: Handle,
    who: Principal,
    session: Session,
    ending: Ending,
    details: Readonly<Record<string, unknown>> = {},
  ): Promise<Refusal> => {
    if (!(await sessionsTable.end(tx, session, ending))) return endedRefusal({ state: "completed", reason: undefined });
    await visitsTable.eraseSecrets(tx, session.key.tenant, session.id);
    await audit.record(tx, who, `authorization.${ending.state}`, {
      ...aboutSession(session),
      ...(ending.state === "failed" && { outcome: "refused" }),
      details: { provider: session.key.provider, binding: session.binding, reason: ending.reason, ...details },
    });
    return endedRefusal(ending);
  };

  return {
    end,

    /** Does the exchange of a session, of which nobody here believes meanwhile that it was interrupted. */
    whileExchanging: async <T>(id: string, exchange: () => Promise<T>): Promise<T> => {
      exchanging.add(id);
      try {
        return await exchange();
      } finally {
        exchanging.delete(id);
      }
    },

    /** Writes down what time has done to a session, and answers the session as it then is. */
    settled: async (who: Principal, session: Session): Promise<Session> => {
      const lapse = lapsed(session);
      if (!lapse) return session;
      await db.write((tx) => end(tx, who, session, lapse));
      return { ...session, ...lapse };
    },

    /** In a transaction: the session as it stands now if it is in `state`, else the refusal. */
    current: async (
      tx: Handle,
      who: Principal,
      id: string,
      state: "pending" | "authorized",
      otherwise: (session: Session) => Refusal = endedRefusal,
    ): Promise<Session | Refusal> => {
      const session = await sessionsTable.byId(tx, who.tenant, id);
      if (!session) return new Refusal("session_unknown", "There is no such authorization session.");
      const lapse = lapsed(session);
      if (lapse) return end(tx, who, session, lapse);
      return session.state === state ? session : otherwise(session);
    },

    /** Remembers that somebody was turned away, and answers the refusal; the session stays as it is. */
    turnedAway: async (who: Principal, session: Session | undefined, reason: string, refusal: Refusal): Promise<Refusal> => {
      await audit.refused(who, "authorization.refused", { ...(session && aboutSession(session)), details: { reason } });
      return refusal;
    },
  };
};
