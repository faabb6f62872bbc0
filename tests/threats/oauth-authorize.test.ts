import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  admin,
  callback,
  documentId,
  loginClient,
  newVerifier,
  publicUrl,
} from "../../packages/server/src/access/grants/authorization-requests-for-tests.ts";
import {
  type Authorize,
  fieldsOf,
  nextOf,
  openAuthorize,
  ownNavigation,
  type Params,
  written,
} from "../../packages/server/src/front/oauth/authorize-for-tests.ts";
import { startProvider, type TestProvider } from "../../packages/server/src/testing/provider.ts";

let idp: TestProvider;
let all: Authorize;
let folder: string;
beforeAll(async () => {
  idp = await startProvider({ clients: [{ ...loginClient, grant_types: ["authorization_code"], response_types: ["code"] }] });
});
afterAll(() => idp.stop());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "legate-threats-"));
  all = await openAuthorize({ engine: "sqlite", path: join(folder, "legate.db") }, idp);
});
afterEach(async () => {
  await all.close();
  rmSync(folder, { recursive: true, force: true });
});

const codeIn = (url: URL): string => fieldsOf(url)["code"] ?? "";
const statusOf = async (more: Params) => {
  const answer = await all.token(more);
  return [answer.statusCode, (answer.json() as { error?: string }).error];
};
const refused = [400, "invalid_grant"];
const grants = () => all.grantRows();

describe("login and consent are not finished by who did not begin them (RFC 9700 4.7)", () => {
  test("the login's callback needs the state and the cookie of one request; sent to somebody else it grants nothing", async () => {
    const [attacker, victim] = [all.openBrowser(), all.openBrowser()];
    // The attacker stops at the callback, which is to make the victim's browser finish the attacker's login.
    const back = await idp.walk(nextOf(await attacker.authorize()).href, "mallory");
    for (const answer of [await victim.get(back), (await victim.authorize(), await victim.get(back))]) {
      expect([answer.statusCode, answer.headers.location]).toEqual([403, undefined]);
    }
    const altered = new URL(back);
    altered.searchParams.set("state", "guess");
    expect((await attacker.get(altered.href)).statusCode).toBe(404);
    expect(await grants()).toEqual([]);
    expect((await attacker.get(back)).statusCode).toBe(303);
  });

  test("the consent's form needs its own browser and its own token, and a cookie that no other site's post carries", async () => {
    const [browser, other] = [all.openBrowser(), all.openBrowser()];
    const came = await browser.logIn();
    const { url, formToken } = await browser.page(came);
    expect((await other.ask("POST", url, written({ formToken, decision: "allow" }))).statusCode).toBe(403);
    expect((await other.get(url)).statusCode).toBe(403);
    for (const guess of ["", "guess", (await other.page(await other.logIn())).formToken])
      expect((await browser.ask("POST", url, written({ formToken: guess, decision: "allow" }))).statusCode).toBe(403);
    expect(await grants()).toEqual([]);
    const [cookie] = (await browser.authorize()).cookies;
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });
  });

  test("looking twice breaks nothing: a second GET of page or endpoint leaves the first way open", async () => {
    const browser = all.openBrowser();
    const first = await browser.authorize();
    await browser.authorize();
    await browser.ask("HEAD", `/oauth2/authorize?${written(all.params)}`);
    const came = await browser.get(await idp.walk(nextOf(first).href, "bob"));
    await browser.page(came);
    expect(codeIn(nextOf(await browser.say(came)))).toMatch(/^ac_/);
  });
});

