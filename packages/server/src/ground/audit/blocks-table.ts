import type { ExpressionBuilder, ExpressionWrapper, SqlBool } from "kysely";
import { type Handle, newerThan, prepared, type Row, type Tables } from "../db/index.ts";
import type { AuditEvent } from "./audit-event.ts";
import { overRows, toEvent } from "./audit-table.ts";
import { type Block, rootOf, type Sealed } from "./block.ts";
import { filtersTable } from "./filters-table.ts";

const toBlock = (row: Row<"audit_blocks">): Block => {
  const events = JSON.parse(row.events) as readonly Sealed[] | string;
  return {
    number: row.number,
    hash: row.hash,
    count: row.count,
    firstAt: row.first_at,
    lastAt: row.last_at,
    sealedAt: row.sealed_at,
    ...(typeof events === "string" ? { events: undefined, root: events } : { events, root: rootOf(events) }),
  };
};

/** The place of an event that is not sealed yet, its hash (empty where there was no chain when it was written), and whom it names. */
export type Waiting = Omit<Row<"audit_unsealed">, "tenant_id">;

/** An event that is not sealed yet; `event` is undefined where somebody took its row away before it could be. */
export interface Unsealed {
  readonly at: number;
  readonly id: string;
  readonly event: AuditEvent | undefined;
}

const keysOf = (tenant: string, keys: readonly { readonly at: number; readonly id: string }[]): (string | number)[] =>
  keys.flatMap(({ at, id }) => [tenant, at, id]);

/** Rows by their keys: each term names the tenant, so that the primary key answers it by itself. */
const oneOf =
  (rows: readonly (readonly (string | number | null)[])[]) =>
  (eb: ExpressionBuilder<Tables, "audit_events" | "audit_unsealed">): ExpressionWrapper<Tables, never, SqlBool> =>
    eb.or(rows.map(([tenant, at, id]) => eb.and({ tenant_id: tenant as string, at: at as number, id: id as string })));

/** Some of what is unsealed within a span of time, by id, for each power of two of ids. */
const deleteUnsealed = new Map(
  Array.from({ length: 10 }, (_, power) => 2 ** power).map((size) => [
    size,
    prepared<{ readonly tenant: string; readonly from: number; readonly to: number } & Readonly<Record<number, string>>, { id: string }>(
      (db, ask) =>
        db
          .deleteFrom("audit_unsealed")
          .where("tenant_id", "=", ask.tenant)
          .where("at", ">=", ask.from)
          .where("at", "<=", ask.to)
          .where(
            "id",
            "in",
            Array.from({ length: size }, (_, n) => ask[n] as string),
          )
          .returning("id"),
    ),
  ]),
);
const deleteEvents = overRows(3, (db, rows) => db.deleteFrom("audit_events").where(oneOf(rows)));
const eventsByKey = overRows<Row<"audit_events">>(3, (db, rows) => db.selectFrom("audit_events").selectAll().where(oneOf(rows)));

type MaybeEvent = Pick<Row<"audit_unsealed">, "at" | "id"> & {
  [C in Exclude<keyof Row<"audit_events">, "at" | "id">]: Row<"audit_events">[C] | null;
};

const unsealed = prepared<{ tenant: string; at: number; id: string; before: number; limit: number }, MaybeEvent>(
  (db, { tenant, at, id, before, limit }) =>
    db
      .selectFrom("audit_unsealed as u")
      .leftJoin("audit_events as e", (join) =>
        join.onRef("e.tenant_id", "=", "u.tenant_id").onRef("e.at", "=", "u.at").onRef("e.id", "=", "u.id"),
      )
      .select(["u.at", "u.id", "e.tenant_id", "e.action", "e.outcome", "e.caller_kind", "e.caller_id", "e.agent_id", "e.user_id"])
      .select(["e.target", "e.request_id", "e.address", "e.details"])
      .where("u.tenant_id", "=", tenant)
      .where("u.at", "<", before)
      .where(newerThan({ at, id }, { at: "u.at", id: "u.id" }))
      .orderBy("u.at")
      .orderBy("u.id")
      .limit(limit),
);

