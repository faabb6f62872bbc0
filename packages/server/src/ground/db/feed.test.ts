import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterEach, expect, test, vi } from "vitest";
import { cuttableWire } from "../../testing/cuttable-wire.ts";
import { onPostgres } from "../../testing/empty-database.ts";
import { eachStore } from "../../testing/stores.ts";
import type { Change } from "./changes.ts";
import { type Db, openDb, type StoreAddress } from "./open.ts";
import type { Handle } from "./tables.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Opens the store and writes down what is heard: `agent/1`, or `anything`. */
const listenTo = async (address: StoreAddress) => {
  const db = await openDb(address);
  closing.push(() => db.close());
  const heard: string[] = [];
  db.changes.subscribe((change: Change | undefined) => {
    heard.push(change ? `${change.kind}/${change.target}` : "anything");
  });
  return { db, heard };
};
const change = (db: Db, target: string) => db.write((tx) => db.changes.announce(tx, "acme", "agent", target));
/** The server tells of the locks of all its databases; other tests have theirs. */
const ofThisDatabase = "database = (select oid from pg_database where datname = current_database())";
const soon = { timeout: 8_000, interval: 20 };

eachStore("the feed of changes", (fresh) => {
  test("is heard in its own process before the write is answered, and not before it is committed", async () => {
    const { db, heard } = await listenTo(await fresh());
    let within: readonly string[] = ["not looked"];
    const done = db.write(async (tx) => {
      await db.changes.announce(tx, "acme", "agent", "1");
      await db.changes.announce(tx, "acme", "user", "2");
      within = [...heard];
    });
    const whenAnswered = done.then(() => [...heard]);
    // The feed may bring them once more.
    expect([...new Set(await whenAnswered)]).toEqual(["agent/1", "user/2"]);
    expect(within).toEqual([]);
  });

  test("says nothing of a transaction that was undone", async () => {
    const { db, heard } = await listenTo(await fresh());
    const undone = db.write(async (tx) => {
      await db.changes.announce(tx, "acme", "agent", "undone");
      throw new Error("no");
    });
    await expect(undone).rejects.toThrow("no");
    await change(db, "done");
    await pause(1_300);
    expect(heard.filter((one) => one.endsWith("undone"))).toEqual([]);
    expect(heard).toContain("agent/done");
  });

  test("takes a change only in the transaction that makes it", async () => {
    const { db } = await listenTo(await fresh());
    await expect((async () => db.changes.announce(db.read, "acme", "agent", "1"))()).rejects.toThrow(/in the transaction that makes it/);
    await expect(db.changes.prune()).resolves.toBeUndefined();
    expect(db.changes.isCurrent()).toBe(true);
  });

  test("keeps the order in which changes were committed, though many are made at once", async () => {
    const { db, heard } = await listenTo(await fresh());
    await Promise.all([...Array(50).keys()].map((n) => change(db, String(n))));
    expect(new Set(heard).size).toBe(50);
  });
});