describe("no server is taken for another (RFC 9207, RFC 9700 4.4)", () => {
  test("every answer names its issuer: success, denial and error", async () => {
    const browser = all.openBrowser();
    for (const to of [
      nextOf(await browser.consent()),
      nextOf(await browser.say(await browser.logIn(), "deny")),
      nextOf(await browser.authorize({ prompt: "none" })),
      nextOf(await browser.authorize({ scope: "fly" })),
    ]) {
      expect(`${to.origin}${to.pathname}`).toBe(callback);
      expect(fieldsOf(to)).toMatchObject({ iss: publicUrl, state: "s 1&é" });
      expect(to.searchParams.getAll("iss")).toHaveLength(1);
    }
  });

  test("a login answered by another issuer than was asked ends before any token call", async () => {
    const calls = idp.tokenCalls();
    for (const change of [(p: URLSearchParams) => p.set("iss", "https://evil.test"), (p: URLSearchParams) => p.delete("iss")]) {
      const browser = all.openBrowser();
      const back = new URL(await idp.walk(nextOf(await browser.authorize()).href, "bob"));
      change(back.searchParams);
      expect(fieldsOf(nextOf(await browser.get(back.href)))).toMatchObject({ error: "server_error", iss: publicUrl });
    }
    expect(idp.tokenCalls()).toEqual(calls);
    expect(await grants()).toEqual([]);
  });
});

describe("a code is worth nothing to who did not ask for it (RFC 9700 4.5)", () => {
  test.each([
    ["without PKCE", { code_challenge: undefined, code_challenge_method: undefined }],
    ["with a method and no challenge", { code_challenge: undefined }],
    ["with plain", { code_challenge_method: "plain" }],
    ["with a challenge whose method is left out, which means plain", { code_challenge_method: undefined }],
    ["with a method in another spelling", { code_challenge_method: "s256" }],
    ["with a challenge that is no SHA-256", { code_challenge: "x" }],
    ["with two challenges", { code_challenge: ["a".repeat(43), "b".repeat(43)] }],
  ] as [string, Params][])("a request %s is refused before anybody logs in", async (_how, more) => {
    const answer = await all.openBrowser().authorize(more);
    expect([answer.statusCode, answer.cookies]).toEqual([303, []]);
    expect(fieldsOf(nextOf(answer))).toMatchObject({ error: "invalid_request", iss: publicUrl });
    expect(nextOf(answer).origin).toBe(new URL(callback).origin);
  });

  test("another verifier, none, the challenge itself, another client, another redirect URI or another resource redeem nothing", async () => {
    const code = codeIn(nextOf(await all.openBrowser().consent()));
    const other = await all.clients.apps.create(admin, { name: "other", redirectUris: [callback] });
    for (const more of [
      { code_verifier: newVerifier() },
      { code_verifier: undefined },
      { code_verifier: all.plain.codeChallenge },
      { client_id: other.id },
      { redirect_uri: "https://app.test/other" },
      { redirect_uri: undefined },
    ])
      expect((await statusOf({ code, ...more }))[0], JSON.stringify(more)).toBe(400);
    expect((await statusOf({ code, resource: "https://other.test" }))[1]).toBe("invalid_target");
    expect((await statusOf({ code }))[0]).toBe(200);
  });

  test("brought twice, it ends all that it gave", async () => {
    const code = codeIn(nextOf(await all.openBrowser().consent({ scope: "read offline_access" })));
    const { access_token: token, refresh_token: refresh } = (await all.token({ code })).json() as Record<string, string>;
    expect(await statusOf({ code })).toEqual(refused);
    expect(await grants()).toMatchObject([{ status: "revoked", reason: "code_reused" }]);
    expect(await statusOf({ code })).toEqual(refused);
    expect(await statusOf({ grant_type: "refresh_token", refresh_token: refresh, code: undefined })).toEqual(refused);
    await expect(all.tokens.verify("access", token ?? "")).rejects.toMatchObject({ code: "unauthenticated" });
  });
});

