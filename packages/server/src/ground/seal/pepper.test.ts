import { expect, test } from "vitest";
import { collectGarbage } from "../../testing/collect-garbage.ts";
import { meeting } from "../../testing/lock-waits.ts";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { makePeppers, openPepper } from "./index.ts";

// Seen to fail, each break by itself: a pepper that nobody holds while something is hashed with it to be stored; one removed by who does not wait.

const hour = 60 * 60_000;

eachStore("a pepper", (fresh) => {
  const retiring = async (address: Awaited<ReturnType<typeof fresh>>, clock: () => number) => {
    const ground = await openGround(address, clock);
    const peppers = makePeppers({
      ...ground,
      tables: ["operators"],
      installation: "default",
      record: ground.audit.record,
      tell: () => undefined,
    });
    return { ...ground, peppers, retire: () => peppers.job.run(new AbortController().signal) };
  };
  const operator = (id: string, { hash, pepperId }: { readonly hash: string; readonly pepperId: string }) => ({
    tenant_id: "default",
    id,
    name: id,
    role: "auditor" as const,
    key_hash: hash,
    pepper_id: pepperId,
    created_at: 0,
  });

  test("with which something is hashed to be stored stays until that is stored, though it was about to be removed", async () => {
    const address = await fresh();
    if (address.engine === "sqlite") return;
    const [late, early] = [handClock(), handClock()];
    // Its clock is behind, so it still hashes with what others are about to remove.
    const behind = await openGround(address, late.clock);
    const here = await retiring(address, early.clock);
    const [first] = (await here.peppers.list({ limit: 1 })).items;
    expect(behind.pepper.hash("x").pepperId).toBe(first?.id);
    await here.peppers.rotate(adminOf("default"));
    early.forward(hour);
    await here.retire();
    early.forward(2 * hour);

    await meeting(
      { db: behind.db, address },
      {
        lock: (tx) => behind.pepper.hashToStore(tx, "the key"),
        write: (tx, made) => tx.insertInto("operators").values(operator("late", made)).execute(),
      },
      here.retire,
    );
    expect((await here.peppers.list({ limit: 5 })).items).toMatchObject([{}, { id: first?.id, keys: { operators: 1 } }]);
    for (const each of [behind, here]) await each.db.close();
  });

  test("that is gone is used by nobody to hash what is stored, whatever they remember", async () => {
    const address = await fresh();
    const hand = handClock();
    const { db, pepper, peppers, retire } = await retiring(address, hand.clock);
    const [first] = (await peppers.list({ limit: 1 })).items;
    const remembered = pepper.hash("the key");
    expect(remembered.pepperId).toBe(first?.id);
    expect(await db.write((tx) => pepper.hashToStore(tx, "the key"))).toEqual(remembered);
    const { id } = await peppers.rotate(adminOf("default"));
    expect(await db.write((tx) => pepper.hashToStore(tx, "the key"))).toEqual(remembered);
    hand.forward(hour);
    expect((await db.write((tx) => pepper.hashToStore(tx, "the key"))).pepperId).toBe(id);
    await retire();
    hand.forward(2 * hour);
    await retire();
    expect((await peppers.list({ limit: 5 })).items).toHaveLength(1);
    expect((await db.write((tx) => pepper.hashToStore(tx, "the key"))).pepperId).toBe(id);
    await db.close();
  });

  test("that is gone is forgotten by every process", async () => {
    const hand = handClock();
    const { db, kek, clock, random, peppers, retire } = await retiring(await fresh(), hand.clock);
    const opened: WeakRef<Buffer>[] = [];
    const watching = {
      ...kek,
      unwrap: (...given: Parameters<typeof kek.unwrap>) => {
        const key = kek.unwrap(...given);
        opened.push(new WeakRef(key));
        return key;
      },
    };
    const pepper = await openPepper({ db, kek: watching, clock, random });
    await peppers.rotate(adminOf("default"));
    await expect.poll(() => pepper.candidates("x").length).toBe(2);
    hand.forward(hour);
    await retire();
    hand.forward(2 * hour);
    await retire();
    await expect.poll(() => pepper.candidates("x").length).toBe(1);
    await expect
      .poll(async () => {
        await collectGarbage();
        return opened.filter((each) => each.deref() !== undefined).length;
      })
      .toBe(1);
    await db.close();
  });
});
