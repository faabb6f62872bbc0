import { expect, test } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { openDb } from "../db/index.ts";
import { makeReplay } from "./replay.ts";

const minute = 60_000;
const hour = 60 * minute;

eachStore("what may be used once", (fresh) => {
  const open = async () => {
    const hand = handClock();
    const address = await fresh();
    const ground = await openGround(address, hand.clock);
    const replay = makeReplay({ db: ground.db, clock: hand.clock });
    const kept = async () => (await ground.db.read.selectFrom("used_once").select("hash").execute()).length;
    return { ...hand, address, ...ground, replay, kept, soon: () => hand.clock() + minute };
  };

  test("is used once, however often it is tried and however many try at once", async () => {
    const { replay, db, soon } = await open();
    expect(await replay.useNow("acme", "jti", "one", soon())).toBe(true);
    expect(await replay.useNow("acme", "jti", "one", soon())).toBe(false);
    const tried = await Promise.all(Array.from({ length: 64 }, () => replay.useNow("acme", "jti", "two", soon())));
    expect(tried.filter(Boolean)).toHaveLength(1);
    await db.close();
  });

  test("of many that come at once each is used once, in whatever order and with whatever else they come", async () => {
    const { replay, db, soon, kept } = await open();
    await replay.useNow("acme", "jti", "n-0", soon());
    const uses = Array.from({ length: 600 }, (_, at) => `n-${(at * 7) % 200}`);
    const first = await Promise.all(uses.map((id, at) => replay.useNow(at % 2 === 0 ? "acme" : "globex", "jti", id, soon())));
    const won = uses.flatMap((id, at) => (first[at] ? `${at % 2}/${id}` : []));
    expect(new Set(won).size).toBe(won.length);
    expect(won).not.toContain("0/n-0");
    expect(won.length + 1).toBe(await kept());
    expect(await kept()).toBe(new Set(uses.map((id, at) => `${at % 2}/${id}`)).size);
    await db.close();
  });

  test("the same id in another space and in another tenant is another thing", async () => {
    const { replay, db, soon } = await open();
    const uses = [
      ["acme", "jti"],
      ["acme", "nonce"],
      ["globex", "jti"],
      ["globex", "nonce"],
      // No way of writing two of them together makes one of another.
      ["acme", "jti/one"],
      ["acmejti", ""],
    ] as const;
    for (const [tenant, space] of uses) expect(await replay.useNow(tenant, space, "one", soon())).toBe(true);
    for (const [tenant, space] of uses) expect(await replay.useNow(tenant, space, "one", soon())).toBe(false);
    await db.close();
  });

  test("ids of any length and any characters are told apart", async () => {
    const { replay, db, soon } = await open();
    const ids = ["", " ", "a", "A", "a ", "é", "e\u0301", "x".repeat(100_000), `${"x".repeat(100_000)}y`, "one\0two", "one"];
    for (const id of ids) expect(await replay.useNow("acme", "jti", id, soon())).toBe(true);
    for (const id of ids) expect(await replay.useNow("acme", "jti", id, soon())).toBe(false);
    await db.close();
  });

  test("is not used up by an action that is undone, and is by one that happens", async () => {
    const { replay, db, audit, soon, kept } = await open();
    const act = (fail: boolean) =>
      db.write(async (tx) => {
        const first = await replay.use(tx, "acme", "code", "one", soon());
        await audit.record(tx, adminOf("acme"), "code.spent");
        if (fail) throw new Error("the action failed");
        return first;
      });
    await expect(act(true)).rejects.toThrow("the action failed");
    expect(await kept()).toBe(0);
    expect(await act(false)).toBe(true);
    expect(await act(false)).toBe(false);
    await db.close();
  });

  test("two who use it in long actions at once: one does, the other hears that it was used", async () => {
    const { replay, db, soon } = await open();
    const act = () =>
      db.write(async (tx) => {
        const first = await replay.use(tx, "acme", "code", "one", soon());
        // Time for the other to come.
        for (let turn = 0; turn < 20; turn += 1) await tx.selectFrom("used_once").select("hash").execute();
        return first;
      });
    expect((await Promise.all([act(), act(), act()])).filter(Boolean)).toHaveLength(1);
    await db.close();
  });

  test("on two replicas it is used once between them", async () => {
    const { replay, db, address, clock, soon } = await open();
    // SQLite has one process; there the second replica is the first.
    const second = address.engine === "postgres" ? await openDb(address) : db;
    const other = makeReplay({ db: second, clock });
    for (let round = 0; round < 20; round += 1) {
      const ids = Array.from({ length: 10 }, (_, at) => `${round}-${at}`);
      const tried = await Promise.all(ids.flatMap((id) => [replay, other].map((each) => each.useNow("acme", "jti", id, soon()))));
      expect(tried.filter(Boolean)).toHaveLength(10);
    }
    expect(await other.useNow("acme", "jti", "0-0", soon())).toBe(false);
    if (second !== db) await second.close();
    await db.close();
  });

  test("is remembered for an hour beyond its end, so that a clock set back by as much opens nothing", async () => {
    const { replay, db, clock, set, forward, kept } = await open();
    const until = clock() + minute;
    expect(await replay.useNow("acme", "jti", "one", until)).toBe(true);
    set(until + hour);
    await replay.sweep.run(new AbortController().signal);
    expect(await kept()).toBe(1);
    forward(-hour);
    expect(await replay.useNow("acme", "jti", "one", until)).toBe(false);
    set(until + hour + 1);
    expect(await replay.sweep.isNeeded()).toBe(true);
    await replay.sweep.run(new AbortController().signal);
    expect(await kept()).toBe(0);
    expect(await replay.sweep.isNeeded()).toBe(false);
    await db.close();
  });

  test("what is over is forgotten in steps, also when two replicas sweep at once, and nothing else is", async () => {
    const { replay, db, clock, forward, kept } = await open();
    const soon = clock() + minute;
    await db.write(async (tx) => {
      for (let at = 0; at < 1_200; at += 1) await replay.use(tx, "acme", "jti", `over-${at}`, soon);
    });
    await replay.useNow("acme", "jti", "lasting", clock() + 3 * hour);
    forward(2 * hour);
    const stopped = new AbortController();
    stopped.abort();
    await replay.sweep.run(stopped.signal);
    expect(await kept()).toBe(1_201);
    const going = new AbortController();
    await Promise.all([replay.sweep.run(going.signal), makeReplay({ db, clock }).sweep.run(going.signal)]);
    expect(await kept()).toBe(1);
    expect(await replay.useNow("acme", "jti", "lasting", clock() + hour)).toBe(false);
    await db.close();
  });
});