describe("nobody is sent where the client is not (RFC 9700 4.1, 4.11)", () => {
  /** Each against `https://app.test/callback`. */
  const astray = [
    "https://app.test/Callback",
    "https://APP.test/callback",
    "HTTPS://app.test/callback",
    "https://app.test/callback/",
    "https://app.test/callback/..",
    "https://app.test/callback/../evil",
    "https://app.test/callback/%2e%2e/evil",
    "https://app.test/%63allback",
    "https://app.test//callback",
    "https://app.test/callback?x=1",
    "https://app.test/callback?",
    "https://app.test/callback#x",
    "https://app.test/callback#",
    "https://app.test/callback%23",
    "https://app.test:443/callback",
    "https://app.test:8443/callback",
    "http://app.test/callback",
    "https://app.test./callback",
    "https://app.test.evil.test/callback",
    "https://evil.test/callback",
    "https://evil.test/https://app.test/callback",
    "https://app.test@evil.test/callback",
    "https://user:pass@app.test/callback",
    "https://evil.test\\@app.test/callback",
    "https://app.test\\callback",
    "https://аpp.test/callback",
    "https://xn--pp-7cd.test/callback",
    "//app.test/callback",
    "/callback",
    "app.test/callback",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://app.test/callback",
    "com.app:/cb2",
    "com.app://cb",
    "http://127.0.0.1/cb2",
    "http://127.0.0.1:99999/cb",
    "http://127.0.0.1:4711@evil.test/cb",
    "http://127.0.0.2/cb",
    "http://localhost/cb",
    "http://[::1]/cb",
    "https://127.0.0.1/cb",
    " https://app.test/callback",
    "https://app.test/callback ",
    "https://app.test/callback\r\nlocation: https://evil.test",
    `https://app.test/callback?${"x".repeat(3_000)}`,
  ];

  test("a redirect URI that is not, character for character, one of the client's gets a page and no redirect, whatever else is asked", async () => {
    for (const uri of astray) {
      // Also where there is an error to tell, and where a code could be had without a page.
      for (const more of [
        {},
        { prompt: "none" },
        { response_type: "token" },
        { code_challenge: undefined },
        { scope: "fly" },
      ] as Params[]) {
        const params = { ...all.params, ...more, redirect_uri: uri };
        const browser = all.openBrowser();
        for (const answer of [
          await browser.get(`/oauth2/authorize?${written(params)}`, ownNavigation),
          await browser.ask("POST", "/oauth2/authorize", written(params)),
        ]) {
          const { statusCode, headers, cookies } = answer;
          expect([uri, statusCode, headers.location, headers["refresh"], cookies]).toEqual([uri, 400, undefined, undefined, []]);
          expect(answer.body).not.toContain("evil.test");
        }
      }
    }
    // Two of them, one of which is right; and none, though there are three.
    const twice = written({ ...all.params, redirect_uri: [callback, "https://evil.test"] });
    const none = written({ ...all.params, redirect_uri: undefined });
    for (const form of [twice, none]) expect((await all.openBrowser().get(`/oauth2/authorize?${form}`)).statusCode).toBe(400);
    expect((await all.openBrowser().authorize({ redirect_uri: "http://127.0.0.1:4711/cb" })).statusCode).toBe(303);
  }, 60_000);

  test("an unknown client, or none, gets a page; what it sends is not repeated to anybody", async () => {
    for (const id of [
      undefined,
      "",
      "nobody",
      "agt_0",
      "cli_00000000000000000000000000000000",
      "https://10.0.0.1/client.json",
      ["a", "b"],
    ]) {
      const answer = await all.openBrowser().authorize({ client_id: id, redirect_uri: "https://evil.test/cb" });
      expect([id, answer.statusCode, answer.headers.location]).toEqual([id, 400, undefined]);
      expect(answer.body).not.toContain("evil.test");
    }
  });

  test("every redirect is a 303, so that no form is sent on; an answer adds to the query and cannot break out of it", async () => {
    await all.clients.apps.update(admin, all.app.id, { redirectUris: ["https://app.test/cb?a=1"] });
    const browser = all.openBrowser();
    const more = { redirect_uri: "https://app.test/cb?a=1", state: "x&code=evil#frag\r\n" };
    const begun = await browser.ask("POST", "/oauth2/authorize", written({ ...all.params, ...more }));
    const failed = await browser.ask("POST", "/oauth2/authorize", written({ ...all.params, ...more, prompt: "none" }));
    const came = await browser.get(await idp.walk(nextOf(begun).href, "bob"));
    expect([begun, failed, came].map(({ statusCode }) => statusCode)).toEqual([303, 303, 303]);
    const to = nextOf(await browser.say(came));
    expect([...to.searchParams.keys()]).toEqual(["a", "code", "state", "iss"]);
    expect([to.hash, fieldsOf(to)["state"]]).toEqual(["", "x&code=evil#frag\r\n"]);
  });
});

