import { sql } from "kysely";
import { afterAll, expect, test } from "vitest";
import { openDb } from "../../packages/server/src/ground/db/index.ts";
import { onPostgres, type OwnDatabase, ownDatabase } from "../replicas/database.ts";

onPostgres("what PostgreSQL acknowledged", () => {
  let database: OwnDatabase;
  afterAll(() => database.drop());

  test("is as durable as its administrator set it: no connection of ours asks for less", async () => {
    database = await ownDatabase();
    const name = new URL(database.url).pathname.slice(1);
    // The tests' own server promises nothing; this database says what one in production says.
    await database.query(`alter database ${name} set synchronous_commit = 'on'`);
    const db = await openDb({ engine: "postgres", url: database.url });
    try {
      const asked = sql<{ synchronous_commit: string }>`show synchronous_commit`;
      expect((await asked.execute(db.read)).rows).toEqual([{ synchronous_commit: "on" }]);
      expect((await db.write((tx) => asked.execute(tx))).rows).toEqual([{ synchronous_commit: "on" }]);
    } finally {
      await db.close();
    }
  });
});
