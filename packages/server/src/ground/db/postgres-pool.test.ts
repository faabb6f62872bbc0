import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { expect, test } from "vitest";
import { testDatabaseUrl } from "../../testing/stores.ts";
import { openPostgresPool } from "./postgres-pool.ts";

const url = testDatabaseUrl();

// Without a listener, the event of a connection that breaks between two queries of a transaction ends the whole process.
test.skipIf(url === undefined)("a connection that breaks while it is in use fails that use, and no other", async () => {
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
