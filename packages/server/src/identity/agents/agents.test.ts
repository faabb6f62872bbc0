import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { isApiKey, makeAgents, mayUse } from "./index.ts";

const acme = adminOf("acme");
const globex = adminOf("globex");
const page = { limit: 50 };

const openAgents = async (address: StoreAddress) => {
  const { clock, forward } = handClock();
  const ground = await openGround(address, clock);
  const removed: string[] = [];
  const agents = makeAgents({
    ...ground,
    holdIssuer: (_tx, _tenant, name) =>
      name === "okta" ? Promise.resolve("iss_1") : Promise.reject(new Refusal("issuer_unknown", "none")),
    holdProject: (_tx, _tenant, project) => Promise.resolve(project === "billing"),
    onSuspended: () => Promise.resolve(),
    onRemoved: (_, __, id) => {
      removed.push(id);
      return Promise.resolve();
    },
  });
  return { ...ground, agents, forward, removed };
};

eachStore("the registry of agents", (fresh) => {
  test("a name is taken once in a tenant, and free in another", async () => {
    const { agents, db } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout" });
    await expect(agents.create(acme, { name: "scout" })).rejects.toMatchObject({ code: "agent_exists", details: { name: "scout" } });
    await expect(agents.create(globex, { name: "scout" })).resolves.toMatchObject({
      status: "active",
      origin: "operator",
      assertedUsers: true,
    });
    await db.close();
  });

  test("no agent of one tenant is seen, changed or deleted from another, by name or by id", async () => {
    const { agents, db } = await openAgents(await fresh());
    const { id } = await agents.create(acme, { name: "scout" });
    for (const ref of ["scout", id]) {
      const unknown = { code: "agent_unknown" };
      await expect(agents.get("globex", ref)).rejects.toMatchObject(unknown);
      await expect(agents.update(globex, ref, { title: "x" })).rejects.toMatchObject(unknown);
      await expect(agents.suspend(globex, ref)).rejects.toMatchObject(unknown);
      await expect(agents.remove(globex, ref)).rejects.toMatchObject(unknown);
      await expect(agents.createKey(globex, ref, {})).rejects.toMatchObject(unknown);
    }
    expect(await agents.byId(db.read, "globex", id)).toBeUndefined();
    expect((await agents.list("globex", page)).items).toEqual([]);
    await db.close();
  });

  test("what is left out of a change stays, and null empties", async () => {
    const { agents, db, forward } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout", title: "Scout", binding: "none", issuer: "okta", labels: { team: "a" } });
    forward(1000);
    const changed = await agents.update(acme, "scout", { title: null, description: "finds things" });
    expect(changed).toMatchObject({
      title: undefined,
      description: "finds things",
      binding: "none",
      issuerId: "iss_1",
      labels: { team: "a" },
    });
    expect(changed.updatedAt).toBe(changed.createdAt + 1000);
    expect((await agents.update(acme, "scout", { issuer: null, binding: null })).issuerId).toBeUndefined();
    await expect(agents.update(acme, "scout", { issuer: "nowhere" })).rejects.toMatchObject({ code: "issuer_unknown" });
    await db.close();
  });

  test("a change to a taken name is refused and changes nothing", async () => {
    const { agents, db } = await openAgents(await fresh());
    await agents.create(acme, { name: "first" });
    await agents.create(acme, { name: "second" });
    await expect(agents.update(acme, "second", { name: "first", title: "x" })).rejects.toMatchObject({ code: "agent_exists" });
    expect(await agents.get("acme", "second")).toMatchObject({ title: undefined });
    await db.close();
  });

  test("of two changes at once, both are kept or one is told", async () => {
    const { agents, db } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout" });
    const both = await Promise.allSettled([
      agents.update(acme, "scout", { title: "a" }),
      agents.update(acme, "scout", { description: "b" }),
    ]);
    const done = both.filter(({ status }) => status === "fulfilled");
    const { title, description } = await agents.get("acme", "scout");
    expect([title, description].filter((field) => field !== undefined)).toHaveLength(done.length);
    await db.close();
  });

  test("suspending, resuming and revoking raise the epoch; revoking is final", async () => {
    const { agents, db, removed } = await openAgents(await fresh());
    const { id } = await agents.create(acme, { name: "scout" });
    expect(await agents.suspend(acme, "scout")).toMatchObject({ status: "suspended", epoch: 1 });
    expect(await agents.resume(acme, id)).toMatchObject({ status: "active", epoch: 2 });
    expect(removed).toEqual([]);
    expect(await agents.revoke(acme, "scout")).toMatchObject({ status: "revoked", epoch: 3 });
    expect(removed).toEqual([id]);
    for (const act of [agents.resume, agents.suspend, agents.revoke])
      await expect(act(acme, "scout")).rejects.toMatchObject({ code: "agent_revoked" });
    await expect(agents.createKey(acme, "scout", {})).rejects.toMatchObject({ code: "agent_revoked" });
    await db.close();
  });

  test("a deleted agent is a tombstone: unseen, its name free, its id never given again, still named in audit", async () => {
    const { agents, db, audit, removed } = await openAgents(await fresh());
    const { id } = await agents.create(acme, { name: "scout" });
    const { apiKey } = await agents.createKey(acme, "scout", {});
    await agents.remove(acme, "scout");
    expect(removed).toEqual([id]);
    await expect(agents.get("acme", id)).rejects.toMatchObject({ code: "agent_unknown" });
    expect(await agents.holderOf(apiKey)).toBeUndefined();
    expect((await agents.create(acme, { name: "scout" })).id).not.toBe(id);
    const { items } = await audit.list("acme", { agent: id }, page);
    expect(items.map(({ action }) => action)).toContain("agent.deleted");
    expect(items.find(({ action }) => action === "agent.deleted")?.details).toMatchObject({ name: "scout" });
    await db.close();
  });

  test("pages walk every agent once, even when some are made at the same moment", async () => {
    const { agents, db, forward } = await openAgents(await fresh());
    for (let n = 0; n < 7; n += 1) {
      await agents.create(acme, { name: `agent-${n}` });
      if (n % 3 === 0) forward(1);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { items, nextCursor } = await agents.list("acme", { limit: 2, cursor });
      seen.push(...items.map(({ name }) => name));
      cursor = nextCursor;
    } while (cursor !== undefined);
    expect(seen.toSorted()).toEqual([...Array(7).keys()].map((n) => `agent-${n}`));
    await expect(agents.list("acme", { limit: 2, cursor: "garbage" })).rejects.toMatchObject({ code: "invalid_request" });
    await db.close();
  });

  test("an action and its audit row are there together or not at all", async () => {
    const { agents, db, audit } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout" });
    const before = (await audit.list("acme", {}, page)).items.length;
    await expect(agents.create(acme, { name: "scout" })).rejects.toBeInstanceOf(Refusal);
    await expect(agents.suspend(acme, "nobody")).rejects.toBeInstanceOf(Refusal);
    expect((await audit.list("acme", {}, page)).items).toHaveLength(before);
    await db.close();
  });
});

