import { expect, test } from "vitest";
import { adminOf, eachStore, openGround } from "../../testing/stores.ts";
import { Refusal } from "../kernel/index.ts";
import { makeAudit } from "./audit.ts";

const acme = adminOf("acme");

eachStore("rows of actions that write nothing else", (fresh) => {
  const rowsOf = async ({ db }: Awaited<ReturnType<typeof openGround>>) => ({
    events: await db.read.selectFrom("audit_events").select(["tenant_id", "at", "id"]).orderBy("at").orderBy("id").execute(),
    unsealed: await db.read.selectFrom("audit_unsealed").select(["tenant_id", "at", "id"]).orderBy("at").orderBy("id").execute(),
  });

  test("are all there once they are answered, whatever their number, each waiting for its seal", async () => {
    const ground = await openGround(await fresh());
    let commits = 0;
    const audit = makeAudit({
      ...ground,
      db: {
        ...ground.db,
        write: (unit) => {
          commits += 1;
          return ground.db.write(unit);
        },
      },
    });
    let noted = 0;
    for (const many of [1, 2, 3, 17, 64, 100, 1_500]) {
      await Promise.all(
        [...Array(many).keys()].map((n) => audit.note(n % 3 === 0 ? adminOf("globex") : acme, "thing.read", { target: `t-${n}` })),
      );
      noted += many;
      const { events, unsealed } = await rowsOf(ground);
      expect(events).toHaveLength(noted);
      expect(unsealed).toEqual(events);
    }
    expect(commits).toBeLessThan(20);
    await ground.db.close();
  });

  test("one that cannot be written harms none of those beside it", async () => {
    const ground = await openGround(await fresh());
    const spoilt = { ...acme, requestId: "a\0b" };
    const noted = await Promise.allSettled([...Array(40).keys()].map((n) => ground.audit.note(n === 20 ? spoilt : acme, "thing.read")));
    expect(noted.flatMap(({ status }, n) => (status === "rejected" ? [n] : []))).toEqual([20]);
    const { events, unsealed } = await rowsOf(ground);
    expect(events).toHaveLength(39);
    expect(unsealed).toEqual(events);
    await ground.db.close();
  });

  test("none is answered that was not written, and where the store is gone nothing is tried one by one", async () => {
    const ground = await openGround(await fresh());
    let tries = 0;
    const audit = makeAudit({
      ...ground,
      db: {
        ...ground.db,
        write: async () => {
          tries += 1;
          await new Promise(setImmediate);
          throw new Refusal("unavailable", "gone");
        },
      },
    });
    const noted = await Promise.allSettled([...Array(40)].map(() => audit.note(acme, "thing.read")));
    expect(noted.every((each) => each.status === "rejected" && each.reason instanceof Refusal)).toBe(true);
    expect(tries).toBe(1);
    expect((await rowsOf(ground)).events).toEqual([]);
    await ground.db.close();
  });

  test("a row of an action's own transaction waits for its seal like all others, or is not there at all", async () => {
    const ground = await openGround(await fresh());
    await ground.db.write((tx) => ground.audit.record(tx, acme, "thing.made"));
    await expect(
      ground.db.write(async (tx) => {
        await ground.audit.record(tx, acme, "thing.unmade");
        throw new Error("undone");
      }),
    ).rejects.toThrow("undone");
    await ground.audit.refused(acme, "request.refused", {});
    const { events, unsealed } = await rowsOf(ground);
    expect(events).toHaveLength(2);
    expect(unsealed).toEqual(events);
    await ground.db.close();
  });
});
