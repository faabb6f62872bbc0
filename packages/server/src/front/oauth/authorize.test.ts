import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { admin, callback, documentId, loginClient, publicUrl } from "../../access/grants/authorization-requests-for-tests.ts";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { type Authorize, fieldsOf, nextOf, openAuthorize, ownNavigation, type Params, written } from "./authorize-for-tests.ts";

let idp: TestProvider;
let all: Authorize;
let folder: string;
beforeAll(async () => {
  idp = await startProvider({ clients: [{ ...loginClient, grant_types: ["authorization_code"], response_types: ["code"] }] });
});
afterAll(() => idp.stop());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "legate-authorize-"));
  all = await openAuthorize({ engine: "sqlite", path: join(folder, "legate.db") }, idp);
});
afterEach(async () => {
  await all.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Where the button of a page leads that leaves it to the person. */
const linkOf = (body: string): URL => {
  const [, link = ""] = /<a class="button" href="([^"]+)"/.exec(body) ?? [];
  return new URL(link.replaceAll("&amp;", "&").replaceAll("&#39;", "'"));
};

const requests = async () => (await all.rows()).length;

test("GET and POST begin alike: 303 to the issuer with a cookie, then our page at an address of its own, then back to the client", async () => {
  const browser = all.openBrowser();
  for (const begun of [await browser.authorize(), await browser.ask("POST", "/oauth2/authorize", written(all.params))]) {
    expect(begun.statusCode).toBe(303);
    expect(nextOf(begun).origin).toBe(idp.url);
    expect(begun.headers).toMatchObject({ "referrer-policy": "no-referrer", "cache-control": "no-store" });
    expect(begun.cookies).toEqual([
      {
        name: expect.stringMatching(/^legate_oauth_[\w-]{16}$/),
        value: expect.stringMatching(/^[\w-]{43}$/),
        path: "/",
        httpOnly: true,
        sameSite: "Lax",
        maxAge: 600,
      },
    ]);
  }
  expect(browser.jar.size).toBe(2);

  const came = await browser.logIn({ scope: "read write" });
  expect([came.statusCode, came.cookies]).toEqual([303, []]);
  expect(nextOf(came).href).toMatch(new RegExp(`^${publicUrl}/oauth2/authorize/[\\w-]{43}$`));
  const { url, shown, formToken } = await browser.page(came);
  expect(shown.headers["content-security-policy"]).toMatch(
    /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
  );
  expect(shown.headers).toMatchObject({ "referrer-policy": "no-referrer", "cache-control": "no-store", "x-frame-options": "DENY" });
  expect(shown.body).toContain("<bdi>The App</bdi>");
  expect(shown.body).toContain("Read your files");
  expect(shown.body).toContain("app.test");
  expect(shown.body).toContain("until the access is taken back");
  const answer = await browser.ask("POST", url, written({ formToken, decision: "allow" }));
  expect(answer.statusCode).toBe(200);
  expect(nextOf(answer).href).toMatch(
    new RegExp(`^${callback}\\?code=ac_[\\w-]{43}&state=s%201%26%C3%A9&iss=${encodeURIComponent(publicUrl)}$`),
  );
  const code = fieldsOf(nextOf(answer))["code"];
  expect((await all.token({ code })).statusCode).toBe(200);
});

test("HEAD begins nothing, and says what GET would of the client; a page may be looked at as often as one likes", async () => {
  const browser = all.openBrowser();
  const url = `/oauth2/authorize?${written(all.params)}`;
  const head = await browser.ask("HEAD", url);
  expect([head.statusCode, head.body, head.cookies, await requests()]).toEqual([200, "", [], 0]);
  expect((await browser.ask("HEAD", "/oauth2/authorize?client_id=nobody")).statusCode).toBe(400);
  const came = await browser.logIn();
  const { url: page } = await browser.page(came);
  const before = JSON.stringify(await all.rows());
  for (const method of ["HEAD", "GET", "GET"] as const) expect((await browser.ask(method, page)).statusCode).toBe(200);
  expect(JSON.stringify(await all.rows())).toBe(before);
});

