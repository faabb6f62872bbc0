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

const insert = prepared<Row<"audit_events">>((db, row) =>
  db.insertInto("audit_events").values({
    tenant_id: row.tenant_id,
    id: row.id,
    at: row.at,
    action: row.action,
    outcome: row.outcome,
    caller_kind: row.caller_kind,
    caller_id: row.caller_id,
    agent_id: row.agent_id,
    user_id: row.user_id,
    target: row.target,
    request_id: row.request_id,
    address: row.address,
    details: row.details,
  }),
);

/** The statements of this room; each takes the tenant first, and none exists without it. */
export const auditTable = {
  insert: async (tx: Handle, tenant: string, event: AuditEvent): Promise<void> => {
    await insert(tx, {
      tenant_id: tenant,
      id: event.id,
      at: event.at,
      action: event.action,
      outcome: event.outcome,
      caller_kind: event.callerKind,
      caller_id: event.callerId ?? null,
      agent_id: event.agent ?? null,
      user_id: event.user ?? null,
      target: event.target ?? null,
      request_id: event.requestId,
      address: event.address ?? null,
      details: JSON.stringify(event.details),
    });
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
