import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Browser, openBrowser } from "../../testing/cookie-jar.ts";
import { startTestIssuer } from "../../testing/openid.ts";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { refusalOf } from "../../testing/refused.ts";
import { eachStore } from "../../testing/stores.ts";
import { hashed } from "../vault/index.ts";
import {
  admin,
  answerOf,
  api,
  callback,
  codeOf,
  consentOf,
  documentId,
  errorOf,
  loginClient,
  loginOf,
  nobody,
  openRequests,
  pageOf,
  publicUrl,
  type Requests,
} from "./authorization-requests-for-tests.ts";

let idp: TestProvider;
let other: TestProvider;
beforeAll(async () => {
  const client = { ...loginClient, grant_types: ["authorization_code"], response_types: ["code"] as ["code"] };
  idp = await startProvider({ clients: [client] });
  other = await startProvider({ clients: [client] });
});
afterAll(async () => {
  await idp.stop();
  await other.stop();
});

eachStore("an authorization request", (fresh) => {
  let all: Requests;
  afterEach(() => all.close());
  const open = async () => {
    all = await openRequests(await fresh(), idp);
    return all;
  };

  test("login, our page, and a code that redeems once; nothing of it stands readable in the store", async () => {
    const { begin, back, shown, say, redeem, rows, grantRows, audited, db, app } = await open();
    const browser = openBrowser();
    const step = await begin(browser, { scopes: ["offline_access", "openid", "read"], nonce: "n-of-the-client" });
    const to = new URL(loginOf(step));
    expect(to.origin).toBe(idp.url);
    expect(Object.fromEntries(to.searchParams)).toMatchObject({
      response_type: "code",
      client_id: "legate",
      redirect_uri: `${publicUrl}/login/callback`,
      scope: "openid",
      code_challenge_method: "S256",
      state: expect.stringMatching(/^.{43}$/),
      nonce: expect.stringMatching(/^.{43}$/),
    });
    for (const name of ["prompt", "max_age"]) expect(to.searchParams.has(name)).toBe(false);
    const request = pageOf(await back(await idp.walk(to.href, "bob"), browser));
    expect(consentOf(await shown(browser, request))).toMatchObject({
      client: { id: app.id, kind: "app", name: "The App" },
      user: { subject: "bob", issuer: idp.issuer },
      resource: { identifier: api, name: "files" },
      scopes: [
        { name: "offline_access", description: undefined },
        { name: "openid", description: undefined },
        { name: "read", description: "Read your files" },
      ],
      redirectUri: callback,
    });
    const answered = await say(browser, request);
    const code = codeOf(answered);
    expect(answerOf(answered)).toEqual({ redirectUri: callback, state: "s 1&é", outcome: { code }, atOnce: true });
    expect(code).toMatch(/^ac_[\w-]{43}$/);

    const codes = await db.read.selectFrom("authorization_codes").selectAll().execute();
    expect(codes).toMatchObject([{ hash: hashed(code), redirect_uri: callback, used_at: null }]);
    expect(await grantRows()).toMatchObject([
      { client_id: app.id, resource: api, scopes: '["offline_access","openid","read"]', status: "active" },
    ]);
    const kept = JSON.stringify([await rows(), await grantRows(), codes]);
    const [cookie] = [...browser.jar.values()];
    for (const secret of [code, "s 1&é", cookie, to.searchParams.get("state"), to.searchParams.get("nonce")])
      expect(kept).not.toContain(secret);
    expect(await audited("consent.given")).toMatchObject([
      { details: { client: app.id, scopes: ["offline_access", "openid", "read"], remembered: false } },
    ]);
    expect(JSON.stringify((await all.audit.list("default", {}, { limit: 100 })).items)).not.toContain(code);

    const tokens = await redeem(code);
    expect(tokens).toMatchObject({ scopes: ["offline_access", "openid", "read"], refreshToken: expect.stringMatching(/^rt_/) });
    expect(decodeJwt(tokens.accessToken)).toMatchObject({ aud: api, client_id: app.id, scope: "offline_access openid read" });
    expect(decodeJwt(tokens.idToken ?? "")).toMatchObject({ aud: app.id, nonce: "n-of-the-client" });
    expect(await refusalOf(redeem(code))).toBe("grant_invalid");
    expect(await grantRows()).toMatchObject([{ status: "revoked", reason: "code_reused" }]);
  });

  test("an agent and the client of a document come the same way; a code is good for a minute, for its own client, URI and verifier", async () => {
    const { consent, redeem, agent, app, hand } = await open();
    const browser = openBrowser();
    const ofAgent = codeOf(await consent(browser, {}, agent.id));
    expect(decodeJwt((await redeem(ofAgent, agent.id)).accessToken)).toMatchObject({ client_id: agent.id, act: { sub: agent.id } });
    const uri = "https://stranger.test/cb";
    const ofDocument = codeOf(await consent(browser, {}, documentId, uri));
    expect(decodeJwt((await redeem(ofDocument, documentId, { redirect_uri: uri })).accessToken)).toMatchObject({ client_id: documentId });

    const code = codeOf(await consent(browser));
    expect(await refusalOf(redeem(code, agent.id))).toBe("grant_invalid");
    expect(await refusalOf(redeem(code, app.id, { redirect_uri: `${callback}/` }))).toBe("grant_invalid");
    expect(await refusalOf(redeem(code, app.id, { code_verifier: "x".repeat(43) }))).toBe("grant_invalid");
    hand.forward(60_000);
    expect(await refusalOf(redeem(code))).toBe("grant_invalid");
  });

  test("what a person allowed is not asked again: for the same client, resource and scopes, as long as the grant is not taken back", async () => {
    const { consent, loggedIn, app, agent, clients, grants, grantRows, audited, rows } = await open();
    const browser = openBrowser();
    await consent(browser, { scopes: ["read", "write"] });
    const again = async (ask: Parameters<typeof loggedIn>[1] = {}, ...more: [string?, string?, string?]) =>
      (await loggedIn(browser, ask, ...more))?.kind;
    expect(await again()).toBe("answer");
    expect(await again({ scopes: ["write", "read"] })).toBe("answer");
    expect((await audited("consent.given")).map(({ details }) => details["remembered"])).toEqual([true, true, false]);
    // Another scope, another client, another person, and whoever wants the person to be asked.
    expect(await again({ scopes: ["offline_access", "read"] })).toBe("page");
    expect(await again({}, agent.id)).toBe("page");
    expect(await again({}, documentId, "https://stranger.test/cb")).toBe("page");
    expect(await again({}, app.id, callback, "carol")).toBe("page");
    expect(await again({ prompt: ["consent"] })).toBe("page");
    expect(await again({ scopes: ["openid"], resource: undefined })).toBe("page");
    expect((await rows()).some(({ stage }) => stage === "consent")).toBe(true);

    await clients.apps.update(admin, app.id, { title: "Another App" });
    expect(await again()).toBe("page");
    await consent(browser);
    expect(await again()).toBe("answer");
    // What was said to the former version went with it.
    expect(await again({ scopes: ["read", "write"] })).toBe("page");
    const [grant] = (await grantRows()).filter(({ status }) => status === "active");
    await grants.remove(admin, grant?.id ?? "");
    expect(await again()).toBe("page");
  });

  test("a consent is not remembered for a browser that another site brought, nor for a client whom anybody on the device could be", async () => {
    const { consent, loggedIn, app, agent } = await open();
    const browser = openBrowser();
    const again = async (...[ask, ...more]: [Parameters<typeof loggedIn>[1]?, string?, string?]) =>
      (await loggedIn(browser, ask ?? {}, ...more))?.kind;
    await consent(browser);
    expect(await again()).toBe("answer");
    expect(await again({ foreign: true })).toBe("page");
    for (const uri of ["http://127.0.0.1:4711/cb", "com.app:/cb"]) {
      await consent(browser, {}, app.id, uri);
      expect(await again({}, app.id, uri)).toBe("page");
    }
    // An agent proves itself when it redeems the code.
    await consent(browser, {}, agent.id, "http://127.0.0.1:4711/cb");
    expect(await again({}, agent.id, "http://127.0.0.1:4711/cb")).toBe("answer");
    // A document's, as long as it says the same.
    const uri = "https://stranger.test/cb";
    await consent(browser, {}, documentId, uri);
    expect(await again({}, documentId, uri)).toBe("answer");
    await all.db.write((tx) => tx.updateTable("client_documents").set({ hash: "two" }).where("id", "=", documentId).execute());
    expect(await again({}, documentId, uri)).toBe("page");
  });

  test("a person who says no, here or at the issuer: the client hears access_denied, and nothing is granted", async () => {
    const { loggedIn, begin, back, say, shown, requests, grantRows, audited } = await open();
    const browser = openBrowser();
    const request = pageOf(await loggedIn(browser));
    const { formToken: token } = await shown(browser, request);
    expect(errorOf(await say(browser, request, "deny"))).toBe("authorization_denied user");
    // Pressed twice, it is the same no; and never a yes.
    expect(errorOf(await requests.decide(nobody, request, browser.cookies, { token, decision: "deny" }))).toBe("authorization_denied user");
    expect(await refusalOf(requests.decide(nobody, request, browser.cookies, { token, decision: "allow" }))).toBe("session_used");
    expect(await refusalOf(shown(browser, request))).toBe("session_used");

    const url = new URL(await idp.walk(loginOf(await begin(browser)), "bob"));
    url.searchParams.delete("code");
    url.searchParams.set("error", "access_denied");
    const answered = await back(url.href, browser);
    expect(errorOf(answered)).toBe("authorization_denied login");
    expect(answerOf(answered)).toMatchObject({ redirectUri: callback, state: "s 1&é" });
    expect(await grantRows()).toEqual([]);
    expect(await audited("consent.denied")).toHaveLength(2);
  });

  test("pressed twice, at once or soon after, it is one grant and one code", async () => {
    const { loggedIn, shown, requests, grantRows, redeem, hand, db } = await open();
    const browser = openBrowser();
    const request = pageOf(await loggedIn(browser));
    const { formToken: token } = await shown(browser, request);
    const press = () => requests.decide(nobody, request, browser.cookies, { token, decision: "allow" });
    const codes = (await Promise.all([press(), press(), press()])).map(codeOf);
    codes.push(codeOf(await press()));
    expect(new Set(codes).size).toBe(1);
    expect(await grantRows()).toHaveLength(1);
    expect(await db.read.selectFrom("authorization_codes").select("hash").execute()).toHaveLength(1);
    await redeem(codes[0] ?? "");
    hand.forward(60_000);
    expect(await refusalOf(press())).toBe("session_used");
  });

  test("its pages, form and callback belong to the browser that began it (THREATS 3)", async () => {
    const { begin, loggedIn, back, shown, requests, grantRows, audited } = await open();
    const [browser, stranger] = [openBrowser(), openBrowser()];
    const url = await idp.walk(loginOf(await begin(browser)), "bob");
    expect(await refusalOf(back(url, stranger))).toBe("forbidden foreign_browser");
    // A stranger with a request of its own.
    await begin(stranger);
    expect(await refusalOf(back(url, stranger))).toBe("forbidden foreign_browser");
    const request = pageOf(await back(url, browser));
    expect(await refusalOf(shown(stranger, request))).toBe("forbidden foreign_browser");
    const { formToken: token } = await shown(browser, request);
    const say = (cookies: Browser["cookies"], given: string) =>
      refusalOf(requests.decide(nobody, request, cookies, { token: given, decision: "allow" }));
    expect(await say(stranger.cookies, token)).toBe("forbidden foreign_browser");
    expect(await say(() => undefined, token)).toBe("forbidden foreign_browser");
    expect(await say(() => "guess", token)).toBe("forbidden foreign_browser");
    // The form of another request of the same browser, and none.
    const elsewhere = pageOf(await loggedIn(browser));
    const theirs = (await shown(browser, elsewhere)).formToken;
    for (const given of [theirs, "", "guess"]) expect(await say(browser.cookies, given)).toBe("forbidden stale_page");
    expect(await grantRows()).toEqual([]);
    const reasons = (await audited("consent.refused")).map(({ details }) => details["reason"]);
    expect(new Set(reasons)).toEqual(new Set(["foreign_browser", "stale_page"]));
    expect(await say(browser.cookies, token)).toBe("nothing refused");
  });

  test("a callback with a missing, unknown, repeated or spent state does nothing; the first to come uses it up (THREATS 3)", async () => {
    const { begin, requests, back, grantRows } = await open();
    const browser = openBrowser();
    const url = new URL(await idp.walk(loginOf(await begin(browser)), "bob"));
    const call = (change: (params: URLSearchParams) => void) => {
      const params = new URLSearchParams(url.searchParams);
      change(params);
      return requests.loginCallback(nobody, params, browser.cookies);
    };
    for (const change of [
      (params: URLSearchParams) => params.delete("state"),
      (params: URLSearchParams) => params.set("state", ""),
      (params: URLSearchParams) => params.set("state", "guess"),
      (params: URLSearchParams) => params.append("state", url.searchParams.get("state") ?? ""),
    ])
      expect(await call(change)).toBeUndefined();
    for (const name of ["code", "iss", "error"])
      expect(await refusalOf(call((params) => [params.append(name, "x"), params.append(name, "y")]))).toBe("invalid_request");
    const calls = idp.tokenCalls();
    const answers = await Promise.allSettled([back(url.href, browser), back(url.href, browser), back(url.href, browser)]);
    const came = answers.flatMap((answer) => (answer.status === "fulfilled" && answer.value ? [answer.value.kind] : []));
    expect(came).toEqual(["page"]);
    expect(idp.tokenCalls()).toEqual({ ...calls, authorization_code: calls.authorization_code + 1 });
    expect(await back(url.href, browser)).toBeUndefined();
    expect(await grantRows()).toEqual([]);
  });

  test("an answer of another issuer, a forged code or an error proves nothing, and the client hears that it failed (THREATS 4)", async () => {
    const { begin, back, rows, audited } = await open();
    const browser = openBrowser();
    const attempt = async (change: (params: URLSearchParams) => void) => {
      const url = new URL(await idp.walk(loginOf(await begin(browser)), "bob"));
      change(url.searchParams);
      return errorOf(await back(url.href, browser));
    };
    const calls = idp.tokenCalls();
    expect(await attempt((params) => params.set("iss", "https://evil.test"))).toMatch(/^authorization_failed/);
    expect(await attempt((params) => params.delete("iss"))).toMatch(/^authorization_failed/);
    expect(await attempt((params) => params.set("error", "server_error"))).toBe("authorization_failed issuer_refused");
    expect(idp.tokenCalls()).toEqual(calls);
    expect(await attempt((params) => params.set("code", "forged"))).toBe("authorization_failed issuer_refused");
    expect((await rows()).map(({ stage }) => stage)).toEqual(["done", "done", "done", "done"]);
    expect(await audited("consent.failed")).toHaveLength(4);
  });

  test("where there are several issuers the person chooses; a client's own is the only one for its people", async () => {
    const { begin, shown, back, requests, trust, clients, app, issuer, say } = await open();
    const second = await trust("second", other.discoveryUrl);
    const browser = openBrowser();
    const request = pageOf(await begin(browser));
    const page = await shown(browser, request);
    expect(page).toMatchObject({ kind: "issuers", issuers: [{ name: "idp" }, { name: "second" }] });
    const choose = (id: string, token = page.formToken, cookies = browser.cookies) =>
      requests.choose(nobody, request, cookies, { token, issuer: id });
    expect(await refusalOf(choose("iss_unknown"))).toBe("issuer_unknown");
    expect(await refusalOf(choose(second.id, "guess"))).toBe("forbidden stale_page");
    expect(await refusalOf(choose(second.id, page.formToken, () => undefined))).toBe("forbidden foreign_browser");
    expect(await refusalOf(requests.decide(nobody, request, browser.cookies, { token: page.formToken, decision: "allow" }))).toBe(
      "session_used",
    );
    // Chosen twice: the second is where the person goes.
    const first = loginOf(await choose(issuer.id));
    const to = loginOf(await choose(second.id));
    expect(await back(await idp.walk(first, "bob"), browser)).toBeUndefined();
    expect(pageOf(await back(await other.walk(to, "bob"), browser))).toBe(request);
    expect(consentOf(await shown(browser, request)).user).toEqual({ subject: "bob", issuer: other.issuer });
    expect(await refusalOf(choose(issuer.id))).toBe("session_used");
    expect(codeOf(await say(browser, request))).toMatch(/^ac_/);

    const before = pageOf(await begin(browser));
    const { formToken: token } = await shown(browser, before);
    const chosen = loginOf(await requests.choose(nobody, before, browser.cookies, { token, issuer: issuer.id }));
    await clients.apps.update(admin, app.id, { issuer: "second" });
    expect(new URL(loginOf(await begin(browser))).origin).toBe(other.url);
    expect(errorOf(await back(await idp.walk(chosen, "bob"), browser))).toBe("issuer_unavailable no_login");
  });

  test("without an issuer to log in at, and with nobody to be shown a page, the client hears so at once", async () => {
    const { begin, issuers, clients, app } = await open();
    const browser = openBrowser();
    expect(await refusalOf(begin(browser, { prompt: ["none"] }))).toBe("login_required");
    await issuers.create(admin, { name: "bare", discoveryUrl: other.discoveryUrl, audiences: ["app"] });
    await clients.apps.update(admin, app.id, { issuer: "bare" });
    expect(await refusalOf(begin(browser))).toBe("issuer_unavailable no_login");
    await clients.apps.update(admin, app.id, { issuer: null });
    await issuers.update(admin, "idp", { login: null });
    expect(await refusalOf(begin(browser))).toBe("issuer_unavailable no_login");
    expect(browser.jar.size).toBe(0);
  });

  test("how old a login may be is asked of the issuer and checked against what it says", async () => {
    const issuer = await startTestIssuer({ metadata: { id_token_signing_alg_values_supported: ["ES256"] } });
    try {
      const { begin, back, issuers, hand, redeem, say, app } = await open();
      await issuers.update(admin, "idp", { login: null });
      await issuers.create(admin, { name: "scripted", discoveryUrl: issuer.url, audiences: ["app"], login: { clientId: "legate" } });
      const browser = openBrowser();
      const seconds = () => Math.floor(hand.clock() / 1000);
      const attempt = async (ask: Parameters<typeof begin>[1], age: number | undefined) => {
        const to = new URL(loginOf(await begin(browser, ask)));
        const wishes = { prompt: to.searchParams.get("prompt"), maxAge: to.searchParams.get("max_age") };
        const claims = {
          sub: "bob",
          aud: "legate",
          nonce: to.searchParams.get("nonce"),
          ...(age !== undefined && { auth_time: seconds() - age }),
        };
        issuer.bend("/token", { body: JSON.stringify({ access_token: "at", token_type: "Bearer", id_token: await issuer.sign(claims) }) });
        const step = await back(`${callback}?code=c&state=${to.searchParams.get("state")}`, browser);
        return { ...wishes, step, said: step?.kind === "page" ? "page" : errorOf(step) };
      };
      expect(await attempt({ maxAge: 600 }, 500)).toMatchObject({ prompt: null, maxAge: "600", said: "page" });
      expect(await attempt({ maxAge: 600 }, 700)).toMatchObject({ said: "login_required" });
      expect(await attempt({ maxAge: 600 }, undefined)).toMatchObject({ said: "login_required" });
      expect(await attempt({ prompt: ["login"] }, 0)).toMatchObject({ prompt: "login", maxAge: "0", said: "page" });
      expect(await attempt({ prompt: ["login"] }, 120)).toMatchObject({ said: "login_required" });
      expect(await attempt({ prompt: ["login"] }, undefined)).toMatchObject({ said: "login_required" });
      expect(await attempt({ prompt: ["select_account", "consent"] }, undefined)).toMatchObject({ prompt: "select_account", said: "page" });
      const { step } = await attempt({ maxAge: 600, scopes: ["openid"], resource: undefined }, 500);
      const { idToken } = await redeem(codeOf(await say(browser, pageOf(step))), app.id);
      expect(decodeJwt(idToken ?? "")).toMatchObject({ auth_time: seconds() - 500 });
    } finally {
      await issuer.stop();
    }
  });

  test("a client gets no more than it may: not another's resource, scope or grant", async () => {
    const { begin, find, requests, app, plain } = await open();
    const browser = openBrowser();
    expect(await refusalOf(begin(browser, { resource: "https://other.test" }))).toBe("target_invalid unknown");
    expect(await refusalOf(begin(browser, { scopes: ["admin"] }))).toBe("scope_invalid");
    const client = { ...(await find(app.id)), grantTypes: ["client_credentials"] };
    expect(await refusalOf(requests.begin(nobody, client, callback, plain))).toBe("client_not_allowed");
    expect(await refusalOf(requests.client(nobody, "cli_00000000000000000000000000000000", undefined))).toBe("client_unknown");
    expect(await refusalOf(requests.client(nobody, app.id, "https://app.test/other"))).toBe("redirect_uri_invalid");
    expect(await refusalOf(requests.client(nobody, app.id, undefined))).toBe("redirect_uri_invalid");
  });

  test("a client that is gone, stopped or sends people elsewhere by now gets nothing, and nobody is sent to it", async () => {
    const { loggedIn, say, clients, app, agents, agent, grantRows, begin, back } = await open();
    const browser = openBrowser();
    const waiting = pageOf(await loggedIn(browser));
    const atLogin = await idp.walk(loginOf(await begin(browser)), "bob");
    await clients.apps.suspend(admin, app.id);
    expect(await refusalOf(say(browser, waiting))).toBe("client_unknown");
    expect(await refusalOf(back(atLogin, browser))).toBe("client_unknown");
    await clients.apps.resume(admin, app.id);
    await clients.apps.update(admin, app.id, { redirectUris: ["https://app.test/new"] });
    expect(await refusalOf(say(browser, waiting))).toBe("redirect_uri_invalid");
    await clients.apps.update(admin, app.id, { redirectUris: [callback] });
    // It may be sent back there, but is not what the person was shown.
    expect(errorOf(await say(browser, waiting))).toBe("authorization_failed client_changed");
    expect(errorOf(await back(atLogin, browser))).toBe("authorization_failed client_changed");

    const agents_ = pageOf(await loggedIn(browser, {}, agent.id));
    await agents.suspend(admin, agent.id);
    expect(await refusalOf(say(browser, agents_))).toBe("client_unknown");
    expect(await grantRows()).toEqual([]);
  });

  test("a user who is suspended gets no client anything, before the page and after it", async () => {
    const { loggedIn, say, users, grantRows } = await open();
    const browser = openBrowser();
    const waiting = pageOf(await loggedIn(browser));
    const bob = await users.find(all.db.read, "default", idp.issuer, "bob");
    await users.suspend(admin, bob?.id ?? "");
    expect(errorOf(await say(browser, waiting))).toBe("user_suspended");
    expect(errorOf(await loggedIn(browser))).toBe("user_suspended");
    await users.resume(admin, bob?.id ?? "");
    const again = pageOf(await loggedIn(browser));
    await users.suspend(admin, bob?.id ?? "");
    await users.resume(admin, bob?.id ?? "");
    // Whoever was logged in before is not who is there now.
    expect(errorOf(await say(browser, again))).toBe("unauthenticated");
    expect(await grantRows()).toEqual([]);
  });

  test("after ten minutes nothing is shown, decided or brought back, and later it is forgotten", async () => {
    const { loggedIn, begin, back, shown, requests, jobs, rows, hand } = await open();
    const browser = openBrowser();
    const request = pageOf(await loggedIn(browser));
    const { formToken: token } = await shown(browser, request);
    const url = await idp.walk(loginOf(await begin(browser)), "bob");
    hand.forward(10 * 60_000);
    expect(await refusalOf(shown(browser, request))).toBe("authorization_expired");
    expect(await refusalOf(requests.decide(nobody, request, browser.cookies, { token, decision: "allow" }))).toBe("authorization_expired");
    expect(await refusalOf(back(url, browser))).toBe("authorization_expired");
    await jobs.runNow("grants.sweep");
    expect(await rows()).toHaveLength(2);
    hand.forward(10 * 60_000 + 1);
    await jobs.runNow("grants.sweep");
    expect(await rows()).toEqual([]);
    expect(await refusalOf(shown(browser, request))).toBe("session_unknown");
  });

  test("its secrets come under a new data key with all others, and the request goes on", async () => {
    const { loggedIn, say, dataKeys, jobs, rows } = await open();
    const browser = openBrowser();
    const request = pageOf(await loggedIn(browser));
    const before = (await rows()).map(({ sealed_secrets }) => sealed_secrets);
    await dataKeys.rotate(admin);
    await jobs.runNow("data_keys.reseal");
    expect((await rows()).map(({ sealed_secrets }) => sealed_secrets)).not.toEqual(before);
    expect(codeOf(await say(browser, request))).toMatch(/^ac_/);
  });
});
