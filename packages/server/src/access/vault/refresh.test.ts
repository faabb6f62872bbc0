import { afterEach, expect, test, vi } from "vitest";
import { Refusal } from "../../ground/kernel/index.ts";
import { adminOf, eachStore, openGround } from "../../testing/stores.ts";
import { UpstreamRefused, type UpstreamTokens, UpstreamUnavailable } from "../providers/index.ts";
import type { Oauth2Answer } from "./oauth2.ts";
import { makeVault } from "./vault.ts";
import { acting, keyFor, type OpenVault, openVault } from "./vault-for-tests.ts";

const bearer = (accessToken: string, more: Partial<UpstreamTokens> = {}): UpstreamTokens => ({ accessToken, tokenType: "Bearer", ...more });
const hour = 3_600_000;
const inTime = { expiresIn: 3600 };
const tokenOf = (answer: Oauth2Answer) => (answer.status === "ready" ? answer.accessToken : answer.status);
const git = { provider: "git" };

/** A provider's answer that a test gives when it likes. */
const held = () => {
  let answer: (tokens: UpstreamTokens) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  let nowAsked: () => void = () => undefined;
  const promise = new Promise<UpstreamTokens>((resolve, reject) => {
    answer = resolve;
    fail = reject;
  });
  const asked = new Promise<void>((resolve) => {
    nowAsked = resolve;
  });
  const onRefresh = () => {
    nowAsked();
    return promise;
  };
  return { onRefresh, asked, answer, fail };
};