const waiting = prepared<{ tenant: string; limit: number }, Waiting>((db, { tenant, limit }) =>
  db
    .selectFrom("audit_unsealed")
    .select(["at", "id", "hash", "agent_id", "user_id"])
    .where("tenant_id", "=", tenant)
    .orderBy("at")
    .orderBy("id")
    .limit(limit),
);

const insertBlock = prepared<Row<"audit_blocks">>((db, row) =>
  db.insertInto("audit_blocks").values({
    tenant_id: row.tenant_id,
    number: row.number,
    hash: row.hash,
    count: row.count,
    first_at: row.first_at,
    last_at: row.last_at,
    sealed_at: row.sealed_at,
    events: row.events,
  }),
);

const nextTenantIn = async (table: "audit_unsealed" | "audit_blocks", db: Handle, after: string): Promise<string | undefined> =>
  (await db.selectFrom(table).select("tenant_id").where("tenant_id", ">", after).orderBy("tenant_id").limit(1).executeTakeFirst())
    ?.tenant_id;

/** The statements of the chain; each takes the tenant first. */
export const blocksTable = {
  /** Whether anything, of any tenant, waits for its seal. */
  anyUnsealed: async (db: Handle): Promise<boolean> =>
    (await db.selectFrom("audit_unsealed").select("tenant_id").limit(1).executeTakeFirst()) !== undefined,

  /** The next tenant, by name, after the one given that has something unsealed: one at a time, for the rows may be many. */
  nextUnsealedTenant: (db: Handle, after: string): Promise<string | undefined> => nextTenantIn("audit_unsealed", db, after),

  /** The same for tenants that have a block. */
  nextSealedTenant: (db: Handle, after: string): Promise<string | undefined> => nextTenantIn("audit_blocks", db, after),

  /** The moment of the oldest event that waits. */
  firstUnsealed: async (db: Handle, tenant: string): Promise<number | undefined> =>
    (await db.selectFrom("audit_unsealed").select("at").where("tenant_id", "=", tenant).orderBy("at").limit(1).executeTakeFirst())?.at,

  /** What waits to be sealed, oldest first. */
  waiting: (db: Handle, tenant: string, limit: number): Promise<readonly Waiting[]> => waiting(db, { tenant, limit }),

  /** What is not sealed yet with its events, oldest first, after `place` and before a moment. */
  unsealed: async (
    db: Handle,
    tenant: string,
    limit: number,
    place: { readonly at: number; readonly id: string } = { at: -1, id: "" },
    before: number = Number.MAX_SAFE_INTEGER,
  ): Promise<readonly Unsealed[]> => {
    const rows = await unsealed(db, { tenant, ...place, before, limit });
    return rows.map((row) => ({
      at: row.at,
      id: row.id,
      event: row.tenant_id === null ? undefined : toEvent(row as Row<"audit_events">),
    }));
  },

  /** Answers how many of these, given oldest first, were still unsealed. */
  deleteUnsealed: async (tx: Handle, tenant: string, keys: readonly { readonly at: number; readonly id: string }[]): Promise<number> => {
    const [first, last] = [keys[0], keys.at(-1)];
    if (!first || !last) return 0;
    const size = 2 ** Math.ceil(Math.log2(keys.length));
    const run = deleteUnsealed.get(size);
    if (!run) throw new Error(`${keys.length} are too many to delete at once.`);
    // What is left of the size names the last one again.
    const ids = Object.fromEntries(Array.from({ length: size }, (_, n) => [n, (keys[n] ?? last).id]));
    return (await run(tx, { tenant, from: first.at, to: last.at, ...ids })).length;
  },

  head: async (db: Handle, tenant: string): Promise<{ readonly number: number; readonly hash: string } | undefined> =>
    db
      .selectFrom("audit_blocks")
      .select(["number", "hash"])
      .where("tenant_id", "=", tenant)
      .orderBy("number", "desc")
      .limit(1)
      .executeTakeFirst(),

  hashOf: async (db: Handle, tenant: string, number: number): Promise<string | undefined> =>
    (await db.selectFrom("audit_blocks").select("hash").where("tenant_id", "=", tenant).where("number", "=", number).executeTakeFirst())
      ?.hash,

  insertBlock: async (tx: Handle, tenant: string, block: Block): Promise<void> => {
    await insertBlock(tx, {
      tenant_id: tenant,
      number: block.number,
      hash: block.hash,
      count: block.count,
      first_at: block.firstAt,
      last_at: block.lastAt,
      sealed_at: block.sealedAt,
      events: JSON.stringify(block.events),
    });
  },

  /** Blocks from a number on, in order. */
  blocks: async (db: Handle, tenant: string, from: number, to: number, limit: number): Promise<readonly Block[]> => {
    const rows = await db
      .selectFrom("audit_blocks")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("number", ">=", from)
      .where("number", "<=", to)
      .orderBy("number")
      .limit(limit)
      .execute();
    return rows.map(toBlock);
  },

  block: async (db: Handle, tenant: string, number: number): Promise<Block | undefined> => {
    const row = await db
      .selectFrom("audit_blocks")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("number", "=", number)
      .executeTakeFirst();
    return row && toBlock(row);
  },

  /** When blocks end, from a number on, in order. */
  ends: async (
    db: Handle,
    tenant: string,
    from: number,
    limit: number,
  ): Promise<readonly Pick<Row<"audit_blocks">, "number" | "hash" | "last_at">[]> =>
    db
      .selectFrom("audit_blocks")
      .select(["number", "hash", "last_at"])
      .where("tenant_id", "=", tenant)
      .where("number", ">=", from)
      .orderBy("number")
      .limit(limit)
      .execute(),

  /** The first block that holds an event of this moment or later. */
  firstSince: async (db: Handle, tenant: string, from: number): Promise<number | undefined> =>
    (
      await db
        .selectFrom("audit_blocks")
        .select((eb) => eb.fn.min("number").as("number"))
        .where("tenant_id", "=", tenant)
        .where("last_at", ">=", from)
        .executeTakeFirst()
    )?.number ?? undefined,

  /** The last block that holds an event from before this moment. */
  lastBefore: async (db: Handle, tenant: string, to: number): Promise<number | undefined> =>
    (
      await db
        .selectFrom("audit_blocks")
        .select((eb) => eb.fn.max("number").as("number"))
        .where("tenant_id", "=", tenant)
        .where("first_at", "<", to)
        .executeTakeFirst()
    )?.number ?? undefined,

  /** How many events the blocks after one, up to another, hold. */
  countBetween: async (db: Handle, tenant: string, after: number, upTo: number): Promise<number> =>
    Number(
      (
        await db
          .selectFrom("audit_blocks")
          .select((eb) => eb.fn.sum<number | string | null>("count").as("events"))
          .where("tenant_id", "=", tenant)
          .where("number", ">", after)
          .where("number", "<=", upTo)
          .executeTakeFirst()
      )?.events ?? 0,
    ),

  /** The events that these places name, by id; one whose row is gone is absent. */
  events: async (db: Handle, tenant: string, sealed: readonly Sealed[]): Promise<ReadonlyMap<string, AuditEvent>> => {
    const rows = await eventsByKey(
      db,
      sealed.flatMap(([at, id]) => [tenant, at, id]),
    );
    return new Map(rows.map((row) => [row.id, toEvent(row)]));
  },

  /** Takes a block's events away, and what says whom they named, and leaves what the chain needs of it. */
  cut: async (tx: Handle, tenant: string, block: Block): Promise<void> => {
    await filtersTable.remove(tx, tenant, block.number, block.firstAt, block.lastAt);
    await deleteEvents(tx, keysOf(tenant, block.events?.map(([at, id]) => ({ at, id })) ?? []));
    await tx
      .updateTable("audit_blocks")
      .set({ events: JSON.stringify(block.root) })
      .where("tenant_id", "=", tenant)
      .where("number", "=", block.number)
      .execute();
  },
};
