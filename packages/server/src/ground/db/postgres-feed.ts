import { sql } from "kysely";
import pg from "pg";
import { type Change, type ChangeKind, type Changes, type Hearing, hearingParts } from "./changes.ts";
import { asRefusal } from "./failures.ts";
import type { Handle } from "./tables.ts";

/** Held by whoever announces until its transaction ends, so that ids are committed in their order and no reader skips one. */
const announcing = 7_310_557_214;
const channel = "legate_changes";

/** Milliseconds. */
const pollEvery = 1_000;
/** Two seconds is what is promised; what is left of them is for a request that was answered from memory at the last moment to go out. */
const staleAfter = 1_800;
/** For the server to answer the feed's connection; one that does not is replaced. */
const patience = 1_500;
const atOnce = 1_000;
const keptForSeconds = 3_600;

interface ChangeLine {
  readonly id: string;
  readonly tenant_id: string;
  readonly kind: ChangeKind;
  readonly target: string;
}

const toChange = ({ tenant_id, kind, target }: ChangeLine): Change => ({ tenant: tenant_id, kind, target });

/** Writes what a unit announced, last of all: from here to its commit, others who come as far wait. */
export const publish = async (tx: Handle, changes: readonly Change[]): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${announcing})`.execute(tx);
  for (let from = 0; from < changes.length; from += atOnce) {
    const rows = changes
      .slice(from, from + atOnce)
      .map(({ tenant, kind, target }) => sql`(${tenant}, ${kind}, ${target}, (extract(epoch from clock_timestamp()) * 1000)::bigint)`);
    await sql`insert into changes (tenant_id, kind, target, at) values ${sql.join(rows)}`.execute(tx);
  }
  await sql`select pg_notify(${channel}, '')`.execute(tx);
};

/**
 * The feed between replicas: one connection that polls each second and is woken by NOTIFY. When it breaks it is opened anew, and what may have been
 * missed is told as "anything".
 * @throws Refusal unavailable when the server cannot be reached now
 */
export const openPostgresFeed = async (url: string, db: Handle, hearing: Hearing): Promise<Changes & { close(): Promise<void> }> => {
  let client: pg.Client | undefined;
  let last = "0";
  /** When the last poll that succeeded began, by a clock that nobody sets. */
  let heardAt = Number.NEGATIVE_INFINITY;
  let polling: Promise<void> | undefined;
  let woken = false;
  let closed = false;

  const drop = (which: pg.Client): void => {
    if (client === which) client = undefined;
    which.end().catch(() => undefined);
  };

  const connect = async (): Promise<pg.Client> => {
    const fresh = new pg.Client({
      connectionString: url,
      application_name: "legate feed",
      connectionTimeoutMillis: patience,
      query_timeout: patience,
    });
    fresh.on("error", () => drop(fresh));
    fresh.on("notification", () => void poll());
    try {
      await fresh.connect();
      await fresh.query(`listen ${channel}`);
    } catch (error) {
      drop(fresh);
      throw error;
    }
    return fresh;
  };

  /**
   * A new connection may lead to another server than before, one that took over and never had the last changes: what it counts from there is not what
   * was counted here. So nothing goes on where it was: the place is read anew, and anything may have changed.
   */
  const beginAnew = async (at: pg.Client): Promise<void> => {
    const { rows } = await at.query<{ id: string }>("select coalesce(max(id), 0) as id from changes");
    last = rows[0]?.id ?? "0";
    hearing.deliver(undefined);
  };

  const read = async (from: pg.Client): Promise<void> => {
    for (let more = true; more; ) {
      const { rows }: pg.QueryResult<ChangeLine> = await from.query<ChangeLine>(
        `select id, tenant_id, kind, target from changes where id > $1 order by id limit ${atOnce}`,
        [last],
      );
      for (const row of rows) {
        hearing.deliver(toChange(row));
        last = row.id;
      }
      more = rows.length === atOnce;
    }
  };

  const pollOnce = async (): Promise<void> => {
    const began = performance.now();
    const isNew = client === undefined;
    client ??= await connect();
    const from = client;
    try {
      await (isNew ? beginAnew(from) : read(from));
    } catch (error) {
      drop(from);
      throw error;
    }
    if (!isNew && began - heardAt >= staleAfter) hearing.deliver(undefined);
    heardAt = began;
  };

  /** One poll at a time; whoever wakes it meanwhile gets another one after it. */
  const poll = (): Promise<void> => {
    if (closed) return Promise.resolve();
    if (polling) {
      woken = true;
      return polling;
    }
    polling = (async () => {
      do {
        woken = false;
        // A server that is away is asked again at the next tick; until then nothing is answered from memory.
        await pollOnce().catch(() => undefined);
      } while (woken && !closed);
      polling = undefined;
    })();
    return polling;
  };

  await pollOnce().catch((error: unknown) => {
    throw asRefusal(error);
  });
  const ticking = setInterval(() => void poll(), pollEvery);
  ticking.unref();

  return {
    ...hearingParts(hearing),
    isCurrent: () => performance.now() - heardAt < staleAfter,
    prune: async () => {
      await sql`delete from changes where at < ((extract(epoch from clock_timestamp()) - ${keptForSeconds}) * 1000)::bigint`.execute(db);
    },
    close: async () => {
      closed = true;
      clearInterval(ticking);
      await polling;
      await client?.end().catch(() => undefined);
    },
  };
};
