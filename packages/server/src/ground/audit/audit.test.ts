import { expect, test } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { anonymous } from "../kernel/index.ts";
import { makeAudit } from "./audit.ts";

const acme = adminOf("acme");

eachStore("the record of what happened", (fresh) => {
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
});
