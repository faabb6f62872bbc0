import { Kysely, sql } from "kysely";
import { afterAll, expect, test } from "vitest";
import { readingInTurns } from "./reading-turns.ts";
import { openSqliteConnection, type SqliteConnection } from "./sqlite-connection.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";
import type { Tables } from "./tables.ts";

const connection = openSqliteConnection(":memory:");
afterAll(() => connection.close());
const ran: string[] = [];
const recorded: SqliteConnection = {
  ...connection,
  run: (text, parameters) => {
    ran.push(text);
    return connection.run(text, parameters);
  },
};

test("reads that one turn asks for begin together at its end; the next turn's are the next's", async () => {
  const db = new Kysely<Tables>({ dialect: readingInTurns(sqliteDialect(recorded)) });
  const read = async (name: string) => (await sql<{ name: string }>`select ${sql.lit(name)} as name`.execute(db)).rows[0]?.name;
  // The first time, the connection is made ready.
  await read("ready");
  ran.length = 0;
  const first = read("a");
  const second = Promise.resolve().then(() => read("b"));
  const third = first.then(() => read("c"));
  for (let step = 0; step < 50; step += 1) await Promise.resolve();
  expect(ran).toEqual([]);
  await new Promise(setImmediate);
  expect(ran).toEqual(["select 'a' as name", "select 'b' as name"]);
  expect(await Promise.all([first, second, third])).toEqual(["a", "b", "c"]);
  await expect(sql`select no_such`.execute(db)).rejects.toThrow(/no such column/);
});
