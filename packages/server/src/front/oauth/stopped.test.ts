import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { mostLiving, placeHashOf } from "../../access/grants/family.ts";
import { rememberedConsentsTable } from "../../access/grants/remembered-consents-table.ts";
import { openTestHouse } from "../../testing/house.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, api, type Confidential, type Oauth, openOauth, serveHouse } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

const day = 24 * 60 * 60_000;

/** Who is stopped, and how; whether it can be taken back; and what a grant is then over for. */
const stops = [
  ["an agent suspended", "scout", "agent_suspended", ({ house, scout }: Oauth) => house.agents.suspend(admin, scout.id)],
  ["an agent revoked", "scout", "agent_removed", ({ house, scout }: Oauth) => house.agents.revoke(admin, scout.id)],
  ["an agent deleted", "scout", "agent_removed", ({ house, scout }: Oauth) => house.agents.remove(admin, scout.id)],
  ["a user suspended", "both", "user_suspended", ({ house, alice }: Oauth) => house.users.suspend(admin, alice.id)],
  ["a user revoked", "both", "user_revoked", ({ house, alice }: Oauth) => house.users.revoke(admin, alice.id)],
  ["an app suspended", "desk", "client_suspended", ({ house, desk }: Oauth) => house.clients.apps.suspend(admin, desk.id)],
  ["an app deleted", "desk", "client_removed", ({ house, desk }: Oauth) => house.clients.apps.remove(admin, desk.id)],
] as const;

const resumes: Readonly<Record<string, (oauth: Oauth) => Promise<unknown>>> = {
  "an agent suspended": ({ house, scout }) => house.agents.resume(admin, scout.id),
  "a user suspended": ({ house, alice }) => house.users.resume(admin, alice.id),
  "an app suspended": ({ house, desk }) => house.clients.apps.resume(admin, desk.id),
};