eachStore("agents' API keys", (fresh) => {
  test("are found again, in their tenant, and never stored", async () => {
    const { agents, db } = await openAgents(await fresh());
    const { id: agentId } = await agents.create(acme, { name: "scout" });
    const { id, apiKey } = await agents.createKey(acme, "scout", { description: "laptop" });
    expect(await agents.holderOf(apiKey)).toMatchObject({ tenant: "acme", keyId: id, agentId });
    expect(JSON.stringify(await db.read.selectFrom("agent_keys").selectAll().execute())).not.toContain(apiKey.slice(9));
    await db.close();
  });

  test("two live at a time, however many ask at once", async () => {
    const { agents, db } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout" });
    const made = await Promise.allSettled([...Array(8).keys()].map(() => agents.createKey(acme, "scout", {})));
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    expect(made.flatMap((result) => (result.status === "rejected" ? [(result.reason as Refusal).code] : []))).toEqual(
      Array(6).fill("too_many_keys"),
    );
    const { items } = await agents.listKeys("acme", "scout", page);
    await agents.deleteKey(acme, "scout", items[0]?.id ?? "");
    await expect(agents.createKey(acme, "scout", {})).resolves.toMatchObject({ id: expect.stringMatching(/^key_/) });
    await db.close();
  });

  test("a deleted key is unknown, and another agent's is not to be deleted", async () => {
    const { agents, db } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout" });
    await agents.create(acme, { name: "other" });
    const { id, apiKey } = await agents.createKey(acme, "scout", {});
    await expect(agents.deleteKey(acme, "other", id)).rejects.toMatchObject({ code: "key_unknown" });
    await agents.deleteKey(acme, "scout", id);
    expect(await agents.holderOf(apiKey)).toBeUndefined();
    await db.close();
  });

  test("last use is known within a minute, without a write at each use", async () => {
    const { agents, db, forward, clock } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout" });
    const { apiKey } = await agents.createKey(acme, "scout", {});
    const lastUsed = async () => (await agents.listKeys("acme", "scout", page)).items[0]?.lastUsedAt;
    expect(await lastUsed()).toBeUndefined();
    await agents.holderOf(apiKey);
    const first = clock();
    forward(59_000);
    await agents.holderOf(apiKey);
    expect(await lastUsed()).toBe(first);
    forward(1_000);
    await agents.holderOf(apiKey);
    expect(await lastUsed()).toBe(first + 60_000);
    await db.close();
  });
});

