import { expect, test } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { anonymous } from "../kernel/index.ts";
import { makeAudit } from "./audit.ts";

const acme = adminOf("acme");

eachStore("the record of what happened", (fresh) => {
  /** What is in the record, and what waits for its seal. */
  const rowsOf = async ({ db }: Awaited<ReturnType<typeof openGround>>) => ({
    events: await db.read.selectFrom("audit_events").select(["tenant_id", "at", "id"]).orderBy("at").orderBy("id").execute(),
    unsealed: await db.read.selectFrom("audit_unsealed").select(["tenant_id", "at", "id"]).orderBy("at").orderBy("id").execute(),
  });

  test("newest first, in the order of one millisecond, page by page, each tenant its own", async () => {
    const hand = handClock();
    const { db, audit } = await openGround(await fresh(), hand.clock);
    for (let n = 0; n < 9; n += 1) {
      await db.write((tx) => audit.record(tx, acme, `thing.did${n}`));
      if (n % 4 === 3) hand.forward(1);
    }
    await db.write((tx) => audit.record(tx, adminOf("globex"), "thing.elsewhere"));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await audit.list("acme", {}, { limit: 2, cursor });
      seen.push(...page.items.map(({ action }) => action));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => `thing.did${n}`));
    await db.close();
  });

  test("filters by agent, user, action, prefix of an action, and time", async () => {
    const hand = handClock();
    const { db, audit, clock } = await openGround(await fresh(), hand.clock);
    await db.write((tx) => audit.record(tx, acme, "agent.created", { agent: "agt_1" }));
    hand.forward(1000);
    const between = clock();
    await db.write((tx) => audit.record(tx, acme, "agent.suspended", { agent: "agt_1" }));
    await db.write((tx) => audit.record(tx, acme, "credential.read", { agent: "agt_2", user: "usr_1" }));
    const actions = async (filter: Parameters<typeof audit.list>[1]) =>
      (await audit.list("acme", filter, { limit: 10 })).items.map(({ action }) => action);
    expect(await actions({ agent: "agt_1" })).toEqual(["agent.suspended", "agent.created"]);
    expect(await actions({ user: "usr_1" })).toEqual(["credential.read"]);
    expect(await actions({ action: "agent.created" })).toEqual(["agent.created"]);
    expect(await actions({ action: "agent.*" })).toEqual(["agent.suspended", "agent.created"]);
    expect(await actions({ from: between })).toEqual(["credential.read", "agent.suspended"]);
    expect(await actions({ to: between })).toEqual(["agent.created"]);
    expect(await actions({ agent: "agt_1", from: between })).toEqual(["agent.suspended"]);
    await db.close();
  });

  test("a refusal that repeats is one row a minute, which tells how often; another's is a row of its own", async () => {
    const hand = handClock();
    const { db, audit } = await openGround(await fresh(), hand.clock);
    const nobody = anonymous("acme", "r", "192.0.2.1");
    const refused = (who = nobody, reason = "unknown_state") => audit.refused(who, "authorization.refused", { details: { reason } });
    const rows = async (tenant = "acme") =>
      (await audit.list(tenant, {}, { limit: 500 })).items.map(({ outcome, callerKind, details }) => ({ outcome, callerKind, details }));
    const row = { outcome: "refused", callerKind: "anonymous", details: { reason: "unknown_state" } };
    await Promise.all([...Array(300)].map(() => refused()));
    expect(await rows()).toEqual([row]);
    hand.forward(59_999);
    await refused();
    await refused(nobody, "malformed");
    await refused(acme);
    await refused(anonymous("globex", "r"));
    expect((await rows()).length + (await rows("globex")).length).toBe(4);
    hand.forward(1);
    await refused();
    await refused();
    expect((await rows())[0]).toEqual({ ...row, details: { reason: "unknown_state", repeated: 300 } });
    hand.forward(60_000);
    await refused();
    expect((await rows())[0]).toEqual({ ...row, details: { reason: "unknown_state", repeated: 1 } });
    await db.close();
  });

  test("a refusal whose row could not be written is written the next time", async () => {
    const ground = await openGround(await fresh());
    let full = true;
    const audit = makeAudit({
      ...ground,
      db: { ...ground.db, write: (unit) => (full ? Promise.reject(new Error("no space")) : ground.db.write(unit)) },
    });
    await expect(audit.refused(acme, "request.refused", {})).rejects.toThrow("no space");
    full = false;
    await audit.refused(acme, "request.refused", {});
    expect((await audit.list("acme", {}, { limit: 10 })).items).toHaveLength(1);
    await ground.db.close();
  });

  test("a row stands or falls with the action of its transaction", async () => {
    const { db, audit } = await openGround(await fresh());
    await expect(
      db.write(async (tx) => {
        await audit.record(tx, acme, "thing.undone");
        throw new Error("the action failed");
      }),
    ).rejects.toThrow("the action failed");
    expect((await audit.list("acme", {}, { limit: 10 })).items).toEqual([]);
    await db.close();
  });

  test("rows of actions that write nothing else are all there once they are answered, whatever their number, each waiting for its seal", async () => {
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

  test("a row of such an action that cannot be written harms none of those beside it", async () => {
    const ground = await openGround(await fresh());
    const spoilt = { ...acme, requestId: "a\0b" };
    const noted = await Promise.allSettled([...Array(40).keys()].map((n) => ground.audit.note(n === 20 ? spoilt : acme, "thing.read")));
    expect(noted.flatMap(({ status }, n) => (status === "rejected" ? [n] : []))).toEqual([20]);
    const { events, unsealed } = await rowsOf(ground);
    expect(events).toHaveLength(39);
    expect(unsealed).toEqual(events);
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
