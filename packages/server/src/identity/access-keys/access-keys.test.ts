import { expect, test } from "vitest";
import { counters } from "../../ground/db/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import { openIdentity } from "../../testing/identity.ts";
import { refusalOf } from "../../testing/refused.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { erasedAtOnce, mostLasting, mostTemporary } from "./access-keys.ts";
import { accessKeysTable } from "./access-keys-table.ts";
import { uncount } from "./temporary-count.ts";

const admin: Principal = { ...adminOf("default"), caller: { kind: "operator", id: "op_admin", role: "admin" } };
const operator: Principal = { ...admin, caller: { kind: "operator", id: "opr_1", role: "operator" } };
/** How long temporary keys are kept beyond their end. */
const kept = 5 * 60_000;

eachStore("access keys", (fresh) => {
  const open = async () => {
    const identity = await openIdentity(await fresh());
    await identity.operators.installAdminKey(undefined);
    const agent = await identity.agents.create(admin, { name: "scout" });
    const rows = () => identity.db.read.selectFrom("access_keys").selectAll().execute();
    /** As a role gives it. */
    const temporary = (more: Partial<Parameters<typeof identity.accessKeys.issueTemporary>[1]> = {}) =>
      identity.accessKeys.issueTemporary(admin, {
        agent,
        tenantEpoch: 0,
        roleArn: "acs:ram::1:role/reader",
        sessionName: "s",
        seconds: 3600,
        ...more,
      });
    return { ...identity, agent, rows, temporary };
  };

  test("are an admin's or one agent's, and say whose; the secret is shown once and stored sealed", async () => {
    const { accessKeys, agent, rows, audit, close } = await open();
    const mine = await accessKeys.create(admin, { description: "laptop" });
    const its = await accessKeys.create(operator, { rights: { agent: "scout" } });
    expect(mine.accessKeyId).toMatch(/^ak_[0-9a-f]{32}$/);
    expect(mine.accessKeySecret).toMatch(/^aks_[0-9a-f]{64}$/);
    expect(await accessKeys.get("default", mine.accessKeyId)).toMatchObject({
      operator: "op_admin",
      agent: undefined,
      description: "laptop",
    });
    expect(await accessKeys.get("default", its.accessKeyId)).toMatchObject({ operator: undefined, agent: { id: agent.id, name: "scout" } });
    const stored = JSON.stringify(await rows());
    for (const { accessKeySecret } of [mine, its]) expect(stored).not.toContain(accessKeySecret.slice(4));
    const { items } = await audit.list("default", { action: "access_key.*" }, { limit: 10 });
    expect(items).toMatchObject([
      { action: "access_key.created", target: its.accessKeyId, agent: agent.id, details: { rights: "agent" } },
      { action: "access_key.created", target: mine.accessKeyId, details: { rights: "admin" } },
    ]);
    expect(JSON.stringify(items)).not.toContain("aks_");
    await close();
  });

  test("with an admin's rights are an admin's to make and to delete; an operator names an agent", async () => {
    const { accessKeys, agents, operators, workloadTokens, authn, close } = await open();
    expect(await refusalOf(accessKeys.create(operator, {}))).toBe("invalid_request");
    expect(await refusalOf(accessKeys.create(operator, { rights: "admin" }))).toBe("forbidden");
    expect(await refusalOf(accessKeys.create(operator, { rights: { agent: "nobody" } }))).toBe("agent_unknown");
    const auditor: Principal = { ...operator, caller: { kind: "operator", id: "opr_2", role: "auditor" } };
    expect(await refusalOf(accessKeys.create(auditor, { rights: { agent: "scout" } }))).toBe("forbidden");
    const { token } = await workloadTokens.issue(admin, { agent: "scout" });
    const asAgent = await authn.proveWorkload({ token, requestId: "r" });
    for (const rights of [undefined, "admin", { agent: "scout" }] as const)
      expect(await refusalOf(accessKeys.create(asAgent, { rights }))).toBe("forbidden");
    const { id } = await operators.create(admin, { name: "deputy", role: "admin" });
    await operators.update(admin, id, { role: "operator" });
    const meanwhile: Principal = { ...admin, caller: { kind: "operator", id, role: "admin" } };
    expect(await refusalOf(accessKeys.create(meanwhile, {}))).toBe("forbidden");
    const { accessKeyId } = await accessKeys.create(admin, {});
    expect(await refusalOf(accessKeys.remove(operator, accessKeyId))).toBe("forbidden");
    await accessKeys.remove(admin, accessKeyId);
    expect(await refusalOf(accessKeys.remove(admin, accessKeyId))).toBe("key_unknown");
    await agents.revoke(admin, "scout");
    expect(await refusalOf(accessKeys.create(admin, { rights: { agent: "scout" } }))).toBe("agent_revoked");
    await close();
  });

  test("are so many at most for each agent and each admin, however many are made at once", async () => {
    const { accessKeys, agents, close } = await open();
    await agents.create(admin, { name: "other" });
    for (const rights of ["admin", { agent: "scout" }] as const) {
      const said = await Promise.all(Array.from({ length: mostLasting + 3 }, () => refusalOf(accessKeys.create(admin, { rights }))));
      expect(said.filter((word) => word === "nothing refused")).toHaveLength(mostLasting);
      expect(said.filter((word) => word === "too_many_keys")).toHaveLength(3);
    }
    await accessKeys.create(admin, { rights: { agent: "other" } });
    await close();
  });

  test("are listed newest first, page by page, of one agent or of all, and never the temporary ones", async () => {
    const { accessKeys, hand, temporary, close } = await open();
    const made: string[] = [];
    for (const rights of ["admin", { agent: "scout" }, "admin", { agent: "scout" }] as const) {
      hand.forward(1000);
      made.unshift((await accessKeys.create(admin, { rights })).accessKeyId);
    }
    const { accessKeyId } = await temporary();
    const first = await accessKeys.list("default", { limit: 3 });
    const second = await accessKeys.list("default", { limit: 3, cursor: first.nextCursor });
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(made);
    expect(second.nextCursor).toBeUndefined();
    const its = await accessKeys.list("default", { limit: 3, agent: "scout" });
    expect(its.items.map(({ id }) => id)).toEqual([made[0], made[2]]);
    expect(await refusalOf(accessKeys.list("default", { limit: 3, agent: "nobody" }))).toBe("agent_unknown");
    expect(await refusalOf(accessKeys.get("default", accessKeyId))).toBe("key_unknown");
    expect(await refusalOf(accessKeys.get("acme", made[0] ?? ""))).toBe("key_unknown");
    await close();
  });

  test("go with the agent, the admin or the user they belong to", async () => {
    const { accessKeys, agents, operators, users, rows, temporary, close } = await open();
    const user = await users.asserted(admin, "agt_1", "alice");
    const other = await agents.create(admin, { name: "other" });
    const { id } = await operators.create(admin, { name: "deputy", role: "admin" });
    const { id: next } = await operators.create(admin, { name: "next", role: "admin" });
    await accessKeys.create(admin, { rights: { agent: "scout" } });
    for (const each of [id, next]) await accessKeys.create({ ...admin, caller: { kind: "operator", id: each, role: "admin" } }, {});
    await temporary();
    await temporary({ user });
    await temporary({ agent: other, user });
    const left = async () => (await rows()).length;
    expect(await left()).toBe(6);
    await operators.update(admin, id, { role: "operator" });
    expect(await left()).toBe(5);
    await operators.remove(admin, next);
    expect(await left()).toBe(4);
    await users.revoke(admin, user.id);
    expect(await left()).toBe(2);
    await agents.remove(admin, "scout");
    expect(await left()).toBe(0);
    await close();
  });
});

