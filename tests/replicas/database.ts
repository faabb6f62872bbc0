import { randomBytes } from "node:crypto";
import pg from "pg";
import { describe } from "vitest";
import { testDatabaseUrl } from "../../packages/server/src/testing/stores.ts";

/** An empty database of its own. */
export interface OwnDatabase {
  readonly url: string;
  /** Runs one statement. */
  readonly query: (sql: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;
  readonly drop: () => Promise<void>;
}

const once = async (url: string, sql: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
};

/** Makes an empty database on the tests' PostgreSQL. */
export const ownDatabase = async (): Promise<OwnDatabase> => {
  const server = testDatabaseUrl();
  if (server === undefined) throw new Error("no PostgreSQL");
  const name = `legate_${randomBytes(6).toString("hex")}`;
  const at = new URL(server);
  at.pathname = `/${name}`;
  await once(server, `create database ${name}`);
  return {
    url: at.href,
    query: (sql, values) => once(at.href, sql, values),
    drop: async () => {
      await once(server, `drop database if exists ${name} with (force)`);
    },
  };
};

/** A suite for which there must be a PostgreSQL; without one it is skipped and says so. */
export const onPostgres = (name: string, suite: () => void): void => {
  const found = testDatabaseUrl() !== undefined;
  describe.skipIf(!found)(`${name} (${found ? "postgres" : "postgres: none found"})`, () => {
    suite();
  });
};
