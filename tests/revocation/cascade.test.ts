import type { impact } from "@legate/contract";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { z } from "zod";
import { admin } from "../../packages/server/src/access/vault/consents-for-tests.ts";
import { type TestIssuer, startTestIssuer } from "../../packages/server/src/testing/openid.ts";
import { startProvider, type TestProvider } from "../../packages/server/src/testing/provider.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { closureOf, forgotten, type Thing } from "./closure.ts";
import { openWorld, type World } from "./world.ts";

type Impact = z.output<typeof impact>;

let upstream: TestProvider;
let issuer: TestIssuer;
beforeAll(async () => {
  upstream = await startProvider({ scopes: ["read", "pending", "authorized", "denied"] });
  issuer = await startTestIssuer();
});
afterAll(async () => {
  await upstream.stop();
  await issuer.stop();
});

eachStore("a revocation", (fresh) => {
  let world: World;
  afterEach(() => world.close());
  const open = async () => {
    world = await openWorld(await fresh(), upstream, issuer);
    return world;
  };

  const impactOf = async (path: string): Promise<Impact> => {
    const answer = await world.ask({ url: `/v1/${path}/impact` });
    expect(answer.statusCode, answer.body).toBe(200);
    return answer.json<Impact>();
  };

  /** Of a closure, what is alive: connections with tokens and consents under way. */
  const aliveOf = async (things: readonly Thing[]) => {
    const ids = (table: string) => things.filter((thing) => thing.table === table).map(({ id }) => id);
    const pick = async (table: "connections" | "authorization_sessions", states: readonly string[]) => {
      const rows = await world.db.read.selectFrom(table).select(["id", "state"]).execute();
      return rows.filter(({ id, state }) => ids(table).includes(id) && states.includes(state)).map(({ id }) => id);
    };
    return {
      agentKeys: ids("agent_keys"),
      clientSecrets: ids("client_secrets"),
      clientKeys: ids("client_keys"),
      accessKeys: ids("access_keys").filter((id) => id.startsWith("ak_")),
      temporaryKeys: ids("access_keys").filter((id) => id.startsWith("tk_")),
      connections: await pick("connections", ["active"]),
      authorizations: await pick("authorization_sessions", ["pending", "authorized", "exchanging"]),
      // What ended with somebody whom it names does not say so in its row.
      grants: (await world.grants.list("default", {}, { limit: 500 })).items
        .filter(({ id, status }) => status === "active" && ids("oauth_grants").includes(id))
        .map(({ id }) => id),
    };
  };

  /** What each door says now. */
  const doors = async () => {
    const said = new Map<string, string>();
    for (const { what, tries } of world.openers) said.set(what, await tries());
    return said;
  };

  /** Every door that a thing opens is shut, whoever asks, and every other is open. */
  const expectDead = async (id: string, closure: readonly Thing[]) => {
    const dead = new Set([id, ...closure.map((thing) => thing.id)]);
    const hangs = world.openers.filter(({ of, what }) => of.some((each) => dead.has(each)) || dead.has(what));
    expect(hangs.length).toBeGreaterThan(0);
    expect(hangs.length).toBeLessThan(world.openers.length);
    const said = await doors();
    const names = new Set(hangs.map(({ what }) => what));
    expect([...said].filter(([what, word]) => names.has(what) && word === "open")).toEqual([]);
    expect([...said].filter(([what, word]) => !names.has(what) && word !== "open")).toEqual([]);
  };

  test("every column that names a thing is known to the cascade: who adds one says what hangs on it", async () => {
    const { db } = await open();
    expect(await forgotten(db)).toEqual([]);
  });

  test("before it every door is open, so that a shut one proves something", async () => {
    await open();
    expect([...(await doors())].filter(([, word]) => word !== "open")).toEqual([]);
  }, 60_000);

  describe.each([
    ["an agent suspended", "agents", "scout", (w: World) => w.agents.suspend(admin, "scout")],
    ["an agent revoked", "agents", "scout", (w: World) => w.agents.revoke(admin, "scout")],
    ["an agent deleted", "agents", "scout", (w: World) => w.agents.remove(admin, "scout")],
    ["a user suspended", "users", "alice", (w: World) => w.users.suspend(admin, w.alice.id)],
    ["a user revoked", "users", "alice", (w: World) => w.users.revoke(admin, w.alice.id)],
    ["a provider suspended", "credential-providers", "git", (w: World) => w.providers.suspend(admin, undefined, "git")],
    ["a provider deleted", "credential-providers", "git", (w: World) => w.providers.remove(admin, undefined, "git")],
    ["a provider of API keys suspended", "credential-providers", "weather", (w: World) => w.providers.suspend(admin, undefined, "weather")],
  ] as const)("%s", (what, noun, name, end) => {
    test("ends what impact said, which is the closure in the database, and nothing else", async () => {
      await open();
      const { id } = world[name];
      const closure = await closureOf(world.db, id);
      const before = await impactOf(`${noun}/${noun === "users" ? id : name}`);
      const alive = await aliveOf(closure);
      expect(before.connections?.count).toBe(alive.connections.length);
      expect(before.authorizations?.count).toBe(alive.authorizations.length);
      expect(before.grants?.count ?? 0).toBe(alive.grants.length);
      expect(alive.grants).toEqual(expect.arrayContaining(before.grants?.some.map((each) => each.id) ?? []));
      expect(alive.grants.length > 0).toBe(noun !== "credential-providers");
      for (const keys of ["agentKeys", "clientSecrets", "clientKeys", "accessKeys", "temporaryKeys"] as const)
        expect(before[keys]?.count ?? 0).toBe(alive[keys].length);
      expect(alive.connections).toEqual(expect.arrayContaining(before.connections?.some.map((each) => each.id) ?? []));
      expect(before.connections?.some).toHaveLength(Math.min(20, alive.connections.length));
      expect(before.workloadTokens).toBe(noun === "credential-providers" ? "unaffected" : "minted_before");
      if (noun === "credential-providers") {
        const users = new Set((before.connections?.some ?? []).map(({ agent }) => agent));
        expect(before.agents?.count).toBe(users.size);
        expect(before.mayUse).toEqual(["*"]);
      }

      await end(world);
      await expectDead(id, closure);
      const after =
        what === "an agent deleted" || what === "a provider deleted"
          ? undefined
          : await impactOf(`${noun}/${noun === "users" ? id : name}`);
      expect(after?.authorizations?.count ?? 0).toBe(0);
      const left = await aliveOf(closure);
      expect(left.authorizations).toEqual([]);
      // What a person granted is over with either, for what was handed out before a suspension stays dead.
      expect(left.grants).toEqual([]);
      // A suspension keeps what it stops; what is final erases it.
      const keeps = what.includes("suspended");
      expect(left.connections).toHaveLength(keeps ? alive.connections.length : 0);
      for (const [table, keys] of [
        ["agent_keys", "agentKeys"],
        ["client_secrets", "clientSecrets"],
        ["client_keys", "clientKeys"],
      ] as const) {
        const rows = await world.db.read.selectFrom(table).select("id").where("agent_id", "=", id).execute();
        expect(rows).toHaveLength(keeps ? alive[keys].length : 0);
      }
      if (!keeps)
        for (const table of ["connections", "access_keys"])
          expect((await closureOf(world.db, id)).map((thing) => thing.table)).not.toContain(table);
      const secrets = await world.db.read.selectFrom("authorization_visits").select(["session_id", "sealed_secrets"]).execute();
      const ended = new Set(closure.map((thing) => thing.id));
      expect(secrets.filter((row) => ended.has(row.session_id) && row.sealed_secrets !== "")).toEqual([]);
    }, 60_000);
  });

  test.each([
    ["suspended", (w: World) => w.clients.apps.suspend(admin, w.appId)],
    ["deleted", (w: World) => w.clients.apps.remove(admin, w.appId)],
  ] as const)(
    "an app %s: what people granted it dies, and nothing else",
    async (_, end) => {
      await open();
      const closure = await closureOf(world.db, world.appId);
      expect((await aliveOf(closure)).grants).toHaveLength(2);
      await end(world);
      await expectDead(world.appId, closure);
      expect((await aliveOf(closure)).grants).toEqual([]);
    },
    60_000,
  );

  test("a grant: it alone dies, with its tokens, and the person's consent is forgotten", async () => {
    await open();
    const all = (await world.grants.list("default", { user: world.alice.id }, { limit: 500 })).items;
    const [one] = all;
    if (!one) throw new Error("no grant");
    expect(all).toHaveLength(4);
    const closure = await closureOf(world.db, one.id);
    expect(closure.map(({ table }) => table).sort()).toEqual(["authorization_codes", "refresh_tokens"]);
    const answer = await world.ask({ method: "DELETE", url: `/v1/grants/${one.id}` });
    expect(answer.statusCode, answer.body).toBe(204);
    await expectDead(one.id, closure);
    expect((await world.ask({ url: `/v1/grants/${one.id}` })).json()).toMatchObject({ id: one.id, status: "revoked", reason: "operator" });
    const again = await world.ask({ method: "DELETE", url: `/v1/grants/${one.id}` });
    expect(again.statusCode).toBe(204);
    const rows = (await world.audit.list("default", { action: "grant.revoked" }, { limit: 10 })).items;
    expect(rows).toMatchObject([{ target: one.id, callerKind: "operator", details: { reason: "operator" } }]);
    for (const filter of [`client=${one.client}`, `user=${world.alice.id}`, `agent=${one.agent?.id ?? "none"}`]) {
      const { items } = (await world.ask({ url: `/v1/grants?limit=2&${filter}` })).json<{ items: { id: string }[] }>();
      expect([filter, items.length]).toEqual([filter, filter === "agent=none" ? 0 : 2]);
    }
  }, 60_000);

  test("a connection: impact says whether it holds tokens, and it alone dies", async () => {
    await open();
    const all = (await world.connections.list("default", { user: world.alice.id }, { limit: 500 })).items;
    const one = all.find(({ state }) => state === "active");
    const over = all.find(({ state }) => state === "revoked");
    expect(await impactOf(`connections/${over?.id}`)).toMatchObject({ workloadTokens: "unaffected", connections: { count: 0, some: [] } });
    expect(await impactOf(`connections/${one?.id}`)).toMatchObject({
      workloadTokens: "unaffected",
      connections: { count: 1, some: [{ id: one?.id, agent: one?.agent.id, user: world.alice.id, provider: one?.provider.id }] },
    });
    const closure = await closureOf(world.db, one?.id ?? "");
    expect(closure).toEqual([]);
    await world.vault.revokeConnection(admin, one?.id ?? "");
    await expectDead(one?.id ?? "", closure);
  }, 60_000);

  test("an issuer: the agents that trust it, and the apps whose users log in there, stand in the way; then its users' tokens open nothing, and what was minted lives on", async () => {
    await open();
    const { id, issuer: iss } = await world.issuers.get("default", "corp");
    const app = await world.clients.apps.create(admin, { name: "notes", redirectUris: ["https://notes.example/"], issuer: "corp" });
    const before = await impactOf("issuers/corp");
    const trusting = await world.db.read.selectFrom("agents").select("id").where("issuer_id", "=", id).execute();
    expect(before).toMatchObject({
      workloadTokens: "until_they_expire",
      agents: { count: trusting.length },
      clients: { count: 1, some: [{ id: app.id, name: "notes" }] },
      users: { count: 2 },
      authorizations: { count: 0 },
    });
    expect(before.agents?.some.map((agent) => agent.id).sort()).toEqual(trusting.map((row) => row.id).sort());
    expect(before.users?.some.map(({ subject }) => subject).sort()).toEqual(["alice", "bob"]);
    await expect(world.issuers.remove(admin, "corp")).rejects.toMatchObject({ code: "issuer_in_use" });
    for (const agent of trusting) await world.agents.update(admin, agent.id, { issuer: null });
    expect((await impactOf("issuers/corp")).agents?.count).toBe(0);
    await expect(world.issuers.remove(admin, "corp")).rejects.toMatchObject({ code: "issuer_in_use" });
    await world.clients.apps.update(admin, "notes", { issuer: null });
    const consents = new Set(
      (await closureOf(world.db, world.alice.id)).concat(await closureOf(world.db, world.bob.id)).map((thing) => thing.id),
    );
    await world.issuers.remove(admin, "corp");
    expect(iss).toBe(issuer.url);
    const said = await doors();
    for (const { what, of } of world.openers) {
      // A consent is completed with the user's token, which is worth nothing now; one that nobody has come back from can still be opened.
      if (consents.has(what) && !what.startsWith("con_")) continue;
      expect([what, said.get(what) === "open"]).toEqual([what, !of.includes("issuer")]);
    }
  }, 60_000);

  test("a revoked user stays refused, whatever valid token arrives, and cannot be resumed", async () => {
    await open();
    const { users, alice, workloadTokens } = world;
    await users.revoke(admin, alice.id);
    const userToken = await issuer.sign({ sub: "alice", aud: "legate" });
    for (const agent of ["scout", "clerk"]) {
      await expect(workloadTokens.issue(admin, { agent, userToken })).rejects.toMatchObject({ code: "user_suspended" });
    }
    for (const end of [users.resume, users.suspend, users.revoke]) {
      await expect(end(admin, alice.id)).rejects.toMatchObject({ code: "user_revoked" });
    }
    const answer = await world.ask({ method: "POST", url: `/v1/users/${alice.id}/resume`, body: {} });
    expect([answer.statusCode, answer.json<{ error: { code: string } }>().error.code]).toEqual([409, "user_revoked"]);
    expect((await world.ask({ url: `/v1/users/${alice.id}` })).json<{ status: string }>().status).toBe("revoked");
    const [row] = (await world.audit.list("default", { action: "user.revoked" }, { limit: 10 })).items;
    expect(row).toMatchObject({ target: alice.id, callerId: "op_test" });
  }, 60_000);

  test("a provider resumed serves the connections it had; consents that the suspension ended stay ended", async () => {
    await open();
    const { providers, git } = world;
    await providers.suspend(admin, undefined, "git");
    expect((await world.ask({ url: "/v1/credential-providers/git" })).json<{ status: string }>().status).toBe("suspended");
    await providers.resume(admin, undefined, "git");
    const said = await doors();
    for (const { what, of } of world.openers.filter((opener) => opener.of.includes(git.id))) {
      expect([what, said.get(what)]).toEqual([what, of.includes(what) ? "open" : "authorization_failed provider_suspended"]);
    }
  }, 60_000);

  test("impact counts all and names twenty, and tells nobody of another tenant's", async () => {
    await open();
    const { agents, db } = world;
    const crowd = await agents.create(admin, { name: "crowd" });
    await db.write(async (tx) => {
      for (let at = 0; at < 30; at += 1) {
        const key = {
          kind: "user",
          user: `usr_${at}`,
          tenant: "default",
          agent: crowd.id,
          provider: world.hub.id,
          resource: "",
          audience: "",
          scopes: "[]",
        } as const;
        const tokens = { accessToken: "at", tokenType: "Bearer" };
        await world.connections.store(tx, key, { requestedScopes: [], tokens, now: Date.now() });
      }
    });
    const said = await impactOf("agents/crowd");
    expect(said.connections?.count).toBe(30);
    expect(said.connections?.some).toHaveLength(20);
    expect((await world.connections.someOf("another", { kind: "agent", id: crowd.id }, 20)).count).toBe(0);
    const text = JSON.stringify([said, await impactOf("credential-providers/git"), await impactOf(`users/${world.alice.id}`)]);
    const sessions = await db.read.selectFrom("authorization_sessions").select("id").execute();
    for (const { id } of sessions) expect(text).not.toContain(id);
  }, 60_000);
});
