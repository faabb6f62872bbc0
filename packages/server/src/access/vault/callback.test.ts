import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openBrowser } from "../../testing/cookie-jar.ts";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { refusalOf } from "../../testing/refused.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, backUrl, type Consents, nobody, openConsents, redirectOf } from "./consents-for-tests.ts";
import { hashed } from "./visit.ts";

let upstream: TestProvider;
beforeAll(async () => {
  upstream = await startProvider();
});
afterAll(() => upstream.stop());

eachStore("a consent in the browser", (fresh) => {
  let all: Consents;
  afterEach(() => all.close());
  const open = async (...more: Parameters<typeof openConsents> extends [unknown, unknown, ...infer M] ? M : never) => {
    all = await openConsents(await fresh(), upstream, ...more);
    return all;
  };

  test("the browser is sent to the provider and comes back to the return URL, with session and state verbatim", async () => {
    const { begin, throughProvider, arrive, stored, connections } = await open();
    const { id, uri, url } = await begin();
    const calls = upstream.tokenCalls();
    expect(url).toBe(`http://127.0.0.1:8700/consent/${id}`);
    const browser = openBrowser();
    const step = await arrive(await throughProvider(id, browser), browser);
    const to = redirectOf(step);
    expect(to.startsWith(`${backUrl}&session_uri=`)).toBe(true);
    // The URI that the browser takes along is the session's with a proof that only this browser knows.
    expect(Object.fromEntries(new URL(to).searchParams)).toEqual({
      tab: "1",
      session_uri: expect.stringMatching(new RegExp(`^${uri}[0-9a-f]{48}$`)),
      state: "s 1&é",
    });
    expect(await stored(id)).toMatchObject({ state: "authorized" });
    expect(await connections()).toEqual([]);
    expect(upstream.tokenCalls()).toEqual(calls);
  });

  test("binding none stores the credential at once and ends on our page, or at the return URL where there is one", async () => {
    const { begin, throughProvider, arrive, stored, connections, vault, who, audited } = await open({ binding: "none" });
    const { id, uri } = await begin({});
    const browser = openBrowser();
    expect(await arrive(await throughProvider(id, browser), browser)).toEqual({ kind: "connected", agent: "scout", provider: "git" });
    expect(await stored(id)).toMatchObject({ state: "completed", sealedCode: undefined });
    const [connection] = await connections();
    expect(connection).toMatchObject({ state: "active", user: { subject: "alice" } });
    expect(await audited("connection.stored")).toMatchObject([{ target: connection?.id, agent: who.agent?.id, user: who.user?.id }]);
    expect(await vault.oauth2(who, { provider: "git", sessionUri: uri })).toMatchObject({ status: "ready", scopes: ["read"] });

    const again = await begin({ returnUrl: backUrl, forceAuthentication: true });
    const to = redirectOf(await arrive(await throughProvider(again.id, browser), browser));
    expect(new URL(to).searchParams.get("session_uri")).toBe(again.uri);
  });

  test("each visit has its own state, PKCE pair and cookie; looking at the URL makes none of them", async () => {
    const { begin, sessions, db, hand } = await open();
    const { id } = await begin();
    await sessions.glance(nobody, id);
    expect(await db.read.selectFrom("authorization_visits").selectAll().execute()).toEqual([]);
    hand.forward(60_000);
    const visits = [await sessions.visit(nobody, id), await sessions.visit(nobody, id)].map((step) => {
      if (step.kind !== "redirect" || !step.cookie) throw new Error("no cookie");
      const { searchParams } = new URL(step.to);
      return { cookie: step.cookie, state: searchParams.get("state"), challenge: searchParams.get("code_challenge") };
    });
    for (const part of ["state", "challenge"] as const) expect(new Set(visits.map((visit) => visit[part])).size).toBe(2);
    expect(visits[0]?.cookie).toMatchObject({ name: `legate_${id.slice(0, 16)}`, secure: false, maxAge: 540 });
    expect(visits[0]?.cookie.value).not.toBe(visits[1]?.cookie.value);
    const rows = await db.read.selectFrom("authorization_visits").selectAll().execute();
    expect(rows.map(({ id: visit }) => visit).sort()).toEqual(visits.map(({ cookie }) => hashed(cookie.value)).sort());
    const everything = JSON.stringify([rows, await db.read.selectFrom("authorization_sessions").selectAll().execute()]);
    for (const { cookie, state } of visits) {
      expect(everything).not.toContain(cookie.value);
      expect(everything).not.toContain(state);
    }
  });

  test("opened twice in one browser, the newest visit finishes; the older is turned away and harms nothing", async () => {
    const { begin, throughProvider, arrive } = await open();
    const { id } = await begin();
    const browser = openBrowser();
    const older = await throughProvider(id, browser);
    const newer = await throughProvider(id, browser);
    expect(await refusalOf(arrive(older, browser))).toBe("forbidden foreign_browser");
    expect(redirectOf(await arrive(newer, browser))).toContain("session_uri=");
  });

  test("without the cookie, or with a foreign one, nothing is stored, the session stays, and it is audited (THREATS 2, 3)", async () => {
    const { begin, throughProvider, arrive, stored, sessions, audited } = await open();
    const { id } = await begin();
    const [attacker, victim] = [openBrowser(), openBrowser()];
    const back = await throughProvider(id, attacker);
    expect(await refusalOf(arrive(back, victim))).toBe("forbidden foreign_browser");
    // The victim has a cookie for this very session, from a visit of its own.
    victim.take(await sessions.visit(nobody, id));
    expect(await refusalOf(arrive(back, victim))).toBe("forbidden foreign_browser");
    expect(await stored(id)).toMatchObject({ state: "pending", sealedCode: undefined });
    expect(await audited("authorization.refused")).toMatchObject([
      { outcome: "refused", target: id, details: { reason: "foreign_browser" } },
    ]);
    expect(redirectOf(await arrive(back, attacker))).toContain("session_uri=");
  });

  test("a missing, unknown, repeated or foreign state is refused, whatever the cookie (THREATS 3)", async () => {
    const { begin, throughProvider, arrive, stored, sessions, git } = await open();
    const { id } = await begin();
    const browser = openBrowser();
    const back = await throughProvider(id, browser);
    const other = await throughProvider((await begin()).id, browser);
    const call = (change: (params: URLSearchParams) => void) => {
      const params = new URLSearchParams(back.searchParams);
      change(params);
      return refusalOf(sessions.providerCallback(nobody, git.id, params, browser.cookies));
    };
    expect(await call((params) => params.delete("state"))).toBe("invalid_request");
    expect(await call((params) => params.set("state", ""))).toBe("session_unknown");
    expect(await call((params) => params.set("state", "guess"))).toBe("session_unknown");
    expect(await call((params) => params.append("state", back.searchParams.get("state") ?? ""))).toBe("invalid_request");
    expect(await call((params) => params.append("code", "another"))).toBe("invalid_request");
    expect(await call((params) => params.append("iss", "https://evil.test"))).toBe("invalid_request");
    expect(await stored(id)).toMatchObject({ state: "pending" });
    // Another consent's state is that consent's: its own code goes with it, this session is untouched.
    expect(await refusalOf(sessions.loginCallback(nobody, back.searchParams, browser.cookies))).toBe("session_unknown");
    expect(redirectOf(await arrive(other, browser))).toContain("session_uri=");
    expect(await stored(id)).toMatchObject({ state: "pending" });
  });

  test("the first callback uses the session up: the URL and every later callback are refused and never reach the provider", async () => {
    const { begin, throughProvider, arrive, sessions } = await open({ binding: "none" });
    const { id } = await begin({});
    const browser = openBrowser();
    const back = await throughProvider(id, browser);
    const before = upstream.tokenCalls();
    const answers = await Promise.allSettled([arrive(back, browser), arrive(back, browser), arrive(back, browser)]);
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await refusalOf(arrive(back, browser))).toBe("session_used");
    expect(await refusalOf(sessions.visit(nobody, id))).toBe("session_used");
    expect(await refusalOf(sessions.glance(nobody, id))).toBe("session_used");
    expect(upstream.tokenCalls()).toEqual({ ...before, authorization_code: before.authorization_code + 1 });
  });

  test("an answer of another issuer ends the consent before any token call; each provider has a callback of its own (THREATS 4)", async () => {
    const { begin, throughProvider, arrive, stored, provider, sessions, connections } = await open({ binding: "none" });
    const hub = await provider("hub");
    for (const change of [(p: URLSearchParams) => p.set("iss", "https://evil.test"), (p: URLSearchParams) => p.delete("iss")]) {
      const { id } = await begin({});
      const browser = openBrowser();
      const back = await throughProvider(id, browser);
      expect(back.pathname).toMatch(/^\/callback\/prv_/);
      const calls = upstream.tokenCalls();
      expect(await refusalOf(sessions.providerCallback(nobody, hub.id, back.searchParams, browser.cookies))).toBe("session_unknown");
      expect(await stored(id)).toMatchObject({ state: "pending" });
      change(back.searchParams);
      expect(await refusalOf(arrive(back, browser))).toBe("authorization_failed mix_up");
      expect(await stored(id)).toMatchObject({ state: "failed", reason: "mix_up" });
      expect(upstream.tokenCalls()).toEqual(calls);
    }
    expect(await connections()).toEqual([]);
  });

  test("a person who says no at the provider: the application is told, the poll says denied, and later callbacks are refused", async () => {
    const { begin, throughProvider, arrive, vault, who, sessions, audited } = await open();
    const { id, uri } = await begin();
    const browser = openBrowser();
    const back = await throughProvider(id, browser, "alice", "deny");
    const { searchParams } = new URL(redirectOf(await arrive(back, browser)));
    expect(Object.fromEntries(searchParams)).toEqual({ tab: "1", session_uri: uri, state: "s 1&é", error: "access_denied" });
    expect(await refusalOf(vault.oauth2(who, { provider: "git", sessionUri: uri }))).toBe("authorization_denied provider");
    expect(await refusalOf(arrive(back, browser))).toBe("authorization_denied provider");
    expect(await refusalOf(sessions.visit(nobody, id))).toBe("authorization_denied provider");
    expect(await audited("authorization.denied")).toHaveLength(1);
  });

  test("any other error of the provider's is a failure, told to the person and to whoever polls", async () => {
    const { begin, throughProvider, arrive, vault, who, stored } = await open();
    const { id, uri } = await begin();
    const browser = openBrowser();
    const back = await throughProvider(id, browser);
    back.searchParams.delete("code");
    back.searchParams.set("error", "invalid_scope");
    expect(await refusalOf(arrive(back, browser))).toBe("authorization_failed provider_refused");
    expect(await refusalOf(vault.oauth2(who, { provider: "git", sessionUri: uri }))).toBe("authorization_failed provider_refused");
    expect(await stored(id)).toMatchObject({ state: "failed" });
  });

  test("after the deadline nothing is opened, nothing comes back, and the poll says expired", async () => {
    const { begin, throughProvider, arrive, sessions, hand, vault, who, audited } = await open();
    const late = await begin();
    const { id, uri } = await begin();
    const browser = openBrowser();
    const back = await throughProvider(id, browser);
    hand.forward(10 * 60_000);
    expect(await refusalOf(arrive(back, browser))).toBe("authorization_expired deadline");
    expect(await refusalOf(sessions.visit(nobody, late.id))).toBe("authorization_expired deadline");
    expect(await refusalOf(sessions.glance(nobody, late.id))).toBe("authorization_expired deadline");
    expect(await refusalOf(vault.oauth2(who, { provider: "git", sessionUri: uri }))).toBe("authorization_expired deadline");
    expect(await audited("authorization.expired")).toHaveLength(2);
  });

  test("agent or user suspended meanwhile, even if resumed: the URL is refused, the callback stores nothing", async () => {
    const { begin, throughProvider, arrive, sessions, agents, users, agent, alice, stored, connections, vault, db } = await open({
      binding: "none",
    });
    /** As one that was begun at the very moment, which the suspension did not see: its epochs tell. */
    const reopen = (id: string) =>
      db.write((tx) => tx.updateTable("authorization_sessions").set({ state: "pending", reason: null }).where("id", "=", id).execute());
    const one = await begin({});
    const browser = openBrowser();
    const back = await throughProvider(one.id, browser);
    const calls = upstream.tokenCalls();
    await users.suspend(admin, alice.id);
    expect(await stored(one.id)).toMatchObject({ state: "failed", reason: "user_suspended" });
    expect(await refusalOf(sessions.visit(nobody, one.id))).toBe("authorization_failed user_suspended");
    await users.resume(admin, alice.id);
    expect(await refusalOf(arrive(back, browser))).toBe("authorization_failed user_suspended");
    await reopen(one.id);
    expect(await refusalOf(sessions.visit(nobody, one.id))).toBe("user_suspended");
    expect(await refusalOf(arrive(back, browser))).toBe("user_suspended");
    expect(await stored(one.id)).toMatchObject({ state: "failed", reason: "user_suspended" });
    await reopen(one.id);
    const now = { ...all.who, user: { id: alice.id, epoch: 2 } };
    expect(await refusalOf(vault.oauth2(now, { provider: "git", sessionUri: one.uri }))).toBe("authorization_failed user_suspended");
    expect(await stored(one.id)).toMatchObject({ state: "failed" });

    const two = await begin({}, now);
    const again = await throughProvider(two.id, browser);
    await agents.suspend(admin, agent.id);
    expect(await refusalOf(sessions.visit(nobody, two.id))).toBe("authorization_failed agent_suspended");
    await agents.resume(admin, agent.id);
    await reopen(two.id);
    expect(await refusalOf(sessions.visit(nobody, two.id))).toBe("agent_suspended");
    expect(await refusalOf(arrive(again, browser))).toBe("agent_suspended");
    expect(upstream.tokenCalls()).toEqual(calls);
    expect(await connections()).toEqual([]);
  });

  test("a return URL that was taken off the list meanwhile is not gone to", async () => {
    const { begin, throughProvider, arrive, stored, sessions, agents, connections } = await open();
    const { id } = await begin();
    const unopened = await begin();
    const browser = openBrowser();
    const back = await throughProvider(id, browser);
    await agents.update(admin, "scout", { allowedReturnUrls: ["https://app.test/other"] });
    expect(await refusalOf(arrive(back, browser))).toBe("return_url_not_allowed");
    expect(await refusalOf(sessions.visit(nobody, unopened.id))).toBe("return_url_not_allowed");
    expect(await stored(id)).toMatchObject({ state: "failed", reason: "return_url_not_allowed" });
    expect(await connections()).toEqual([]);
  });

  test("a provider that is removed or now points elsewhere ends what is under way there", async () => {
    const { begin, throughProvider, arrive, providers, stored } = await open();
    const one = await begin();
    const browser = openBrowser();
    const back = await throughProvider(one.id, browser);
    await providers.update(admin, undefined, "git", { clientId: "another", clientSecret: "another" });
    expect(await refusalOf(arrive(back, browser))).toBe("authorization_failed provider_changed");
    const two = await begin();
    await providers.remove(admin, undefined, "git");
    expect(await stored(two.id)).toMatchObject({ state: "failed", reason: "provider_changed" });
  });

  test("another redirect URI or PKCE at a provider ends what is under way there, which could not be finished; connections stay", async () => {
    const { begin, throughProvider, arrive, providers, stored, connections, vault, who } = await open({ binding: "none" });
    const first = openBrowser();
    await arrive(await throughProvider((await begin({})).id, first), first);
    const calls = upstream.tokenCalls();
    for (const change of [{ redirectUri: "https://app.test/forward" }, { redirectUri: null }, { pkce: false }] as const) {
      const { id } = await begin({ forceAuthentication: true });
      const browser = openBrowser();
      const back = "redirectUri" in change && change.redirectUri === null ? undefined : await throughProvider(id, browser);
      await providers.update(admin, undefined, "git", change);
      if (back) expect(await refusalOf(arrive(back, browser)), JSON.stringify(change)).toBe("authorization_failed provider_changed");
      expect(await stored(id)).toMatchObject({ state: "failed", reason: "provider_changed" });
    }
    expect(upstream.tokenCalls()).toEqual(calls);
    expect(await connections()).toMatchObject([{ state: "active" }]);
    expect(await vault.oauth2(who, { provider: "git" })).toMatchObject({ status: "ready" });
  });

  test("a suspended provider: what is under way there ends, no code is exchanged, and none is begun", async () => {
    const { begin, throughProvider, arrive, providers, sessions, stored, db, connections } = await open({ binding: "none" });
    const one = await begin({});
    const browser = openBrowser();
    const back = await throughProvider(one.id, browser);
    const calls = upstream.tokenCalls();
    await providers.suspend(admin, undefined, "git");
    expect(await refusalOf(arrive(back, browser))).toBe("authorization_failed provider_suspended");
    expect(await refusalOf(begin({}))).toBe("provider_suspended");
    // As one that was begun at the very moment, which the suspension did not see.
    await db.write((tx) =>
      tx.updateTable("authorization_sessions").set({ state: "pending", reason: null }).where("id", "=", one.id).execute(),
    );
    expect(await refusalOf(sessions.visit(nobody, one.id))).toBe("provider_suspended");
    expect(await refusalOf(arrive(back, browser))).toBe("provider_suspended");
    expect(await stored(one.id)).toMatchObject({ state: "failed", reason: "provider_suspended" });
    await providers.resume(admin, undefined, "git");
    expect(await refusalOf(arrive(back, browser))).toBe("authorization_failed provider_suspended");
    expect(upstream.tokenCalls()).toEqual(calls);
    expect(await connections()).toEqual([]);
  });

  test("a token endpoint that breaks ends the consent as failed", async () => {
    const { begin, throughProvider, arrive, stored, connections } = await open({ binding: "none" });
    const { id } = await begin({});
    const browser = openBrowser();
    const back = await throughProvider(id, browser);
    upstream.breakTokens(503);
    try {
      expect(await refusalOf(arrive(back, browser))).toBe("authorization_failed provider_unavailable");
    } finally {
      upstream.breakTokens(undefined);
    }
    expect(await stored(id)).toMatchObject({ state: "failed", reason: "provider_unavailable" });
    expect(await connections()).toEqual([]);
  });

  test("a URL opened without end is refused after fifty visits", async () => {
    const { begin, sessions } = await open();
    const { id } = await begin();
    for (let visit = 0; visit < 50; visit += 1) await sessions.visit(nobody, id);
    expect(await refusalOf(sessions.visit(nobody, id))).toBe("rate_limited");
  });
});
