import type { PostgresPool, PostgresPoolClient } from "kysely";
import pg from "pg";
import { asRefusal, isUnanswered } from "./failures.ts";

const int8 = 20;

/** Integers as exact numbers; one that is too large is a fault, never a rounded value. */
const exactNumber = (text: string): number => {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError("PostgreSQL: a stored integer is too large for a number");
  return number;
};

/** How long things may take, in milliseconds. */
export interface Patience {
  /** For one statement, lock waits included, by the server's own clock. */
  readonly statement: number;
  /** For the server to answer one statement at all: one that does not is taken for gone, and its connection is closed. */
  readonly answer: number;
  /** Between two statements of a transaction: a process that froze in the middle of one must not hold its locks against all others. */
  readonly idle: number;
}

/** What requests are served with; a unit of work awaits nothing but its own statements. */
export const whileServing: Patience = { statement: 8_000, answer: 10_000, idle: 5_000 };

/** What has a name stays prepared in the server's memory, on each connection, as long as that lives. The statements that there are stay far below. */
const statementsNamed = 1_000;

/**
 * A pool whose connections prepare each statement once, by its text, and whose failures to reach the server are `unavailable`.
 * @param url `postgres://...`
 * @param patience without it, everything may take as long as it takes: for migrations
 */
export const openPostgresPool = (url: string, connections: number, patience?: Patience): PostgresPool & { waiting(): number } => {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 30_000,
    application_name: "legate",
    // A network that drops packets breaks no connection by itself.
    keepAlive: true,
    ...(patience && {
      statement_timeout: patience.statement,
      query_timeout: patience.answer,
      idle_in_transaction_session_timeout: patience.idle,
    }),
    types: {
      getTypeParser: ((oid: number, format?: "text" | "binary") =>
        oid === int8 && format !== "binary" ? exactNumber : pg.types.getTypeParser(oid, format as "text")) as typeof pg.types.getTypeParser,
    },
  });
  // An idle connection that breaks is replaced at the next query; without a listener the process would end.
  pool.on("error", () => undefined);
  // One that breaks while it is in use may say so between two queries, to nobody; the pool drops it when it comes back.
  pool.on("connect", (client) => client.on("error", () => undefined));

  const names = new Map<string, string>();
  const nameOf = (sql: string): string | undefined => {
    const known = names.get(sql);
    if (known !== undefined || names.size >= statementsNamed) return known;
    const name = `s${names.size}`;
    names.set(sql, name);
    return name;
  };

  const prepared = (client: pg.PoolClient): PostgresPoolClient => {
    /** A statement that was not answered is still under way: nothing more can be said on its connection, not even `rollback`. */
    let unanswered: unknown;
    return {
      query: (async (sql: string, parameters: readonly unknown[]) => {
        if (unanswered !== undefined) throw unanswered;
        try {
          return await client.query({ name: parameters.length > 0 ? nameOf(sql) : undefined, text: sql, values: [...parameters] });
        } catch (error) {
          const refusal = asRefusal(error);
          if (isUnanswered(error)) unanswered = refusal;
          throw refusal;
        }
      }) as unknown as PostgresPoolClient["query"],
      release: () => client.release(unanswered !== undefined),
    };
  };

  return {
    connect: () =>
      pool.connect().then(prepared, (error: unknown) => {
        throw asRefusal(error);
      }),
    end: () => pool.end(),
    /** How many wait for a connection. */
    waiting: () => pool.waitingCount,
  };
};