const long = "x".repeat(2_049);
test.each([
  ["no response_type", { response_type: undefined }, "invalid_request"],
  ["response_type empty", { response_type: "" }, "invalid_request"],
  ["response_type twice", { response_type: ["code", "code"] }, "invalid_request"],
  ["the implicit grant", { response_type: "token" }, "unsupported_response_type"],
  ["a hybrid flow", { response_type: "code id_token" }, "unsupported_response_type"],
  ["an answer in the fragment", { response_mode: "fragment" }, "invalid_request"],
  ["an answer in a form", { response_mode: "form_post" }, "invalid_request"],
  ["an unknown prompt", { prompt: "create" }, "invalid_request"],
  ["prompt none and more", { prompt: "none login" }, "invalid_request"],
  ["prompt none", { prompt: "none" }, "login_required"],
  ["max_age that is no number", { max_age: "-1" }, "invalid_request"],
  ["max_age beyond all time", { max_age: "9".repeat(400) }, "invalid_request"],
  ["dpop_jkt that is no thumbprint", { dpop_jkt: "key" }, "invalid_request"],
  ["a request object", { request: "eyJ" }, "request_not_supported"],
  ["a request by reference", { request_uri: "urn:x" }, "request_uri_not_supported"],
  ["scopes of other characters", { scope: 'read "' }, "invalid_scope"],
  ["an unknown scope", { scope: "read fly" }, "invalid_scope"],
  ["nothing but what nobody is told", { scope: "profile email" }, "invalid_scope"],
  ["scope twice", { scope: ["read", "read"] }, "invalid_request"],
  ["an unknown resource", { resource: "https://other.test" }, "invalid_target"],
  ["a resource that is no URI", { resource: "api" }, "invalid_target"],
  ["our own userinfo as the resource", { resource: `${publicUrl}/oauth2/userinfo` }, "invalid_target"],
  ["two resources", { resource: ["https://api.test", "https://other.test"] }, "invalid_target"],
  ["a nonce without end", { nonce: long }, "invalid_request"],
  ["nonce twice", { nonce: ["a", "b"] }, "invalid_request"],
  ["a huge scope", { scope: long }, "invalid_request"],
  ["a lone percent-encoded control character in a scope", { scope: "\u0001" }, "invalid_scope"],
] as [string, Params, string][])("%s: the client hears %j at its redirect URI", async (_what, more, error) => {
  for (const answer of [
    await all.openBrowser().authorize(more),
    await all.openBrowser().ask("POST", "/oauth2/authorize", written({ ...all.params, ...more })),
  ]) {
    expect([answer.statusCode, answer.cookies]).toEqual([303, []]);
    const to = nextOf(answer);
    expect(`${to.origin}${to.pathname}`).toBe(callback);
    const { error_description: described, ...fields } = fieldsOf(to);
    expect(fields).toEqual({ error, state: "s 1&é", iss: publicUrl });
    expect(described).toMatch(/^[\x20-\x21\x23-\x5B\x5D-\x7E]{10,}$/);
  }
  expect(await requests()).toBe(0);
});

test("a state that repeats or has no end is not repeated; one that is not there stays away", async () => {
  for (const state of [["a", "a"], long, "y".repeat(9_000)]) {
    expect(fieldsOf(nextOf(await all.openBrowser().authorize({ state })))).toMatchObject({ error: "invalid_request" });
    expect(nextOf(await all.openBrowser().authorize({ state })).searchParams.has("state")).toBe(false);
  }
  for (const state of [undefined, ""]) {
    const browser = all.openBrowser();
    expect(nextOf(await browser.consent({ state })).searchParams.has("state")).toBe(false);
  }
  const most = `${"z".repeat(2_000)} &=#?%00é🦊`;
  expect(fieldsOf(nextOf(await all.openBrowser().authorize({ state: most, prompt: "none" })))).toMatchObject({ state: most });
});