eachStore("renewing tokens", (fresh) => {
  let house: OpenVault;
  const alsoClose: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of alsoClose.splice(0)) await close();
    await house.close();
  });

  const furnished = async () => {
    const address = await fresh();
    house = await openVault(address);
    const { vault, hand, script, needs, connections } = house;
    const scout = await house.agent("acme", "scout");
    const alice = await house.user("acme", "alice");
    const providerId = await house.provider("acme", "git", ["read"]);
    const who = acting("acme", scout, alice);
    const alone = acting("acme", scout);
    const { db, audit } = house.ground;
    const store = (tokens: UpstreamTokens) =>
      db.write((tx) => connections.store(tx, keyFor(who, providerId, ["read"]), { requestedScopes: ["read"], tokens, now: hand.clock() }));
    const row = () => db.read.selectFrom("connections").selectAll().executeTakeFirst();
    const events = async (action: string) => (await audit.list("acme", { action }, { limit: 500 })).items;
    const setLease = (owner: string, until: number) =>
      db.write((tx) => tx.updateTable("connections").set({ lease_owner: owner, lease_until: until }).execute());
    /** The vault of another process: its own store where two may share one, its own maps in any case. */
    const elsewhere = async () => {
      if (db.engine === "sqlite") return house.anotherVault();
      const ground = await openGround(address, hand.clock);
      alsoClose.push(() => ground.db.close());
      return makeVault({ ...needs, ...ground });
    };
    return { ...house, vault, hand, script, scout, providerId, who, alone, store, row, events, setLease, elsewhere, db };
  };

  test("64 callers of one expired connection, in two processes, cause one refresh, and all get what it gave", async () => {
    const { vault, who, store, hand, script, elsewhere, events } = await furnished();
    const other = await elsewhere();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    script.onRefresh = async ({ refreshToken }) => {
      await new Promise((done) => setTimeout(done, 120));
      return bearer(`after ${refreshToken}`, { refreshToken: "rt-2", ...inTime });
    };
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 ? vault : other).oauth2(who, git)));
    expect(new Set(answers.map(tokenOf))).toEqual(new Set(["after rt-1"]));
    expect(script.refreshes).toHaveLength(1);
    await expect(events("credential.refreshed")).resolves.toHaveLength(1);
    await expect(events("credential.read")).resolves.toHaveLength(64);
  });

  test("callers in one process share one flight: its lease and its answer are each written once", async () => {
    const { needs, who, store, hand, script, db } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    script.onRefresh = () => Promise.resolve(bearer("at-2", inTime));
    let writes = 0;
    const counted = {
      ...db,
      write: ((unit) => {
        writes += 1;
        return db.write(unit);
      }) satisfies typeof db.write,
    };
    const vault = makeVault({ ...needs, db: counted });
    await Promise.all(Array.from({ length: 64 }, () => vault.oauth2(who, git)));
    expect(writes).toBe(2);
  });

  test("a new refresh token replaces the old, and where none comes the old one stays", async () => {
    const { vault, who, store, hand, script } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", scopes: ["read", "more"], ...inTime }));
    const next = [bearer("at-2", { refreshToken: "rt-2", ...inTime }), bearer("at-3", inTime), bearer("at-4", inTime)];
    script.onRefresh = () => Promise.resolve(next.shift() ?? bearer("none"));
    const served: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      hand.forward(2 * hour);
      served.push(tokenOf(await vault.oauth2(who, git)));
    }
    expect(served).toEqual(["at-2", "at-3", "at-4"]);
    expect(script.refreshes.map(({ ask }) => [ask.refreshToken, ask.scopes])).toEqual([
      ["rt-1", ["read", "more"]],
      ["rt-2", ["read", "more"]],
      ["rt-2", ["read", "more"]],
    ]);
  });

  test("nobody sees an access token whose refresh token is not stored, and a store that was away for a moment loses none", async () => {
    const { needs, who, store, hand, script, row, db } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    let away = Number.POSITIVE_INFINITY;
    let answered = false;
    const vault = makeVault({
      ...needs,
      pause: () => Promise.resolve(),
      db: {
        ...db,
        write: (unit) => {
          if (answered && away > 0) {
            away -= 1;
            return Promise.reject(new Refusal("unavailable", "away"));
          }
          return db.write(unit);
        },
      },
    });
    script.onRefresh = () => {
      answered = true;
      return Promise.resolve(bearer("at-2", { refreshToken: "rt-2", ...inTime }));
    };
    await expect(vault.oauth2(who, git)).rejects.toMatchObject({ code: "unavailable" });
    await expect(row()).resolves.toMatchObject({ version: 1, state: "active" });

    answered = false;
    away = 3;
    hand.forward(45_000);
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-2" });
    expect(away).toBe(0);
    answered = false;
    hand.forward(2 * hour);
    await vault.oauth2(who, git);
    expect(script.refreshes.map(({ ask }) => ask.refreshToken)).toEqual(["rt-1", "rt-1", "rt-2"]);
  });

  test("invalid_grant marks the grant, which stays as a row without tokens, and the user is sent to consent", async () => {
    const { vault, who, store, hand, script, row, events } = await furnished();
    const { connectionId } = await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(hour - 30_000);
    script.onRefresh = () => Promise.reject(new UpstreamRefused("invalid_grant", "token rt-1 is revoked"));
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ status: "pending" });
    await expect(row()).resolves.toMatchObject({ id: connectionId, state: "needs_consent", sealed_tokens: null, lease_owner: null });
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ status: "pending" });
    expect(script.refreshes).toHaveLength(1);
    const [lapsed] = await events("connection.lapsed");
    expect(lapsed).toMatchObject({ target: connectionId, user: who.user?.id, outcome: "refused" });
    expect(JSON.stringify(lapsed)).not.toContain("rt-1");
  });

  test("any other refusal of the provider is told with its code, and leaves the grant and a free lease", async () => {
    const { vault, who, store, hand, script, events, providerId } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    script.onRefresh = () => Promise.reject(new UpstreamRefused("invalid_client", "no such client"));
    await expect(vault.oauth2(who, git)).rejects.toMatchObject({
      code: "provider_refused",
      details: { error: "invalid_client", description: "no such client" },
    });
    await expect(events("credential.refused")).resolves.toMatchObject([
      { outcome: "refused", details: { provider: providerId, error: "invalid_client" } },
    ]);
    script.onRefresh = () => Promise.resolve(bearer("at-2", inTime));
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-2" });
  });

  test("while the provider is away a token that still works is served, and one that does not is not", async () => {
    const { vault, who, store, hand, script } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    script.onRefresh = () => Promise.reject(new UpstreamUnavailable("network"));
    hand.forward(hour - 60_001);
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-1" });
    expect(script.refreshes).toHaveLength(0);
    hand.forward(1);
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-1" });
    expect(script.refreshes).toHaveLength(1);
    hand.forward(60_000);
    await expect(vault.oauth2(who, git)).rejects.toMatchObject({ code: "provider_unavailable" });
    script.onRefresh = () => Promise.resolve(bearer("at-2", inTime));
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-2" });
  });

  test("a provider that does not answer is given up after 20 seconds", async () => {
    const { vault, who, store, hand, script } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    const abort = new AbortController();
    const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(abort.signal);
    script.onRefresh = ({ signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
        abort.abort(new DOMException("time is up", "TimeoutError"));
      });
    await expect(vault.oauth2(who, git)).rejects.toMatchObject({ code: "provider_unavailable" });
    expect(timeout).toHaveBeenCalledWith(20_000);
    timeout.mockRestore();
  });

  test("a lease whose owner died is taken over when it has passed, and not before", async () => {
    const { needs, vault, who, store, hand, script, setLease } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    await setLease("the dead", hand.clock() + 45_000);
    script.onRefresh = () => Promise.resolve(bearer("at-2", inTime));

    let waited = 0;
    const impatient = makeVault({ ...needs, pause: (ms) => Promise.resolve((waited += ms)) });
    await expect(impatient.oauth2(who, git)).rejects.toMatchObject({ code: "provider_unavailable" });
    expect(waited).toBeGreaterThanOrEqual(30_000);
    expect(waited).toBeLessThan(31_000);
    expect(script.refreshes).toHaveLength(0);

    const waiting = vault.oauth2(who, git);
    await new Promise((done) => setTimeout(done, 200));
    expect(script.refreshes).toHaveLength(0);
    hand.forward(45_000);
    await expect(waiting).resolves.toMatchObject({ accessToken: "at-2" });
    expect(script.refreshes).toHaveLength(1);
  });

  test("whoever waits for another's lease serves the old token where it still works at the end of their patience", async () => {
    const { needs, who, store, hand, setLease } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(hour - 50_000);
    await setLease("slow", hand.clock() + 45_000);
    const vault = makeVault({ ...needs, pause: () => Promise.resolve() });
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-1" });
  });

  test("who comes back after the lease has passed stores nothing over the one who took it", async () => {
    const { vault, who, store, hand, script, elsewhere, row } = await furnished();
    const other = await elsewhere();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    const slow = held();
    script.onRefresh = slow.onRefresh;
    const first = vault.oauth2(who, git);
    await slow.asked;
    hand.forward(45_000);
    script.onRefresh = () => Promise.resolve(bearer("quick", { refreshToken: "rt-quick", ...inTime }));
    await expect(other.oauth2(who, git)).resolves.toMatchObject({ accessToken: "quick" });
    slow.answer(bearer("slow", { refreshToken: "rt-slow", ...inTime }));
    await expect(first).resolves.toMatchObject({ accessToken: "quick" });
    await expect(row()).resolves.toMatchObject({ version: 2 });
  });

  test("who comes back after the lease has passed leaves the row to the one who holds it now", async () => {
    const { vault, who, store, hand, script, elsewhere, row } = await furnished();
    const other = await elsewhere();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    const [slow, quick] = [held(), held()];
    script.onRefresh = slow.onRefresh;
    const first = vault.oauth2(who, git);
    await slow.asked;
    hand.forward(45_000);
    script.onRefresh = quick.onRefresh;
    const second = other.oauth2(who, git);
    await quick.asked;
    slow.answer(bearer("slow", { refreshToken: "rt-slow", ...inTime }));
    await new Promise((done) => setTimeout(done, 100));
    await expect(row()).resolves.toMatchObject({ version: 1 });
    quick.answer(bearer("quick", { refreshToken: "rt-quick", ...inTime }));
    await expect(second).resolves.toMatchObject({ accessToken: "quick" });
    await expect(first).resolves.toMatchObject({ accessToken: "quick" });
  });

  test("a consent that comes in the middle of a refresh wins, whatever the provider says of the former grant", async () => {
    const { vault, who, store, hand, script, row } = await furnished();
    for (const outcome of ["tokens", "invalid_grant"] as const) {
      await store(bearer("old", { refreshToken: "rt-old", ...inTime }));
      hand.forward(2 * hour);
      const slow = held();
      script.onRefresh = slow.onRefresh;
      const asked = vault.oauth2(who, git);
      await slow.asked;
      const { version } = await store(bearer("consented", { refreshToken: "rt-new", ...inTime }));
      const alsoAsked = vault.oauth2(who, git);
      if (outcome === "tokens") slow.answer(bearer("refreshed", { refreshToken: "rt-lost", ...inTime }));
      else slow.fail(new UpstreamRefused("invalid_grant"));
      await expect(asked).resolves.toMatchObject({ accessToken: "consented" });
      await expect(alsoAsked).resolves.toMatchObject({ accessToken: "consented" });
      await expect(row()).resolves.toMatchObject({ version, state: "active" });
    }
  });

  test("whoever saw the new consent is not served by a flight that renewed the former grant", async () => {
    const { needs, who, store, hand, script, row, db } = await furnished();
    await store(bearer("old", { refreshToken: "rt-old", ...inTime }));
    hand.forward(2 * hour);
    let late = false;
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    /** The news of one commit is late: everyone but who made it may know of it already. */
    const write: typeof db.write = async (unit) => {
      const waits = late;
      late = false;
      const value = await db.write(unit);
      if (waits) await arrived;
      return value;
    };
    const vault = makeVault({ ...needs, db: { ...db, write } });
    script.onRefresh = ({ refreshToken }) => {
      late = script.refreshes.length === 1;
      return Promise.resolve(bearer(`from ${refreshToken}`, inTime));
    };
    const before = vault.oauth2(who, git);
    while ((await row())?.version !== 2) await new Promise((done) => setTimeout(done, 5));
    await store(bearer("consented", { refreshToken: "rt-new", expiresIn: 0 }));
    const after = vault.oauth2(who, git);
    await new Promise((done) => setTimeout(done, 50));
    arrive();
    await expect(before).resolves.toMatchObject({ accessToken: "from rt-old" });
    await expect(after).resolves.toMatchObject({ accessToken: "from rt-new" });
  });

  test("an agent suspended while its token was being refreshed does not get it, and the grant is kept", async () => {
    const { vault, who, store, hand, script, agents, row } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    const slow = held();
    script.onRefresh = slow.onRefresh;
    const asked = vault.oauth2(who, git);
    await slow.asked;
    await agents.suspend(adminOf("acme"), "scout");
    slow.answer(bearer("at-2", { refreshToken: "rt-2", ...inTime }));
    await expect(asked).rejects.toMatchObject({ code: "agent_suspended" });
    await expect(row()).resolves.toMatchObject({ version: 2, state: "active" });
  });

  test("what is revoked, removed or pointed elsewhere in the middle of a refresh stays so", async () => {
    const { vault, who, alone, store, hand, script, row, db, connections, providerId } = await furnished();
    const admin = adminOf("acme");
    const inTheMiddle = async (change: (id: string) => Promise<void>) => {
      const { connectionId } = await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
      hand.forward(2 * hour);
      const slow = held();
      script.onRefresh = slow.onRefresh;
      const asked = vault.oauth2(who, git);
      await slow.asked;
      await change(connectionId);
      slow.answer(bearer("at-2", { refreshToken: "rt-2", ...inTime }));
      await expect(asked).resolves.toMatchObject({ status: "pending" });
    };
    await inTheMiddle((id) => connections.revoke(admin, id));
    await expect(row()).resolves.toMatchObject({ state: "revoked", sealed_tokens: null });
    await inTheMiddle(() => db.write((tx) => connections.providerRebound(tx, admin, providerId)));
    await expect(row()).resolves.toMatchObject({ state: "needs_consent", sealed_tokens: null });
    await inTheMiddle(() => db.write((tx) => connections.agentRemoved(tx, admin, who.agent?.id ?? "")));
    await expect(row()).resolves.toBeUndefined();

    // An agent's own token that was on its way from where the provider pointed before is not served; another is had.
    const slow = held();
    script.onClient = slow.onRefresh;
    const asked = vault.oauth2(alone, git);
    await slow.asked;
    await db.write((tx) => connections.providerRebound(tx, admin, providerId));
    expect((await connections.list("acme", {}, { limit: 10 })).items).toEqual([]);
    script.onClient = () => Promise.resolve(bearer("from the new"));
    slow.answer(bearer("from the former"));
    await expect(asked).resolves.toMatchObject({ accessToken: "from the new" });
  });

  test("an agent's own token is had once for all its callers and kept until its time, a refusal leaves nothing", async () => {
    const { vault, alone, hand, script, row, elsewhere } = await furnished();
    const other = await elsewhere();
    script.onClient = () => Promise.reject(new UpstreamRefused("unauthorized_client"));
    await expect(vault.oauth2(alone, git)).rejects.toMatchObject({ code: "provider_refused", details: { error: "unauthorized_client" } });
    await expect(row()).resolves.toBeUndefined();
    script.clients.length = 0;
    script.onClient = async () => {
      await new Promise((done) => setTimeout(done, 120));
      return bearer(`own-${script.clients.length}`, { refreshToken: "never kept", expiresIn: 600 });
    };
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 ? vault : other).oauth2(alone, git)));
    expect(new Set(answers.map(tokenOf))).toEqual(new Set(["own-1"]));
    hand.forward(539_999);
    await expect(vault.oauth2(alone, git)).resolves.toMatchObject({ accessToken: "own-1" });
    hand.forward(1);
    await expect(vault.oauth2(alone, git)).resolves.toMatchObject({ accessToken: "own-2" });
    expect(script.clients.map(({ ask }) => ask.scopes)).toEqual([["read"], ["read"]]);
    await expect(row()).resolves.toMatchObject({ refreshable: 0, version: 2 });
    script.onClient = () => Promise.reject(new UpstreamUnavailable("timeout"));
    hand.forward(599_999);
    await expect(vault.oauth2(alone, git)).resolves.toMatchObject({ accessToken: "own-2" });
    hand.forward(1);
    await expect(vault.oauth2(alone, git)).rejects.toMatchObject({ code: "provider_unavailable" });
  });

  test("an agent's own token of unknown life is served for five minutes", async () => {
    const { vault, alone, hand, script } = await furnished();
    script.onClient = () => Promise.resolve(bearer(`own-${script.clients.length}`));
    await vault.oauth2(alone, git);
    hand.forward(299_999);
    await expect(vault.oauth2(alone, git)).resolves.toMatchObject({ accessToken: "own-1" });
    hand.forward(1);
    await expect(vault.oauth2(alone, git)).resolves.toMatchObject({ accessToken: "own-2" });
  });

  test("a life of no time at all is refreshed at each call, and still served", async () => {
    const { vault, who, store, script } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", expiresIn: 0 }));
    script.onRefresh = () => Promise.resolve(bearer(`at-${script.refreshes.length + 1}`, { expiresIn: 0 }));
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-2" });
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-3" });
  });

  test("a lease that ends later than any could was taken before the clock was set back, and holds nobody up", async () => {
    const { needs, who, store, hand, script, setLease } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    script.onRefresh = () => Promise.resolve(bearer("at-2", inTime));
    let waited = 0;
    const vault = makeVault({ ...needs, pause: (ms) => Promise.resolve((waited += ms)) });
    // Another replica's clock may be ahead by as much as a lease is long.
    await setLease("ahead", hand.clock() + 90_000);
    await expect(vault.oauth2(who, git)).rejects.toMatchObject({ code: "provider_unavailable" });
    expect(script.refreshes).toHaveLength(0);
    waited = 0;
    await setLease("the dead", hand.clock() + hour + 45_000);
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-2" });
    expect(waited).toBe(0);
    expect(script.refreshes).toHaveLength(1);
  });

  test("a clock set forward an hour and back loses no grant, and serves no token for longer than it lives", async () => {
    const { vault, who, alone, store, hand, script, row } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    let given = 1;
    script.onRefresh = ({ refreshToken }) => {
      expect(refreshToken).toBe(`rt-${given}`);
      given += 1;
      return Promise.resolve(bearer(`at-${given}`, { refreshToken: `rt-${given}`, ...inTime }));
    };
    hand.forward(hour);
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-2" });
    hand.forward(-hour);
    // Had an hour from now, it would be believed until two hours from now.
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-3" });
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-3" });
    await expect(row()).resolves.toMatchObject({ state: "active", lease_until: 0 });

    hand.forward(hour);
    let own = 0;
    script.onClient = () => Promise.resolve(bearer(`own-${(own += 1)}`, inTime));
    await vault.oauth2(alone, git);
    hand.forward(-hour);
    await expect(vault.oauth2(alone, git)).resolves.toMatchObject({ accessToken: "own-2" });
    await expect(vault.oauth2(alone, git)).resolves.toMatchObject({ accessToken: "own-2" });
  });

  test("a token had in the future is served while its provider is away, or where it cannot be renewed", async () => {
    const { vault, who, store, hand, script } = await furnished();
    script.onRefresh = () => Promise.reject(new UpstreamUnavailable("network"));
    hand.forward(hour);
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(-hour);
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-1" });
    hand.forward(hour);
    await store(bearer("at-2", inTime));
    hand.forward(-hour);
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "at-2" });
    expect(script.refreshes).toHaveLength(1);
  });

  test("a process that died with the provider's answer leaves a grant that the provider calls dead: consent again, and the record says why", async () => {
    const { vault, who, store, hand, script, row, setLease, events } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    await setLease("the dead", hand.clock() + 45_000);
    hand.forward(45_000);
    script.onRefresh = () => Promise.reject(new UpstreamRefused("invalid_grant"));
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ status: "pending" });
    await expect(row()).resolves.toMatchObject({ state: "needs_consent", sealed_tokens: null });
    await expect(events("connection.lapsed")).resolves.toMatchObject([{ details: { cause: "an earlier refresh was interrupted" } }]);
  });

  test("a provider suspended in the middle of a refresh: the caller is refused, what it gave is kept, and is served once resumed", async () => {
    const { vault, who, alone, store, hand, script, row, providers } = await furnished();
    const admin = adminOf("acme");
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    const slow = held();
    script.onRefresh = slow.onRefresh;
    const asked = vault.oauth2(who, git);
    await slow.asked;
    await providers.suspend(admin, undefined, "git");
    slow.answer(bearer("at-2", { refreshToken: "rt-2", ...inTime }));
    await expect(asked).rejects.toMatchObject({ code: "provider_suspended" });
    await expect(row()).resolves.toMatchObject({ version: 2, state: "active" });
    await expect(vault.oauth2(who, git)).rejects.toMatchObject({ code: "provider_suspended" });
    hand.forward(2 * hour);
    await expect(vault.oauth2(who, git)).rejects.toMatchObject({ code: "provider_suspended" });
    await expect(vault.oauth2(alone, git)).rejects.toMatchObject({ code: "provider_suspended" });
    expect([script.refreshes.length, script.clients.length]).toEqual([1, 0]);
    await providers.resume(admin, undefined, "git");
    script.onRefresh = ({ refreshToken }) => Promise.resolve(bearer(`from ${refreshToken}`, inTime));
    await expect(vault.oauth2(who, git)).resolves.toMatchObject({ accessToken: "from rt-2" });
  });

  test("a provider suspended between the look at the connection and the lease is not asked, and the lease is given back", async () => {
    const { needs, who, store, hand, script, row, providers, db } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    let first = true;
    const write: typeof db.write = async (unit) => {
      if (first) await providers.suspend(adminOf("acme"), undefined, "git");
      first = false;
      return db.write(unit);
    };
    await expect(makeVault({ ...needs, db: { ...db, write } }).oauth2(who, git)).rejects.toMatchObject({ code: "provider_suspended" });
    expect(script.refreshes).toEqual([]);
    await expect(row()).resolves.toMatchObject({ state: "active", version: 1, lease_until: 0 });
  });

  test("whose leave to use the provider is taken in the middle of a refresh is refused", async () => {
    const { vault, who, store, hand, script, providers, agent } = await furnished();
    await agent("acme", "other");
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    const slow = held();
    script.onRefresh = slow.onRefresh;
    const asked = vault.oauth2(who, git);
    await slow.asked;
    await providers.update(adminOf("acme"), undefined, "git", { agents: ["other"] });
    slow.answer(bearer("at-2", { refreshToken: "rt-2", ...inTime }));
    await expect(asked).rejects.toMatchObject({ code: "provider_unknown" });
  });

  test("nothing is stored for an agent that is revoked, or a provider that is removed, while its first token is asked for", async () => {
    const { vault, alone, script, row, agents, providers, agent } = await furnished();
    const admin = adminOf("acme");
    const other = acting("acme", await agent("acme", "other"));
    for (const [who, end] of [
      [alone, () => agents.revoke(admin, "scout")],
      [other, () => providers.remove(admin, undefined, "git")],
    ] as const) {
      const slow = held();
      script.onClient = slow.onRefresh;
      const asked = vault.oauth2(who, git);
      await slow.asked;
      await end();
      slow.answer(bearer("late", inTime));
      script.onClient = () => Promise.resolve(bearer("again", inTime));
      await expect(asked).rejects.toMatchObject({ code: expect.stringMatching(/^(agent_suspended|provider_unknown)$/) });
      await expect(row()).resolves.toBeUndefined();
    }
  });

  test("closing waits for what is under way, so that no lease is left and nothing that the provider gave is lost", async () => {
    const { vault, who, store, hand, script, row } = await furnished();
    await store(bearer("at-1", { refreshToken: "rt-1", ...inTime }));
    hand.forward(2 * hour);
    const slow = held();
    script.onRefresh = slow.onRefresh;
    const asked = vault.oauth2(who, git);
    await slow.asked;
    let closed = false;
    const closing = vault.close().then(() => {
      closed = true;
    });
    await new Promise((done) => setTimeout(done, 50));
    expect(closed).toBe(false);
    slow.answer(bearer("at-2", { refreshToken: "rt-2", ...inTime }));
    await closing;
    await expect(row()).resolves.toMatchObject({ version: 2, state: "active", lease_owner: null, lease_until: 0 });
    await expect(asked).resolves.toMatchObject({ accessToken: "at-2" });
  });
});
