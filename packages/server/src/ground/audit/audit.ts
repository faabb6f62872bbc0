import type { Db, Handle } from "../db/index.ts";
import type { Clock, Page, PageAsk, Principal, Random } from "../kernel/index.ts";
import { pageFrom, placeOf } from "../kernel/index.ts";
import { auditTable } from "./audit-table.ts";
import { type AuditEvent, type AuditFilter, auditEventIds } from "./audit-event.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
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

export const makeAudit = ({ db, clock, random }: Needs) => {
  const newId = auditEventIds(random);
  return {
    /** Writes one row in the action's own transaction: both are there, or neither. */
    record: (tx: Handle, who: Principal, action: string, about: About = {}): Promise<void> =>
      auditTable.insert(tx, who.tenant, {
        id: newId(),
        at: clock(),
        action,
        outcome: about.outcome ?? "done",
        callerKind: who.caller.kind,
        callerId: who.caller.kind === "anonymous" ? undefined : who.caller.id,
        agent: about.agent ?? who.agent?.id,
        user: about.user ?? who.user?.id,
        target: about.target,
        requestId: who.requestId,
        address: who.address,
        details: about.details ?? {},
      }),

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, filter: AuditFilter, ask: PageAsk): Promise<Page<AuditEvent>> => {
      const rows = await auditTable.list(db.read, tenant, filter, placeOf(ask.cursor), ask.limit + 1);
      return pageFrom(rows, ask.limit, (event) => event);
    },
  };
};
