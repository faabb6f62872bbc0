import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { makeRefreshTokens } from "../../access/grants/refresh-tokens.ts";
import { systemRandom } from "../../ground/kernel/index.ts";
import { openTestHouse } from "../../testing/house.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, api, claimsOf, down, type Oauth, openOauth, type Params, serveHouse } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

const day = 24 * 60 * 60_000;

eachStore("a refresh token", (fresh) => {
  let oauth: Oauth;
  let closeMore: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closeMore) await close();
    closeMore = [];
    await oauth.close();
  });
  const open = async () => {
    const store = await fresh();
    oauth = await openOauth(store, issuer);
    return { ...oauth, store };
  };
  const first = async (scopes = ["read", "write"]) => {
    const { body } = await oauth.redeemed(undefined, { client: oauth.desk.id, user: oauth.alice, scopes });
    return { access: body.access_token ?? "", refresh: body.refresh_token ?? "" };
  };
  const refresh = (refresh_token: string | undefined, params: Params = {}, token = oauth.token) =>
    token(undefined, { grant_type: "refresh_token", client_id: oauth.desk.id, refresh_token, ...params });
  const isAlive = async (token: string | undefined) => (await oauth.introspect(oauth.server, token)).active;
  const reasons = async () =>
    (await oauth.house.audit.list("default", { action: "grant.revoked" }, { limit: 10 })).items.map(({ details }) => details["reason"]);

  test("is spent for the next one and an access token of the same grant; what came before lives on", async () => {
    await open();
    const { access, refresh: one } = await first();
    const { status, body } = await refresh(one);
    expect([status, body]).toEqual([
      200,
      {
        access_token: expect.any(String) as string,
        token_type: "Bearer",
        expires_in: 600,
        scope: "read write",
        refresh_token: expect.stringMatching(/^rt_[\w-]{43}$/) as string,
      },
    ]);
    expect(body.refresh_token).not.toBe(one);
    expect(claimsOf(body.access_token)["gid"]).toBe(claimsOf(access)["gid"]);
    expect([await isAlive(access), await isAlive(body.access_token)]).toEqual([true, true]);
    expect((await refresh(body.refresh_token)).status).toBe(200);
  });

  test("spent 64 times at once, on as many replicas as there are, answers the same successor to all", async () => {
    const { store, hand } = await open();
    const { refresh: one } = await first();
    const tokens = [oauth.token];
    // SQLite has one process; there the second replica is the first.
    if (store.engine === "postgres") {
      const house = await openTestHouse(store, { clock: hand.clock });
      const served = await serveHouse(house);
      closeMore.push(async () => {
        await served.http.close();
        await house.close();
      });
      tokens.push(served.token);
    }
    const answers = await Promise.all(Array.from({ length: 64 }, (_, at) => refresh(one, {}, tokens[at % tokens.length])));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(64);
    hand.forward(11_000);
    // Nobody is a thief for having asked twice at once.
    expect((await refresh(answers[0]?.body.refresh_token)).status).toBe(200);
    expect(await reasons()).toEqual([]);
  });

  test("that is used again later ends its family, with the successor and every access token; a restart brings nothing back", async () => {
    const { store, hand } = await open();
    const { access, refresh: one } = await first();
    const two = (await refresh(one)).body;
    hand.forward(10_000);
    expect((await refresh(one)).body.refresh_token).toBe(two.refresh_token);
    hand.forward(1);
    const { status, body } = await refresh(one);
    expect([status, body.error]).toEqual([400, "invalid_grant"]);
    expect(await reasons()).toEqual(["refresh_token_reused"]);
    expect((await refresh(two.refresh_token)).body.error).toBe("invalid_grant");
    expect([await isAlive(access), await isAlive(two.access_token)]).toEqual([false, false]);

    await oauth.close();
    const house = await openTestHouse(store, { clock: hand.clock });
    const served = await serveHouse(house);
    oauth = { ...oauth, house, ...served, close: async () => (await served.http.close(), house.close()) };
    expect((await refresh(two.refresh_token)).body.error).toBe("invalid_grant");
    expect((await refresh(one)).body.error).toBe("invalid_grant");
    expect(await isAlive(two.access_token)).toBe(false);
  });

  test("that was spent between being looked at and being spent, long ago, ends its family too", async () => {
    const { house, hand } = await open();
    const { refresh: one } = await first();
    const tokens = makeRefreshTokens({ db: house.db, clock: hand.clock, random: systemRandom, families: house.families });
    const presented = await tokens.find("default", one);
    if (!presented) throw new Error("There is no such token.");
    await refresh(one);
    hand.forward(11_000);
    expect(await house.db.write((tx) => tokens.spend(tx, admin, one, presented))).toBeUndefined();
    expect(await reasons()).toEqual(["refresh_token_reused"]);
  });

  test("that was stolen and used first ends the family when its owner comes", async () => {
    const { hand } = await open();
    const { refresh: one } = await first();
    const thief = (await refresh(one)).body;
    hand.forward(60_000);
    expect((await refresh(one)).body.error).toBe("invalid_grant");
    expect((await refresh(thief.refresh_token)).body.error).toBe("invalid_grant");
    expect(await isAlive(thief.access_token)).toBe(false);
  });

  test("tells no next one from a copy of the store once its time is over", async () => {
    const { hand, house } = await open();
    const { refresh: one } = await first();
    await refresh(one);
    const salts = () =>
      house.db.read.selectFrom("refresh_tokens").select("successor_salt").where("successor_salt", "is not", null).execute();
    expect(await salts()).toHaveLength(1);
    hand.forward(61_000);
    await house.jobs.runNow("grants.sweep");
    expect(await salts()).toEqual([]);
    // And is still known as spent.
    expect((await refresh(one)).body.error).toBe("invalid_grant");
    expect(await reasons()).toEqual(["refresh_token_reused"]);
  });

  test("is its client's alone: another one that brings it learns nothing and ends nothing", async () => {
    const { token, scout, revoke, introspect } = await open();
    const { refresh: one } = await first();
    const unknown = await refresh("rt_unknown");
    const foreign = await token(scout, { grant_type: "refresh_token", refresh_token: one });
    expect([foreign.status, foreign.text]).toEqual([400, unknown.text]);
    expect(await introspect(scout, one)).toEqual({ active: false });
    expect((await revoke(scout, { token: one })).status).toBe(200);
    expect((await refresh(one)).status).toBe(200);
  });

  test("gives fewer scopes where fewer are asked for, never more, and the next one as many as before", async () => {
    await open();
    const { refresh: one } = await first(["read", "write"]);
    const narrow = (await refresh(one, { scope: "read" })).body;
    expect(narrow.scope).toBe("read");
    const again = await refresh(narrow.refresh_token);
    expect(again.body.scope).toBe("read write");
    for (const scope of ["sync", "read sync", "openid", "offline_access", "drop"])
      expect([scope, (await refresh(again.body.refresh_token, { scope })).body.error]).toEqual([scope, "invalid_scope"]);
    expect((await refresh(again.body.refresh_token, { resource: down })).body.error).toBe("invalid_target");
    // None of it used the token up.
    expect((await refresh(again.body.refresh_token, { resource: api })).status).toBe(200);
  });

  test("gives what the resource still has for the client, and nothing once it has nothing", async () => {
    const { house } = await open();
    const { refresh: one } = await first(["read", "write"]);
    await house.clients.resources.update(admin, "api", { scopes: [{ name: "read" }, { name: "sync" }] });
    const two = await refresh(one);
    expect(two.body.scope).toBe("read");
    await house.clients.resources.update(admin, "api", { clients: [] });
    expect((await refresh(two.body.refresh_token)).body.error).toBe("invalid_target");
  });

  test("slides: used, it lasts thirty days from then; unused, it ends", async () => {
    const { hand, house } = await open();
    let { refresh: current } = await first();
    for (let month = 0; month < 3; month += 1) {
      hand.forward(29 * day);
      const { status, body } = await refresh(current);
      expect(status).toBe(200);
      current = body.refresh_token ?? "";
    }
    const counted = async () =>
      Promise.all(
        (["refresh_tokens", "oauth_grants", "authorization_codes"] as const).map(
          async (table) => (await house.db.read.selectFrom(table).selectAll().execute()).length,
        ),
      );
    await house.jobs.runNow("grants.sweep");
    // Of what was spent only as much is kept as somebody could still bring.
    expect(await counted()).toEqual([2, 1, 0]);
    hand.forward(30 * day);
    expect((await refresh(current)).body.error).toBe("invalid_grant");
    hand.forward(2 * day);
    await house.jobs.runNow("grants.sweep");
    expect(await counted()).toEqual([0, 0, 0]);
  });

  test("is worth nothing to a client that may no longer refresh, as a document may come to say", async () => {
    const { house } = await open();
    const { refresh: one } = await first();
    const client = await house.clients.find("default", oauth.desk.id);
    if (!client) throw new Error("There is no such client.");
    const asker = { client: { ...client, grantTypes: ["authorization_code"] }, who: admin };
    const request = {
      grantType: "refresh_token",
      parameters: { refresh_token: one },
      scopes: undefined,
      targets: [],
      dpopThumbprint: undefined,
    };
    await expect(house.grants.token(asker, request)).rejects.toMatchObject({ code: "client_not_allowed" });
    expect((await refresh(one)).status).toBe(200);
  });

  test("dies with its user, its app and its tenant, and resuming brings nothing back", async () => {
    const { house, hand } = await open();
    const { refresh: one } = await first();
    await house.users.suspend(admin, oauth.alice.id);
    expect((await refresh(one)).body.error).toBe("invalid_grant");
    await house.users.resume(admin, oauth.alice.id);
    expect((await refresh(one)).body.error).toBe("invalid_grant");

    const alice = await house.users.get("default", oauth.alice.id);
    oauth = { ...oauth, alice };
    const { refresh: two } = await first();
    await house.clients.apps.suspend(admin, "desk");
    expect((await refresh(two)).body.error).toBe("invalid_client");
    await house.clients.apps.resume(admin, "desk");
    expect((await refresh(two)).body.error).toBe("invalid_grant");

    const { refresh: three, access } = await first();
    await house.clients.apps.remove(admin, "desk");
    expect((await refresh(three)).body.error).toBe("invalid_client");
    hand.forward(2_000);
    expect(await isAlive(access)).toBe(false);
  });

  test("of a tenant that was suspended stays dead when it is resumed", async () => {
    const { house } = await open();
    const { refresh: one } = await first();
    // Tenant default cannot be suspended; its epoch is what a suspension moves.
    await house.db.write(async (tx) => {
      await tx.updateTable("tenants").set({ epoch: 1 }).where("id", "=", "default").execute();
      await house.db.changes.announce(tx, "default", "tenant", "default");
    });
    expect((await refresh(one)).body.error).toBe("invalid_grant");
  });

  test("revoked by its client takes its access tokens with it, and says the same to whatever is no token", async () => {
    const { revoke, house } = await open();
    const { access, refresh: one } = await first();
    const answer = await revoke(undefined, { client_id: oauth.desk.id, token: one, token_type_hint: "access_token" });
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect(await isAlive(access)).toBe(false);
    expect((await refresh(one)).body.error).toBe("invalid_grant");
    expect(await reasons()).toEqual(["client"]);
    for (const token of ["rt_unknown", "no token", one, access, "a.b.c"])
      expect((await revoke(undefined, { client_id: oauth.desk.id, token })).text).toBe(answer.text);
    expect((await revoke(undefined, { client_id: oauth.desk.id })).body.error).toBe("invalid_request");
    expect((await revoke(undefined, { token: one })).body.error).toBe("invalid_client");
    expect(await house.db.read.selectFrom("revoked_tokens").selectAll().execute()).toEqual([]);
  });
});
