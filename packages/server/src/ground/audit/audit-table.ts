import type { Compilable } from "kysely";
import { type Handle, prepared, type Row } from "../db/index.ts";
import type { Place } from "../kernel/index.ts";
import type { AuditEvent, AuditFilter } from "./audit-event.ts";

const toEvent = (row: Row<"audit_events">): AuditEvent => ({
  id: row.id,
  at: row.at,
  action: row.action,
  outcome: row.outcome,
  callerKind: row.caller_kind,
  callerId: row.caller_id ?? undefined,
  agent: row.agent_id ?? undefined,
  user: row.user_id ?? undefined,
  target: row.target ?? undefined,
  requestId: row.request_id,
  address: row.address ?? undefined,
  details: JSON.parse(row.details) as Record<string, unknown>,
});

/** What sorts after every text that begins with `prefix`. */
const endOf = (prefix: string) => `${prefix}\u{10FFFF}`;

/** An event and whose it is. */
export interface Written {
  readonly tenant: string;
  readonly event: AuditEvent;
}

/** How many rows one statement takes at most. Each smaller power of two has a statement too, so that any number takes few of them. */
const mostRows = 64;
type Values = readonly (string | number | null)[];

/** A statement for each power of two of rows, which are given as one list of values. */
const bySize = (
  build: (db: Handle, ask: Values, rows: number) => Compilable,
): ReadonlyMap<number, (tx: Handle, ask: Values) => Promise<unknown>> => {
  const statements = new Map<number, (tx: Handle, ask: Values) => Promise<unknown>>();
  for (let rows = mostRows; rows >= 1; rows /= 2)
    statements.set(
      rows,
      prepared<Values>((db, ask) => build(db, ask, rows)),
    );
  return statements;
};

const eventWidth = 13;
const insertEvents = bySize((db, ask, rows) =>
  db.insertInto("audit_events").values(
    Array.from({ length: rows }, (_, row) => {
      const at = row * eventWidth;
      return {
        tenant_id: ask[at] as string,
        id: ask[at + 1] as string,
        at: ask[at + 2] as number,
        action: ask[at + 3] as string,
        outcome: ask[at + 4] as "done" | "refused",
        caller_kind: ask[at + 5] as string,
        caller_id: ask[at + 6] as string | null,
        agent_id: ask[at + 7] as string | null,
        user_id: ask[at + 8] as string | null,
        target: ask[at + 9] as string | null,
        request_id: ask[at + 10] as string,
        address: ask[at + 11] as string | null,
        details: ask[at + 12] as string,
      };
    }),
  ),
);
const valuesOf = ({ tenant, event }: Written, into: (string | number | null)[]): void => {
  into.push(tenant, event.id, event.at, event.action, event.outcome, event.callerKind, event.callerId ?? null, event.agent ?? null);
  into.push(event.user ?? null, event.target ?? null, event.requestId, event.address ?? null, JSON.stringify(event.details));
};

const insertUnsealed = bySize((db, ask, rows) =>
  db.insertInto("audit_unsealed").values(
    Array.from({ length: rows }, (_, row) => ({
      tenant_id: ask[row * 3] as string,
      at: ask[row * 3 + 1] as number,
      id: ask[row * 3 + 2] as string,
    })),
  ),
);

/** The statements of this room; each takes the tenant first, and none exists without it. */
export const auditTable = {
  /** Writes events, of whichever tenants, and that they are not sealed yet: in as few statements as there are. */
  insert: async (tx: Handle, written: readonly Written[]): Promise<void> => {
    for (let from = 0, rows = mostRows; from < written.length; from += rows) {
      while (rows > written.length - from) rows /= 2;
      const events: (string | number | null)[] = [];
      const unsealed: (string | number | null)[] = [];
      for (let at = from; at < from + rows; at += 1) {
        const each = written[at] as Written;
        valuesOf(each, events);
        unsealed.push(each.tenant, each.event.at, each.event.id);
      }
      await insertEvents.get(rows)?.(tx, events);
      await insertUnsealed.get(rows)?.(tx, unsealed);
    }
  },

  /** Newest first, after `place`. */
  list: async (
    db: Handle,
    tenant: string,
    filter: AuditFilter,
    place: Place | undefined,
    limit: number,
  ): Promise<readonly AuditEvent[]> => {
    let query = db.selectFrom("audit_events").selectAll().where("tenant_id", "=", tenant);
    if (filter.agent !== undefined) query = query.where("agent_id", "=", filter.agent);
    if (filter.user !== undefined) query = query.where("user_id", "=", filter.user);
    if (filter.action?.endsWith("*")) {
      const prefix = filter.action.slice(0, -1);
      query = query.where("action", ">=", prefix).where("action", "<", endOf(prefix));
    } else if (filter.action !== undefined) query = query.where("action", "=", filter.action);
    if (filter.from !== undefined) query = query.where("at", ">=", filter.from);
    if (filter.to !== undefined) query = query.where("at", "<", filter.to);
    if (place) query = query.where((eb) => eb.or([eb("at", "<", place.at), eb.and([eb("at", "=", place.at), eb("id", "<", place.id)])]));
    const rows = await query.orderBy("at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toEvent);
  },
};
