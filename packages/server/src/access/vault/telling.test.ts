import { afterEach, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { UpstreamRefused, UpstreamUnavailable } from "../providers/index.ts";
import { acting, keyFor, type OpenVault, openVault } from "./vault-for-tests.ts";

const admin = adminOf("acme");

/** A provider that never answers. */
const silent = ({ signal }: { readonly signal?: AbortSignal | undefined }): Promise<boolean> =>
  new Promise((_, reject) => {
    const leave = () => reject(signal?.reason as Error);
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave);
  });

eachStore("telling providers of revoked connections", (fresh) => {
  let house: OpenVault;
  afterEach(() => house.close());

  const furnished = async () => {
    house = await openVault(await fresh());
    const { ground, connections, hand, vault } = house;
    const scout = await house.agent("acme", "scout");
    const clerk = await house.agent("acme", "clerk");
    const alice = await house.user("acme", "alice");
    const git = await house.provider("acme", "git");
    const store = (who: ReturnType<typeof acting>, refreshToken: string | undefined, scopes = ["read"]) =>
      ground.db.write((tx) =>
        connections.store(tx, keyFor(who, git, scopes), {
          requestedScopes: scopes,
          tokens: { accessToken: "SECRET-access", tokenType: "Bearer", refreshToken, expiresIn: 600 },
          now: hand.clock(),
        }),
      );
    const told = async () => {
      await vault.close();
      return (await ground.audit.list("acme", { action: "connection.provider_revoked" }, { limit: 300 })).items;
    };
    return { ...house, scout, clerk, alice, git, store, told };
  };

  test("the refresh token is taken back, else the access token, by the client that it was given to, and the record says so", async () => {
    const { vault, script, scout, clerk, alice, git, store, told } = await furnished();
    script.onRevoke = () => Promise.resolve(true);
    const first = await store(acting("acme", scout, alice), "SECRET-refresh");
    await vault.revokeConnection(admin, first.connectionId);
    const own = await store(acting("acme", clerk), undefined);
    await vault.revokeConnection(admin, own.connectionId);
    while (script.revocations.length < 2) await new Promise((done) => setTimeout(done, 5));
    expect(script.revocations.map(({ provider, ask }) => [provider.id, ask.token, ask.hint])).toEqual([
      [git, "SECRET-refresh", "refresh_token"],
      [git, "SECRET-access", "access_token"],
    ]);
    const rows = await told();
    // Both were told at once; whichever answered first was recorded first.
    const rowOf = (target: string) => rows.filter((row) => row.target === target);
    expect(rowOf(own.connectionId)).toMatchObject([{ outcome: "done", agent: clerk.id }]);
    expect(rowOf(first.connectionId)).toMatchObject([
      { outcome: "done", agent: scout.id, user: alice.id, callerId: "op_test", details: { provider: git } },
    ]);
    expect(JSON.stringify(rows)).not.toContain("SECRET");
  });

  test("a provider that does not answer holds nobody up: the connection is dead at once, and closing ends the asking", async () => {
    const { vault, script, scout, alice, store, told, connections } = await furnished();
    script.onRevoke = silent;
    const { connectionId } = await store(acting("acme", scout, alice), "SECRET-refresh");
    const before = Date.now();
    await vault.revokeConnection(admin, connectionId);
    await expect(connections.get("acme", connectionId)).resolves.toMatchObject({ state: "revoked" });
    expect(await told()).toMatchObject([{ outcome: "refused", details: { reason: "provider_unavailable" } }]);
    expect(Date.now() - before).toBeLessThan(5_000);
  });

  test("what the provider says to it is recorded: no address for that, a refusal, no answer", async () => {
    const { vault, script, scout, alice, store, told } = await furnished();
    const answers = [
      () => Promise.resolve(false),
      () => Promise.reject(new UpstreamRefused("invalid_client", "SECRET-refresh")),
      () => Promise.reject(new UpstreamUnavailable("network")),
    ];
    for (const [at, answer] of answers.entries()) {
      script.onRevoke = answer;
      const { connectionId } = await store(acting("acme", scout, alice), "SECRET-refresh");
      await vault.revokeConnection(admin, connectionId);
      while (script.revocations.length <= at) await new Promise((done) => setTimeout(done, 5));
    }
    const rows = await told();
    expect(rows.map(({ outcome, details }) => [outcome, details["reason"], details["error"]]).reverse()).toEqual([
      ["refused", "no_endpoint", undefined],
      ["refused", "provider_refused", "invalid_client"],
      ["refused", "provider_unavailable", undefined],
    ]);
    expect(JSON.stringify(rows)).not.toContain("SECRET");
  });

  test("a grant that another connection of the user's may live on is not taken back, nor is a suspended provider asked", async () => {
    const { vault, script, scout, clerk, alice, store, told, providers } = await furnished();
    const one = await store(acting("acme", scout, alice), "rt-1");
    const two = await store(acting("acme", clerk, alice), "rt-2");
    await vault.revokeConnection(admin, one.connectionId);
    await providers.suspend(admin, undefined, "git");
    await vault.revokeConnection(admin, two.connectionId);
    const rows = await told();
    expect(new Set(rows.map(({ details }) => details["reason"]))).toEqual(new Set(["grant_shared", "provider_suspended"]));
    expect(script.revocations).toEqual([]);
  });

  test("more than can wait are not told, and that is recorded too", async () => {
    const { vault, script, scout, alice, store, told } = await furnished();
    script.onRevoke = silent;
    for (let at = 0; at < 210; at += 1) {
      const { connectionId } = await store(acting("acme", scout, alice), "rt", [`s${at}`]);
      await vault.revokeConnection(admin, connectionId);
    }
    const reasons = (await told()).map(({ details }) => details["reason"]);
    expect(reasons).toHaveLength(210);
    expect(reasons.filter((reason) => reason === "busy")).toHaveLength(6);
  });

  test("what a provider gives for a connection that ended while it was asked is taken back, and never stored", async () => {
    const { vault, script, scout, alice, git, store, told, connections, hand, agents, providers } = await furnished();
    const who = acting("acme", scout, alice);
    script.onRevoke = () => Promise.resolve(true);
    /** Ends the connection in the middle of its refresh; answers which tokens the provider was told of. */
    const endedBy = async (
      end: (id: string) => Promise<unknown>,
      given: { refreshToken?: string } = { refreshToken: "SECRET-rotated" },
    ) => {
      const { connectionId } = await store(who, "SECRET-refresh");
      hand.forward(3_600_000);
      script.onRefresh = async () => {
        await end(connectionId);
        return { accessToken: "SECRET-fresh", tokenType: "Bearer", ...given };
      };
      script.revocations.length = 0;
      await vault.oauth2(who, { provider: "git" }).catch(() => undefined);
      return script.revocations.map(({ provider, ask }) => [provider.tokenEndpoint, ask.token, ask.hint]);
    };
    const at = "https://provider.test/token";
    const rotated = [[at, "SECRET-rotated", "refresh_token"]];
    await expect(endedBy((id) => connections.revoke(admin, id))).resolves.toEqual(rotated);
    await expect(endedBy((id) => connections.revoke(admin, id), {})).resolves.toEqual([[at, "SECRET-fresh", "access_token"]]);
    // Where the provider points elsewhere now, its former self is told.
    const elsewhere = { tokenEndpoint: "https://elsewhere.test/token", clientSecret: "another" };
    await expect(endedBy(() => providers.update(admin, undefined, "git", elsewhere))).resolves.toEqual(rotated);
    await expect(endedBy((id) => connections.revoke(admin, id).then(() => providers.suspend(admin, undefined, "git")))).resolves.toEqual(
      [],
    );
    await providers.resume(admin, undefined, "git");
    // Whoever consented anew meanwhile may have the same grant.
    await expect(endedBy(() => store(who, "SECRET-anew"))).resolves.toEqual([]);
    const other = acting("acme", await house.agent("acme", "other"), alice);
    const living = await store(other, "SECRET-living");
    await expect(endedBy((id) => connections.revoke(admin, id))).resolves.toEqual([]);
    await connections.revoke(admin, living.connectionId);
    await expect(endedBy(() => agents.revoke(admin, "scout"))).resolves.toEqual([
      ["https://elsewhere.test/token", "SECRET-rotated", "refresh_token"],
    ]);
    const rows = await told();
    expect(rows.map(({ outcome, details }) => [outcome, details["reason"], details["cause"], details["provider"]]).reverse()).toEqual(
      ["done", "done", "done", "provider_suspended", "grant_shared", "done"].map((reason) =>
        reason === "done"
          ? ["done", undefined, "ended while it was refreshed", git]
          : ["refused", reason, "ended while it was refreshed", git],
      ),
    );
    expect(JSON.stringify(rows)).not.toContain("SECRET");
    expect((await connections.list("acme", {}, { limit: 10 })).items.filter(({ state }) => state === "active")).toEqual([]);
  });
});