test("what is not known is passed over, and a resource may stand twice if it is the same", async () => {
  const browser = all.openBrowser();
  const more = {
    login_hint: "bob",
    acr_values: "x",
    ui_locales: ["a", "b"],
    audience: "https://other.test",
    display: "popup",
    response_mode: "query",
    ["__proto__"]: "x",
    constructor: "x",
    resource: ["https://api.test", "https://api.test"],
    prompt: "",
  };
  expect(nextOf(await browser.authorize(more)).origin).toBe(idp.url);
});

test.each([
  ["%00", 400],
  ["%ff", 400],
  ["%ED%A0%80", 400],
  ["%", 400],
] as const)(
  "bytes that are no text (%s) are refused in a URL and in a form, whatever names them, and nobody is redirected",
  async (bytes, status) => {
    for (const name of ["client_id", "redirect_uri", "state", "scope", "whatever"]) {
      const broken = `${written({ ...all.params, [name]: undefined })}&${name}=${bytes}`;
      const got = await all.http.app.inject(`/oauth2/authorize?${broken}`);
      const posted = await all.openBrowser().ask("POST", "/oauth2/authorize", broken);
      for (const answer of [got, posted])
        expect([answer.statusCode, answer.headers.location, answer.cookies]).toEqual([status, undefined, []]);
    }
    expect(await requests()).toBe(0);
  },
);

test("a form of ours needs its parts once each; other types and sizes are refused; no answer is given anything but a page", async () => {
  const browser = all.openBrowser();
  const { url, formToken } = await browser.page(await browser.logIn());
  for (const [form, status] of [
    ["", 400],
    ["decision=allow", 400],
    [`formToken=${formToken}`, 400],
    [`formToken=${formToken}&decision=maybe`, 400],
    [`formToken=${formToken}&decision=allow&decision=deny`, 400],
    [`formToken=${formToken}&formToken=${formToken}&decision=allow`, 400],
    [`formToken=${formToken}&decision=allow&issuer=x`, 400],
    [`formToken=${formToken}&issuer=x`, 409],
    ["formToken=guess&decision=allow", 403],
    [`formToken=${"x".repeat(100_000)}&decision=allow`, 403],
    [`formToken=${"x".repeat(300_000)}&decision=allow`, 413],
  ] as const) {
    const answer = await browser.ask("POST", url, form);
    expect([form.slice(0, 80), answer.statusCode, answer.headers.location, answer.headers["refresh"]]).toEqual([
      form.slice(0, 80),
      status,
      undefined,
      undefined,
    ]);
    expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(answer.body).toContain(answer.headers["x-request-id"]);
  }
  const json = await browser.ask("POST", url, "{}", { "content-type": "application/json" });
  expect([json.statusCode, json.headers["content-type"]]).toEqual([415, "text/html; charset=utf-8"]);
  for (const path of ["x", "a".repeat(43), "a".repeat(5_000), "%2e%2e%2fetc", "'; drop table users"]) {
    for (const method of ["GET", "HEAD"] as const) expect((await browser.ask(method, `/oauth2/authorize/${path}`)).statusCode).toBe(404);
    expect((await browser.ask("POST", `/oauth2/authorize/${path}`, "formToken=x&decision=allow")).statusCode).toBe(404);
  }
  for (const method of ["PUT", "DELETE"] as const) expect((await all.http.app.inject({ method, url })).statusCode).toBe(405);
});

test("nothing that a client, an issuer or a resource wrote becomes markup; of a stranger the address stands first", async () => {
  const hostile = `"><script>alert(1)</script>\u202Egnp.exe & 'co'`;
  await all.clients.apps.update(admin, all.app.id, { title: hostile });
  const browser = all.openBrowser();
  const { shown } = await browser.page(await browser.logIn({}, undefined, hostile));
  expect(shown.body).not.toMatch(/<script|onerror|javascript:/i);
  expect(shown.body).toContain("<bdi>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u202Egnp.exe &amp; &#39;co&#39;</bdi>");

  const stranger = { client_id: documentId, redirect_uri: "http://127.0.0.1:4711/cb" };
  const page = (await browser.page(await browser.logIn(stranger))).shown.body;
  expect(/<h1>(.*)<\/h1>/.exec(page)?.[1]).toBe("Allow <bdi>stranger.test</bdi> to use <bdi>files</bdi> for you?");
  expect(page).toContain("It calls itself <strong><bdi>Your Bank</bdi></strong>");
  expect(page).toContain("any program here could pretend to be this one");
  const remote = await browser.page(await browser.logIn({ ...stranger, redirect_uri: "https://stranger.test/cb" }));
  expect(remote.shown.body).not.toContain("any program here could pretend");
});