describe("the form of an API key", () => {
  test("has a checksum that catches a typo", async () => {
    const hex = "00112233445566778899aabbccddeeff00112233445566778899aabb";
    const key = `sk_${hex}${crc32(`sk_${hex}`).toString(16).padStart(8, "0")}`;
    expect(isApiKey(key)).toBe(true);
    for (let at = 3; at < key.length; at += 1)
      expect(isApiKey(`${key.slice(0, at)}${key[at] === "0" ? "1" : "0"}${key.slice(at + 1)}`)).toBe(false);
    expect(isApiKey(key.toUpperCase())).toBe(false);
    expect(isApiKey(`${key}0`)).toBe(false);
  });
});

describe("who may use a thing", () => {
  const scout = { id: "agt_1", labels: { team: "search", empty: "" }, origin: "operator" } as const;
  const stranger = { id: "agt_2", labels: {}, origin: "self" } as const;
  test.each([
    [["*"], true, false],
    [[], false, false],
    [["agt_1"], true, false],
    [["agt_2"], false, true],
    [["label:team"], true, false],
    [["label:team=search"], true, false],
    [["label:team=other"], false, false],
    [["label:empty="], true, false],
    [["label:constructor"], false, false],
    [["label:missing", "agt_2"], false, true],
  ] as const)("%j", (entries, operatorMade, selfRegistered) => {
    expect(mayUse(entries, scout)).toBe(operatorMade);
    expect(mayUse(entries, stranger)).toBe(selfRegistered);
  });
});

eachStore("many who change one agent at once", (fresh) => {
  test("are all heard, and none undoes what another changed", async () => {
    const { agents, ...ground } = await openAgents(await fresh());
    await agents.create(acme, { name: "scout" });
    const changes = [{ title: "Scout" }, { description: "looks around" }, { tier: "gold" }, { labels: { team: "one" } }];
    await Promise.all(changes.map((change) => agents.update(acme, "scout", change)));
    expect(await agents.get("acme", "scout")).toMatchObject(Object.assign({}, ...changes) as object);
    await ground.db.close();
  });
});
