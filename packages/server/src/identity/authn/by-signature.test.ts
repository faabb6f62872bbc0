import { expect, test } from "vitest";
import { makeLimits } from "../../ground/limits/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import { signRequest, type ToSign } from "../../testing/acs3.ts";
import { openIdentity } from "../../testing/identity.ts";
import { refusalOf } from "../../testing/refused.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { makeAuthn } from "./authn.ts";
import type { RightsOf } from "./by-signature.ts";

const admin: Principal = { ...adminOf("default"), caller: { kind: "operator", id: "op_admin", role: "admin" } };
const roleArn = "acs:ram::1:role/reader";

eachStore("whoever signs a request", (fresh) => {
  const open = async (rightsOf: RightsOf = () => Promise.resolve(() => false)) => {
    const identity = await openIdentity(await fresh(), { rightsOf });
    const { accessKeys, agents, users, authn, hand, workloadTokens } = identity;
    await identity.operators.installAdminKey(undefined);
    const scout = await agents.create(admin, { name: "scout" });
    const clerk = await agents.create(admin, { name: "clerk" });
    const alice = await users.asserted(admin, scout.id, "alice");
    const bob = await users.asserted(admin, scout.id, "bob");
    const lasting = async (rights: "admin" | { readonly agent: string }) => {
      const { accessKeyId, accessKeySecret: secret } = await accessKeys.create(admin, { rights });
      return { accessKeyId, secret };
    };
    const temporary = async (user?: typeof alice, more: { readonly sessionPolicy?: string } = {}) => {
      const ask = { agent: await agents.get("default", "scout"), user, tenantEpoch: 0, roleArn, sessionName: "s", seconds: 900, ...more };
      const { accessKeyId, accessKeySecret: secret, securityToken } = await accessKeys.issueTemporary(admin, ask);
      return { accessKeyId, secret, securityToken };
    };
    const sign = (key: Pick<ToSign, "accessKeyId" | "secret" | "securityToken">) =>
      signRequest({ ...key, action: "GetCallerIdentity", version: "2015-04-01", date: hand.clock() });
    const prove = (key: Parameters<typeof sign>[0], tenant?: string, by = authn) =>
      by.proveSigned({ ...sign(key), tenant, requestId: "r", address: "192.0.2.1" });
    const tokenFor = async (agent: string, userId?: string) => (await workloadTokens.issue(admin, { agent, userId })).token;
    return { ...identity, scout, clerk, alice, bob, lasting, temporary, sign, prove, tokenFor };
  };

  test("is the admin, the agent, or the agent for its user in a role", async () => {
    const asked: unknown[] = [];
    const { lasting, temporary, prove, scout, alice, close } = await open((tenant, of) => {
      asked.push([tenant, { ...of, agent: of.agent.name }]);
      return Promise.resolve((action, resources) => action === "may" && resources.length === 1);
    });
    const place = { tenant: "default", requestId: "r", address: "192.0.2.1" };
    const operator = { kind: "operator", id: "op_admin", role: "admin" };
    const own = await lasting("admin");
    const through = { accessKey: own.accessKeyId };
    expect(await prove(own)).toEqual({ ...place, through, caller: operator, actors: [], method: "access_key" });
    const acting = { ...place, caller: { kind: "agent", id: scout.id }, actors: [scout.id] };
    const agent = expect.objectContaining({ id: scout.id, name: "scout", epoch: 0 }) as unknown;
    const its = await lasting({ agent: "scout" });
    expect(await prove(its)).toEqual({ ...acting, through: { accessKey: its.accessKeyId }, agent, method: "access_key" });
    expect(asked).toEqual([]);
    const who = await prove(await temporary(alice, { sessionPolicy: "{}" }));
    expect(who).toMatchObject({
      ...acting,
      agent,
      user: { id: alice.id, epoch: 0 },
      method: "temporary_key",
      session: { roleArn, name: "s" },
    });
    expect(who.session?.permits("may", ["one"])).toBe(true);
    expect(who.session?.permits("may", ["one", "two"])).toBe(false);
    expect(asked).toEqual([["default", { roleArn, agent: "scout", sessionPolicy: "{}" }]]);
    expect((await prove(await temporary())).user).toBeUndefined();
    await close();
  });

  test("is nobody at another tenant's address", async () => {
    const { lasting, temporary, prove, tenants, alice, close } = await open();
    await tenants.create(admin, "acme");
    for (const key of [await lasting("admin"), await lasting({ agent: "scout" }), await temporary(alice)]) {
      expect(await refusalOf(prove(key, "acme"))).toBe("access_key_unknown");
      expect(await prove(key, "default")).toMatchObject({ tenant: "default" });
    }
    await close();
  });

  test("may act as long as everybody may whom the key names: a suspension outlives temporary keys, and not lasting ones", async () => {
    const { lasting, temporary, prove, agents, users, alice, audit, scout, close } = await open();
    const own = await lasting({ agent: "scout" });
    const [forAlice, alone] = [await temporary(alice), await temporary()];
    await users.suspend(admin, alice.id);
    expect(await refusalOf(prove(forAlice))).toBe("user_suspended");
    await prove(alone);
    await users.resume(admin, alice.id);
    expect(await refusalOf(prove(forAlice))).toBe("access_key_unknown");

    await agents.suspend(admin, "scout");
    for (const key of [own, alone]) expect(await refusalOf(prove(key))).toBe("agent_suspended");
    const { items } = await audit.list("default", { action: "request.refused" }, { limit: 10 });
    expect(items).toMatchObject([
      { agent: scout.id, details: { reason: "agent_suspended" } },
      { agent: scout.id, user: alice.id, details: { reason: "user_suspended" } },
    ]);
    await agents.resume(admin, "scout");
    await prove(own);
    expect(await refusalOf(prove(alone))).toBe("access_key_unknown");
    await close();
  });

  test("spends workload tokens of its own agent, with a temporary key of its own user alone", async () => {
    const { lasting, temporary, prove, tokenFor, authn, alice, close } = await open();
    const tokens = {
      "scout for alice": await tokenFor("scout", "alice"),
      "scout for bob": await tokenFor("scout", "bob"),
      "scout alone": await tokenFor("scout"),
      "clerk for alice": await tokenFor("clerk", "alice"),
      "clerk alone": await tokenFor("clerk"),
      "of nobody": "a.b.c",
    };
    const all = Object.keys(tokens).filter((name) => name !== "of nobody");
    const expected = [
      [await lasting("admin"), all],
      [await lasting({ agent: "scout" }), all.filter((name) => name.startsWith("scout"))],
      [await temporary(alice), ["scout for alice"]],
      [await temporary(), ["scout alone"]],
    ] as const;
    for (const [key, spent] of expected) {
      const who = await prove(key);
      const said: string[] = [];
      for (const [name, token] of Object.entries(tokens)) {
        const word = await refusalOf(authn.spend(who, token));
        if (word === "nothing refused") said.push(name);
        else expect(word).toBe("unauthenticated");
      }
      expect(said).toEqual(spent);
    }
    await close();
  });

  test("with a temporary key gets neither workload tokens nor keys", async () => {
    const { temporary, prove, workloadTokens, accessKeys, scout, alice, close } = await open(() => Promise.resolve(() => true));
    const who = await prove(await temporary(alice));
    expect(await refusalOf(workloadTokens.issue(who, { userId: "alice" }))).toBe("forbidden");
    expect(await refusalOf(workloadTokens.issue(who, { agent: "scout" }))).toBe("forbidden");
    expect(await refusalOf(accessKeys.create(who, { rights: { agent: "scout" } }))).toBe("forbidden");
    const ask = { agent: scout, tenantEpoch: 0, roleArn, sessionName: "s", seconds: 900 };
    expect(await refusalOf(accessKeys.issueTemporary(who, ask))).toBe("forbidden");
    await close();
  });

  test("is held to its limits before anything is written for it, and guesses are counted", async () => {
    const identity = await open();
    const { lasting, prove, sign, db, hand, close } = identity;
    const limits = makeLimits({ db, clock: hand.clock, scale: 1 / 6_000 });
    const limited = makeAuthn({ ...identity, limits, rightsOf: () => Promise.resolve(() => false) });
    const key = await lasting({ agent: "scout" });
    // Two requests of an agent in a minute.
    for (const word of ["nothing refused", "nothing refused", "rate_limited"])
      expect(await refusalOf(prove(key, undefined, limited))).toBe(word);
    expect(await db.read.selectFrom("used_once").selectAll().execute()).toHaveLength(2);
    // What was refused for being too much may come again.
    const request = sign(key);
    hand.forward(121_000);
    const late = { ...request, requestId: "r", address: "192.0.2.1" };
    await limited.proveSigned(late);
    const guesses = makeAuthn({
      ...identity,
      limits: makeLimits({ db, clock: hand.clock, scale: 1 / 60 }),
      rightsOf: () => Promise.resolve(() => false),
    });
    const wrong = { ...key, secret: `${key.secret}x` };
    const idle = await lasting({ agent: "scout" });
    for (let n = 0; n < 2; n += 1) expect(await refusalOf(prove(wrong, undefined, guesses))).toBe("signature_mismatch signature");
    for (const each of [wrong, idle]) expect(await refusalOf(prove(each, undefined, guesses))).toBe("rate_limited");
    // Whose key is in use goes on.
    expect(await refusalOf(prove(key, undefined, guesses))).toBe("nothing refused");
    await close();
  });

  test("with a temporary key that has ended guesses as little as with a token that has, and does not lock its address out", async () => {
    const identity = await open();
    const { lasting, temporary, prove, agents, db, hand, close } = identity;
    // Twenty points in a minute.
    const limits = makeLimits({ db, clock: hand.clock, scale: 1 / 60 });
    const limited = makeAuthn({ ...identity, limits, rightsOf: () => Promise.resolve(() => false) });
    const [own, ended] = [await lasting({ agent: "scout" }), await temporary()];
    await agents.suspend(admin, "scout");
    await agents.resume(admin, "scout");
    const none = { ...ended, accessKeyId: `tk_${"0".repeat(32)}` };
    for (const key of [ended, none, ended, none, ended, none, ended, none, ended, none])
      expect(await refusalOf(prove(key, undefined, limited))).toBe("access_key_unknown");
    expect(await prove(own, undefined, limited)).toMatchObject({ method: "access_key" });
    // One that is guessed at costs as much as ever.
    const guessed = { ...own, accessKeyId: `ak_${"0".repeat(32)}` };
    for (const word of ["access_key_unknown", "access_key_unknown", "rate_limited"])
      expect(await refusalOf(prove(guessed, undefined, limited))).toBe(word);
    expect(await refusalOf(prove(ended, undefined, limited))).toBe("access_key_unknown");
    await close();
  });
});