onPostgres("the feed between replicas", (empty) => {
  const replicas = async () => {
    const url = await empty();
    const wire = await cuttableWire(url);
    closing.push(() => wire.close());
    const here = await listenTo({ engine: "postgres", url: wire.url });
    const there = await listenTo({ engine: "postgres", url });
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    closing.push(() => admin.end());
    return { here, there, wire, admin };
  };

  test("a change made there is heard here at once, woken rather than waited for", async () => {
    const { here, there } = await replicas();
    const began = performance.now();
    for (let n = 0; n < 10; n += 1) {
      await change(there.db, String(n));
      await vi.waitFor(() => expect(here.heard).toContain(`agent/${n}`), soon);
    }
    // Polling alone would take half a second each.
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(here.heard).toEqual([...Array(10).keys()].map((n) => `agent/${n}`));
  });

  test("more changes than one poll reads are all heard, in their order", async () => {
    const { here, there } = await replicas();
    const many = [...Array(2_300).keys()].map(String);
    await there.db.write(async (tx) => {
      for (const target of many) await there.db.changes.announce(tx, "acme", "agent", target);
    });
    await vi.waitFor(() => expect(here.heard).toHaveLength(many.length), soon);
    expect(here.heard).toEqual(many.map((target) => `agent/${target}`));
  });

  test("an older transaction that commits after a younger one began is not skipped", async () => {
    const { here, there, admin } = await replicas();
    // A commit that takes long: long enough for a poll or two between.
    await admin.query("create function linger() returns trigger language plpgsql as 'begin perform pg_sleep(1.5); return new; end'");
    await admin.query(`create constraint trigger linger after insert on changes deferrable initially deferred
      for each row when (new.target = 'older') execute function linger()`);
    const older = change(there.db, "older");
    await vi.waitFor(async () => {
      const { rows } = await admin.query(`select 1 from pg_locks where ${ofThisDatabase} and locktype = 'advisory' and granted`);
      expect(rows).not.toEqual([]);
    }, soon);
    // A younger one that could commit now would be read, and the older one's id would be behind it.
    await change(there.db, "younger");
    const { rows } = await admin.query("select target from changes where target in ('older', 'younger') order by id");
    expect(rows).toEqual([{ target: "older" }, { target: "younger" }]);
    await older;
    await vi.waitFor(() => expect(here.heard).toHaveLength(2), soon);
    expect(here.heard).toEqual(["agent/older", "agent/younger"]);
  });

  test("who announces and then wants a row that another holds, who announces next, waits for nobody who waits", async () => {
    const { there, admin } = await replicas();
    await admin.query("insert into jobs (tenant_id, name, lease_until, done_at) values ('acme', 'row', 0, 0)");
    const takeRow = (tx: Handle) => tx.updateTable("jobs").set({ done_at: 1 }).where("name", "=", "row").execute();
    let runs = 0;
    let announced = false;
    const first = there.db.write(async (tx) => {
      runs += 1;
      await vi.waitFor(
        async () =>
          expect((await admin.query(`select 1 from pg_locks where ${ofThisDatabase} and relation = 'jobs'::regclass`)).rows).not.toEqual(
            [],
          ),
        soon,
      );
      await there.db.changes.announce(tx, "acme", "agent", "first");
      announced = true;
      await takeRow(tx);
    });
    const second = there.db.write(async (tx) => {
      runs += 1;
      await takeRow(tx);
      await vi.waitFor(() => expect(announced).toBe(true), soon);
      await there.db.changes.announce(tx, "acme", "agent", "second");
    });
    await Promise.all([first, second]);
    expect(runs).toBe(2);
  });

  const breakFeeds =
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'legate feed' and datname = current_database()";

  test("a dropped connection is opened anew, and what may have been missed is told", async () => {
    const { here, there, admin } = await replicas();
    for (let round = 0; round < 3; round += 1) {
      expect((await admin.query(breakFeeds)).rows.length).toBeGreaterThan(0);
      await change(there.db, String(round));
      const before = here.heard.length;
      await vi.waitFor(() => expect(here.heard.length).toBeGreaterThan(before), { timeout: 2_000, interval: 20 });
      expect(["anything", `agent/${round}`]).toContain(here.heard.at(-1));
    }
    expect(here.heard).toContain("anything");
  });

  test("a server that took over and counts from further back is heard all the same", async () => {
    const { here, there, admin } = await replicas();
    for (let count = 0; count < 5; count += 1) await change(there.db, `before-${count}`);
    await vi.waitFor(() => expect(here.heard).toContain("agent/before-4"), soon);
    await admin.query("truncate changes restart identity");
    await admin.query(breakFeeds);
    await vi.waitFor(() => expect(here.heard).toContain("anything"), soon);
    await change(there.db, "after");
    await vi.waitFor(() => expect(here.heard).toContain("agent/after"), { timeout: 2_000, interval: 20 });
  });

  for (const [away, how] of [
    ["gone", "cut"],
    ["there but does not answer", "hang"],
  ] as const)
    test(`while the server is ${away} nothing counts as current, and afterwards anything may have changed`, async () => {
      const { here, there, wire } = await replicas();
      await vi.waitFor(() => expect(here.db.changes.isCurrent()).toBe(true), soon);
      const since = performance.now();
      await wire[how]();
      await change(there.db, "unheard");
      await vi.waitFor(() => expect(here.db.changes.isCurrent()).toBe(false), { timeout: 2_100, interval: 10 });
      expect(performance.now() - since).toBeLessThan(2_100);
      await pause(1_500);
      expect(here.db.changes.isCurrent()).toBe(false);
      expect(here.heard).toEqual([]);
      await wire.mend();
      await vi.waitFor(() => expect(here.db.changes.isCurrent()).toBe(true), soon);
      expect(here.heard).toEqual(["anything"]);
    });

  test("what every replica has long heard is pruned, and ids are not given out twice", async () => {
    const { here, there, admin } = await replicas();
    await change(there.db, "1");
    await vi.waitFor(() => expect(here.heard).toEqual(["agent/1"]), soon);
    await admin.query("update changes set at = at - 3 * 3600 * 1000");
    await there.db.changes.prune();
    expect((await admin.query("select * from changes")).rowCount).toBe(0);
    await change(there.db, "2");
    await vi.waitFor(() => expect(here.heard).toEqual(["agent/1", "agent/2"]), soon);
  });
});
