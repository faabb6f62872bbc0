import { afterEach, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { acting, keyFor, type OpenVault, openVault } from "./vault-for-tests.ts";

eachStore("connections", (fresh) => {
  let house: OpenVault;
  afterEach(() => house.close());
  const admin = adminOf("acme");

  const furnished = async () => {
    house = await openVault(await fresh());
    const { ground, connections, hand } = house;
    const scout = await house.agent("acme", "scout");
    const clerk = await house.agent("acme", "clerk");
    const alice = await house.user("acme", "alice");
    const bob = await house.user("acme", "bob");
    const git = await house.provider("acme", "git");
    const hub = await house.provider("acme", "hub", [], { vault: "second" });
    const store = (who: ReturnType<typeof acting>, provider: string) => {
      hand.forward(1);
      return ground.db.write((tx) =>
        connections.store(tx, keyFor(who, provider, ["read", "write"]), {
          requestedScopes: ["write", "read"],
          tokens: { accessToken: "SECRET", tokenType: "Bearer", refreshToken: "SECRET", scopes: ["read"], expiresIn: 60 },
          now: hand.clock(),
        }),
      );
    };
    const one = await store(acting("acme", scout, alice), git);
    const two = await store(acting("acme", scout, bob), hub);
    const three = await store(acting("acme", clerk, alice), git);
    const own = await store(acting("acme", clerk), hub);
    const ids = async (filter: Parameters<typeof connections.list>[1], tenant = "acme") =>
      (await connections.list(tenant, filter, { limit: 10 })).items.map(({ id }) => id);
    return { ...house, scout, clerk, alice, bob, git, hub, store, one, two, three, own, ids };
  };

  test("storing tells what was granted, and storing again under the key takes the place of what was there", async () => {
    const { one, store, scout, alice, git, ids } = await furnished();
    expect(one).toMatchObject({ version: 1, scopes: ["read"], missingScopes: ["write"] });
    await expect(store(acting("acme", scout, alice), git)).resolves.toMatchObject({ connectionId: one.connectionId, version: 2 });
    await expect(ids({})).resolves.toHaveLength(4);
  });

  test("the list shows whom each concerns, newest first and page by page, and never a token", async () => {
    const { connections, one, two, three, own, scout, alice, git, hand } = await furnished();
    const first = await connections.list("acme", {}, { limit: 3 });
    expect(first.items.map(({ id }) => id)).toEqual([own, three, two].map(({ connectionId }) => connectionId));
    const last = await connections.list("acme", {}, { limit: 3, cursor: first.nextCursor });
    expect(last).toEqual({
      items: [
        {
          id: one.connectionId,
          agent: { id: scout.id, name: "scout" },
          user: { id: alice.id, issuer: "https://idp.test", subject: "alice" },
          provider: { id: git, name: "git", vault: "default" },
          state: "active",
          requestedScopes: ["write", "read"],
          grantedScopes: ["read"],
          expiresAt: hand.clock() - 3 + 60_000,
          refreshable: true,
          createdAt: hand.clock() - 3,
          updatedAt: hand.clock() - 3,
        },
      ],
    });
    expect(first.items[0]).not.toHaveProperty("user");
    expect(JSON.stringify([first, last])).not.toContain("SECRET");
    await expect(connections.get("acme", one.connectionId)).resolves.toEqual(last.items[0]);
    await expect(connections.list("acme", {}, { limit: 3, cursor: "x" })).rejects.toMatchObject({ code: "invalid_request" });
  });

  test("filters hold together, take names and ids, and show nothing of another tenant", async () => {
    const { ids, connections, one, two, three, own, scout, alice, git, hub } = await furnished();
    const id = (...stored: { connectionId: string }[]) => stored.map(({ connectionId }) => connectionId);
    await expect(ids({ agent: "scout" })).resolves.toEqual(id(two, one));
    await expect(ids({ agent: scout.id })).resolves.toEqual(id(two, one));
    await expect(ids({ user: alice.id })).resolves.toEqual(id(three, one));
    await expect(ids({ provider: "git" })).resolves.toEqual(id(three, one));
    await expect(ids({ provider: git, agent: "clerk" })).resolves.toEqual(id(three));
    await expect(ids({ provider: hub })).resolves.toEqual(id(own, two));
    await expect(ids({ provider: "hub" })).resolves.toEqual([]);
    await expect(ids({ agent: "nobody" })).resolves.toEqual([]);
    await expect(ids({}, "globex")).resolves.toEqual([]);
    await expect(ids({ agent: scout.id }, "globex")).resolves.toEqual([]);
    await expect(connections.get("globex", one.connectionId)).rejects.toMatchObject({ code: "connection_unknown" });
    await expect(connections.revoke(adminOf("globex"), one.connectionId)).rejects.toMatchObject({ code: "connection_unknown" });
  });

  test("what is revoked has no tokens left, and the record says whose it was", async () => {
    const { connections, ground, one, scout, alice, git } = await furnished();
    await connections.revoke(admin, one.connectionId);
    await expect(connections.get("acme", one.connectionId)).resolves.toMatchObject({ state: "revoked", refreshable: false });
    const row = await ground.db.read.selectFrom("connections").selectAll().where("id", "=", one.connectionId).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ sealed_tokens: null, version: 2 });
    const { items } = await ground.audit.list("acme", { action: "connection.revoked" }, { limit: 10 });
    expect(items).toMatchObject([
      { target: one.connectionId, agent: scout.id, user: alice.id, callerId: "op_test", details: { provider: git } },
    ]);
    await expect(connections.revoke(admin, "con_none")).rejects.toMatchObject({ code: "connection_unknown" });
  });

  test("a removed agent's and a removed provider's connections are erased, all others stay, and the record says how many", async () => {
    const { agents, connections, ground, ids, one, three, own, git } = await furnished();
    await agents.remove(admin, "scout");
    await expect(ids({})).resolves.toEqual([own.connectionId, three.connectionId]);
    await ground.db.write((tx) => connections.providerRemoved(tx, admin, git));
    await expect(ids({})).resolves.toEqual([own.connectionId]);
    await ground.db.write((tx) => connections.providerRemoved(tx, adminOf("globex"), git));
    const { items } = await ground.audit.list("acme", { action: "connections.erased" }, { limit: 10 });
    expect(items).toMatchObject([{ details: { connections: 1 } }, { details: { connections: 2 } }]);
    expect(one.connectionId).not.toBe(three.connectionId);
  });

  test("when a provider points elsewhere its tokens are erased and each user is asked again; what was revoked stays so", async () => {
    const { connections, ground, one, three, own, git } = await furnished();
    await connections.revoke(admin, three.connectionId);
    await ground.db.write((tx) => connections.providerRebound(tx, admin, git));
    await expect(connections.get("acme", one.connectionId)).resolves.toMatchObject({ state: "needs_consent", refreshable: false });
    await expect(connections.get("acme", three.connectionId)).resolves.toMatchObject({ state: "revoked" });
    await expect(connections.get("acme", own.connectionId)).resolves.toMatchObject({ state: "active" });
    const left = await ground.db.read.selectFrom("connections").select("id").where("sealed_tokens", "is not", null).execute();
    expect(left.map(({ id }) => id)).not.toContain(one.connectionId);
    expect(left).toHaveLength(2);
  });
});