test("nothing but who a person is: the page says so, and where several issuers are it asks first", async () => {
  const browser = all.openBrowser();
  const { shown } = await browser.page(await browser.logIn({ scope: "openid", resource: undefined }));
  expect(/<h1>(.*)<\/h1>/.exec(shown.body)?.[1]).toBe("Tell <bdi>The App</bdi> who you are?");
  expect(shown.body).toContain("for some minutes");
  const second = await startProvider();
  try {
    const made = await all.trust("second", second.discoveryUrl);
    const begun = await browser.authorize();
    expect([begun.statusCode, begun.cookies.length]).toEqual([303, 1]);
    const page = await browser.page(begun);
    expect(page.shown.body).toContain("Where do you sign in?");
    const chosen = await browser.ask("POST", page.url, written({ formToken: page.formToken, issuer: made.id }));
    expect([chosen.statusCode, nextOf(chosen).origin]).toEqual([200, second.url]);
    expect((await browser.ask("POST", page.url, written({ formToken: page.formToken, issuer: "iss_x" }))).statusCode).toBe(400);
  } finally {
    await second.stop();
  }
});

test("a scope that is called as something every object has is shown by its name alone", async () => {
  const names = ["constructor", "toString", "__proto__"];
  await all.clients.resources.update(admin, "files", { scopes: names.map((name) => ({ name })) });
  const browser = all.openBrowser();
  const { shown } = await browser.page(await browser.logIn({ scope: names.join(" ") }));
  const asked = [...shown.body.matchAll(/<li>.*?<\/li>/g)].map(([item]) => item.replaceAll(/<[^>]+>/g, ""));
  expect(asked.sort()).toEqual(names.sort());
});

test("name and e-mail address are told to nobody: a client that asks for them by habit goes on without, and the page offers neither", async () => {
  const scope = "openid profile email address phone offline_access read";
  const browser = all.openBrowser();
  const came = await browser.logIn({ scope });
  const { shown } = await browser.page(came);
  const asked = [...shown.body.matchAll(/<li>.*?<\/li>/g)].map(([item]) => item.replaceAll(/<[^>]+>/g, ""));
  expect(asked).toEqual([
    "Go on while you are away offline_access",
    "Recognise you when you come back, without being told your name or e-mail address openid",
    "Read your files read",
  ]);
  const { code } = fieldsOf(nextOf(await browser.say(came)));
  const granted = (await all.token({ code })).json<Record<string, string>>();
  expect(granted["scope"]).toBe("offline_access openid read");
  const refreshed = await all.token({ grant_type: "refresh_token", refresh_token: granted["refresh_token"], scope });
  expect([refreshed.statusCode, refreshed.json<Record<string, string>>()["scope"]]).toEqual([200, "offline_access openid read"]);
  const alone = await browser.page(await browser.logIn({ scope: "openid email", resource: undefined }));
  expect(/<h1>(.*)<\/h1>/.exec(alone.shown.body)?.[1]).toBe("Tell <bdi>The App</bdi> who you are?");
  expect(alone.shown.body).not.toContain('<code class="quiet"><bdi>email');
});

test("a client whose word nobody vouches for is not redirected to for a bad request: the person decides", async () => {
  const uri = "https://stranger.test/cb";
  const answer = await all.openBrowser().authorize({ client_id: documentId, redirect_uri: uri, prompt: "none" });
  expect([answer.statusCode, answer.headers.location, answer.headers["refresh"]]).toEqual([400, undefined, undefined]);
  expect(fieldsOf(linkOf(answer.body))).toMatchObject({ error: "login_required", state: "s 1&é", iss: publicUrl });
});

