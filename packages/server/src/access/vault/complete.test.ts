import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openBrowser } from "../../testing/cookie-jar.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { refusalOf } from "../../testing/refused.ts";
import { eachStore } from "../../testing/stores.ts";
import { actingFor, admin, asAgent, asUser, backUrl, type Consents, openConsents, redirectOf } from "./consents-for-tests.ts";

let upstream: TestProvider;
let issuer: TestIssuer;
beforeAll(async () => {
  upstream = await startProvider();
  issuer = await startTestIssuer();
});
afterAll(async () => {
  await upstream.stop();
  await issuer.stop();
});

eachStore("completing a consent", (fresh) => {
  let all: Consents;
  afterEach(() => all.close());
  const open = async () => {
    all = await openConsents(await fresh(), upstream);
    return all;
  };
  /** A consent that has come back, waiting for its application. */
  const authorized = async ({ begin, throughProvider, arrive }: Consents, who?: Parameters<Consents["begin"]>[1]) => {
    const begun = await begin(undefined, who);
    const browser = openBrowser();
    const back = await throughProvider(begun.id, browser);
    const returned = new URL(redirectOf(await arrive(back, browser)));
    return {
      ...begun,
      plain: begun.uri,
      uri: returned.searchParams.get("session_uri") ?? "",
      code: back.searchParams.get("code") ?? "",
      state: back.searchParams.get("state") ?? "",
    };
  };

  test("who began a consent and had another person walk it cannot complete it: the proof stays in that person's browser", async () => {
    const { sessions, agent, alice, connections, audited } = await open();
    // Mallory's part is played by alice: her own session, her own user, her own callers; but somebody else consented.
    const { plain, uri, id } = await authorized(all);
    const guessed = `${plain}${"0".repeat(48)}`;
    for (const sessionUri of [plain, guessed]) {
      expect(await refusalOf(sessions.complete(asUser(alice), { sessionUri }))).toBe("session_unknown");
      expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri, userId: "alice" }))).toBe("session_unknown");
      expect(await refusalOf(sessions.complete(admin, { sessionUri, userId: "mallory" }))).toBe("session_unknown");
    }
    expect(await connections()).toEqual([]);
    // One row for each of the three callers: what repeats within a minute is counted.
    const rows = await audited("authorization.refused");
    expect(rows.map(({ details }) => details)).toEqual(Array(3).fill({ reason: "no_proof" }));
    expect(new Set(rows.map(({ callerKind }) => callerKind))).toEqual(new Set(["user", "agent", "operator"]));
    // Nothing was burnt by it: whoever does have the proof still completes.
    expect(await all.stored(id)).toMatchObject({ state: "authorized" });
    await expect(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" })).resolves.toMatchObject({ scopes: ["read"] });
  });

  test("naming the same user turns the code into a stored credential, once", async () => {
    const { sessions, agent, vault, who, connections, audited } = await open();
    const { uri, id } = await authorized(all);
    expect(await vault.oauth2(who, { provider: "git", sessionUri: uri })).toMatchObject({ status: "pending" });
    const done = await sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" });
    expect(done).toEqual({ connectionId: (await connections())[0]?.id, scopes: ["read"] });
    expect(await all.stored(id)).toMatchObject({ state: "completed", sealedCode: undefined, connectionId: done.connectionId });
    expect(await vault.oauth2(who, { provider: "git", sessionUri: uri })).toMatchObject({ status: "ready" });
    expect(await audited("connection.stored")).toHaveLength(1);
    expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" }))).toBe("session_used");
  });

  test("completed ten times at once, one call wins and the provider is asked once", async () => {
    const { sessions, agent } = await open();
    const { uri } = await authorized(all);
    const before = upstream.tokenCalls();
    const calls = Array.from({ length: 10 }, () => refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" })));
    const answers = await Promise.all(calls);
    expect(answers.sort()).toEqual(["nothing refused", ...Array.from({ length: 9 }, () => "session_used")]);
    expect(upstream.tokenCalls()).toEqual({ ...before, authorization_code: before.authorization_code + 1 });
  });

  test("begun for one user and finished by another: 403, nothing stored, and the consent is over (THREATS 2)", async () => {
    const { sessions, agent, users, connections, stored, audited } = await open();
    await users.asserted(admin, agent.id, "mallory");
    const calls = upstream.tokenCalls().authorization_code;
    for (const userId of ["mallory", "nobody-we-know"]) {
      const { uri, id } = await authorized(all);
      expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId }))).toBe("session_user_mismatch");
      expect(await stored(id)).toMatchObject({ state: "failed", reason: "user_mismatch", sealedCode: undefined });
      // Mallory's own session of the application cannot take over what somebody else consented to.
      expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" }))).toBe(
        "authorization_failed user_mismatch",
      );
    }
    expect(await connections()).toEqual([]);
    expect(upstream.tokenCalls().authorization_code).toBe(calls);
    expect(await audited("authorization.failed")).toMatchObject([
      { outcome: "refused", details: { reason: "user_mismatch" } },
      { outcome: "refused", details: { reason: "user_mismatch" } },
    ]);
  });

  test("a mismatch before anybody consented changes nothing, and is audited", async () => {
    const { sessions, agent, begin, stored, audited } = await open();
    const { uri, id } = await begin();
    expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "mallory" }))).toBe("session_user_mismatch");
    expect(await stored(id)).toMatchObject({ state: "pending" });
    expect(await audited("authorization.refused")).toMatchObject([
      { target: id, outcome: "refused", details: { reason: "user_mismatch" } },
    ]);
    expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" }))).toBe("authorization_pending");
  });

  test("a stolen session id is of no use to another agent, and an auditor may not complete", async () => {
    const { sessions, agents, users, alice } = await open();
    const thief = await agents.create(admin, { name: "thief", allowedReturnUrls: [backUrl] });
    await users.asserted(admin, thief.id, "alice");
    const { uri } = await authorized(all);
    expect(await refusalOf(sessions.complete(asAgent(thief), { sessionUri: uri, userId: "alice" }))).toBe("session_unknown");
    const auditor = { ...admin, caller: { kind: "operator", id: "op_a", role: "auditor" } } as const;
    expect(await refusalOf(sessions.complete(auditor, { sessionUri: uri, userId: "alice" }))).toBe("session_unknown");
    expect(await refusalOf(sessions.poll(actingFor(thief, alice), uri, all.git.id))).toBe("session_unknown");
    for (const sessionUri of [
      "",
      "urn:ietf:params:oauth:request_uri:",
      `${uri}0`,
      uri.toUpperCase(),
      "urn:ietf:params:oauth:request_uri:'; drop",
    ])
      expect(await refusalOf(sessions.complete(admin, { sessionUri, userId: "alice" }))).toBe("session_unknown");
    await expect(sessions.complete(admin, { sessionUri: uri, userId: "alice" })).resolves.toMatchObject({ scopes: ["read"] });
  });

  test("a proven user is named by a token or by their own call, never by a bare id", async () => {
    const { sessions, agents, users, issuers } = await open();
    await issuers.create(admin, { name: "idp", discoveryUrl: issuer.url, audiences: ["app"] });
    const agent = await agents.update(admin, "scout", { issuer: "idp" });
    const bob = await users.proven(admin, issuer.url, "bob");
    await users.asserted(admin, agent.id, "bob");
    const eve = await users.proven(admin, issuer.url, "eve");
    const who = actingFor(agent, bob);
    const tokenOf = (sub: string) => issuer.sign({ sub, aud: "app" });
    const key = asAgent(agent);

    const attempts: [string, () => Promise<unknown>][] = [
      ["session_user_mismatch", async () => sessions.complete(key, { sessionUri: (await authorized(all, who)).uri, userId: "bob" })],
      [
        "session_user_mismatch",
        async () => sessions.complete(key, { sessionUri: (await authorized(all, who)).uri, userToken: await tokenOf("eve") }),
      ],
      ["session_user_mismatch", async () => sessions.complete(asUser(eve), { sessionUri: (await authorized(all, who)).uri })],
      [
        "session_user_mismatch",
        async () => sessions.complete(asUser(bob), { sessionUri: (await authorized(all, who)).uri, userId: "bob" }),
      ],
      ["invalid_request", async () => sessions.complete(key, { sessionUri: (await authorized(all, who)).uri })],
      [
        "nothing refused",
        async () => sessions.complete(key, { sessionUri: (await authorized(all, who)).uri, userToken: await tokenOf("bob") }),
      ],
      ["nothing refused", async () => sessions.complete(asUser(bob), { sessionUri: (await authorized(all, who)).uri })],
      [
        "nothing refused",
        async () => sessions.complete(admin, { sessionUri: (await authorized(all, who)).uri, userToken: await tokenOf("bob") }),
      ],
    ];
    for (const [expected, attempt] of attempts) {
      expect(await refusalOf(attempt())).toBe(expected);
      for (const { id } of await all.connections()) await all.vault.revokeConnection(admin, id);
    }
    const { uri } = await authorized(all, who);
    const foreign = await issuer.sign({ sub: "bob", aud: "another app" });
    expect(await refusalOf(sessions.complete(key, { sessionUri: uri, userToken: foreign }))).toMatch(/^user_token_invalid /);
    expect(await refusalOf(sessions.complete(key, { sessionUri: uri, userToken: "nonsense" }))).toMatch(/^user_token_invalid /);
    expect(await all.stored(uri.split(":").at(-1)?.slice(0, 48) ?? "")).toMatchObject({ state: "authorized" });
    await agents.update(admin, "scout", { assertedUsers: false });
    expect(await refusalOf(sessions.complete(key, { sessionUri: uri, userId: "bob" }))).toBe("asserted_users_forbidden");
  });

  test("a process killed between exchanging and commit: pending for 45 s, then failed, and nobody exchanges again", async () => {
    const { sessions, agent, vault, who, stored, hand, db, audited } = await open();
    const { uri, id } = await authorized(all);
    const key = asAgent(agent);
    // What a process leaves behind that dies after taking the session.
    await db.write((tx) =>
      tx
        .updateTable("authorization_sessions")
        .set({ state: "exchanging", exchanging_since: hand.clock() })
        .where("tenant_id", "=", "default")
        .where("id", "=", id)
        .execute(),
    );
    hand.forward(44_999);
    expect(await refusalOf(sessions.complete(key, { sessionUri: uri, userId: "alice" }))).toBe("session_used");
    expect(await vault.oauth2(who, { provider: "git", sessionUri: uri })).toMatchObject({ status: "pending" });
    hand.forward(1);
    const calls = upstream.tokenCalls();
    expect(await refusalOf(sessions.complete(key, { sessionUri: uri, userId: "alice" }))).toBe("authorization_failed interrupted");
    expect(await refusalOf(vault.oauth2(who, { provider: "git", sessionUri: uri }))).toBe("authorization_failed interrupted");
    expect(await stored(id)).toMatchObject({ state: "failed", sealedCode: undefined });
    expect(await audited("authorization.failed")).toHaveLength(1);
    expect(upstream.tokenCalls()).toEqual(calls);
  });

  test("an exchange that comes back after its session was given up stores nothing", async () => {
    const { sessions, agent, connections, db } = await open();
    const { uri, id } = await authorized(all);
    upstream.slowTokens(400);
    try {
      const late = refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" }));
      await new Promise((done) => setTimeout(done, 150));
      // As another process does, that knows nothing of this exchange but when it began.
      await db.write((tx) =>
        tx.updateTable("authorization_sessions").set({ state: "failed", reason: "interrupted" }).where("id", "=", id).execute(),
      );
      expect(await late).toBe("authorization_failed interrupted");
    } finally {
      upstream.slowTokens(0);
    }
    expect(await connections()).toEqual([]);
  });

  test("a clock that jumps an hour either way in the middle of an exchange does not lose what the provider gives", async () => {
    const { sessions, agent, hand, vault, who, connections } = await open();
    upstream.slowTokens(400);
    try {
      for (const jump of [3_600_000, -3_600_000]) {
        const { uri } = await authorized(all);
        const late = sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" });
        await new Promise((done) => setTimeout(done, 150));
        hand.forward(jump);
        expect(await vault.oauth2(who, { provider: "git", sessionUri: uri.slice(0, -48) })).toMatchObject({ status: "pending" });
        expect(await late).toMatchObject({ scopes: ["read"] });
        expect(await vault.oauth2(who, { provider: "git", sessionUri: uri.slice(0, -48) })).toMatchObject({ status: "ready" });
        for (const { id } of await connections()) await vault.revokeConnection(admin, id);
      }
    } finally {
      upstream.slowTokens(0);
    }
  });

  test("an exchange that began in the future, before the clock was set back, does not hang for an hour", async () => {
    const { vault, who, hand, db } = await open();
    const { id, plain } = await authorized(all);
    await db.write((tx) =>
      tx
        .updateTable("authorization_sessions")
        .set({ state: "exchanging", exchanging_since: hand.clock() + 3_600_000 })
        .where("id", "=", id)
        .execute(),
    );
    expect(await refusalOf(vault.oauth2(who, { provider: "git", sessionUri: plain }))).toBe("authorization_failed interrupted");
  });

  test("suspended before the application completes, or while the provider is asked: nothing is stored", async () => {
    const { sessions, agent, agents, users, alice, connections, stored } = await open();
    const one = await authorized(all);
    const two = await authorized(all);
    upstream.slowTokens(400);
    try {
      const under = refusalOf(sessions.complete(asAgent(agent), { sessionUri: one.uri, userId: "alice" }));
      await new Promise((done) => setTimeout(done, 150));
      await users.suspend(admin, alice.id);
      expect(await under).toBe("authorization_failed user_suspended");
    } finally {
      upstream.slowTokens(0);
    }
    expect(await stored(one.id)).toMatchObject({ state: "failed", reason: "user_suspended" });
    await agents.suspend(admin, agent.id);
    const calls = upstream.tokenCalls();
    expect(await refusalOf(sessions.complete(admin, { sessionUri: two.uri, userId: "alice" }))).toMatch(
      /^authorization_failed (user|agent)_suspended$/,
    );
    expect(upstream.tokenCalls()).toEqual(calls);
    expect(await connections()).toEqual([]);
  });

  test("not completed within ten minutes of its beginning, a consent expires", async () => {
    const { sessions, agent, hand, stored } = await open();
    const { uri, id } = await authorized(all);
    hand.forward(10 * 60_000);
    expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" }))).toBe("authorization_expired deadline");
    expect(await stored(id)).toMatchObject({ state: "expired", sealedCode: undefined });
  });

  test("a code that the provider refuses ends the consent with the provider's own word", async () => {
    const { sessions, agent } = await open();
    const { uri } = await authorized(all);
    upstream.revokeGrants();
    expect(await refusalOf(sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" }))).toBe(
      "authorization_failed provider_refused",
    );
  });

  test("no code, no state of ours or the application's, and no verifier stands in the open, in the store or in the audit (THREATS 17)", async () => {
    const { sessions, agent, db, audit } = await open();
    const { uri, code, state } = await authorized(all);
    expect(code.length).toBeGreaterThan(10);
    const dump = async () =>
      JSON.stringify([
        await db.read.selectFrom("authorization_sessions").selectAll().execute(),
        await db.read.selectFrom("authorization_visits").selectAll().execute(),
        (await audit.list("default", {}, { limit: 500 })).items,
      ]);
    for (const secret of [code, state, "s 1&é"]) expect(await dump()).not.toContain(secret);
    await sessions.complete(asAgent(agent), { sessionUri: uri, userId: "alice" });
    for (const secret of [code, state, "s 1&é"]) expect(await dump()).not.toContain(secret);
  });
});
