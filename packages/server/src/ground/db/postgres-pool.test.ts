import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { testDatabaseUrl } from "../../testing/stores.ts";
import { openPostgresPool } from "./postgres-pool.ts";

const url = testDatabaseUrl();

describe.skipIf(url === undefined)(`a pool${url === undefined ? " (postgres: none found)" : ""}`, () => {
  // Without a listener, the event of a connection that breaks between two queries of a transaction ends the whole process.
  test("loses a connection that breaks while it is in use for that use, and for no other", async () => {
    const pool = openPostgresPool(url ?? "", 1);
    const other = new pg.Client({ connectionString: url });
    await other.connect();
    try {
      const held = await pool.connect();
      const { rows } = await held.query<{ pid: number }>("select pg_backend_pid() as pid", []);
      await other.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
      await pause(100);
      await expect(held.query("select 1", [])).rejects.toMatchObject({ code: "unavailable" });
      held.release();
      const next = await pool.connect();
      expect((await next.query<{ one: number }>("select 1 as one", [])).rows).toEqual([{ one: 1 }]);
      next.release();
    } finally {
      await other.end();
      await pool.end();
    }
  });

  test("lets the server keep what it is asked again and again, and never more than a thousand statements", async () => {
    const pool = openPostgresPool(url ?? "", 1);
    try {
      const client = await pool.connect();
      for (let n = 0; n < 1_100; n += 1)
        expect((await client.query<{ sum: number }>(`select $1::int + ${n} as sum`, [1])).rows).toEqual([{ sum: n + 1 }]);
      const { rows } = await client.query("select count(*) as kept from pg_prepared_statements", []);
      expect(rows).toEqual([{ kept: 1_000 }]);
      client.release();
    } finally {
      await pool.end();
    }
  });
});