test("nor for a login that came to nothing or a yes that could not be kept; only a person's own no takes the browser there", async () => {
  const uri = "https://stranger.test/cb";
  const stranger: Params = { client_id: documentId, redirect_uri: uri };
  const browser = all.openBrowser();
  /** What comes back of a login that the issuer, or whoever sent the browser, let fail. */
  const failed = async (error: string, more: Params) => {
    const back = new URL(await idp.walk(nextOf(await browser.authorize(more)).href, "bob"));
    back.searchParams.delete("code");
    back.searchParams.set("error", error);
    return browser.get(back.href);
  };
  const yes = await browser.logIn(stranger);
  const no = await browser.logIn(stranger);
  const refused = [await failed("server_error", stranger), await failed("access_denied", stranger)];
  const bob = await all.users.find(all.db.read, "default", idp.issuer, "bob");
  await all.users.suspend(admin, bob?.id ?? "");
  refused.push(await browser.logIn(stranger), await browser.say(yes));
  for (const [at, answer] of refused.entries()) {
    expect([at, answer.statusCode, answer.headers.location, answer.headers["refresh"]]).toEqual([at, 400, undefined, undefined]);
    const to = linkOf(answer.body);
    expect([`${to.origin}${to.pathname}`, fieldsOf(to)["state"], fieldsOf(to)["iss"]]).toEqual([uri, "s 1&é", publicUrl]);
  }
  for (const answer of [await browser.say(no, "deny"), await failed("server_error", {})])
    expect(fieldsOf(nextOf(answer))).toMatchObject({ error: expect.any(String), state: "s 1&é", iss: publicUrl });
});

test("a login that belongs to a consent of the vault still goes there, and a state of nobody's is told by a page", async () => {
  const browser = all.openBrowser();
  const answer = await browser.get("/login/callback?state=nobodys&code=x");
  expect([answer.statusCode, answer.headers.location]).toEqual([404, undefined]);
  for (const url of ["/login/callback", "/login/callback?state=x&state=y"]) expect((await browser.get(url)).statusCode).toBe(400);
});

test("another tenant's endpoint is its own: its clients, its issuer in each answer, its callback", async () => {
  await all.tenants.create(admin, "acme");
  const answer = await all.openBrowser().get(`/t/acme/oauth2/authorize?${written(all.params)}`);
  expect([answer.statusCode, answer.headers.location]).toEqual([400, undefined]);
  const acme = { ...admin, tenant: "acme" };
  const app = await all.clients.apps.create(acme, { name: "app", redirectUris: [callback] });
  await all.clients.resources.create(acme, { name: "files", identifier: "https://api.test", clients: ["*"], scopes: [{ name: "read" }] });
  const ask = (more: Params = {}) =>
    all.openBrowser().get(`/t/acme/oauth2/authorize?${written({ ...all.params, client_id: app.id, ...more })}`);
  expect(fieldsOf(nextOf(await ask({ prompt: "none" })))).toMatchObject({ error: "login_required", iss: `${publicUrl}/t/acme` });
  await all.issuers.create(acme, {
    name: "idp",
    discoveryUrl: idp.discoveryUrl,
    audiences: ["app"],
    login: { clientId: loginClient.client_id, clientSecret: loginClient.client_secret },
  });
  expect(nextOf(await ask()).searchParams.get("redirect_uri")).toBe(`${publicUrl}/t/acme/login/callback`);
});

test("a remembered consent sends the browser on at once, by 303", async () => {
  const browser = all.openBrowser();
  await browser.consent();
  const came = await browser.logIn({}, ownNavigation);
  expect([came.statusCode, came.headers["refresh"]]).toEqual([303, undefined]);
  expect(fieldsOf(nextOf(came))).toMatchObject({ code: expect.stringMatching(/^ac_/), state: "s 1&é", iss: publicUrl });
});
