import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { makeVault } from "./vault.ts";
import { acting, keyFor, type OpenVault, openVault } from "./vault-for-tests.ts";

let upstream: TestProvider;
beforeAll(async () => {
  upstream = await startProvider({ withheld: ["admin"] });
});
afterAll(() => upstream.stop());

/** Whom the provider says that a token speaks for. */
const whoIs = async (accessToken: string) => {
  const response = await fetch(`${upstream.url}/api/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  return response.ok ? ((await response.json()) as unknown) : response.status;
};

eachStore("the vault against a real OpenID provider", (fresh) => {
  let house: OpenVault;
  afterEach(() => house.close());

  const furnished = async () => {
    house = await openVault(await fresh());
    const { providers, needs, connections, ground, hand } = house;
    const vault = makeVault({ ...needs, providers });
    const scout = await house.agent("acme", "scout");
    const clientId = `legate-${randomBytes(4).toString("hex")}`;
    const provider = await providers.create(adminOf("acme"), {
      type: "oauth2",
      name: "op",
      discoveryUrl: upstream.discoveryUrl,
      clientId,
      clientSecret: "s3cret",
      clientAuth: "client_secret_post",
      scopes: ["openid", "offline_access", "read", "admin"],
    });
    upstream.addClient({
      client_id: clientId,
      client_secret: "s3cret",
      token_endpoint_auth_method: "client_secret_post",
      redirect_uris: [providers.callbackUrl("acme", provider.id)],
      grant_types: ["authorization_code", "refresh_token", "client_credentials"],
    });
    /** What an authorization session does, without its browser. */
    const consent = async (name: string) => {
      const who = acting("acme", scout, await house.user("acme", name));
      const verifier = randomBytes(32).toString("base64url");
      const { authorizationUrl, readCallback, exchange } = providers.upstream;
      const url = await authorizationUrl("acme", provider, {
        state: name,
        codeChallenge: createHash("sha256").update(verifier).digest("base64url"),
        scopes: provider.scopes,
        customParameters: {},
        force: true,
      });
      const back = new URL(await upstream.walk(url, name));
      const callback = await readCallback("acme", provider, back.searchParams, name);
      if (!callback.ok) throw new Error(callback.error);
      const tokens = await exchange("acme", provider, { kept: callback.kept, codeVerifier: verifier, state: name });
      await ground.db.write((tx) =>
        connections.store(tx, keyFor(who, provider.id, provider.scopes), { requestedScopes: provider.scopes, tokens, now: hand.clock() }),
      );
      return who;
    };
    return { ...house, vault, scout, clientId, provider, consent };
  };

  test("after expiry 64 callers cause one refresh, each user gets a token of their own, and a grant taken back is asked for again", async () => {
    const { vault, hand, consent, clientId } = await furnished();
    const [alice, bob] = [await consent("alice"), await consent("bob")];
    const ask = { provider: "op" };
    const token = async (who: typeof alice) => {
      const answer = await vault.oauth2(who, ask);
      if (answer.status !== "ready") throw new Error("A token was expected.");
      expect(answer.missingScopes).toEqual(["admin"]);
      return answer.accessToken;
    };
    const first = await token(alice);
    await expect(whoIs(first)).resolves.toMatchObject({ user: "alice", client: clientId });
    for (let round = 1; round <= 2; round += 1) {
      hand.forward(2 * 3_600_000);
      const before = upstream.tokenCalls().refresh_token;
      const tokens = await Promise.all(Array.from({ length: 64 }, (_, i) => token(i % 2 ? alice : bob)));
      expect(upstream.tokenCalls().refresh_token - before).toBe(2);
      expect(new Set(tokens).size).toBe(2);
      expect(tokens).not.toContain(first);
      await expect(whoIs(tokens[1] ?? "")).resolves.toMatchObject({ user: "alice" });
      await expect(whoIs(tokens[0] ?? "")).resolves.toMatchObject({ user: "bob" });
    }
    hand.forward(2 * 3_600_000);
    upstream.breakTokens(503);
    await expect(vault.oauth2(alice, ask)).rejects.toMatchObject({ code: "provider_unavailable" });
    upstream.breakTokens(undefined);
    await expect(token(alice)).resolves.toEqual(expect.any(String));
    upstream.revokeGrants();
    hand.forward(2 * 3_600_000);
    await expect(vault.oauth2(alice, ask)).resolves.toMatchObject({ status: "pending" });
    const states = (await vault.listConnections("acme", {}, { limit: 10 })).items.map(({ state, user }) => `${user?.subject} ${state}`);
    expect(states.sort()).toEqual(["alice needs_consent", "bob active"]);
  });

  test("an agent's own token speaks for the client and for no user, and is had once for 64 callers", async () => {
    const { vault, scout, clientId } = await furnished();
    const before = upstream.tokenCalls().client_credentials;
    const ask = { provider: "op", scopes: ["read"] };
    const answers = await Promise.all(Array.from({ length: 64 }, () => vault.oauth2(acting("acme", scout), ask)));
    expect(upstream.tokenCalls().client_credentials - before).toBe(1);
    const tokens = new Set(answers.map((answer) => (answer.status === "ready" ? answer.accessToken : "")));
    expect(tokens.size).toBe(1);
    const me = await whoIs([...tokens][0] ?? "");
    expect(me).toMatchObject({ client: clientId });
    expect(me).not.toHaveProperty("user");
  });

  test("a token that rotated while its connection was revoked is dead at the provider too", async () => {
    const { needs, providers, provider, connections, hand, consent, ground } = await furnished();
    const alice = await consent("alice");
    const given: string[] = [];
    const revoking: Pick<typeof providers.upstream, "refresh"> = {
      refresh: async (...asked) => {
        const tokens = await providers.upstream.refresh(...asked);
        given.push(tokens.accessToken, tokens.refreshToken ?? "");
        await expect(whoIs(tokens.accessToken)).resolves.toMatchObject({ user: "alice" });
        const [connection] = (await connections.list("acme", {}, { limit: 1 })).items;
        await connections.revoke(adminOf("acme"), connection?.id ?? "");
        return tokens;
      },
    };
    const vault = makeVault({ ...needs, providers: { ...providers, upstream: { ...providers.upstream, ...revoking } } });
    hand.forward(2 * 3_600_000);
    await expect(vault.oauth2(alice, { provider: "op" })).resolves.toMatchObject({ status: "pending" });
    const [accessToken = "", refreshToken = ""] = given;
    await expect.poll(() => whoIs(accessToken)).toBe(401);
    const again = providers.upstream.refresh("acme", provider, { refreshToken, scopes: [] });
    await expect(again).rejects.toMatchObject({ name: "UpstreamRefused", error: "invalid_grant" });
    await vault.close();
    const { items } = await ground.audit.list("acme", { action: "connection.provider_revoked" }, { limit: 10 });
    expect(items).toMatchObject([{ outcome: "done", user: alice.user?.id }]);
  });
});
