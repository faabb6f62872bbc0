import { expect, test } from "vitest";
import type { Handle, Tables } from "../../ground/db/index.ts";
import { openTestHouse } from "../../testing/house.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import { adminOf, eachStore, handClock } from "../../testing/stores.ts";

const admin = adminOf("default");
const acme = adminOf("acme");
const minute = 60_000;

const proof = (key: string) => ({ authorization: `Bearer ${key}`, requestId: "r" });

/** Every table that says whose its rows are, read from the store itself: a table that nobody thought of is among them. */
const rowsOf = async (db: Handle, tenant: string): Promise<Readonly<Record<string, number>>> => {
  const found: Record<string, number> = {};
  for (const { name, columns } of await db.introspection.getTables()) {
    if (!columns.some((column) => column.name === "tenant_id")) continue;
    const rows = await db
      .selectFrom(name as keyof Tables)
      .selectAll()
      .where("tenant_id", "=", tenant)
      .execute();
    if (rows.length > 0) found[name] = rows.length;
  }
  return found;
};

eachStore("tenants", (fresh) => {
  const open = async () => {
    const hand = handClock();
    const store = await fresh();
    const house = await openTestHouse(store, { clock: hand.clock });
    return { ...house, hand, store };
  };
  type House = Awaited<ReturnType<typeof open>>;

  /** A tenant with something in it of whatever can be had without a provider at hand. */
  const furnish = async (house: House) => {
    const { adminKey } = await house.tenants.create(admin, "acme");
    await house.agents.create(acme, { name: "scout" });
    const { apiKey } = await house.agents.createKey(acme, "scout", {});
    await house.providers.create(acme, { name: "weather", agents: ["*"], type: "api_key", apiKey: "the-weather-key" } as never);
    await house.providers.create(acme, {
      name: "mail",
      agents: ["*"],
      type: "oauth2",
      clientId: "us",
      clientAuth: "none",
      authorizationEndpoint: "http://127.0.0.1:9/authorize",
      tokenEndpoint: "http://127.0.0.1:9/token",
      scopes: ["read"],
    } as never);
    await house.agents.update(acme, "scout", { binding: "none" });
    const { token } = await house.workloadTokens.issue(acme, { agent: "scout", userId: "alice" });
    const who = await house.authn.prove(proof(token), ["workload-token"]);
    const begun = await house.vault.oauth2(who, { provider: "mail" });
    if (begun.status !== "pending") throw new Error("A consent was expected.");
    return { adminKey, apiKey, token, who, begun };
  };
  const refusal = (house: House, key: string) =>
    house.authn.prove(proof(key), ["admin", "agent", "workload-token"]).then(
      () => "alive",
      (error: { code: string }) => error.code,
    );

  test("a name is given out once, also after its tenant is gone; each has an account id and an issuer of its own", async () => {
    const house = await open();
    const { tenant } = await house.tenants.create(admin, "acme");
    expect(tenant.accountId).toMatch(/^[1-9][0-9]{15}$/);
    expect(house.tenants.issuerOf("acme")).toBe(`${testPublicUrl}/t/acme`);
    const taken = { code: "tenant_exists", details: { name: "acme" } };
    await expect(house.tenants.create(admin, "acme")).rejects.toMatchObject(taken);
    await expect(house.tenants.create(admin, "default")).rejects.toMatchObject({ code: "tenant_exists" });
    const first = await house.tenants.get("default");
    expect(first.accountId).toMatch(/^[1-9][0-9]{15}$/);
    expect(first.accountId).not.toBe(tenant.accountId);
    await house.tenants.remove(admin, "acme");
    await expect(house.tenants.create(admin, "acme")).rejects.toMatchObject(taken);
    await expect(house.tenants.get("acme")).rejects.toMatchObject({ code: "tenant_unknown" });
    await expect(house.tenants.resume(admin, "acme")).rejects.toMatchObject({ code: "tenant_unknown" });
    await expect(house.tenants.remove(admin, "acme")).rejects.toMatchObject({ code: "tenant_unknown" });
    expect((await house.tenants.list({ limit: 10 })).items.map(({ id }) => id)).toEqual(["default"]);
    await house.close();
  });

  test("a store from before there were account ids gives tenant default one at the next start, and then keeps it", async () => {
    const house = await open();
    await house.db.write((tx) =>
      tx
        .updateTable("tenants")
        .set({ account_id: null as never })
        .execute(),
    );
    await house.close();
    const account = async () => {
      const again = await openTestHouse(house.store, { clock: house.hand.clock });
      const { accountId } = await again.tenants.get("default");
      await again.close();
      return accountId;
    };
    const first = await account();
    expect(first).toMatch(/^[1-9][0-9]{15}$/);
    expect(await account()).toBe(first);
  });

  test("every credential of a suspended one is dead at the next request; resumed, its keys work and what was handed out stays dead", async () => {
    const house = await open();
    const { adminKey, apiKey, token, who, begun } = await furnish(house);
    const all = [adminKey, apiKey, token];
    expect(await Promise.all(all.map((key) => refusal(house, key)))).toEqual(["alive", "alive", "alive"]);
    await house.tenants.suspend(admin, "acme");
    expect(await Promise.all(all.map((key) => refusal(house, key)))).toEqual(["unauthenticated", "unauthenticated", "unauthenticated"]);
    await expect(house.standing.alive(who)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await house.tenants.isOpen("acme")).toBe(false);
    await house.tenants.resume(admin, "acme");
    expect(await Promise.all(all.map((key) => refusal(house, key)))).toEqual(["alive", "alive", "unauthenticated"]);
    const { token: second } = await house.workloadTokens.issue(acme, { agent: "scout", userId: "alice" });
    expect(second).not.toBe(token);
    const again = await house.authn.prove(proof(second), ["workload-token"]);
    await expect(house.vault.oauth2(again, { provider: "mail", sessionUri: begun.sessionUri })).rejects.toMatchObject({
      code: "authorization_failed",
    });
    const { items } = await house.audit.list("default", { action: "tenant.*" }, { limit: 10 });
    expect(items.map(({ action, target }) => [action, target])).toEqual([
      ["tenant.resumed", "acme"],
      ["tenant.suspended", "acme"],
      ["tenant.created", "acme"],
      ["tenant.created", "default"],
    ]);
    await house.close();
  });

  test("resuming what was never suspended kills no token", async () => {
    const house = await open();
    const { token } = await furnish(house);
    await house.tenants.resume(admin, "acme");
    expect(await refusal(house, token)).toBe("alive");
    await house.close();
  });

  test("default can be neither suspended nor deleted", async () => {
    const house = await open();
    for (const act of [house.tenants.suspend, house.tenants.remove]) {
      await expect(act(admin, "default")).rejects.toMatchObject({ code: "tenant_default" });
    }
    expect(await house.tenants.isOpen("default")).toBe(true);
    await house.close();
  });

  test("once one is deleted its keys are gone before anything else: no copy of its rows opens", async () => {
    const house = await open();
    const { adminKey, apiKey, token, who } = await furnish(house);
    const before = await rowsOf(house.db.read, "acme");
    await expect(house.vault.apiKey(who, { provider: "weather" })).resolves.toEqual({ apiKey: "the-weather-key" });
    await house.tenants.remove(admin, "acme");
    for (const key of [adminKey, apiKey, token]) expect(await refusal(house, key)).toBe("unauthenticated");
    const rows = await rowsOf(house.db.read, "acme");
    expect([before["data_keys"], rows["data_keys"]]).toEqual([1, undefined]);
    expect(rows["providers"]).toBe(2);
    // Somebody who can write to the store puts the tenant back as it was, but for the keys.
    await house.db.write(async (tx) => {
      await tx.updateTable("tenants").set({ status: "active", epoch: 0 }).where("id", "=", "acme").execute();
      await house.db.changes.announce(tx, "acme", "tenant", "acme");
    });
    await expect(house.vault.apiKey(who, { provider: "weather" })).rejects.toThrow(/data key/);
    await house.close();
  });

  test("all that a deleted one owned is erased step by step, by whichever process; the record of it is the default tenant's", async () => {
    const house = await open();
    await furnish(house);
    const others = await furnishOther(house);
    const head = { number: 7, hash: "the-hash-of-the-last-link" };
    await house.db.write((tx) =>
      tx
        .insertInto("audit_blocks")
        .values({ tenant_id: "acme", ...head, events: "[]", count: 0, first_at: 0, last_at: 0, sealed_at: 0 })
        .execute(),
    );
    await house.db.write((tx) =>
      tx.insertInto("audit_block_filters").values({ tenant_id: "acme", number: 7, first_at: 0, last_at: 0, filter: "AA" }).execute(),
    );
    await house.db.write(async (tx) => {
      for (let n = 0; n < 1_200; n += 1) await house.audit.record(tx, acme, "thing.happened", { target: `thing-${n}` });
    });
    await house.tenants.remove(admin, "acme");
    const stop = new AbortController();
    stop.abort();
    await house.tenants.erase.run(stop.signal);
    expect((await rowsOf(house.db.read, "acme"))["audit_events"]).toBeGreaterThan(1_000);

    const { items: deleted } = await house.audit.list("default", { action: "tenant.deleted" }, { limit: 10 });
    expect(deleted).toMatchObject([{ target: "acme", details: { auditChain: { block: 7, hash: head.hash } } }]);
    await house.jobs.runNow("tenants.erase");
    const { changes: _, ...left } = await rowsOf(house.db.read, "acme");
    expect(left).toEqual({});

    // A request that was under way when the tenant was deleted writes late.
    await house.db.write((tx) => house.audit.record(tx, acme, "thing.late"));
    house.hand.forward(9 * minute);
    expect(await house.tenants.erase.isNeeded?.()).toBe(true);
    house.hand.forward(minute);
    await house.jobs.runNow("tenants.erase");
    const { changes: __, ...still } = await rowsOf(house.db.read, "acme");
    expect(still).toEqual({});
    expect(await house.tenants.erase.isNeeded?.()).toBe(false);
    expect(await rowsOf(house.db.read, "globex")).toEqual(others);
    await house.close();
  });

  const furnishOther = async (house: House) => {
    await house.tenants.create(admin, "globex");
    await house.agents.create(adminOf("globex"), { name: "scout" });
    await house.providers.create(adminOf("globex"), { name: "weather", agents: ["*"], type: "api_key", apiKey: "another-key" } as never);
    return rowsOf(house.db.read, "globex");
  };

  test("a token that claims to come from a tenant there is not makes no key for it", async () => {
    const house = await open();
    const { token } = await furnish(house);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as object;
    const forged = Buffer.from(JSON.stringify({ ...claims, iss: `${testPublicUrl}/t/nowhere` })).toString("base64url");
    expect(await refusal(house, `${header}.${forged}.${signature}`)).toBe("unauthenticated");
    expect(await rowsOf(house.db.read, "nowhere")).toEqual({});
    await house.close();
  });
});
