import { afterEach, expect, test } from "vitest";
import type { Principal } from "../../ground/kernel/index.ts";
import { eachStore } from "../../testing/stores.ts";
import type { Oauth2Ask } from "./oauth2.ts";
import { scopesKey, type UpstreamTokens } from "../providers/index.ts";
import type { ConnectionKey } from "./credential-key.ts";
import { makeRefresh } from "./refresh.ts";
import { connectionsTable } from "./connections-table.ts";
import { makeTelling } from "./telling.ts";
import { acting, keyFor, type OpenVault, openVault } from "./vault-for-tests.ts";

/** Runs all, so many at once, in an order that mixes whose call is next to whose. */
const mixed = async <T, R>(calls: readonly T[], atOnce: number, run: (call: T) => Promise<R>): Promise<R[]> => {
  const order = calls.map((call, i) => ({ call, rank: (i * 7919) % 104_729 })).sort((a, b) => a.rank - b.rank);
  const waiting = order.map(({ call }) => call);
  const answers: R[] = [];
  const worker = async () => {
    for (let call = waiting.shift(); call !== undefined; call = waiting.shift()) answers.push(await run(call));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return answers;
};

const bearer = (accessToken: string, refreshToken?: string): UpstreamTokens => ({
  accessToken,
  tokenType: "Bearer",
  expiresIn: 3600,
  ...(refreshToken !== undefined && { refreshToken }),
});

/*
 * Nobody is ever served another's token. Each part of the key was taken out by hand, one at a time, and each time a test below failed:
 * - out of `keyText`, for users and for agents alike: two flights become one, and callers get a neighbour's marker ("keys that differ in one part"
 *   shows it for each part, the tenant too, since there the other ids are the same in both tenants);
 * - out of a statement (the join of `find`, the columns of `byKey`, the columns of a conflict): a neighbour's row is found or
 *   overwritten. "A neighbour's row is not found" shows it for each part; tokens are moreover sealed to the whole key and do not open for another;
 * - out of the key or the read that `oauth2` makes: two who differ in that part share a connection, and "everybody asks at once" meets a foreign
 *   marker, or a token that does not open.
 */
eachStore("nobody is served another's token", (fresh) => {
  let house: OpenVault;
  afterEach(() => house.close());

  test("everybody asks at once: 2 tenants, 2 agents, 3 users, 2 providers, 2 scope sets, before and after a refresh", async () => {
    house = await openVault(await fresh());
    const { vault, hand, script, connections, ground } = house;
    const calls: { who: Principal; ask: Oauth2Ask; marker: string }[] = [];
    for (const tenant of ["acme", "globex"]) {
      const agents = [await house.agent(tenant, "scout"), await house.agent(tenant, "clerk")];
      const users = [await house.user(tenant, "alice"), await house.user(tenant, "bob"), await house.user(tenant, "carol")];
      const providers = [
        { name: "git", id: await house.provider(tenant, "git", ["read"]) },
        { name: "hub", id: await house.provider(tenant, "hub", ["read"]) },
      ];
      for (const agent of agents)
        for (const user of [...users, undefined])
          for (const provider of providers)
            for (const scopes of [undefined, ["read", "write"]])
              calls.push({
                who: acting(tenant, agent, user),
                ask: { provider: provider.name, scopes },
                marker: [tenant, agent.id, user?.id ?? "alone", provider.id, scopes ? "read write" : "read"].join(" "),
              });
    }
    const federated = calls.filter(({ who }) => who.user);
    expect(federated).toHaveLength(48);
    // What the person consented to at the provider carries a marker of who that was; a refresh answers it again.
    for (const { who, ask, marker } of federated) {
      const pending = await vault.oauth2(who, ask);
      if (pending.status !== "pending") throw new Error(`${marker} was served before any consent.`);
      await house.finish(pending.sessionUri, bearer(`${marker} #0`, marker));
    }
    let serial = 0;
    script.onRefresh = async ({ refreshToken }, provider) => {
      await new Promise((done) => setTimeout(done, 5));
      return bearer(`${refreshToken} #${(serial += 1)} at ${provider.id}`);
    };
    // The client grant tells the provider nothing of the agent, so here the serial number is the marker.
    script.onClient = async (_ask, provider) => {
      await new Promise((done) => setTimeout(done, 5));
      return bearer(`client #${(serial += 1)} at ${provider.id}`);
    };
    const ownTokens = new Map<string, string>();
    const round = async () => {
      const answers = await mixed([...calls, ...calls, ...calls], 64, async (call) => ({
        ...call,
        answer: await vault.oauth2(call.who, call.ask),
      }));
      for (const { who, marker, answer } of answers) {
        if (answer.status !== "ready") throw new Error(`${marker} was not served.`);
        if (who.user) {
          expect(answer.accessToken.split(" #")[0]).toBe(marker);
          continue;
        }
        expect(answer.accessToken).toContain(` at ${marker.split(" ")[3] ?? "?"}`);
        const owner = ownTokens.get(answer.accessToken) ?? marker;
        expect(owner).toBe(marker);
        ownTokens.set(answer.accessToken, marker);
      }
    };
    await round();
    expect(script.refreshes).toHaveLength(0);
    hand.forward(2 * 3_600_000);
    await round();
    expect(script.refreshes).toHaveLength(48);
    expect(script.clients).toHaveLength(32);
    expect(ownTokens.size).toBe(32);
    for (const { tenant, ask } of script.refreshes) expect(ask.refreshToken.split(" ")[0]).toBe(tenant);
    expect((await connections.list("acme", {}, { limit: 500 })).items).toHaveLength(32);
    expect((await ground.audit.list("globex", { action: "credential.read" }, { limit: 500 })).items).toHaveLength(192);
  });

  test("keys that differ in one part, and in no other, hold and renew different tokens", async () => {
    house = await openVault(await fresh());
    const { hand, script, connections, needs, ground } = house;
    const home = await house.provider("home", "git");
    const keys: ConnectionKey[] = [];
    for (const tenant of ["acme", "globex"])
      for (const agent of ["agt_1", "agt_2"])
        for (const user of ["usr_1", "usr_2", "usr_3", undefined])
          for (const provider of ["prv_1", "prv_2"])
            for (const resource of ["", "x"])
              for (const audience of ["", "x"])
                for (const scopes of [scopesKey(["read"]), scopesKey(["read", "write"])]) {
                  const asked = { tenant, agent, provider, resource, audience, scopes };
                  keys.push(user === undefined ? { kind: "agent", ...asked } : { kind: "user", user, ...asked });
                }
    expect(keys).toHaveLength(256);
    const marker = (key: ConnectionKey) => JSON.stringify(key);
    // Of a key that differs in one part only, a neighbour holds every other part: so nothing but that part keeps them apart.
    for (const key of keys)
      await ground.db.write((tx) =>
        connections.store(tx, key, { requestedScopes: [], tokens: bearer(marker(key), marker(key)), now: hand.clock() }),
      );
    script.onRefresh = async ({ refreshToken }) => {
      await new Promise((done) => setTimeout(done, 5));
      return bearer(`renewed ${refreshToken}`);
    };
    let clients = 0;
    script.onClient = () => Promise.resolve(bearer(`client ${(clients += 1)}`));
    // One row stands for every provider id: which ids there are is what this test makes up.
    const byId: typeof needs.providers.byId = (handle) => needs.providers.byId(handle, "home", home);
    const { renew } = makeRefresh({ ...needs, telling: makeTelling(needs), providers: { ...needs.providers, byId } });
    hand.forward(2 * 3_600_000);
    const owners = new Map<string, string>();
    await mixed([...keys, ...keys], 512, async (key) => {
      const seen = await connectionsTable.byKey(ground.db.read, key);
      const renewed = await renew(
        acting(key.tenant, { id: key.agent, name: "", labels: {}, origin: "operator", project: "default", epoch: 0 }),
        {
          key,
          requestedScopes: [],
          seen,
        },
      );
      if (renewed.kind !== "live") throw new Error("No token was renewed.");
      expect(renewed.stored.key).toEqual(key);
      const { accessToken } = renewed.tokens;
      if (key.kind === "user") expect(accessToken.replace(/^(renewed )+/, "")).toBe(marker(key));
      expect(owners.get(accessToken) ?? marker(key)).toBe(marker(key));
      owners.set(accessToken, marker(key));
    });
    expect(owners.size).toBeGreaterThanOrEqual(256);
  });

  test("a neighbour's row is not found, whichever one part of its key is theirs", async () => {
    house = await openVault(await fresh());
    const { connections, ground, vault } = house;
    const who = acting("acme", await house.agent("acme", "scout"), await house.user("acme", "alice"));
    const own = keyFor(who, await house.provider("acme", "git", ["read"]), ["read"]);
    const neighbours = [
      { ...own, tenant: "globex" },
      { ...own, agent: "agt_0" },
      { ...own, user: "usr_0" },
      { ...own, provider: "prv_0" },
      { ...own, resource: "https://a.test" },
      { ...own, audience: "a" },
      { ...own, scopes: scopesKey(["read", "write"]) },
    ];
    for (const key of neighbours)
      await ground.db.write((tx) =>
        connections.store(tx, key, { requestedScopes: [], tokens: bearer("a neighbour's", "rt"), now: ground.clock() }),
      );
    await expect(vault.oauth2(who, { provider: "git" })).resolves.toMatchObject({ status: "pending" });
    await expect(vault.oauth2(who, { provider: "git", scopes: ["read"] })).resolves.toMatchObject({ status: "pending" });
    await expect(connectionsTable.byKey(ground.db.read, own)).resolves.toBeUndefined();
  });

  test("the provider's own scopes are the same key as the same scopes asked for, in any order and with repeats", async () => {
    house = await openVault(await fresh());
    const { vault } = house;
    const who = acting("acme", await house.agent("acme", "scout"), await house.user("acme", "alice"));
    const id = await house.provider("acme", "git", ["write", "read"]);
    const pending = await vault.oauth2(who, { provider: "git" });
    if (pending.status !== "pending") throw new Error("A consent was expected.");
    expect(house.begun.get(pending.sessionUri)).toEqual({ key: keyFor(who, id, ["read", "write"]), requestedScopes: ["write", "read"] });
    await house.finish(pending.sessionUri, bearer("at-1"));
    await expect(vault.oauth2(who, { provider: "git", scopes: ["read", "write", "read"] })).resolves.toMatchObject({ accessToken: "at-1" });
    await expect(vault.oauth2(who, { provider: "git", scopes: ["read"] })).resolves.toMatchObject({ status: "pending" });
    await expect(vault.oauth2(who, { provider: "git", resource: "https://a.test" })).resolves.toMatchObject({ status: "pending" });
    await expect(vault.oauth2(who, { provider: "git", audience: "a" })).resolves.toMatchObject({ status: "pending" });
  });
});