describe("a consent is not used for who did not get it (MCP: confused deputy)", () => {
  test("a new client is shown to a person who consented to another, wherever both send people", async () => {
    const browser = all.openBrowser();
    await browser.consent();
    expect(codeIn(nextOf(await browser.logIn({}, ownNavigation)))).toMatch(/^ac_/);
    const registered = await all.clients.apps.create(admin, { name: "other", title: "The App", redirectUris: [callback] });
    for (const more of [
      { client_id: registered.id },
      { client_id: documentId, redirect_uri: "https://stranger.test/cb" },
      { client_id: documentId, redirect_uri: "http://127.0.0.1:4711/cb" },
    ] as Params[]) {
      const came = await browser.logIn(more, ownNavigation);
      expect(nextOf(came).pathname).toMatch(/^\/oauth2\/authorize\//);
    }
    expect(await grants()).toHaveLength(2);
  });

  test("a remembered consent is not used for a navigation that another site may have brought about", async () => {
    const browser = all.openBrowser();
    await browser.consent();
    const isAsked = async (headers: Readonly<Record<string, string>>) =>
      nextOf(await browser.logIn({}, headers)).pathname.startsWith("/oauth2/authorize/");
    const headers = (site: string, mode = "navigate", dest = "document") => ({
      "sec-fetch-site": site,
      "sec-fetch-mode": mode,
      "sec-fetch-dest": dest,
    });
    for (const foreign of [
      {},
      { "sec-fetch-site": "none" },
      headers("cross-site"),
      headers("Cross-Site"),
      headers("none, cross-site"),
      headers(""),
      // Nobody sees that a frame or an image was sent on.
      headers("same-site", "navigate", "iframe"),
      headers("same-origin", "no-cors", "image"),
      headers("none", "cors", "empty"),
      // A link that was opened from a mail or a chat says the same as an address that was typed.
      headers("none"),
    ])
      expect(await isAsked(foreign), JSON.stringify(foreign)).toBe(true);
    for (const site of ["same-origin", "same-site"]) expect(await isAsked(headers(site)), site).toBe(false);
    // Decided by how the browser came to us, not by how it came back from the login.
    const foreign = nextOf(await browser.authorize({}, headers("cross-site")));
    const back = await browser.get(await idp.walk(foreign.href, "bob"), ownNavigation);
    expect(nextOf(back).pathname).toMatch(/^\/oauth2\/authorize\//);
  });

  test("a document that changed, an app that changed and a grant that was taken back are asked for anew", async () => {
    const browser = all.openBrowser();
    const stranger = { client_id: documentId, redirect_uri: "https://stranger.test/cb" };
    await browser.consent(stranger);
    await browser.consent();
    const isAsked = async (more: Params) => nextOf(await browser.logIn(more, ownNavigation)).pathname.startsWith("/oauth2/authorize/");
    expect([await isAsked(stranger), await isAsked({})]).toEqual([false, false]);
    await all.db.write((tx) => tx.updateTable("client_documents").set({ hash: "another" }).execute());
    await all.clients.apps.update(admin, all.app.id, { redirectUris: [callback, "https://app.test/more"] });
    expect([await isAsked(stranger), await isAsked({})]).toEqual([true, true]);
    await browser.consent();
    expect(await isAsked({})).toBe(false);
    for (const { id, client_id } of await grants()) if (client_id === all.app.id) await all.grants.remove(admin, id);
    expect(await isAsked({})).toBe(true);
  });
});
