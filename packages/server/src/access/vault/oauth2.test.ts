import { afterEach, expect, test } from "vitest";
import { makeAudit } from "../../ground/audit/index.ts";
import { eachStore } from "../../testing/stores.ts";
import { tokensIdentity } from "./connection.ts";
import { makeVault } from "./vault.ts";
import { acting, keyFor, type OpenVault, openVault } from "./vault-for-tests.ts";

eachStore("asking for an OAuth 2 token", (fresh) => {
  let house: OpenVault;
  afterEach(() => house.close());

  /** Tenant acme with agent scout, user alice and provider git. */
  const furnished = async () => {
    house = await openVault(await fresh());
    const scout = await house.agent("acme", "scout");
    const alice = await house.user("acme", "alice");
    const git = await house.provider("acme", "git", ["read"]);
    return { ...house, scout, alice, git, who: acting("acme", scout, alice), alone: acting("acme", scout) };
  };
  const given = (accessToken: string, more: { expiresIn?: number; refreshToken?: string; scopes?: string[] } = {}) => ({
    accessToken,
    tokenType: "Bearer",
    ...more,
  });
  /** Asks, and lets the user consent to what comes. */
  const consented = async (
    { vault, finish, who }: Awaited<ReturnType<typeof furnished>>,
    tokens: ReturnType<typeof given>,
    ask: { provider: string; scopes?: string[]; resource?: string } = { provider: "git" },
  ) => {
    const pending = await vault.oauth2(who, ask);
    if (pending.status !== "pending") throw new Error("A consent was expected.");
    await finish(pending.sessionUri, tokens);
    return pending.sessionUri;
  };

  test("without a stored token the user is sent to consent, and afterwards the token is served with what was granted", async () => {
    const all = await furnished();
    const { vault, who, hand } = all;
    const pending = await vault.oauth2(who, { provider: "git", returnUrl: "https://app.test/back", customState: "s" });
    expect(pending).toEqual({ status: "pending", authorizationUrl: expect.any(String), sessionUri: expect.any(String) });
    const sessionUri = await consented(all, given("at-1", { expiresIn: 3600 }));
    const ready = { status: "ready", accessToken: "at-1", tokenType: "Bearer", expiresAt: hand.clock() + 3_600_000, scopes: ["read"] };
    await expect(vault.oauth2(who, { provider: "git", sessionUri })).resolves.toEqual(ready);
    await expect(vault.oauth2(who, { provider: "git" })).resolves.toEqual(ready);
    await expect(vault.oauth2(who, { provider: "git", flow: "USER_FEDERATION", scopes: ["read", "read"] })).resolves.toEqual(ready);
  });

  test("a live credential costs one read and one audit row, which names everyone concerned and holds no token", async () => {
    const all = await furnished();
    const { ground, needs, who, git } = all;
    await consented(all, given("at-1", { expiresIn: 3600 }));
    await all.vault.oauth2(who, { provider: "git" });
    let reads = 0;
    const counting: Parameters<typeof ground.db.read.withPlugin>[0] = {
      transformQuery: ({ node }) => node,
      transformResult: ({ result }) => {
        reads += 1;
        return Promise.resolve(result);
      },
    };
    let writes = 0;
    const db: typeof ground.db = {
      ...ground.db,
      read: ground.db.read.withPlugin(counting),
      write: (unit) => {
        writes += 1;
        return ground.db.write(unit);
      },
    };
    const vault = makeVault({ ...needs, db, audit: makeAudit({ ...ground, db }) });
    await vault.oauth2(who, { provider: "git", scopes: ["read"] });
    expect({ reads, writes }).toEqual({ reads: 1, writes: 1 });
    const { items } = await ground.audit.list("acme", { action: "credential.read" }, { limit: 10 });
    expect(items).toHaveLength(2);
    expect(items[0]).toMatchObject({ agent: who.agent?.id, user: who.user?.id, details: { provider: git, scopes: ["read"] } });
    expect(JSON.stringify(items)).not.toContain("at-1");
  });

  test("a token whose audit row cannot be written is not answered", async () => {
    const all = await furnished();
    await consented(all, given("at-1"));
    const full = { ...all.ground.db, write: () => Promise.reject(new Error("disk full")) };
    const audit = makeAudit({ ...all.ground, db: full });
    await expect(makeVault({ ...all.needs, db: full, audit }).oauth2(all.who, { provider: "git" })).rejects.toThrow("disk full");
  });

  test("what the provider did not grant is named, and the token served all the same; silence means all was granted", async () => {
    const all = await furnished();
    const ask = { provider: "git", scopes: ["write", "read", "offline_access"] };
    await consented(all, given("at-1", { scopes: ["read"], refreshToken: "rt" }), ask);
    await expect(all.vault.oauth2(all.who, ask)).resolves.toMatchObject({ scopes: ["read"], missingScopes: ["write"] });
    await consented(all, given("at-2"), { provider: "git", scopes: ["write"] });
    const silent = await all.vault.oauth2(all.who, { provider: "git", scopes: ["write"] });
    expect(silent).toMatchObject({ accessToken: "at-2", scopes: ["write"] });
    expect(silent).not.toHaveProperty("missingScopes");
  });

  test("a token of unknown life is served as it is, never taken for an hour", async () => {
    const all = await furnished();
    await consented(all, given("at-1", { refreshToken: "rt-1" }));
    all.hand.forward(400 * 86_400_000);
    const answer = await all.vault.oauth2(all.who, { provider: "git" });
    expect(answer).toMatchObject({ accessToken: "at-1" });
    expect(answer).not.toHaveProperty("expiresAt");
    expect(all.script.refreshes).toHaveLength(0);
  });

  test("a token that cannot be refreshed is served to its last moment, then the user consents again", async () => {
    const all = await furnished();
    await consented(all, given("at-1", { expiresIn: 100 }));
    all.hand.forward(99_999);
    await expect(all.vault.oauth2(all.who, { provider: "git" })).resolves.toMatchObject({ accessToken: "at-1" });
    all.hand.forward(1);
    await expect(all.vault.oauth2(all.who, { provider: "git" })).resolves.toMatchObject({ status: "pending" });
  });

  test("a forced consent's session never answers the former token, though it is stored and live", async () => {
    const all = await furnished();
    const { vault, who, finish } = all;
    await consented(all, given("old", { expiresIn: 3600 }));
    const forced = await vault.oauth2(who, { provider: "git", forceAuthentication: true });
    if (forced.status !== "pending") throw new Error("A forced consent must be pending.");
    const poll = { provider: "git", forceAuthentication: true, sessionUri: forced.sessionUri };
    await expect(vault.oauth2(who, poll)).resolves.toMatchObject({ status: "pending", sessionUri: forced.sessionUri });
    await expect(vault.oauth2(who, { provider: "git" })).resolves.toMatchObject({ accessToken: "old" });
    await finish(forced.sessionUri, given("new", { expiresIn: 3600 }));
    await expect(vault.oauth2(who, poll)).resolves.toMatchObject({ accessToken: "new" });
    await expect(vault.oauth2(who, { provider: "git" })).resolves.toMatchObject({ accessToken: "new" });
  });

  test("a session whose connection was rolled back to an older version answers nothing", async () => {
    const all = await furnished();
    const sessionUri = await consented(all, given("old", { expiresIn: 3600 }));
    const session = all.begun.get(sessionUri);
    if (session?.done) session.done = { ...session.done, version: session.done.version + 1 };
    await expect(all.vault.oauth2(all.who, { provider: "git", sessionUri })).rejects.toMatchObject({
      code: "authorization_failed",
      details: { reason: "connection_gone" },
    });
  });

  test("a session answers only for the credential that was asked, and only to its agent and user", async () => {
    const all = await furnished();
    const { vault, who } = all;
    const sessionUri = await consented(all, given("at-1"), { provider: "git", scopes: ["write"], resource: "https://api.test" });
    await expect(vault.oauth2(who, { provider: "git", sessionUri })).resolves.toMatchObject({ accessToken: "at-1" });
    await expect(vault.oauth2(who, { provider: "git", sessionUri, scopes: ["read"] })).rejects.toMatchObject({ code: "session_unknown" });
    await expect(vault.oauth2(who, { provider: "git", sessionUri, audience: "b" })).rejects.toMatchObject({ code: "session_unknown" });
    const mallory = acting("acme", all.scout, await all.user("acme", "mallory"));
    await expect(vault.oauth2(mallory, { provider: "git", sessionUri })).rejects.toMatchObject({ code: "session_unknown" });
    const other = acting("acme", await all.agent("acme", "other"), all.alice);
    await expect(vault.oauth2(other, { provider: "git", sessionUri })).rejects.toMatchObject({ code: "session_unknown" });
    await all.provider("acme", "hub");
    await expect(vault.oauth2(who, { provider: "hub", sessionUri })).rejects.toMatchObject({ code: "session_unknown" });
  });

  test("a revoked connection is consented to anew, and its session answers nothing more", async () => {
    const all = await furnished();
    const sessionUri = await consented(all, given("at-1"));
    const [connection] = (await all.vault.listConnections("acme", {}, { limit: 10 })).items;
    await all.vault.revokeConnection(all.who, connection?.id ?? "");
    await expect(all.vault.oauth2(all.who, { provider: "git" })).resolves.toMatchObject({ status: "pending" });
    await expect(all.vault.oauth2(all.who, { provider: "git", sessionUri })).rejects.toMatchObject({ code: "authorization_failed" });
    await consented(all, given("at-2"));
    await expect(all.vault.oauth2(all.who, { provider: "git" })).resolves.toMatchObject({ accessToken: "at-2" });
  });

  test("the flow is the user's where there is one, else the agent's own; a provider may serve fewer", async () => {
    const all = await furnished();
    const { vault, who, alone } = all;
    all.script.onClient = () => Promise.resolve(given("own", { expiresIn: 600 }));
    await expect(vault.oauth2(alone, { provider: "git" })).resolves.toMatchObject({ accessToken: "own" });
    await expect(vault.oauth2(who, { provider: "git", flow: "M2M" })).resolves.toMatchObject({ accessToken: "own" });
    await expect(vault.oauth2(who, { provider: "git" })).resolves.toMatchObject({ status: "pending" });
    await expect(vault.oauth2(alone, { provider: "git", flow: "USER_FEDERATION" })).rejects.toMatchObject({ code: "user_required" });
    await expect(vault.oauth2(alone, { provider: "git", sessionUri: "x" })).rejects.toMatchObject({ code: "invalid_request" });
    await all.provider("acme", "humans", [], { flows: ["USER_FEDERATION"] });
    await expect(vault.oauth2(alone, { provider: "humans" })).rejects.toMatchObject({ code: "user_required" });
    await expect(vault.oauth2(alone, { provider: "humans", flow: "M2M" })).rejects.toMatchObject({ code: "provider_wrong_type" });
    await all.provider("acme", "machines", [], { flows: ["M2M"] });
    await expect(vault.oauth2(who, { provider: "machines" })).resolves.toMatchObject({ accessToken: "own" });
    await expect(vault.oauth2(who, { provider: "machines", flow: "USER_FEDERATION" })).rejects.toMatchObject({
      code: "provider_wrong_type",
    });
    await expect(vault.oauth2(who, { provider: "git", flow: "ON_BEHALF_OF_TOKEN_EXCHANGE" })).rejects.toMatchObject({
      code: "provider_wrong_type",
    });
    await all.provider("acme", "keys", [], { type: "api_key" });
    await expect(vault.oauth2(who, { provider: "keys" })).rejects.toMatchObject({ code: "provider_wrong_type" });
  });

  test("an agent that a provider does not list is told what it would be told of none at all", async () => {
    const all = await furnished();
    await all.provider("acme", "vip", ["read"], { agents: ["agt_00000000000000000000000000000000"] });
    await all.provider("acme", "apart", ["read"], { vault: "second" });
    const refusal = async (provider: string, vault?: string) => {
      const asked = all.vault.oauth2(all.who, { provider, ...(vault !== undefined && { vault }) });
      const error: unknown = await asked.then(() => undefined).catch((thrown: unknown) => thrown);
      return JSON.stringify(error).replaceAll(provider, "?") + String(error).replaceAll(provider, "?");
    };
    await expect(refusal("vip")).resolves.toBe(await refusal("none"));
    await expect(refusal("apart")).resolves.toBe(await refusal("none"));
    await expect(all.vault.oauth2(all.who, { provider: "apart", vault: "second" })).resolves.toMatchObject({ status: "pending" });
    const { status } = await all.vault.oauth2(all.who, { provider: "git" });
    expect(status).toBe("pending");
    const robot = { ...all.who, agent: { ...all.who.agent, origin: "self" as const } } as typeof all.who;
    await expect(all.vault.oauth2(robot, { provider: "git" })).rejects.toMatchObject({ code: "provider_unknown" });
  });

  test("a key that no store could index is refused as the caller's, not failed as ours", async () => {
    const all = await furnished();
    const letters = Array.from({ length: 2000 }, () => all.ground.random(1).toString("hex")).join("");
    const long = { provider: "git", resource: `https://api.test/${letters.slice(0, 2030)}`, audience: letters.slice(0, 512) };
    await expect(all.vault.oauth2(all.who, long)).rejects.toMatchObject({ code: "invalid_request" });
    all.script.onClient = () => Promise.resolve(given("own"));
    const fits = { provider: "git", resource: `https://api.test/${letters.slice(0, 2030)}`, audience: letters.slice(0, 300) };
    await expect(all.vault.oauth2(all.alone, fits)).resolves.toMatchObject({ accessToken: "own" });
  });

  test("tokens moved to another user's row, to another version or under another key do not open; a dump shows none", async () => {
    const all = await furnished();
    const { ground, who, vault, scout } = all;
    const bob = acting("acme", scout, await all.user("acme", "bob"));
    const store = (of: typeof who, accessToken: string) =>
      ground.db.write((tx) =>
        all.connections.store(tx, keyFor(of, all.git, ["read"]), {
          requestedScopes: ["read"],
          tokens: given(accessToken, { refreshToken: `refresh-${accessToken}` }),
          now: ground.clock(),
        }),
      );
    const mine = await store(who, "CANARY-alice");
    const his = await store(bob, "CANARY-bob");
    const sealed = async (id: string) =>
      (await ground.db.read.selectFrom("connections").select("sealed_tokens").where("id", "=", id).executeTakeFirstOrThrow()).sealed_tokens;
    const dump = JSON.stringify([
      await ground.db.read.selectFrom("connections").selectAll().execute(),
      await ground.db.read.selectFrom("data_keys").selectAll().execute(),
      await ground.db.read.selectFrom("audit_events").selectAll().execute(),
    ]);
    expect(dump).not.toContain("CANARY");

    const set = (id: string, change: { sealed_tokens?: string | null; version?: number }) =>
      ground.db.write((tx) => tx.updateTable("connections").set(change).where("id", "=", id).execute());
    const [hers, hisText] = [await sealed(mine.connectionId), await sealed(his.connectionId)];
    await set(mine.connectionId, { sealed_tokens: hisText });
    await expect(vault.oauth2(who, { provider: "git" })).rejects.toThrow("does not open");
    await set(mine.connectionId, { sealed_tokens: hers, version: 7 });
    await expect(vault.oauth2(who, { provider: "git" })).rejects.toThrow("does not open");
    await set(mine.connectionId, { version: mine.version });
    await expect(vault.oauth2(who, { provider: "git" })).resolves.toMatchObject({ accessToken: "CANARY-alice" });

    // The rows stay as they are, and only whose they are is exchanged.
    const owner = (id: string, user: string) =>
      ground.db.write((tx) =>
        tx
          .updateTable("connections")
          .set({ user_id: user } as object)
          .where("id", "=", id)
          .execute(),
      );
    await owner(mine.connectionId, "nobody");
    await owner(his.connectionId, who.user?.id ?? "");
    await expect(vault.oauth2(who, { provider: "git" })).rejects.toThrow("does not open");
    const identity = tokensIdentity(his.connectionId, keyFor(bob, all.git, ["read"]), his.version);
    await expect(ground.seal.open("acme", identity, hisText ?? "")).resolves.toContain("CANARY-bob");
    await expect(ground.seal.open("globex", identity, hisText ?? "")).rejects.toThrow("data key");
  });
});
