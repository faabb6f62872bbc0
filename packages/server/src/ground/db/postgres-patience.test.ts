import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterEach, expect, test, vi } from "vitest";
import { cuttableWire } from "../../testing/cuttable-wire.ts";
import { onPostgres } from "../../testing/empty-database.ts";
import { type Db, openDb } from "./open.ts";
import { openPostgresPool } from "./postgres-pool.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const announce = (db: Db, target: string) => db.write((tx) => db.changes.announce(tx, "acme", "agent", target));

onPostgres("a server that does not answer", (empty) => {
  test("fails what waits for it, and its connections are not used again", async () => {
    const url = await empty();
    const wire = await cuttableWire(url);
    closing.push(() => wire.close());
    const pool = openPostgresPool(wire.url, 2, { statement: 400, answer: 500, idle: 500 });
    closing.push(() => pool.end());
    const ask = async () => {
      const client = await pool.connect();
      try {
        return (await client.query<{ pid: number }>("select pg_backend_pid() as pid", [])).rows[0]?.pid;
      } finally {
        client.release();
      }
    };
    const before = await ask();
    wire.hang();
    const began = performance.now();
    await expect(ask()).rejects.toMatchObject({ code: "unavailable" });
    expect(performance.now() - began).toBeLessThan(1_500);
    await wire.mend();
    expect(await ask()).not.toBe(before);
  });

  test("does not keep the store from closing", async () => {
    const wire = await cuttableWire(await empty());
    closing.push(() => wire.close());
    const db = await openDb({ engine: "postgres", url: wire.url });
    await announce(db, "1");
    wire.hang();
    const began = performance.now();
    await db.close();
    expect(performance.now() - began).toBeLessThan(4_000);
  });
});

onPostgres("a replica that freezes in the middle of a change", (empty) => {
  test("holds the others up for seconds only, and its change did not happen", async () => {
    const url = await empty();
    const frozen = await openDb({ engine: "postgres", url });
    const other = await openDb({ engine: "postgres", url });
    closing.push(
      () => frozen.close(),
      () => other.close(),
    );
    const heard: string[] = [];
    other.changes.subscribe((change) => void (change && heard.push(change.target)));
    let holding = false;
    const stuck = frozen.write(async (tx) => {
      await frozen.changes.announce(tx, "acme", "agent", "stuck");
      holding = true;
      await pause(9_000);
      await frozen.changes.announce(tx, "acme", "agent", "too late");
    });
    const ended = stuck.catch((error: unknown) => error);
    await vi.waitFor(() => expect(holding).toBe(true));
    const began = performance.now();
    await announce(other, "other");
    expect(performance.now() - began).toBeLessThan(7_000);
    expect(await ended).toMatchObject({ code: "unavailable" });
    await vi.waitFor(() => expect(heard).toContain("other"));
    expect(heard).not.toContain("stuck");
  });

  test("and one whose statement waits for ever is told so", async () => {
    const url = await empty();
    const db = await openDb({ engine: "postgres", url });
    closing.push(() => db.close());
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    closing.push(() => holder.end());
    await holder.query("begin; lock table tenants in access exclusive mode");
    await expect(db.read.selectFrom("tenants").selectAll().execute()).rejects.toMatchObject({ code: "unavailable" });
    await holder.query("rollback");
    await expect(db.read.selectFrom("tenants").selectAll().execute()).resolves.toEqual([]);
  });
});
