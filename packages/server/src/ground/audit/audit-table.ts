import { type Compilable, type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from "kysely";
import { type Handle, isPostgres, prepared, type Row, type Tables } from "../db/index.ts";
import type { Place } from "../kernel/index.ts";
import type { AuditEvent, AuditFilter } from "./audit-event.ts";
import { eventLine, sha256 } from "./block.ts";

/** What somebody put past Legate into the store, and is no JSON object, must not keep the rest from being read. */
const detailsOf = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Shown as it is, below.
  }
  return { unreadable: text };
};

export const toEvent = (row: Row<"audit_events">): AuditEvent => ({
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
  details: detailsOf(row.details),
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
type Value = string | number | null;

/**
 * A statement over any number of rows, given as one list of values, `width` to a row. It is built once for each size.
 * @param build Gets the values of each row as placeholders
 */
export const overRows = <Answer = never>(
  width: number,
  build: (db: Handle, rows: readonly (readonly Value[])[]) => Compilable<unknown>,
) => {
  const statements = new Map<number, (tx: Handle, ask: readonly Value[]) => Promise<readonly Answer[]>>();
  for (let size = mostRows; size >= 1; size /= 2) {
    statements.set(
      size,
      prepared<readonly Value[], Answer>((db, ask) =>
        build(
          db,
          Array.from({ length: size }, (_, row) => Array.from({ length: width }, (_each, column) => ask[row * width + column] as Value)),
        ),
      ),
    );
  }
  return async (tx: Handle, values: readonly Value[]): Promise<Answer[]> => {
    const answers: Answer[] = [];
    const rows = values.length / width;
    for (let from = 0, size = mostRows; from < rows; from += size) {
      while (size > rows - from) size /= 2;
      const run = statements.get(size);
      if (!run) throw new Error(`${values.length} values are no rows of ${width}.`);
      answers.push(...(await run(tx, values.slice(from * width, (from + size) * width))));
    }
    return answers;
  };
};

const named = ["tenant_id", "id", "at", "action", "outcome", "caller_kind", "caller_id", "agent_id", "user_id"] as const;
const eventColumns = [...named, "target", "request_id", "address", "details"] as const;
const sealColumns = ["tenant_id", "at", "id", "hash", "agent_id", "user_id"] as const;

/** A row of `audit_events`, and the hash of it that `audit_unsealed` has. */
type NewRow = Pick<Row<"audit_events">, (typeof eventColumns)[number]> & { readonly hash: string };

const rowOf = <C extends keyof NewRow>(columns: readonly C[], values: readonly Value[]): Pick<NewRow, C> =>
  Object.fromEntries(columns.map((column, at) => [column, values[at]])) as Pick<NewRow, C>;

const insertEvents = overRows(eventColumns.length, (db, rows) =>
  db.insertInto("audit_events").values(rows.map((values) => rowOf(eventColumns, values))),
);
const insertUnsealed = overRows(sealColumns.length, (db, rows) =>
  db.insertInto("audit_unsealed").values(rows.map((values) => rowOf(sealColumns, values))),
);

/** Both on PostgreSQL, where it is statements that cost, and not their rows: any number of them in one. */
const insertTogether = prepared<{ rows: string }>((db, { rows }) => {
  const typed = [...eventColumns, "hash"].map((column) => sql`${sql.ref(column)} ${sql.raw(column === "at" ? "bigint" : "text")}`);
  return db
    .with("written", () => sql<NewRow>`(select * from json_to_recordset(${rows}::json) as r(${sql.join(typed)}))`)
    .with("waiting", (to) =>
      to
        .insertInto("audit_unsealed")
        .columns(sealColumns)
        .expression((from) => from.selectFrom("written").select(sealColumns)),
    )
    .insertInto("audit_events")
    .columns(eventColumns)
    .expression((from) => from.selectFrom("written").select(eventColumns));
});

/** An event as it will be read: what JSON leaves out of its details is left out of the hash too. */
const asRead = (event: AuditEvent, details: string): AuditEvent =>
  details === "{}" ? { ...event, details: {} } : { ...event, details: detailsOf(details) };

/** A part of the record. */
export interface Span {
  /** Inclusive. */
  readonly from: Place;
  /** Exclusive. */
  readonly before: Place;
}

/** One range of the primary key. */
const within =
  ({ from, before }: Span) =>
  (eb: ExpressionBuilder<Tables, "audit_events">): ExpressionWrapper<Tables, never, SqlBool> => {
    const place = eb.refTuple("at", "id");
    return eb.and([
      // PostgreSQL does not know how few rows lie between two pairs, and would rather read the whole table; between two numbers it does.
      eb("at", ">=", from.at),
      eb("at", "<=", before.at),
      eb(place, ">=", eb.tuple(from.at, from.id)),
      eb(place, "<", eb.tuple(before.at, before.id)),
    ]);
  };

/** The statements of this room; each takes the tenant first, and none exists without it. */
export const auditTable = {
  /**
   * Writes events, of whichever tenants, and that they are not sealed yet, with their hashes: made here, where the event is at hand, so that whoever
   * changes a row in the store before it is sealed changes nothing of what will be sealed. With them goes whom they name, for the block's filter.
   */
  insert: async (tx: Handle, written: readonly Written[]): Promise<void> => {
    const rows = written.map(({ tenant, event }): NewRow => {
      const details = JSON.stringify(event.details);
      return {
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
        details,
        hash: sha256(eventLine(tenant, asRead(event, details))),
      };
    });
    if (isPostgres(tx)) {
      await insertTogether(tx, { rows: JSON.stringify(rows) });
      return;
    }
    const valuesOf = (columns: readonly (keyof NewRow)[]) => rows.flatMap((row) => columns.map((column) => row[column]));
    await insertEvents(tx, valuesOf(eventColumns));
    await insertUnsealed(tx, valuesOf(sealColumns));
  },

  /** Those of a span that match, newest first. It reads the span until there are enough. */
  list: async (
    db: Handle,
    tenant: string,
    { agent, user, action }: Pick<AuditFilter, "agent" | "user" | "action">,
    span: Span,
    limit: number,
  ): Promise<readonly AuditEvent[]> => {
    let query = db.selectFrom("audit_events").selectAll().where("tenant_id", "=", tenant).where(within(span));
    if (agent !== undefined) query = query.where("agent_id", "=", agent);
    if (user !== undefined) query = query.where("user_id", "=", user);
    if (action?.endsWith("*")) {
      const prefix = action.slice(0, -1);
      query = query.where("action", ">=", prefix).where("action", "<", endOf(prefix));
    } else if (action !== undefined) query = query.where("action", "=", action);
    const rows = await query.orderBy("at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(toEvent);
  },

  /** Where the event with this number stands, counted from 1 and from the newest of a span; undefined where there are fewer. */
  placeAt: (db: Handle, tenant: string, span: Span, number: number): Promise<Place | undefined> =>
    db
      .selectFrom("audit_events")
      .select(["at", "id"])
      .where("tenant_id", "=", tenant)
      .where(within(span))
      .orderBy("at", "desc")
      .orderBy("id", "desc")
      .limit(1)
      .offset(number - 1)
      .executeTakeFirst(),
};
