import { setTimeout as sleep } from "node:timers/promises";
import { Kysely, PostgresDialect } from "kysely";
import { makeHearing } from "./changes.ts";
import { asContended, isWorthRetrying } from "./failures.ts";
import { migrate } from "./migrate.ts";
import type { Db } from "./open.ts";
import { openPostgresFeed, publish } from "./postgres-feed.ts";
import { openPostgresPool, whileServing } from "./postgres-pool.ts";
import { gathering } from "./lookup.ts";
import { readingInTurns } from "./reading-turns.ts";
import type { Tables } from "./tables.ts";

const attempts = 4;
/** Milliseconds for connections to be closed in good order. */
const closingPatience = 3_000;

/** Goes on when the work is done, or when it has taken this long. */
const within = async (milliseconds: number, work: Promise<unknown>): Promise<void> => {
  const enough = new AbortController();
  await Promise.race([work, sleep(milliseconds, undefined, { signal: enough.signal, ref: false }).catch(() => undefined)]);
  enough.abort();
};

/** To each of the two pools. They are two so that a transaction never waits for a connection that another transaction's reader holds. */
const connections = 10;

/**
 * Opens a store in PostgreSQL.
 * @param url `postgres://...`
 */
export const openPostgres = async (url: string): Promise<Db> => {
  const pools: ReturnType<typeof openPostgresPool>[] = [];
  const open = () => {
    const pool = openPostgresPool(url, connections, whileServing);
    pools.push(pool);
    return new PostgresDialect({ pool });
  };
  // A migration may take long, and replicas that start meanwhile wait for it.
  const first = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: openPostgresPool(url, 2) }) });
  try {
    await migrate(first, "postgres");
  } finally {
    await first.destroy();
  }
  const db = new Kysely<Tables>({ dialect: open() });
  const read = new Kysely<Tables>({ dialect: readingInTurns(gathering(open())) });
  const hearing = makeHearing();
  const closePools = async () => {
    await db.destroy();
    await read.destroy();
  };
  const changes = await openPostgresFeed(url, read, hearing).catch(async (error: unknown) => {
    await closePools();
    throw error;
  });
  return {
    engine: "postgres",
    read,
    write: async (unit) => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const done = await db.transaction().execute((tx) => hearing.gather(tx, unit, publish));
          for (const change of done.changes) hearing.deliver(change);
          return done.value;
        } catch (error) {
          if (!isWorthRetrying(error)) throw error;
          if (attempt >= attempts) throw asContended(error);
        }
      }
    },
    changes,
    // Its disk is the server's business, which refuses by itself.
    checkWritable: () => undefined,
    waiting: () => pools.reduce((sum, pool) => sum + pool.waiting(), 0),
    // A server that does not answer does not answer a good-bye either.
    close: () => within(closingPatience, changes.close().then(closePools)),
  };
};
