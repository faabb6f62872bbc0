import { type auditEvent as auditEventWire, operations } from "@legate/contract";
import type { z } from "zod";
import type { Audit, AuditEvent, Chain } from "../../ground/audit/index.ts";
import { moment, pageOf } from "./encode.ts";
import { type Serve, Streamed } from "./serve.ts";

const encode = (event: AuditEvent): z.input<typeof auditEventWire> => ({
  id: event.id,
  at: moment(event.at),
  action: event.action,
  outcome: event.outcome,
  caller: { kind: event.callerKind, id: event.callerId },
  agent: event.agent,
  user: event.user,
  target: event.target,
  requestId: event.requestId,
  address: event.address,
  details: { ...event.details },
});

const millisecondsOf = (iso: string | undefined): number | undefined => (iso === undefined ? undefined : Date.parse(iso));

export interface AuditRooms {
  readonly audit: Pick<Audit, "list" | "note">;
  readonly chain: Pick<Chain, "export">;
}

export const serveAuditEvents = (serve: Serve, { audit, chain }: AuditRooms): void => {
  serve(operations.listAuditEvents, async ({ who, query: { agent, user, action, from, to, limit, cursor } }) => {
    const filter = { agent, user, action, from: millisecondsOf(from), to: millisecondsOf(to) };
    return pageOf(await audit.list(who.tenant, filter, { limit, cursor }), encode);
  });

  serve(operations.exportAuditEvents, async ({ who, query: { from, to } }) => {
    await audit.note(who, "audit.exported", { details: { ...(from !== undefined && { from }), ...(to !== undefined && { to }) } });
    return new Streamed(chain.export(who.tenant, { from: millisecondsOf(from), to: millisecondsOf(to) }), `audit-${who.tenant}.jsonl`);
  });
};
