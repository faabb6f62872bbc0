import { expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { openIdentity } from "../../testing/identity.ts";

const admin = adminOf("default");
const minute = 60_000;

type Identity = Awaited<ReturnType<typeof openIdentity>>;

const eachIdentity = (name: string, suite: (open: () => Promise<Identity>) => void): void =>
  eachStore(name, (fresh) => suite(async () => openIdentity(await fresh())));

const proof = (key: string) => ({ authorization: `Bearer ${key}`, requestId: "r" });
const is = async (identity: Identity, key: string): Promise<string> => {
  const who = await identity.authn.prove(proof(key), ["admin", "operator", "auditor"]).catch((error: { code: string }) => error);
  return "code" in who ? who.code : who.caller.kind === "operator" ? who.caller.role : who.caller.kind;
};

eachIdentity("an operator's key", (open) => {
  test("opens what its role may do until it expires, and not a moment longer, however lately it was used", async () => {
    const identity = await open();
    const { key } = await identity.operators.create(admin, { name: "temp", role: "operator", expiresAt: identity.clock() + 5 * minute });
    expect(await is(identity, key)).toBe("operator");
    identity.hand.forward(5 * minute - 1);
    expect(await is(identity, key)).toBe("operator");
    identity.hand.forward(1);
    expect(await is(identity, key)).toBe("unauthenticated");
    await identity.close();
  });

  test("is dead at the next request once its operator is deleted or its key replaced, and obeys a new role", async () => {
    const identity = await open();
    const { id, key } = await identity.operators.create(admin, { name: "ada", role: "operator" });
    expect(await is(identity, key)).toBe("operator");
    await identity.operators.update(admin, id, { role: "auditor" });
    expect(await is(identity, key)).toBe("auditor");
    const { key: second } = await identity.operators.rotateKey(admin, id);
    expect([await is(identity, key), await is(identity, second)]).toEqual(["unauthenticated", "auditor"]);
    await identity.operators.update(admin, id, { expiresAt: identity.clock() });
    expect(await is(identity, second)).toBe("unauthenticated");
    await identity.operators.update(admin, id, { expiresAt: null });
    expect(await is(identity, second)).toBe("auditor");
    await identity.operators.remove(admin, id);
    expect(await is(identity, second)).toBe("unauthenticated");
    await expect(identity.operators.get("default", id)).rejects.toMatchObject({ code: "operator_unknown" });
    const { items } = await identity.audit.list("default", { action: "operator.*" }, { limit: 10 });
    expect(items.map(({ action }) => action).reverse()).toEqual([
      "operator.created",
      "operator.updated",
      "operator.key_replaced",
      "operator.updated",
      "operator.updated",
      "operator.deleted",
    ]);
    expect(JSON.stringify(items)).not.toMatch(/op_[0-9a-f]{64}/);
    await identity.close();
  });

  test("is seen to be used within a minute, without a write for each use", async () => {
    const identity = await open();
    const { id, key } = await identity.operators.create(admin, { name: "ada", role: "operator" });
    const lastUsedAt = async () => (await identity.operators.get("default", id)).lastUsedAt;
    expect(await lastUsedAt()).toBeUndefined();
    const first = identity.clock();
    await is(identity, key);
    expect(await lastUsedAt()).toBe(first);
    identity.hand.forward(minute - 1);
    await is(identity, key);
    expect(await lastUsedAt()).toBe(first);
    identity.hand.forward(1);
    await is(identity, key);
    expect(await lastUsedAt()).toBe(first + minute);
    await identity.close();
  });

  test("shows its first characters in lists and nothing more; a key that somebody chose shows none", async () => {
    const identity = await open();
    await identity.operators.installAdminKey("correct-horse-battery-staple-correct");
    const { key } = await identity.operators.create(admin, { name: "ada", role: "operator" });
    identity.hand.forward(1);
    const { items } = await identity.operators.list("default", { limit: 10 });
    expect(Object.fromEntries(items.map(({ name, hint }) => [name, hint]))).toEqual({ ada: key.slice(0, 9), admin: undefined });
    expect(JSON.stringify(items)).not.toContain(key.slice(0, 12));
    await identity.close();
  });
});

eachIdentity("a tenant keeps somebody to run it", (open) => {
  const tenantOf = async (identity: Identity) => {
    const { adminKey } = await identity.tenants.create(admin, "acme");
    const acme = adminOf("acme");
    const [first] = (await identity.operators.list("acme", { limit: 10 })).items;
    if (!first) throw new Error("A new tenant has an admin.");
    return { acme, first: first.id, adminKey };
  };

  test("its last admin whose key does not expire is neither deleted, demoted nor given an end", async () => {
    const identity = await open();
    const { acme, first, adminKey } = await tenantOf(identity);
    await identity.operators.create(acme, { name: "temp", role: "admin", expiresAt: identity.clock() + minute });
    await expect(identity.operators.remove(acme, first)).rejects.toMatchObject({ code: "last_admin" });
    await expect(identity.operators.update(acme, first, { role: "auditor" })).rejects.toMatchObject({ code: "last_admin" });
    await expect(identity.operators.update(acme, first, { expiresAt: identity.clock() + minute })).rejects.toMatchObject({
      code: "last_admin",
    });
    expect(await is(identity, adminKey)).toBe("admin");
    await identity.operators.create(acme, { name: "heir", role: "admin" });
    await identity.operators.remove(acme, first);
    expect(await is(identity, adminKey)).toBe("unauthenticated");
    await identity.close();
  });

  test("two admins who remove each other at the same moment leave one", async () => {
    const identity = await open();
    const { acme, first } = await tenantOf(identity);
    for (let round = 0; round < 5; round += 1) {
      const [one] = (await identity.operators.list("acme", { limit: 10 })).items;
      const { id: other } = await identity.operators.create(acme, { name: `heir-${round}`, role: "admin" });
      const both = await Promise.allSettled([identity.operators.remove(acme, one?.id ?? first), identity.operators.remove(acme, other)]);
      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      expect((await identity.operators.list("acme", { limit: 10 })).items).toHaveLength(1);
    }
    await identity.close();
  });

  test("who is made an auditor and given an end at the same moment is both afterwards", async () => {
    const identity = await open();
    const { acme } = await tenantOf(identity);
    for (let round = 0; round < 5; round += 1) {
      const { id } = await identity.operators.create(acme, { name: `heir-${round}`, role: "admin" });
      const expiresAt = identity.clock() + minute;
      await Promise.all([identity.operators.update(acme, id, { role: "auditor" }), identity.operators.update(acme, id, { expiresAt })]);
      expect(await identity.operators.get("acme", id)).toMatchObject({ role: "auditor", expiresAt });
    }
    await identity.close();
  });

  test("the first operator stays; its key is made anew only where it is no setting, and then stays so over a start", async () => {
    const identity = await open();
    const made = (await identity.operators.installAdminKey(undefined)) ?? "";
    expect(await is(identity, made)).toBe("admin");
    await expect(identity.operators.remove(admin, "op_admin")).rejects.toMatchObject({ code: "first_operator" });
    await expect(identity.operators.update(admin, "op_admin", { role: "operator" })).rejects.toMatchObject({ code: "first_operator" });
    await expect(identity.operators.update(admin, "op_admin", { expiresAt: 0 })).rejects.toMatchObject({ code: "first_operator" });
    const { key } = await identity.operators.rotateKey(admin, "op_admin");
    expect(await identity.operators.installAdminKey(undefined)).toBeUndefined();
    expect([await is(identity, made), await is(identity, key)]).toEqual(["unauthenticated", "admin"]);
    const given = "correct-horse-battery-staple-correct";
    await identity.operators.installAdminKey(given);
    expect([await is(identity, key), await is(identity, given)]).toEqual(["unauthenticated", "admin"]);
    await expect(identity.operators.rotateKey(admin, "op_admin")).rejects.toMatchObject({ code: "first_operator" });
    await identity.close();
  });

  test("a name is taken once in a tenant, and free in another", async () => {
    const identity = await open();
    const { acme } = await tenantOf(identity);
    await identity.operators.create(admin, { name: "ada", role: "operator" });
    await expect(identity.operators.create(admin, { name: "ada", role: "auditor" })).rejects.toMatchObject({ code: "operator_exists" });
    await identity.operators.create(acme, { name: "ada", role: "operator" });
    await expect(identity.operators.create(admin, { name: "late", role: "admin", expiresAt: identity.clock() })).rejects.toMatchObject({
      code: "invalid_request",
    });
    await identity.close();
  });
});
