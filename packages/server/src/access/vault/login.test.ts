import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Browser, openBrowser } from "../../testing/cookie-jar.ts";
import { startTestIssuer } from "../../testing/openid.ts";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { refusalOf } from "../../testing/refused.ts";
import { eachStore } from "../../testing/stores.ts";
import type { Step } from "./consent.ts";
import { actingFor, admin, backUrl, type Consents, nobody, openConsents, publicUrl, redirectOf } from "./consents-for-tests.ts";

let upstream: TestProvider;
let idp: TestProvider;
const loginClient = { client_id: "legate", client_secret: "legate-secret-at-the-issuer", redirect_uris: [`${publicUrl}/login/callback`] };
beforeAll(async () => {
  upstream = await startProvider();
  idp = await startProvider({ clients: [{ ...loginClient, grant_types: ["authorization_code"], response_types: ["code"] }] });
});
afterAll(async () => {
  await upstream.stop();
  await idp.stop();
});

eachStore("a consent bound by a login", (fresh) => {
  let all: Consents;
  afterEach(() => all.close());
  const open = async () => {
    all = await openConsents(await fresh(), upstream);
    const { issuers, agents, users } = all;
    await issuers.create(admin, {
      name: "idp",
      discoveryUrl: idp.discoveryUrl,
      audiences: ["app"],
      login: { clientId: loginClient.client_id, clientSecret: loginClient.client_secret },
    });
    const agent = await agents.update(admin, "scout", { issuer: "idp" });
    const bob = await users.proven(admin, idp.issuer, "bob");
    const who = actingFor(agent, bob);
    return { ...all, agent, bob, who, begin: (ask: Record<string, unknown> = {}) => all.begin(ask, who) };
  };
  const askOf = (step: Step) => {
    if (step.kind !== "ask") throw new Error(`Our page was expected, and ${step.kind} came.`);
    return step.consent;
  };
  /** Opens the page and says yes; answers where the issuer is asked. */
  const allowed = async (id: string, browser: Browser) => {
    const { formToken } = askOf(browser.take(await all.sessions.visit(nobody, id)));
    return redirectOf(await all.sessions.decide(nobody, id, browser.cookies, { formToken, decision: "allow" }));
  };
  const loggedIn = async (id: string, browser: Browser, person: string) => new URL(await idp.walk(await allowed(id, browser), person));
  const back = (url: URL, browser: Browser) => all.sessions.loginCallback(nobody, url.searchParams, browser.cookies);

  test("page, login at the user's issuer, provider, and the credential is stored", async () => {
    const { begin, arrive, stored, connections, audited, bob } = await open();
    const { id } = await begin();
    const browser = openBrowser();
    const page = askOf(browser.take(await all.sessions.visit(nobody, id)));
    expect(page).toMatchObject({ agent: { name: "scout" }, provider: { name: "git" }, user: { subject: "bob" }, scopes: ["read"] });
    const at = new URL(await allowed(id, browser));
    expect(at.origin).toBe(idp.url);
    expect(Object.fromEntries(at.searchParams)).toMatchObject({
      response_type: "code",
      client_id: "legate",
      redirect_uri: `${publicUrl}/login/callback`,
      scope: "openid",
      code_challenge_method: "S256",
      state: expect.stringMatching(/^.{43}$/),
      nonce: expect.stringMatching(/^.{43}$/),
    });
    expect(at.searchParams.has("prompt")).toBe(false);
    const loginBack = new URL(await idp.walk(at.href, "bob"));
    const to = redirectOf(await back(loginBack, browser));
    expect(new URL(to).origin).toBe(upstream.url);
    expect(new URL(to).searchParams.get("state")).not.toBe(at.searchParams.get("state"));
    expect(new URL(to).searchParams.has("nonce")).toBe(false);
    const step = await arrive(new URL(await upstream.walk(to, "bob at the provider")), browser);
    expect(step).toMatchObject({ kind: "connected" });
    expect(await stored(id)).toMatchObject({ state: "completed", binding: "login" });
    expect(await connections()).toMatchObject([{ user: { id: bob.id } }]);
    for (const action of ["authorization.allowed", "authorization.user_verified", "connection.stored"])
      expect(await audited(action)).toHaveLength(1);
    expect(await refusalOf(back(loginBack, browser))).toBe("session_unknown");
  });

  test("another person logs in: 403, the consent is over, nothing is stored and the provider is never reached (THREATS 2)", async () => {
    const { begin, stored, connections, audited } = await open();
    const { id } = await begin();
    const victim = openBrowser();
    const calls = upstream.tokenCalls();
    expect(await refusalOf(back(await loggedIn(id, victim, "victim"), victim))).toBe("session_user_mismatch");
    expect(await stored(id)).toMatchObject({ state: "failed", reason: "user_mismatch" });
    expect(await refusalOf(all.sessions.visit(nobody, id))).toBe("authorization_failed user_mismatch");
    expect(await audited("authorization.failed")).toMatchObject([{ outcome: "refused", details: { reason: "user_mismatch" } }]);
    expect(await connections()).toEqual([]);
    expect(upstream.tokenCalls()).toEqual(calls);
  });

  test("the login's callback belongs to its browser, its state works once, and the provider's door does not take it", async () => {
    const { begin, stored, arrive, git } = await open();
    const { id } = await begin();
    const [browser, other] = [openBrowser(), openBrowser()];
    const url = await loggedIn(id, browser, "bob");
    expect(await refusalOf(back(url, other))).toBe("forbidden foreign_browser");
    expect(await refusalOf(all.sessions.providerCallback(nobody, git.id, url.searchParams, browser.cookies))).toBe("session_unknown");
    expect(await stored(id)).toMatchObject({ state: "pending" });
    const answers = await Promise.allSettled([back(url, browser), back(url, browser)]);
    expect(answers.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const [won] = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    const step = await arrive(new URL(await upstream.walk(redirectOf(won as Step), "bob")), browser);
    expect(step.kind).toBe("connected");
  });

  test("the form needs its own token and its own browser; an older page of the same browser is told so (THREATS 3)", async () => {
    const { begin, stored, audited } = await open();
    const { id } = await begin();
    const [browser, other] = [openBrowser(), openBrowser()];
    const older = askOf(browser.take(await all.sessions.visit(nobody, id))).formToken;
    const newer = askOf(browser.take(await all.sessions.visit(nobody, id))).formToken;
    const foreign = askOf(other.take(await all.sessions.visit(nobody, id))).formToken;
    const say = (cookies: Browser["cookies"], formToken: string, decision: "allow" | "deny" = "deny") =>
      refusalOf(all.sessions.decide(nobody, id, cookies, { formToken, decision }));
    expect(await say(() => undefined, newer)).toBe("forbidden foreign_browser");
    expect(await say(() => "guess", newer)).toBe("forbidden foreign_browser");
    expect(await say(browser.cookies, older)).toBe("forbidden stale_page");
    expect(await say(browser.cookies, foreign)).toBe("forbidden stale_page");
    expect(await say(browser.cookies, "")).toBe("forbidden stale_page");
    // Another consent's cookie and token, under this one's name.
    const elsewhere = await begin();
    const theirs = askOf(other.take(await all.sessions.visit(nobody, elsewhere.id))).formToken;
    const swapped = () => other.jar.get(`legate_${elsewhere.id.slice(0, 16)}`);
    expect(await say(swapped, theirs)).toBe("forbidden foreign_browser");
    expect(await stored(id)).toMatchObject({ state: "pending" });
    const reasons = (await audited("authorization.refused")).map(({ details }) => details["reason"]);
    expect(reasons).toHaveLength(2);
    expect(new Set(reasons)).toEqual(new Set(["foreign_browser", "stale_page"]));
    // Pressed twice: the second answer is the one whose login counts.
    expect(await say(browser.cookies, newer, "allow")).toBe("nothing refused");
    expect(await say(browser.cookies, newer, "allow")).toBe("nothing refused");
    expect(await say(browser.cookies, newer, "deny")).toBe("nothing refused");
    expect(await stored(id)).toMatchObject({ state: "denied", reason: "user" });
  });

  test("Deny: the poll says denied; with a return URL the application is told", async () => {
    const { begin, who, vault, agents } = await open();
    const one = await begin();
    const browser = openBrowser();
    const first = askOf(browser.take(await all.sessions.visit(nobody, one.id)));
    const no = (id: string, formToken: string) => all.sessions.decide(nobody, id, browser.cookies, { formToken, decision: "deny" });
    expect(await no(one.id, first.formToken)).toEqual({ kind: "denied" });
    expect(await refusalOf(vault.oauth2(who, { provider: "git", sessionUri: one.uri }))).toBe("authorization_denied user");
    expect(await refusalOf(all.sessions.visit(nobody, one.id))).toBe("authorization_denied user");
    expect(await refusalOf(no(one.id, first.formToken))).toBe("authorization_denied user");

    await agents.update(admin, "scout", { binding: "login" });
    const two = await begin({ returnUrl: backUrl, customState: "s" });
    const second = askOf(browser.take(await all.sessions.visit(nobody, two.id)));
    const { searchParams } = new URL(redirectOf(await no(two.id, second.formToken)));
    expect(Object.fromEntries(searchParams)).toEqual({ tab: "1", session_uri: two.uri, state: "s", error: "access_denied" });
  });

  test("a login that is refused, forged or of another issuer proves nothing", async () => {
    const { begin, stored } = await open();
    const browser = openBrowser();
    const attempt = async (change: (url: URL) => void) => {
      const { id } = await begin();
      const url = await loggedIn(id, browser, "bob");
      change(url);
      const refused = await refusalOf(back(url, browser));
      return `${refused} / ${(await stored(id))?.state}`;
    };
    const replaced = (name: string, value: string) => (url: URL) => url.searchParams.set(name, value);
    expect(await attempt(replaced("iss", "https://evil.test"))).toBe("authorization_failed login_failed / failed");
    expect(await attempt((url) => url.searchParams.delete("iss"))).toBe("authorization_failed login_failed / failed");
    expect(await attempt(replaced("code", "forged"))).toBe("authorization_failed login_failed / failed");
    expect(await attempt(replaced("error", "server_error"))).toBe("authorization_failed login_refused / failed");
    const { id } = await begin();
    const url = await loggedIn(id, browser, "bob");
    url.searchParams.set("error", "access_denied");
    expect(await back(url, browser)).toEqual({ kind: "denied" });
  });

  test("a forced consent asks the person to log in again; an agent whose issuer lost its login client is told apart from a no", async () => {
    const { begin, issuers } = await open();
    const { id } = await begin({ forceAuthentication: true });
    const browser = openBrowser();
    expect(new URL(await allowed(id, browser)).searchParams.get("prompt")).toBe("login");
    const { formToken } = askOf(browser.take(await all.sessions.visit(nobody, id)));
    await issuers.update(admin, "idp", { login: null });
    const say = all.sessions.decide(nobody, id, browser.cookies, { formToken, decision: "allow" });
    expect(await refusalOf(say)).toBe("issuer_unavailable no_login");
    expect(await refusalOf(begin())).toBe("return_url_required");
  });

  test.each([
    ["another nonce", { nonce: "another" }, "login_failed"],
    ["no nonce", { nonce: undefined }, "login_failed"],
    ["another audience", { aud: "another client" }, "login_failed"],
    ["another issuer", { iss: "https://evil.test" }, "login_failed"],
    ["an expired token", { exp: 1 }, "login_failed"],
    ["no subject", { sub: undefined }, "login_failed"],
    ["a signature of another key", "foreign key", "login_failed"],
    ["no ID token at all", "none", "login_failed"],
    ["all as it should be", {}, "nothing refused"],
  ] as const)("an ID token with %s", async (_what, bent, expected) => {
    const issuer = await startTestIssuer({ metadata: { id_token_signing_alg_values_supported: ["ES256"] } });
    all = await openConsents(await fresh(), upstream);
    try {
      await all.issuers.create(admin, { name: "idp", discoveryUrl: issuer.url, audiences: ["app"], login: { clientId: "legate" } });
      const agent = await all.agents.update(admin, "scout", { issuer: "idp" });
      const bob = await all.users.proven(admin, issuer.url, "bob");
      const { id } = await all.begin({}, actingFor(agent, bob));
      const browser = openBrowser();
      const step = browser.take(await all.sessions.visit(nobody, id));
      const formToken = step.kind === "ask" ? step.consent.formToken : "";
      const to = redirectOf(await all.sessions.decide(nobody, id, browser.cookies, { formToken, decision: "allow" }));
      const { searchParams } = new URL(to);
      const claims = { sub: "bob", aud: "legate", nonce: searchParams.get("nonce"), ...(typeof bent === "object" && bent) };
      const idToken = await issuer.sign(claims);
      if (bent === "foreign key") await issuer.rotate();
      const tokens = { access_token: "at", token_type: "Bearer", ...(bent !== "none" && { id_token: idToken }) };
      issuer.bend("/token", { body: JSON.stringify(tokens) });
      const params = new URLSearchParams({ code: "c", state: searchParams.get("state") ?? "" });
      const refused = await refusalOf(all.sessions.loginCallback(nobody, params, browser.cookies));
      expect(refused.split(" ").at(-1)).toBe(expected.split(" ").at(-1));
      expect((await all.stored(id))?.state).toBe(expected === "nothing refused" ? "pending" : "failed");
    } finally {
      await issuer.stop();
    }
  });
});