eachStore("temporary access keys", (fresh) => {
  const open = async () => {
    const identity = await openIdentity(await fresh());
    const agent = await identity.agents.create(admin, { name: "scout" });
    const ask = { agent, tenantEpoch: 0, roleArn: "acs:ram::1:role/reader", sessionName: "s", seconds: 900 };
    const rows = () => identity.db.read.selectFrom("access_keys").selectAll().execute();
    /** How many of an agent's are counted; undefined where nothing is kept of it. */
    const counted = async (id: string = agent.id) => {
      const count = identity.db.read.selectFrom("counters").select("count").where("name", "=", `temporary_keys/${id}`);
      return (await count.executeTakeFirst())?.count;
    };
    return { ...identity, agent, ask, rows, counted };
  };

  test("come with a security token and an end, and neither secret nor token is stored", async () => {
    const { accessKeys, ask, rows, hand, audit, close } = await open();
    const key = await accessKeys.issueTemporary(admin, ask);
    expect(key.accessKeyId).toMatch(/^tk_[0-9a-f]{32}$/);
    expect(key.accessKeySecret).toMatch(/^aks_[0-9a-f]{64}$/);
    expect(key.securityToken).toMatch(/^st_[0-9a-f]{64}$/);
    expect(key.expiresAt).toBe(hand.clock() + 900_000);
    const stored = JSON.stringify([await rows(), (await audit.list("default", {}, { limit: 10 })).items]);
    for (const secret of [key.accessKeySecret, key.securityToken]) expect(stored).not.toContain(secret.slice(4));
    expect(stored).toContain(key.accessKeyId);
    await close();
  });

  test("are forgotten some time after their end, in however many steps, and lasting ones never", async () => {
    const { accessKeys, agent, ask, rows, counted, hand, db, close } = await open();
    await accessKeys.create(admin, { rights: { agent: "scout" } });
    for (let n = 0; n < 3; n += 1) await accessKeys.issueTemporary(admin, ask);
    await accessKeys.issueTemporary(admin, { ...ask, seconds: 12 * 3600 });
    const { prune } = accessKeys;
    const signal = new AbortController().signal;
    hand.forward(900_000);
    await accessKeys.issueTemporary(admin, ask);
    hand.forward(kept);
    expect(await prune.isNeeded?.()).toBe(false);
    hand.forward(1);
    expect(await prune.isNeeded?.()).toBe(true);
    const gone = await db.write(async (tx) => {
      const some = await accessKeysTable.removeBefore(tx, hand.clock() - kept, 2);
      await uncount(tx, some);
      return some;
    });
    expect(gone).toEqual(Array.from({ length: 2 }, () => ({ tenant: "default", agent: agent.id })));
    await prune.run(signal);
    expect(await counted()).toBe(2);
    expect((await rows()).map(({ expires_at }) => String(expires_at !== null)).sort()).toEqual(["false", "true", "true"]);
    expect(await prune.isNeeded?.()).toBe(false);
    await close();
  });

  test("of one agent are so many at most: one more is refused, and all that there are live to their end", async () => {
    const { accessKeys, ask, agent, agents, rows, counted, hand, users, audit, db, close } = await open();
    const other = await agents.create(admin, { name: "other" });
    const alice = await users.asserted(admin, agent.id, "alice");
    const first = [await accessKeys.issueTemporary(admin, ask), await accessKeys.issueTemporary(admin, { ...ask, user: alice })];
    const missing = mostTemporary - first.length - 2;
    await db.write((tx) => counters.add(tx, "default", `temporary_keys/${agent.id}`, missing));
    const said = await Promise.all([1, 2, 3, 4].map(() => refusalOf(accessKeys.issueTemporary(admin, ask))));
    expect(said.sort()).toEqual(["nothing refused", "nothing refused", "too_many", "too_many"]);
    await expect(accessKeys.issueTemporary(admin, { ...ask, user: alice })).rejects.toMatchObject({
      code: "too_many",
      details: { limit: mostTemporary },
    });
    expect(await rows()).toHaveLength(4);
    expect((await rows()).map(({ id }) => id)).toEqual(expect.arrayContaining(first.map(({ accessKeyId }) => accessKeyId)));
    // What was refused left no trace, and stops no other agent.
    expect(await counted()).toBe(mostTemporary);
    expect((await audit.list("default", { action: "role.assumed" }, { limit: 10 })).items).toHaveLength(4);
    await accessKeys.issueTemporary(admin, { ...ask, agent: other });
    hand.forward(900_000 + kept + 1);
    await accessKeys.prune.run(new AbortController().signal);
    await accessKeys.issueTemporary(admin, ask);
    expect(await counted()).toBe(missing + 1);
    await close();
  });

  test("are counted for as long as they are there, and nothing is kept of an agent that has none", async () => {
    const { accessKeys, ask, agent, agents, counted, hand, users, close } = await open();
    const other = await agents.create(admin, { name: "other" });
    const alice = await users.asserted(admin, agent.id, "alice");
    for (const user of [undefined, alice, alice]) await accessKeys.issueTemporary(admin, { ...ask, user });
    await accessKeys.issueTemporary(admin, { ...ask, agent: other, user: alice });
    expect([await counted(), await counted(other.id)]).toEqual([3, 1]);
    await users.revoke(admin, alice.id);
    expect([await counted(), await counted(other.id)]).toEqual([1, undefined]);
    hand.forward(900_000 + kept + 1);
    await accessKeys.prune.run(new AbortController().signal);
    expect(await counted()).toBeUndefined();
    await accessKeys.issueTemporary(admin, ask);
    expect(await counted()).toBe(1);
    await agents.remove(admin, "scout");
    expect(await counted()).toBeUndefined();
    await close();
  });

  test("are deleted one by one, by their ids, and no other with them", async () => {
    const { accessKeys, agents, tenants, ask, rows, counted, agent, audit, close } = await open();
    const [one, other] = [await accessKeys.issueTemporary(admin, ask), await accessKeys.issueTemporary(admin, ask)];
    const lasting = await accessKeys.create(admin, { rights: { agent: "scout" } });
    const isKey = () => Promise.all([one, other, lasting].map(({ accessKeyId }) => accessKeys.isKey(accessKeyId)));
    expect(await isKey()).toEqual([true, true, true]);
    await tenants.create(admin, "acme");
    expect(await refusalOf(accessKeys.remove(adminOf("acme"), one.accessKeyId))).toBe("key_unknown");
    await accessKeys.remove(operator, one.accessKeyId);
    expect(await isKey()).toEqual([false, true, true]);
    expect(await refusalOf(accessKeys.remove(operator, one.accessKeyId))).toBe("key_unknown");
    expect(await refusalOf(accessKeys.remove(operator, `tk_${"0".repeat(32)}`))).toBe("key_unknown");
    expect([(await rows()).length, await counted()]).toEqual([2, 1]);
    const [deleted] = (await audit.list("default", { action: "access_key.deleted" }, { limit: 2 })).items;
    expect(deleted).toMatchObject({ target: one.accessKeyId, agent: agent.id, callerId: "opr_1" });
    await accessKeys.remove(operator, other.accessKeyId);
    expect(await counted()).toBeUndefined();
    expect((await agents.get("default", "scout")).status).toBe("active");
    await close();
  });

  test("are over once their agent's role is another, also one that was being given meanwhile, and for good", async () => {
    const { accessKeys, agents, ask, counted, close } = await open();
    const former = "acs:ram::1:role/reader";
    const agent = await agents.update(admin, "scout", { roleArn: former });
    const key = await accessKeys.issueTemporary(admin, { ...ask, agent });
    const isKey = () => accessKeys.isKey(key.accessKeyId);
    expect(await isKey()).toBe(true);
    for (const change of [{ title: "Scout" }, { roleArn: former }, { labels: { team: "a" } }]) await agents.update(admin, "scout", change);
    expect(await isKey()).toBe(true);
    const next = await agents.update(admin, "scout", { roleArn: "acs:ram::1:role/writer" });
    expect(await isKey()).toBe(false);
    const late = await accessKeys.issueTemporary(admin, { ...ask, agent });
    expect(await accessKeys.isKey(late.accessKeyId)).toBe(false);
    const fresh_ = await accessKeys.issueTemporary(admin, { ...ask, agent: next });
    const lasting = await accessKeys.create(admin, { rights: { agent: "scout" } });
    await agents.update(admin, "scout", { roleArn: null });
    expect(await accessKeys.isKey(fresh_.accessKeyId)).toBe(false);
    await agents.update(admin, "scout", { roleArn: former });
    expect([await isKey(), await accessKeys.isKey(lasting.accessKeyId)]).toEqual([false, true]);
    expect(await counted()).toBe(3);
    await close();
  });

  test("of somebody who goes are erased in steps, and not in one long transaction", async () => {
    const { accessKeys, agents, agent, ask, rows, counted, users, db, hand, close } = await open();
    const alice = await users.asserted(admin, agent.id, "alice");
    const user = { id: alice.id, epoch: alice.epoch };
    const make = (of: string, most: number, more: object) =>
      db.write(async (tx) => {
        const session = { user: undefined, agentEpoch: 0, roleEpoch: 0, tenantEpoch: 0, roleArn: "r", roleId: undefined, name: "s" };
        for (let n = 0; n < most; n += 1) {
          const id = `tk_${of}${n.toString(16).padStart(31, "0")}`;
          const stored = { id, sealed: "x", createdAt: hand.clock() };
          await accessKeysTable.insertTemporary(
            tx,
            "default",
            stored,
            agent.id,
            { ...session, policy: undefined, expiresAt: hand.clock() + n, ...more },
            "x",
          );
        }
        await counters.add(tx, "default", `temporary_keys/${agent.id}`, most);
      });
    await make("a", erasedAtOnce + 3, { user });
    await users.revoke(admin, alice.id);
    expect([(await rows()).length, await counted()]).toEqual([3, 3]);
    await make("b", erasedAtOnce + 2, {});
    await agents.remove(admin, "scout");
    expect([(await rows()).length, await counted()]).toEqual([5, 5]);
    expect(await accessKeys.isKey((await accessKeys.issueTemporary(admin, ask)).accessKeyId)).toBe(true);
    hand.forward(900_000 + kept + 1);
    await accessKeys.prune.run(new AbortController().signal);
    expect([await rows(), await counted()]).toEqual([[], undefined]);
    await close();
  }, 60_000);

  test("get no other keys", async () => {
    const { accessKeys, ask, agent, close } = await open();
    const who: Principal = { ...admin, caller: { kind: "agent", id: agent.id }, agent, actors: [agent.id], method: "temporary_key" };
    expect(await refusalOf(accessKeys.issueTemporary(who, ask))).toBe("forbidden");
    expect(await refusalOf(accessKeys.create(who, { rights: { agent: "scout" } }))).toBe("forbidden");
    await close();
  });
});
