import { expect, test } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { openDb } from "../db/index.ts";
import { beforeAll, blockHash, eventLine, rootOf, sha256 } from "./block.ts";
import { blocksTable } from "./blocks-table.ts";
import { makeSealer, mostEvents } from "./sealer.ts";

const acme = adminOf("acme");
const never = new AbortController().signal;

eachStore("the sealer", (fresh) => {
  const everything = Number.MAX_SAFE_INTEGER;

  test("links each tenant's events, in the order of their time, into a chain of its own", async () => {
    const hand = handClock();
    const { db, audit, clock } = await openGround(await fresh(), hand.clock);
    const sealer = makeSealer({ db, clock });
    expect(await sealer.isNeeded()).toBe(false);
    const noted: Promise<void>[] = [];
    for (let n = 0; n < 1_200; n += 1) {
      noted.push(audit.note(n % 6 === 0 ? adminOf("globex") : acme, "thing.happened", { target: `t-${n}` }));
      hand.forward(1);
    }
    await Promise.all([...noted, audit.note(acme, "thing.happened")]);
    expect(await sealer.isNeeded()).toBe(true);
    await sealer.sealAll(never);
    expect(await sealer.isNeeded()).toBe(false);
    for (const [tenant, counts] of [
      ["acme", [mostEvents, mostEvents, 1]],
      ["globex", [200]],
    ] as const) {
      const blocks = await blocksTable.blocks(db.read, tenant, 1, everything, 100);
      expect(blocks.map(({ count }) => count)).toEqual(counts);
      const places = blocks.flatMap(({ events }) => events?.map(([at, id]) => `${at} ${id}`) ?? []);
      expect(places).toEqual([...places].sort());
      let previous = beforeAll;
      for (const block of blocks) {
        const rows = await blocksTable.events(db.read, tenant, block.events ?? []);
        const events = block.events?.map(([at, id]) => [at, id, sha256(eventLine(tenant, rows.get(id) ?? ({} as never)))] as const) ?? [];
        expect(block.events).toEqual(events);
        expect(block.hash).toBe(blockHash(tenant, previous, { ...block, root: rootOf(events) }));
        previous = block.hash;
      }
    }
    await db.close();
  });

  test("rows that an older transaction commits late are in a later block", async () => {
    const hand = handClock();
    const { db, audit, clock } = await openGround(await fresh(), hand.clock);
    const sealer = makeSealer({ db, clock });
    hand.forward(5_000);
    await audit.note(acme, "thing.young");
    await sealer.sealAll(never);
    hand.set(clock() - 4_000);
    await audit.note(acme, "thing.late");
    await sealer.sealAll(never);
    const blocks = await blocksTable.blocks(db.read, "acme", 1, everything, 10);
    expect(blocks.map(({ count, firstAt }) => [count, firstAt < clock() + 1])).toEqual([
      [1, false],
      [1, true],
    ]);
    await db.close();
  });

  test("many sealers at once make one chain, and no event is sealed twice or left out", async () => {
    const store = await fresh();
    const { db, audit, clock } = await openGround(store);
    await Promise.all([...Array(3_000).keys()].map((n) => audit.note(acme, "thing.happened", { target: `t-${n}` })));
    const other = store.engine === "postgres" ? await openDb(store) : db;
    await Promise.all([db, other, db, other].map((each) => makeSealer({ db: each, clock }).sealAll(never)));
    const blocks = await blocksTable.blocks(db.read, "acme", 1, everything, 100);
    expect(blocks.map(({ number }) => number)).toEqual(blocks.map((_, at) => at + 1));
    const ids = blocks.flatMap(({ events }) => events?.map(([, id]) => id) ?? []);
    expect(ids).toHaveLength(3_000);
    expect(new Set(ids).size).toBe(3_000);
    if (other !== db) await other.close();
    await db.close();
  });

  test("stops between two blocks when it is told to", async () => {
    const { db, audit, clock } = await openGround(await fresh());
    await Promise.all([...Array(1_200)].map(() => audit.note(acme, "thing.happened")));
    const stop = new AbortController();
    const sealer = makeSealer({
      db: {
        ...db,
        write: async (unit) => {
          const done = await db.write(unit);
          stop.abort();
          return done;
        },
      },
      clock,
    });
    await sealer.sealAll(stop.signal);
    expect(await blocksTable.blocks(db.read, "acme", 1, everything, 10)).toHaveLength(1);
    await db.close();
  });
});
