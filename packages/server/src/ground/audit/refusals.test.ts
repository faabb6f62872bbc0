import { afterEach, expect, test, vi } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { anonymous } from "../kernel/index.ts";
import { makeAudit } from "./audit.ts";

const nobody = anonymous("acme", "r", "192.0.2.1");

afterEach(() => vi.useRealTimers());

eachStore("refusals that repeat", (fresh) => {
  const openRefusing = async () => {
    const hand = handClock();
    const ground = await openGround(await fresh(), hand.clock);
    const rows = async () => (await ground.audit.list("acme", {}, { limit: 500 })).items;
    /** A row stands for one refusal, and for as many more as it says. */
    const told = async () => (await rows()).reduce((sum, { details }) => sum + 1 + Number(details["repeated"] ?? 0), 0);
    return { ...ground, hand, rows, told };
  };

  test("are all counted when the house closes", async () => {
    const { audit, db, rows, told } = await openRefusing();
    for (let n = 0; n < 300; n += 1) await audit.refused(nobody, "request.refused", { details: { reason: n % 2 === 0 ? "a" : "b" } });
    expect(await rows()).toHaveLength(2);
    await audit.close();
    expect(await rows()).toHaveLength(4);
    expect(await told()).toBe(300);
    await db.close();
  });

  test("are told within two minutes, though nothing comes after them", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { audit, db, hand, rows, told } = await openRefusing();
    for (let n = 0; n < 10; n += 1) await audit.refused(nobody, "request.refused", {});
    expect(await rows()).toHaveLength(1);
    for (let seconds = 0; seconds < 120; seconds += 30) {
      hand.forward(30_000);
      vi.advanceTimersByTime(30_000);
      await vi.waitFor(async () => expect(await told()).toBe(seconds < 30 ? 1 : 10));
    }
    expect(await rows()).toHaveLength(2);
    vi.useRealTimers();
    await db.close();
  });

  test("of very many kinds share one row a minute beyond those that are remembered", async () => {
    const { audit, db, hand } = await openRefusing();
    const kinds = 3_000;
    const storm = () =>
      Promise.all(
        Array.from({ length: kinds }, (_, n) =>
          audit.refused({ ...nobody, address: `192.0.2.${n % 250}` }, "request.refused", { target: `t-${n}` }),
        ),
      );
    await storm();
    const count = async () =>
      Number(
        (
          await db.read
            .selectFrom("audit_events")
            .select((eb) => eb.fn.countAll().as("n"))
            .executeTakeFirstOrThrow()
        ).n,
      );
    expect(await count()).toBe(1_001);
    const others = async () =>
      (await audit.list("acme", { action: "request.refused" }, { limit: 500 })).items.filter(({ details }) => details["others"]);
    await storm();
    expect(await count()).toBe(1_001);
    hand.forward(60_000);
    await audit.close();
    expect((await others())[0]?.details).toEqual({ others: true, repeated: 3_998 });
    expect((await others())[0]?.address).toBeUndefined();
    expect(await count()).toBe(2_002);
    await db.close();
  });

  test("whose count could not be written are counted on, and told the next time", async () => {
    const { audit: _, ...ground } = await openRefusing();
    let full = false;
    const audit = makeAudit({
      ...ground,
      db: { ...ground.db, write: (unit) => (full ? Promise.reject(new Error("no space")) : ground.db.write(unit)) },
    });
    for (let n = 0; n < 5; n += 1) await audit.refused(nobody, "request.refused", {});
    full = true;
    await expect(audit.close()).rejects.toThrow("no space");
    await audit.refused(nobody, "request.refused", {});
    ground.hand.forward(60_000);
    await expect(audit.refused(nobody, "request.refused", {})).rejects.toThrow("no space");
    full = false;
    await audit.refused(nobody, "request.refused", {});
    // One that was answered by a failure was not counted: it was told that it failed.
    expect(await ground.told()).toBe(7);
    await ground.db.close();
  });

  test("are folded by who is turned away, and for what", async () => {
    const { audit, db, rows } = await openRefusing();
    for (const who of [nobody, adminOf("acme")])
      for (const reason of ["a", "b"]) for (let n = 0; n < 3; n += 1) await audit.refused(who, "request.refused", { details: { reason } });
    expect(await rows()).toHaveLength(4);
    await db.close();
  });

  test("are folded by what they came through, so that no row tells of one key what another did", async () => {
    const { audit, db, rows } = await openRefusing();
    for (const accessKey of ["ak_1", "ak_2", "ak_1"]) await audit.refused({ ...nobody, through: { accessKey } }, "request.refused", {});
    expect(new Set((await rows()).map(({ details }) => details["accessKey"]))).toEqual(new Set(["ak_1", "ak_2"]));
    expect(await rows()).toHaveLength(2);
    await db.close();
  });
});