eachStore("what people granted", (fresh) => {
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

  /** What alice granted the agent and the app: tokens of each, and a code that is not redeemed yet. */
  const granted = async () => {
    const of = async (proof: Confidential | undefined, client: string) => {
      const { body } = await oauth.redeemed(proof, { client, user: oauth.alice });
      return {
        proof,
        client,
        access: body.access_token ?? "",
        refresh: body.refresh_token ?? "",
        code: await oauth.code({ client, user: oauth.alice }),
      };
    };
    return { scout: await of(oauth.scout, oauth.scout.id), desk: await of(undefined, oauth.desk.id) };
  };
  type Given = Awaited<ReturnType<typeof granted>>["scout"];
  const grantsOf = async (client: string) => (await oauth.house.grants.list("default", { client }, { limit: 100 })).items;
  const refresh = ({ proof, client, refresh: refresh_token }: Given) =>
    oauth.token(proof, { grant_type: "refresh_token", refresh_token, ...(!proof && { client_id: client }) });
  const redeem = ({ proof, client, code }: Given) =>
    oauth.token(proof, {
      grant_type: "authorization_code",
      code,
      redirect_uri: proof ? "https://scout.example/back" : "http://127.0.0.1/back",
      code_verifier: "the-verifier-of-the-tests-0123456789-abcdefghijk",
      ...(!proof && { client_id: client }),
    });

  describe.each(stops)("%s", (what, whose, reason, stop) => {
    test("is over at the next request on every replica, says so, and stays over when it is resumed", async () => {
      const { store, hand, house } = await open();
      const given = await granted();
      const replicas = [oauth];
      // SQLite has one process; there the second replica is the first.
      if (store.engine === "postgres") {
        const other = await openTestHouse(store, { clock: hand.clock });
        const served = await serveHouse(other);
        closeMore.push(async () => {
          await served.http.close();
          await other.close();
        });
        replicas.push({ ...oauth, house: other, ...served });
      }
      const isAlive = async ({ introspect }: Oauth, token: string) => (await introspect(oauth.server, token)).active;
      for (const replica of replicas) for (const { access } of Object.values(given)) expect(await isAlive(replica, access)).toBe(true);
      await stop(oauth);

      const ends = (name: string) => whose === "both" || whose === name;
      const expectOver = async () => {
        for (const [name, one] of Object.entries(given)) {
          expect([name, await isAlive(oauth, one.access)]).toEqual([name, !ends(name)]);
          const [of, isOver] = [await grantsOf(one.client), ends(name)];
          expect(of.map(({ status }) => status)).toEqual(isOver ? ["revoked", "revoked"] : ["active", "active"]);
          if (isOver) expect(of.map((each) => each.reason)).toEqual([reason, reason]);
          if (!isOver) continue;
          for (const { status, body } of [await refresh(one), await redeem(one)])
            expect([status >= 400, body.access_token, body.refresh_token]).toEqual([true, undefined, undefined]);
        }
      };
      await expectOver();
      for (const replica of replicas)
        await vi.waitFor(async () => {
          for (const [name, { access }] of Object.entries(given))
            expect([name, await isAlive(replica, access)]).toEqual([name, !ends(name)]);
        }, 10_000);
      await resumes[what]?.(oauth);
      if (resumes[what]) {
        await expectOver();
        if (whose === "scout") expect((await house.grants.someOf("default", { kind: "agent", id: oauth.scout.id }, 1)).count).toBe(0);
        // The same people may grant the same again.
        const anew = await oauth.redeemed(oauth.scout, { client: oauth.scout.id, user: await house.users.get("default", oauth.alice.id) });
        expect(await isAlive(oauth, anew.body.access_token ?? "")).toBe(true);
      }
    });
  });

  test("counts for those whom it would end with, and no more once somebody else has ended it", async () => {
    const { house, alice, scout, desk } = await open();
    await granted();
    const bob = await house.users.proven(admin, issuer.url, "bob");
    await oauth.redeemed(scout, { client: scout.id, user: bob });
    const counts = async () => {
      const of = [{ kind: "agent", id: scout.id } as const, { kind: "user", id: alice.id } as const, { kind: "user", id: bob.id } as const];
      return Promise.all(
        of.map(async (each) => {
          const { count, some } = await house.grants.someOf("default", each, 2);
          expect(some).toHaveLength(Math.min(2, count));
          return count;
        }),
      );
    };
    expect(await counts()).toEqual([3, 4, 1]);
    await house.clients.apps.suspend(admin, desk.id);
    expect(await counts()).toEqual([3, 2, 1]);
    await house.users.suspend(admin, alice.id);
    expect(await counts()).toEqual([1, 0, 1]);
    await house.users.resume(admin, alice.id);
    expect(await counts()).toEqual([1, 0, 1]);
    // Tenant default cannot be suspended; its epoch is what a suspension moves.
    await house.db.write(async (tx) => {
      await tx.updateTable("tenants").set({ epoch: 1 }).where("id", "=", "default").execute();
      await house.db.changes.announce(tx, "default", "tenant", "default");
    });
    expect(await counts()).toEqual([0, 0, 0]);
    const [ofBob] = (await house.grants.list("default", { user: bob.id }, { limit: 10 })).items;
    expect([ofBob?.status, ofBob?.reason]).toEqual(["revoked", "tenant_suspended"]);
  });

  test("is as much as it may be: a change of an app ends no tokens, only codes", async () => {
    const { house } = await open();
    const { desk } = await granted();
    await house.clients.apps.update(admin, "desk", { title: "Another name" });
    expect((await redeem(desk)).body.error).toBe("invalid_grant");
    expect((await oauth.introspect(oauth.server, desk.access)).active).toBe(true);
    expect((await refresh(desk)).status).toBe(200);
  });

  /** Every row of the store, as text. */
  const everything = async () => {
    const { db } = oauth.house;
    const rows = new Set<string>();
    for (const { name, isView } of await db.read.introspection.getTables()) {
      if (isView) continue;
      const all = await db.read
        .selectFrom(name as "oauth_grants")
        .selectAll()
        .execute();
      for (const row of all) rows.add(`${name} ${JSON.stringify(row)}`);
    }
    return rows;
  };

  test("is over with one word, however much it is: whoever is stopped, no more than a few rows are written", async () => {
    const { house, alice, scout, desk } = await open();
    const now = Date.now();
    const parties = [
      { client_id: scout.id, client_epoch: null, agent_id: scout.id, agent_epoch: 0 },
      { client_id: desk.id, client_epoch: 0, agent_id: null, agent_epoch: null },
    ];
    const many = 20_000;
    await house.db.write(async (tx) => {
      for (let at = 0; at < many; at += 500) {
        const each = Array.from({ length: 500 }, (_, n) => {
          const party = parties[n % 2] ?? { client_id: "", client_epoch: null, agent_id: null, agent_epoch: null };
          const resource = `${api}${at + n}`;
          return { ...party, resource, place_hash: placeHashOf({ client: party.client_id, resource }), n: at + n };
        });
        const common = { tenant_id: "default", client_version: "1", user_id: alice.id, scopes: "[]", created_at: now, updated_at: now };
        await tx
          .insertInto("oauth_grants")
          .values(
            each.map(({ n, ...family }) => ({
              ...common,
              ...family,
              id: `gnt_${n}`,
              user_epoch: 0,
              tenant_epoch: 0,
              status: "active" as const,
              reason: null,
              expires_at: now + day,
            })),
          )
          .execute();
        await tx
          .insertInto("remembered_consents")
          .values(each.map(({ client_id, resource, place_hash }) => ({ ...common, client_id, resource, place_hash })))
          .execute();
      }
    });
    let before = await everything();
    expect(before.size).toBeGreaterThan(2 * many);
    for (const stop of [
      () => house.clients.apps.suspend(admin, desk.id),
      () => house.clients.apps.remove(admin, desk.id),
      () => house.agents.suspend(admin, scout.id),
      () => house.users.suspend(admin, alice.id),
      () => house.users.revoke(admin, alice.id),
      () => house.agents.remove(admin, scout.id),
    ]) {
      await stop();
      const after = await everything();
      const written = [...after].filter((row) => !before.has(row)).length + [...before].filter((row) => !after.has(row)).length;
      expect(written).toBeGreaterThan(0);
      expect(written).toBeLessThan(20);
      before = after;
    }
    expect((await grantsOf(scout.id)).map(({ status }) => status)).not.toContain("active");
  }, 120_000);

  test("is a score at once for one person, client and resource: one login more ends the oldest, and the consent stays", async () => {
    const { house, hand, alice, desk, scout } = await open();
    const { families, db } = house;
    const of = { user: { id: alice.id, epoch: alice.epoch }, resource: api };
    const begin = (client: string, agent?: { id: string; epoch: number }, resource = api) =>
      db.write(async (tx) => {
        const common = { clientVersion: "1", tenantEpoch: 0, scopes: ["read"], expiresAt: hand.clock() + day };
        const family = await families.begin(tx, admin, { ...of, ...common, client, clientEpoch: agent ? undefined : 0, agent, resource });
        await families.trim(tx, admin, family);
        hand.forward(1);
        return family.id;
      });
    const statusOf = async (id: string) => {
      const { status, reason } = await house.grants.get("default", id);
      return reason ?? status;
    };
    // What has ended by itself is not counted, nor ended again.
    const early = await begin(desk.id);
    hand.forward(day);
    const [ofAgent, elsewhere] = [await begin(scout.id, { id: scout.id, epoch: 0 }), await begin(desk.id, undefined, `${api}other`)];
    const [oldest, second] = [await begin(desk.id), await begin(desk.id)];
    await db.write((tx) =>
      rememberedConsentsTable.put(
        tx,
        "default",
        { client: desk.id, clientVersion: "1", user: alice.id, resource: api, scopes: ["read"] },
        1,
      ),
    );
    for (let at = 2; at < mostLiving; at += 1) await begin(desk.id);
    expect([await statusOf(oldest), await statusOf(second)]).toEqual(["active", "active"]);
    await begin(desk.id);
    expect([await statusOf(oldest), await statusOf(second)]).toEqual(["superseded", "active"]);
    await begin(desk.id);
    expect(await statusOf(second)).toBe("superseded");
    for (const id of [ofAgent, elsewhere, early]) expect(await statusOf(id)).toBe("active");
    expect(await db.read.selectFrom("remembered_consents").selectAll().execute()).toHaveLength(1);
    const ended = (await house.audit.list("default", { action: "grant.revoked" }, { limit: 10 })).items;
    expect(ended.map(({ target, details }) => [target, details["reason"]])).toEqual([
      [second, "superseded"],
      [oldest, "superseded"],
    ]);
  });

  test("ends after half a year, however often it is refreshed, with the last access token", async () => {
    const { hand, house } = await open();
    const { desk } = await granted();
    let current = desk;
    for (let month = 0; month < 8; month += 1) {
      hand.forward(22 * day);
      const { status, body } = await refresh(current);
      expect(status).toBe(200);
      current = { ...current, refresh: body.refresh_token ?? "" };
    }
    // A hundred and eighty days but one minute since the person logged in.
    hand.forward(4 * day - 60_000);
    const { body } = await refresh(current);
    expect(body.expires_in).toBe(60);
    current = { ...current, refresh: body.refresh_token ?? "" };
    const lives = (await grantsOf(desk.client)).map(({ createdAt, expiresAt }) => expiresAt - createdAt);
    expect(lives).toContain(180 * day);
    expect(Math.max(...lives)).toBe(180 * day);
    hand.forward(60_000);
    expect((await refresh(current)).body.error).toBe("invalid_grant");
    expect((await oauth.introspect(oauth.server, body.access_token)).active).toBe(false);
    hand.forward(2 * day);
    await house.jobs.runNow("grants.sweep");
    expect(await grantsOf(desk.client)).toEqual([]);
  });

  test("is kept under ids of every length that is allowed", async () => {
    const { house, alice, hand } = await open();
    const { db } = house;
    const random = (length: number) => randomBytes(length).toString("base64url").slice(0, length);
    const client = `https://a.example/${random(2_048)}`.slice(0, 2_048);
    const [one, two] = ["a", "b"].map((end) => `https://r.example/${random(1_024)}`.slice(0, 1_023) + end) as [string, string];
    for (const [at, identifier] of [one, two].entries())
      await house.clients.resources.create(admin, {
        name: `long-${at}`,
        identifier,
        agents: ["*"],
        clients: [client],
        servers: [],
        scopes: [],
      });
    const family = { clientVersion: "1", clientEpoch: undefined, agent: undefined, user: alice, tenantEpoch: 0, scopes: [] };
    const consents = [one, two].map((resource) => ({ client, clientVersion: "1", user: alice.id, resource, scopes: ["read"] }));
    const [first, other] = consents as [(typeof consents)[number], (typeof consents)[number]];
    await db.write(async (tx) => {
      await tx
        .insertInto("client_documents")
        .values({ tenant_id: "default", id: client, document: "{}", hash: "", fetched_at: 0, fresh_until: 0, used_at: 0 })
        .execute();
      for (const consent of consents) await rememberedConsentsTable.put(tx, "default", consent, 1);
      const begun = await house.families.begin(tx, admin, { ...family, client, resource: one, expiresAt: hand.clock() + day });
      await house.families.trim(tx, admin, begun);
    });
    // Each stands for itself: put again, one is replaced and the other as it was.
    await db.write((tx) => rememberedConsentsTable.put(tx, "default", { ...first, scopes: ["write"] }, 2));
    for (const [consent, scopes] of [
      [first, ["write"]],
      [other, ["read"]],
    ] as const)
      expect(await rememberedConsentsTable.find(db.read, "default", consent)).toEqual({ ...consent, scopes });
    expect((await grantsOf(client)).map(({ client: id, resource }) => [id, resource])).toEqual([[client, one]]);
    // With the document that nobody uses goes what hangs on it, in as many steps as it takes.
    hand.forward(31 * day);
    await house.jobs.runNow("client_documents.prune");
    expect(await db.read.selectFrom("remembered_consents").selectAll().execute()).toEqual([]);
  });
});
