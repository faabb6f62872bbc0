import { type Db, type Handle, makeGathering } from "../db/index.ts";
import type { Clock, Page, PageAsk, Principal, Random } from "../kernel/index.ts";
import { pageFrom, placeOf } from "../kernel/index.ts";
import { auditTable, type Written } from "./audit-table.ts";
import { type AuditEvent, type AuditFilter, auditEventIds } from "./audit-event.ts";
import { makeRefusals } from "./refusals.ts";
import { makeSearch, type Reach } from "./search.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  /** How much is read for one page of a filtered list; as much as is usual where it is left out. */
  readonly reach?: Reach | undefined;
}

/** What an event is about, beyond who did it. */
export interface About {
  /** The thing acted upon: its id. */
  readonly target?: string | undefined;
  /** The agent and user concerned, where they are not the caller's own. */
  readonly agent?: string | undefined;
  readonly user?: string | undefined;
  readonly outcome?: "done" | "refused";
  /** Facts for whoever asks later. Never a secret, never a token. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export type Audit = ReturnType<typeof makeAudit>;

export const makeAudit = ({ db, clock, random, reach }: Needs) => {
  const newId = auditEventIds(random);
  const search = makeSearch(db, reach);

  const callerId = ({ caller }: Principal) => (caller.kind === "anonymous" ? undefined : caller.id);

  const written = (who: Principal, action: string, about: About): Written => ({
    tenant: who.tenant,
    event: {
      id: newId(),
      at: clock(),
      action,
      outcome: about.outcome ?? "done",
      callerKind: who.caller.kind,
      callerId: callerId(who),
      agent: about.agent ?? who.agent?.id,
      user: about.user ?? who.user?.id,
      target: about.target,
      requestId: who.requestId,
      address: who.address,
      details: { ...who.through, ...about.details },
    },
  });
  const record = (tx: Handle, who: Principal, action: string, about: About = {}): Promise<void> =>
    auditTable.insert(tx, [written(who, action, about)]);
  const note = makeGathering<Written, void>((take) =>
    db.write(async (tx) => {
      // Taken only in the transaction: on PostgreSQL it takes a while until that has begun.
      await auditTable.insert(tx, take());
      return [];
    }),
  );
  const refusals = makeRefusals({
    clock,
    write: async (rows) => {
      const refused = rows.map(({ who, action, about }) => written(who, action, { ...about, outcome: "refused" }));
      await (refused[0] && refused.length === 1 ? note(refused[0]) : db.write((tx) => auditTable.insert(tx, refused)));
    },
  });

  return {
    /** Writes one row in the action's own transaction: both are there, or neither. */
    record,

    /**
     * Writes the row of an action that writes nothing else, and answers when it is on disk: rows of many callers share a transaction.
     * @throws Refusal unavailable when the store cannot be written
     */
    note: (who: Principal, action: string, about: About = {}): Promise<void> => note(written(who, action, about)),

    /**
     * Writes that somebody was turned away, in a transaction of its own. The same again within a minute is only counted, and a later row tells how
     * often (`details.repeated`). Where very many kinds come in a minute, the rest share one row (`details.others`).
     * @throws Refusal unavailable when the store cannot be written
     */
    refused: (who: Principal, action: string, about: Omit<About, "outcome">): Promise<void> => refusals.add({ who, action, about }),

    /** Writes what was only counted. What is noted must be over. */
    close: (): Promise<void> => refusals.close(),

    /**
     * Newest first. Where it is filtered, a page may be short, or empty, though another follows: so much is read for one page and no more.
     * @throws Refusal invalid_request for an unknown cursor
     */
    list: async (tenant: string, filter: AuditFilter, ask: PageAsk): Promise<Page<AuditEvent>> => {
      const { events, stopped } = await search(tenant, filter, placeOf([tenant, "audit_events"], ask.cursor), ask.limit + 1);
      return pageFrom([tenant, "audit_events"], events, ask.limit, (event) => event, stopped);
    },
  };
};
