import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { cuttableWire } from "../../testing/cuttable-wire.ts";
import { onPostgres } from "../../testing/empty-database.ts";
import { eachStore } from "../../testing/stores.ts";
import { makeCache } from "./cache.ts";
import { type Db, openDb, type StoreAddress } from "./open.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Agent {
  readonly id: string;
  readonly owner: string;
  readonly read: number;
}

/** A cache of agents that hang on themselves and on their owner, and how often it had to read. */
const openCache = async (address: StoreAddress, most = 100, now?: () => number) => {
  const db = await openDb(address);
  closing.push(() => db.close());
  const cached = makeCache<Agent>(
    db.changes,
    most,
    ({ id, owner }) => [
      ["agent", id],
      ["user", owner],
    ],
    now,
  );
  let reads = 0;
  const get = (id: string, owner = "ann") =>
    cached(id, async () => {
      reads += 1;
      const read = reads;
      await db.read.selectFrom("tenants").select("id").execute();
      return { id, owner, read };
    });
  return { db, cached, get, reads: () => reads };
};
/** Announces, and waits until it was heard as often as it will be: on PostgreSQL the feed brings a process its own changes once more. */
const change = async (db: Db, kind: "agent" | "user", target: string) => {
  let heard = 0;
  db.changes.subscribe((one) => {
    if (one?.target === target && one.kind === kind) heard += 1;
  });
  await db.write((tx) => db.changes.announce(tx, "acme", kind, target));
  await vi.waitFor(() => expect(heard).toBe(db.engine === "postgres" ? 2 : 1), { timeout: 3_000, interval: 5 });
};

eachStore("what is remembered", (fresh) => {
  test("is read once, until something it hangs on changes", async () => {
    const { db, get, reads } = await openCache(await fresh());
    await get("a");
    await get("a");
    await get("b", "bob");
    expect(reads()).toBe(2);
    await change(db, "agent", "a");
    expect(await get("a")).toMatchObject({ read: 3 });
    await change(db, "user", "bob");
    expect(await get("b", "bob")).toMatchObject({ read: 4 });
    await change(db, "user", "nobody");
    await change(db, "agent", "bob");
    await get("a");
    await get("b", "bob");
    expect(reads()).toBe(4);
  });

  test("goes whole with whatever many of them hang on", async () => {
    const { db, get, reads } = await openCache(await fresh());
    for (const id of ["a", "b", "c"]) await get(id, "ann");
    await get("d", "dan");
    await change(db, "user", "ann");
    for (const id of ["a", "b", "c"]) await get(id, "ann");
    await get("d", "dan");
    expect(reads()).toBe(7);
  });

  test("is not kept where something changed while it was being read", async () => {
    const { db, cached, get, reads } = await openCache(await fresh());
    // Read before the change, answered after it: what a slow reader brings must not outlive the change.
    const old = await cached("a", async () => {
      const value = { id: "a", owner: "ann", read: -1 };
      await change(db, "agent", "a");
      return value;
    });
    expect(old?.read).toBe(-1);
    expect((await get("a"))?.read).toBe(1);
    expect(reads()).toBe(1);
  });

  test("is not kept where nothing is there: that is asked anew each time", async () => {
    const { cached } = await openCache(await fresh());
    expect(await cached("a", () => Promise.resolve(undefined))).toBeUndefined();
    expect((await cached("a", () => Promise.resolve({ id: "a", owner: "ann", read: 9 })))?.read).toBe(9);
  });

  test("is not kept where reading failed", async () => {
    const { cached, get } = await openCache(await fresh());
    await expect(cached("a", () => Promise.reject(new Error("away")))).rejects.toThrow("away");
    expect((await get("a"))?.read).toBe(1);
  });

  test("is what was read last, never more than twice what was allowed, and the oldest goes first", async () => {
    const { db, get, reads } = await openCache(await fresh(), 3);
    for (const id of ["a", "b", "c", "d", "e", "f"]) await get(id);
    for (const id of ["f", "e", "d", "c"]) await get(id);
    expect(reads()).toBe(6);
    for (const id of ["g", "h", "i", "j"]) await get(id);
    expect(reads()).toBe(10);
    await get("f");
    expect(reads()).toBe(11);
    // What went to make room left no tag behind that could reach another.
    await change(db, "agent", "f");
    for (const id of ["h", "i", "j"]) await get(id);
    expect(reads()).toBe(11);
    await get("f");
    expect(reads()).toBe(12);
  });

  test("stays while it is asked for every two minutes, and goes after that to make room for nobody", async () => {
    let now = 5;
    const { db, get, reads } = await openCache(await fresh(), 100, () => now);
    await get("asked");
    await get("left");
    for (const newcomer of ["a", "b", "c", "d", "e"]) {
      now += 119_999;
      await get(newcomer);
      expect((await get("asked"))?.read).toBe(1);
    }
    expect(reads()).toBe(7);
    expect((await get("left"))?.read).toBe(8);
    // What it hung on is forgotten with it, and not what it hangs on now.
    await change(db, "agent", "asked");
    expect((await get("asked"))?.read).toBe(9);
    expect((await get("left"))?.read).toBe(8);
  });

  test("is forgotten by a change however long ago it was read", async () => {
    const { db, get, reads } = await openCache(await fresh(), 3);
    for (const id of ["a", "b", "c", "d"]) await get(id);
    await change(db, "agent", "a");
    await get("a");
    expect(reads()).toBe(5);
  });
});

onPostgres("what is remembered by one of several replicas", (empty) => {
  test("is not answered once changes cannot be heard, and is read anew when the store is back", async () => {
    const address = { engine: "postgres", url: await empty() } as const;
    const wire = await cuttableWire(address.url);
    closing.push(() => wire.close());
    const { db, cached, get, reads } = await openCache({ engine: "postgres", url: wire.url });
    const there = await openDb(address);
    closing.push(() => there.close());
    await vi.waitFor(() => expect(db.changes.isCurrent()).toBe(true));
    await get("a");
    await wire.cut();
    expect(await get("a")).toMatchObject({ read: 1 });
    await there.write((tx) => there.changes.announce(tx, "acme", "agent", "a"));
    await vi.waitFor(() => expect(db.changes.isCurrent()).toBe(false), { timeout: 2_100, interval: 10 });
    await expect(get("a")).rejects.toMatchObject({ code: "unavailable" });
    expect(reads()).toBe(2);
    // What can be read all the same is not kept: nobody would hear that it changed.
    await cached("b", () => Promise.resolve({ id: "b", owner: "ann", read: -1 }));
    await wire.mend();
    await vi.waitFor(() => expect(db.changes.isCurrent()).toBe(true), { timeout: 5_000, interval: 20 });
    expect(await get("a")).toMatchObject({ read: 3 });
    expect(await get("b")).toMatchObject({ read: 4 });
  });

  test("changed on another replica is forgotten within two seconds, though its notice was lost", async () => {
    const address = { engine: "postgres", url: await empty() } as const;
    const { db, get } = await openCache(address);
    const there = await openDb(address);
    closing.push(() => there.close());
    await vi.waitFor(() => expect(db.changes.isCurrent()).toBe(true));
    await get("a");
    // Written as a replica would, but without NOTIFY.
    await there.write(async (tx) => {
      await tx.insertInto("changes").values({ tenant_id: "acme", kind: "agent", target: "a", at: Date.now() }).execute();
    });
    await pause(2_000);
    expect(await get("a")).toMatchObject({ read: 2 });
  });
});
