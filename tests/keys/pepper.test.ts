import { expect, test } from "vitest";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { onPostgres, ownDatabase } from "../replicas/database.ts";
import { startFeedBreaker } from "../replicas/feed-breaker.ts";
import { adminKey, furnish, openWith, run, secret } from "./sealed-things.ts";

// Seen to fail, each break by itself: a pepper that hashes before every replica has heard of it; keys that do not move; an old pepper removed while
// a key needs it; replicas deaf to a new one; a replica whose feed is broken that hashes what it stores with a pepper it remembers, or that
// looks keys up by those alone.

const minute = 60_000;
const hour = 60 * minute;

eachStore("peppers", (fresh) => {
  test("a new one hashes new keys, old keys work on and move when they are next used, and the old one goes when none needs it", async () => {
    let now = Date.now();
    const store = await fresh();
    const house = await openWith(store, {}, () => now);
    const { who, apiKey, agentId } = await furnish(house, "acme", 0);
    const unused = await furnish(house, "globex", 0);
    const peppers = async () => (await house.peppers.list({ limit: 50 })).items;
    const [old] = await peppers();
    expect(old).toMatchObject({ hashes: true, keys: { agent_keys: 2, operators: 1 } });

    const made = await house.peppers.rotate(who);
    expect(made.hashes).toBe(false);
    now += 5_000;
    await expect.poll(() => house.agents.holderOf(apiKey)).toMatchObject({ agentId });
    expect((await peppers()).map(({ id, hashes }) => [id, hashes])).toEqual([
      [made.id, false],
      [old?.id, true],
    ]);
    now += 11_000;
    expect(await house.agents.holderOf(apiKey)).toMatchObject({ agentId });
    now += minute;
    expect(await house.operators.byKey(adminKey)).toBeDefined();
    const { apiKey: later } = await house.agents.createKey(who, agentId, {});
    expect(await peppers()).toMatchObject([
      { id: made.id, hashes: true, keys: { agent_keys: 2, operators: 1 } },
      { id: old?.id, keys: { agent_keys: 1, operators: 0 } },
    ]);
    for (const key of [apiKey, later]) expect(await house.agents.holderOf(key)).toMatchObject({ agentId });

    // However long it takes: one key was not used.
    for (let look = 0; look < 3; look += 1) {
      now += 2 * hour;
      await run(house, "peppers.retire");
    }
    expect(await peppers()).toHaveLength(2);
    expect(await house.agents.holderOf(unused.apiKey)).toMatchObject({ agentId: unused.agentId });

    now += 2 * minute;
    await run(house, "peppers.retire");
    expect((await peppers())[1]).toMatchObject({ id: old?.id, unneededSince: now });
    now += hour - minute;
    await run(house, "peppers.retire");
    expect(await peppers()).toHaveLength(2);
    now += 2 * minute;
    await run(house, "peppers.retire");
    expect(await peppers()).toMatchObject([{ id: made.id, keys: { agent_keys: 3, operators: 1 } }]);
    for (const key of [apiKey, later, unused.apiKey]) expect(await house.agents.holderOf(key)).toBeDefined();
    expect(await house.operators.byKey(adminKey)).toBeDefined();
    expect((await house.audit.list("default", { action: "pepper.removed" }, { limit: 5 })).items.map(({ target }) => target)).toEqual([
      old?.id,
    ]);
    await house.close();

    const again = await openWith(store);
    for (const key of [apiKey, later, unused.apiKey]) expect(await again.agents.holderOf(key)).toBeDefined();
    expect(await again.operators.byKey(adminKey)).toBeDefined();
    expect(await again.agents.holderOf(`sk_${secret("none")}`)).toBeUndefined();
    await again.close();
  });

  test("client secrets move as keys do, and a pepper stays while one of them needs it", async () => {
    let now = Date.now();
    const house = await openWith(await fresh(), {}, () => now);
    const { who, apiKey, agentId } = await furnish(house, "acme", 0);
    const { clientSecret } = await house.agents.createClientSecret(who, agentId, {});
    const known = () => house.agents.clientSecretHolder(agentId, clientSecret);
    const peppers = async () => (await house.peppers.list({ limit: 50 })).items;
    expect(await peppers()).toMatchObject([{ keys: { client_secrets: 1 } }]);
    const { id } = await house.peppers.rotate(who);
    now += 20_000;
    for (const used of [house.operators.byKey(adminKey), house.agents.holderOf(apiKey)]) expect(await used).toBeDefined();
    for (let look = 0; look < 3; look += 1) {
      now += 2 * hour;
      await run(house, "peppers.retire");
    }
    expect(await peppers()).toMatchObject([
      { id, keys: { client_secrets: 0 } },
      { keys: { agent_keys: 0, operators: 0, client_secrets: 1 } },
    ]);
    expect(await known()).toMatchObject({ agentId });
    for (let look = 0; look < 2; look += 1) {
      now += 2 * hour;
      await run(house, "peppers.retire");
    }
    expect(await peppers()).toMatchObject([{ id, keys: { client_secrets: 1 } }]);
    expect(await known()).toMatchObject({ agentId });
    await house.close();
  });

  test("keys made on one replica with a new pepper work on another at once, and a key that moves is never unknown meanwhile", {
    timeout: 60_000,
  }, async () => {
    let now = Date.now();
    const store = await fresh();
    const one = await openWith(store, {}, () => now);
    const two = store.engine === "postgres" ? await openWith(store, {}, () => now) : one;
    const { who, apiKey, agentId } = await furnish(one, "acme", 0);
    expect(await two.agents.holderOf(apiKey)).toMatchObject({ agentId });
    const began = performance.now();
    const { id } = await one.peppers.rotate(who);
    // Before anything is hashed with it, both try it.
    await expect.poll(async () => two.operators.byKey(adminKey), { timeout: 2_000 }).toBeDefined();
    expect(performance.now() - began).toBeLessThan(2_000);
    await new Promise((done) => setTimeout(done, 1_200));
    now += 11_000;
    await one.agents.deleteKey(who, agentId, (await one.agents.listKeys("acme", agentId, { limit: 1 })).items[0]?.id ?? "");
    const keys = await Promise.all([one, two].map((house) => house.agents.createKey(who, agentId, {})));
    const rows = await one.db.read.selectFrom("agent_keys").select("pepper_id").where("agent_id", "=", agentId).execute();
    expect(rows.map(({ pepper_id }) => pepper_id)).toEqual([id, id]);
    for (const house of [one, two]) for (const key of keys) expect(await house.agents.holderOf(key.apiKey)).toMatchObject({ agentId });
    expect(await two.agents.holderOf(apiKey)).toBeUndefined();

    const moving = await Promise.all(Array.from({ length: 30 }, (_, n) => furnish(one, `t${n}`, 0)));
    const newer = await one.peppers.rotate(who);
    await new Promise((done) => setTimeout(done, 1_200));
    now += 11_000;
    // All at once, from both: each key moves while the other replica looks for it.
    const found = await Promise.all(
      moving.flatMap((each) =>
        [one, two, one, two].map((house) => house.agents.holderOf(each.apiKey).then((holder) => holder?.agentId === each.agentId)),
      ),
    );
    expect(found.filter((ok) => !ok)).toEqual([]);
    expect((await one.peppers.list({ limit: 1 })).items).toMatchObject([{ id: newer.id, keys: { agent_keys: 30 } }]);
    for (const house of new Set([one, two])) await house.close();
  });
});

