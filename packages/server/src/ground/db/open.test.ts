import { copyFileSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { eachStore } from "../../testing/stores.ts";
import { Refusal } from "../kernel/index.ts";
import { isUniqueViolation } from "./failures.ts";
import { type Db, openDb, StoreInUse } from "./open.ts";
import type { Handle } from "./tables.ts";

const addTenant = (tx: Handle, id: string) =>
  tx.insertInto("tenants").values({ id, status: "active", epoch: 0, created_at: 1_767_225_600_123 }).execute();
const tenants = async (db: Db) => (await db.read.selectFrom("tenants").select("id").orderBy("id").execute()).map(({ id }) => id);

eachStore("the store", (fresh) => {
  test("what write answered is committed, and seen outside", async () => {
    const db = await openDb(await fresh());
    await db.write((tx) => addTenant(tx, "a"));
    expect(await tenants(db)).toEqual(["a"]);
    await db.close();
  });

  test("closed, it is whole in its one file", async () => {
    const address = await fresh();
    const db = await openDb(address);
    await db.write((tx) => addTenant(tx, "a"));
    await db.close();
    if (address.engine === "postgres") return;
    const folder = join(dirname(address.path), "elsewhere");
    mkdirSync(folder);
    const path = join(folder, "legate.db");
    copyFileSync(address.path, path);
    const copy = await openDb({ engine: "sqlite", path });
    expect(await tenants(copy)).toEqual(["a"]);
    await copy.close();
  });

  test("a log that was left behind is in the file, synced, before anything is added to it", async () => {
    const address = await fresh();
    if (address.engine === "postgres") return;
    const db = await openDb(address);
    await db.write((tx) => addTenant(tx, "a"));
    const folder = join(dirname(address.path), "left");
    mkdirSync(folder);
    const path = join(folder, "legate.db");
    // As a kill would leave them: nobody writes.
    for (const end of ["", "-wal"]) copyFileSync(`${address.path}${end}`, `${path}${end}`);
    await db.close();
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
    const again = await openDb({ engine: "sqlite", path });
    expect(statSync(`${path}-wal`).size).toBe(0);
    expect(await tenants(again)).toEqual(["a"]);
    await again.close();
  });

  test("a unit that throws undoes itself and nobody else", async () => {
    const db = await openDb(await fresh());
    const units = [...Array(40).keys()].map((n) =>
      db.write(async (tx) => {
        await addTenant(tx, `t${n}`);
        if (n % 2 === 1) throw new Refusal("invalid_request", `no ${n}`);
        return n;
      }),
    );
    const settled = await Promise.allSettled(units);
    expect(settled.map(({ status }) => status)).toEqual(settled.map((_, n) => (n % 2 === 1 ? "rejected" : "fulfilled")));
    expect(await tenants(db)).toEqual([...Array(20).keys()].map((n) => `t${n * 2}`).toSorted());
    await db.close();
  });

  test("a no that is returned is remembered", async () => {
    const db = await openDb(await fresh());
    const answer = await db.write(async (tx) => {
      await addTenant(tx, "burnt");
      return new Refusal("session_used", "used up");
    });
    expect(answer).toBeInstanceOf(Refusal);
    expect(await tenants(db)).toEqual(["burnt"]);
    await db.close();
  });

  test("times come back as exact numbers", async () => {
    const db = await openDb(await fresh());
    await db.write((tx) => addTenant(tx, "a"));
    expect(await db.read.selectFrom("tenants").select("created_at").execute()).toEqual([{ created_at: 1_767_225_600_123 }]);
    await db.close();
  });

  test("text is compared byte for byte, and a second row with the same key is told apart from other failures", async () => {
    const db = await openDb(await fresh());
    for (const id of ["b", "B", "a", "ä"]) await db.write((tx) => addTenant(tx, id));
    expect(await tenants(db)).toEqual(["B", "a", "b", "ä"]);
    const error: unknown = await db.write((tx) => addTenant(tx, "a")).catch((thrown: unknown) => thrown);
    expect(isUniqueViolation(error)).toBe(true);
    expect(isUniqueViolation(new Error("another"))).toBe(false);
    await db.close();
  });

  test("an existing store opens again with what it holds", async () => {
    const address = await fresh();
    const first = await openDb(address);
    await first.write((tx) => addTenant(tx, "kept"));
    await first.close();
    const second = await openDb(address);
    expect(await tenants(second)).toEqual(["kept"]);
    await second.close();
  });

  test("closing finishes what was accepted", async () => {
    const address = await fresh();
    const db = await openDb(address);
    const accepted = [...Array(50).keys()].map((n) => db.write((tx) => addTenant(tx, `t${String(n).padStart(2, "0")}`)));
    if (db.engine === "sqlite") await db.close();
    await Promise.all(accepted);
    if (db.engine === "postgres") await db.close();
    const again = await openDb(address);
    expect(await tenants(again)).toHaveLength(50);
    await again.close();
  });

  test("readers are not held up by a writer, and see only what is committed", async () => {
    const db = await openDb(await fresh());
    let seen: readonly string[] = ["not read"];
    await db.write(async (tx) => {
      await addTenant(tx, "a");
      seen = await tenants(db);
    });
    expect(seen).toEqual([]);
    await db.close();
  });
});

describe("several processes at once", () => {
  eachStore("starting", (fresh) => {
    test("on PostgreSQL all come up on one schema; on SQLite the second is told so and stops", async () => {
      const address = await fresh();
      const opened = await Promise.allSettled([openDb(address), openDb(address), openDb(address)]);
      const up = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      const down = opened.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
      if (address.engine === "postgres") {
        expect(down).toEqual([]);
        expect(up).toHaveLength(3);
      } else {
        expect(up).toHaveLength(1);
        expect(down.every((reason) => reason instanceof StoreInUse)).toBe(true);
        expect(dirname(address.path)).not.toBe("");
      }
      for (const db of up) await db.close();
    });
  });
});
