import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, describe } from "vitest";
import { testDatabaseUrl } from "./stores.ts";

/** A new database on this server with nothing in it at all, not even a schema of ours. */
export const emptyDatabase = async (server: string): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> => {
  const name = `legate_empty_${randomBytes(6).toString("hex")}`;
  const run = async (text: string) => {
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  };
  await run(`create database ${name}`);
  const at = new URL(server);
  at.pathname = `/${name}`;
  return { url: at.href, drop: () => run(`drop database if exists ${name} with (force)`) };
};

/**
 * Runs a suite that only PostgreSQL can be asked for, where there is one. `empty` answers the URL of a new database without a schema each time it
 * is called; all are deleted when the suite ends.
 */
export const onPostgres = (name: string, suite: (empty: () => Promise<string>) => void): void => {
  const server = testDatabaseUrl();
  if (server === undefined) {
    describe.skip(`${name} (postgres: none found)`, () => {
      suite(() => Promise.reject(new Error("no PostgreSQL")));
    });
    return;
  }
  describe(`${name} (postgres)`, () => {
    const drops: (() => Promise<void>)[] = [];
    afterAll(async () => {
      for (const drop of drops) await drop();
    });
    suite(async () => {
      const { url, drop } = await emptyDatabase(server);
      drops.push(drop);
      return url;
    });
  });
};