onPostgres("peppers, on a replica whose feed of changes is broken for hours", () => {
  test("no key is made with one that is gone or moved to it, and keys that others made are known", { timeout: 120_000 }, async () => {
    let now = Date.now();
    const database = await ownDatabase();
    const breaker = await startFeedBreaker(database.url);
    const [hearing, deaf] = [
      await openWith({ engine: "postgres", url: database.url }, {}, () => now),
      await openWith({ engine: "postgres", url: breaker.url }, {}, () => now),
    ];
    try {
      const { who, apiKey, agentId } = await furnish(hearing, "acme", 0);
      const unused = await furnish(hearing, "globex", 0);
      const { id: operatorId } = await hearing.operators.create(who, { name: "night-shift", role: "operator" });
      const { clientSecret } = await hearing.agents.createClientSecret(who, agentId, {});
      /** Has a pepper follow the one that hashes. */
      const follow = async () => {
        await hearing.peppers.rotate(who);
        await new Promise((done) => setTimeout(done, 2_500));
        now += 20_000;
      };
      const peppers = async () => (await hearing.peppers.list({ limit: 50 })).items.map(({ id }) => id);
      const useAll = async () => {
        now += 2 * minute;
        expect(await hearing.agents.holderOf(apiKey)).toBeDefined();
        expect(await hearing.operators.byKey(adminKey)).toBeDefined();
        expect(await hearing.agents.clientSecretHolder(agentId, clientSecret)).toBeDefined();
        await hearing.operators.rotateKey(who, operatorId);
      };
      const [first] = await peppers();
      await follow();
      const [second] = await peppers();
      await useAll();
      // Both know the second, and the deaf one remembers that it is the one that hashes. One key was made with the first, and is not used.
      expect(deaf.dpop.nonce("default")).toBe(hearing.dpop.nonce("default"));
      breaker.cut();
      await expect.poll(() => deaf.db.changes.isCurrent(), { timeout: 5_000 }).toBe(false);
      await follow();
      const [third] = await peppers();
      await useAll();
      for (let look = 0; look < 3; look += 1) {
        now += 2 * hour;
        await run(hearing, "peppers.retire");
      }
      expect(await peppers()).toEqual([third, first]);
      expect(second).not.toBe(third);

      // First of all, for whatever looks a key up hears of the peppers that there are.
      const made = {
        key: await deaf.agents.createKey(who, agentId, {}),
        secret: await deaf.agents.createClientSecret(who, agentId, {}),
        operator: await deaf.operators.create(who, { name: "day-shift", role: "operator" }),
        rotated: await deaf.operators.rotateKey(who, operatorId),
      };
      // What the other made or moved meanwhile.
      expect(await deaf.agents.holderOf(apiKey)).toMatchObject({ agentId });
      expect(await deaf.operators.byKey(adminKey)).toBeDefined();
      expect(await deaf.agents.clientSecretHolder(agentId, clientSecret)).toMatchObject({ agentId });
      // Moves here, and must not move to what is gone.
      expect(await deaf.agents.holderOf(unused.apiKey)).toMatchObject({ agentId: unused.agentId });
      for (const table of ["agent_keys", "client_secrets", "operators"] as const) {
        const rows = await hearing.db.read.selectFrom(table).select("pepper_id").where("tenant_id", "in", ["acme", "default"]).execute();
        expect([table, rows.filter(({ pepper_id }) => pepper_id !== third)]).toEqual([table, []]);
      }
      for (const house of [hearing, deaf]) {
        expect(await house.agents.holderOf(unused.apiKey)).toMatchObject({ agentId: unused.agentId });
        expect(await house.agents.holderOf(made.key.apiKey)).toMatchObject({ agentId });
        expect(await house.agents.clientSecretHolder(agentId, made.secret.clientSecret)).toMatchObject({ agentId });
        expect(await house.operators.byKey(made.operator.key)).toBeDefined();
        expect(await house.operators.byKey(made.rotated.key)).toBeDefined();
        expect(await house.operators.byKey(adminKey)).toBeDefined();
      }
      expect(deaf.db.changes.isCurrent()).toBe(false);
      // What is only shown, and not stored, follows as soon as it was asked for once.
      await expect.poll(() => deaf.dpop.nonce("default")).toBe(hearing.dpop.nonce("default"));
    } finally {
      await hearing.close();
      await deaf.close();
      await breaker.stop();
      await database.drop();
    }
  });
});
