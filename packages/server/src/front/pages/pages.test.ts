import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { House } from "../../compose.ts";
import { systemRandom } from "../../ground/kernel/index.ts";
import { openTestHouse } from "../../testing/house.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { adminOf } from "../../testing/stores.ts";
import { type Http, makeHttp, makeLog } from "../http/index.ts";
import { servePages } from "./index.ts";

const admin = adminOf("default");
const hostile = `"><script>alert(1)</script>\u202Egnp.exe & 'co'`;
const publicUrl = "https://legate.test";
let folder: string;
let house: House;
let http: Http;
let issuer: TestIssuer;
let provider: string;
let begin: (binding: "login" | "none") => Promise<{ path: string; cookie: string; id: string }>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "legate-pages-"));
  issuer = await startTestIssuer();
  house = await openTestHouse({ engine: "sqlite", path: join(folder, "legate.db") }, {}, publicUrl);
  await house.issuers.create(admin, { name: "idp", discoveryUrl: issuer.url, audiences: ["app"], login: { clientId: "legate" } });
  const made = await house.providers.create(admin, {
    name: "git",
    agents: ["*"],
    type: "oauth2",
    authorizationEndpoint: `${issuer.url}/authorize`,
    tokenEndpoint: `${issuer.url}/token`,
    clientId: "legate",
    clientSecret: "secret",
    scopes: ["repo<script>"],
  } as Parameters<House["providers"]["create"]>[1]);
  provider = made.id;
  const agent = await house.agents.create(admin, { name: "scout", title: hostile, description: hostile, issuer: "idp" });
  const bob = await house.users.proven(admin, issuer.url, hostile);
  http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl, trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve() },
  );
  await servePages(http.app, house);
  begin = async (binding) => {
    await house.agents.update(admin, "scout", { binding });
    const begun = await house.vault.oauth2(
      {
        ...admin,
        caller: { kind: "agent", id: agent.id },
        agent: { id: agent.id, name: agent.name, labels: {}, origin: "operator", project: agent.project, epoch: agent.epoch },
        user: { id: bob.id, epoch: bob.epoch },
        method: "workload_token",
      },
      { provider: "git" },
    );
    if (begun.status !== "pending") throw new Error("A consent was expected.");
    const { pathname } = new URL(begun.authorizationUrl);
    const id = pathname.split("/").at(-1) ?? "";
    return { path: pathname, id, cookie: `legate_${id.slice(0, 16)}` };
  };
});
afterAll(async () => {
  await http.close();
  await house.close();
  await issuer.stop();
  rmSync(folder, { recursive: true, force: true });
});

const visits = async () => (await house.db.read.selectFrom("authorization_visits").select("id").execute()).length;

test("the consent page: nothing that others wrote becomes markup, no script may run, nobody may frame or keep it", async () => {
  const { path, cookie } = await begin("login");
  const answer = await http.app.inject(path);
  expect(answer.statusCode).toBe(200);
  expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(answer.headers["content-security-policy"]).toMatch(
    /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
  );
  expect(answer.headers).toMatchObject({ "referrer-policy": "no-referrer", "cache-control": "no-store", "x-frame-options": "DENY" });
  expect(answer.body).not.toMatch(/<script|<b>|onerror|javascript:/i);
  expect(answer.body).toContain("<bdi>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u202Egnp.exe &amp; &#39;co&#39;</bdi>");
  expect(answer.body).toContain("repo&lt;script&gt;");
  expect(answer.cookies).toEqual([
    { name: cookie, value: expect.stringMatching(/^[\w-]{43}$/), path: "/", httpOnly: true, sameSite: "Lax", maxAge: expect.any(Number) },
  ]);
});

test("binding none: 303 to the provider, with the cookie; HEAD says the same of the URL and makes no visit", async () => {
  const { path } = await begin("none");
  const before = await visits();
  const head = await http.app.inject({ method: "HEAD", url: path });
  expect([head.statusCode, head.body, head.cookies, await visits()]).toEqual([200, "", [], before]);
  const answer = await http.app.inject(path);
  expect(answer.statusCode).toBe(303);
  expect(answer.headers.location).toMatch(new RegExp(`^${issuer.url}/authorize\\?`));
  expect(answer.cookies).toHaveLength(1);
  expect(await visits()).toBe(before + 1);
});

test("the answer to the form goes on by itself, and by a link where that does not work", async () => {
  const { path, cookie } = await begin("login");
  const shown = await http.app.inject(path);
  const formToken = /name="formToken" value="([\w-]+)"/.exec(shown.body)?.[1] ?? "";
  const cookies = { [cookie]: shown.cookies[0]?.value ?? "" };
  const post = (payload: string, headers = {}) =>
    http.app.inject({
      method: "POST",
      url: path,
      payload,
      cookies,
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    });
  for (const [payload, status] of [
    ["", 400],
    ["decision=allow", 400],
    [`formToken=${formToken}`, 400],
    [`formToken=${formToken}&decision=maybe`, 400],
    [`formToken=${formToken}&formToken=${formToken}&decision=allow`, 400],
    [`formToken=${formToken}&decision=allow&decision=deny`, 400],
    ["formToken=%00&decision=allow", 400],
    ["formToken=%ff&decision=allow", 400],
    ["formToken=guess&decision=allow", 403],
    [`formToken=${"x".repeat(100_000)}&decision=allow`, 403],
    [`formToken=${"x".repeat(300_000)}&decision=allow`, 413],
  ] as const) {
    const answer = await post(payload);
    expect([payload.slice(0, 60), answer.statusCode, answer.headers.location]).toEqual([payload.slice(0, 60), status, undefined]);
    expect(answer.body).toContain(answer.headers["x-request-id"]);
  }
  expect((await post("{}", { "content-type": "application/json" })).statusCode).toBe(415);
  const answer = await post(`formToken=${formToken}&decision=allow`);
  expect(answer.statusCode).toBe(200);
  const to = String(answer.headers["refresh"]).replace(/^0; url=/, "");
  expect(new URL(to).origin).toBe(issuer.url);
  expect(answer.body).toContain(`href="${to.replaceAll("&", "&amp;")}"`);
});

test.each([
  ["GET", "/consent/x", 404],
  ["GET", `/consent/${"a".repeat(48)}`, 404],
  ["HEAD", `/consent/${"a".repeat(48)}`, 404],
  ["GET", `/consent/${"a".repeat(5_000)}`, 404],
  ["GET", "/consent/%00", 400],
  ["GET", "/consent/%ff", 400],
  ["GET", "/consent/%2e%2e%2fetc", 404],
  ["GET", "/consent/'; drop table users", 404],
  ["POST", `/consent/${"a".repeat(48)}`, 400],
  ["GET", "/login/callback", 400],
  ["GET", "/login/callback?state=", 404],
  ["GET", "/login/callback?state=x&state=y", 400],
  ["GET", "/login/callback?state=x&code=%00", 400],
  ["GET", "/login/callback?error=access_denied&state=x", 404],
  ["GET", "/callback/prv_x", 400],
  ["GET", "/callback/prv_x?state=x&code=y", 404],
  ["GET", "/callback/prv_x?state=x&code=y&code=z", 400],
  ["GET", "/callback/prv_x?state=x&iss=a&iss=b", 400],
  ["GET", "/callback/prv_x?state=%F0%9F%98%80&code=y", 404],
  ["GET", `/callback/prv_x?state=${"s".repeat(10_000)}`, 404],
  ["GET", "/callback/prv_x?redirect_uri=https://evil.test&returnUrl=https://evil.test&state=x", 404],
  ["GET", "/callback/prv_x?__proto__=1&state=x", 404],
] as const)("%s %.60s is refused with %i: no redirect, no cookie, no fault of ours", async (method, url, status) => {
  const answer = await http.app.inject({ method, url });
  expect([answer.statusCode, answer.headers.location, answer.cookies]).toEqual([status, undefined, []]);
});

test("HEAD and POST on a callback do not use it up", async () => {
  for (const url of [`/callback/${provider}?state=x&code=y`, "/login/callback?state=x&code=y"]) {
    for (const method of ["HEAD", "POST", "PUT", "DELETE"] as const) expect((await http.app.inject({ method, url })).statusCode).toBe(405);
  }
});

test("every refusal a browser meets has a page that says what to do next, and the number of the request", async () => {
  const { path } = await begin("none");
  const id = path.split("/").at(-1) ?? "";
  const { state } = Object.fromEntries(new URL(String((await http.app.inject(path)).headers.location)).searchParams);
  const answer = await http.app.inject(`/callback/${provider}?state=${state}&code=y`);
  expect(answer.statusCode).toBe(403);
  expect(answer.body).toContain("This was begun in another browser");
  expect(answer.body).toContain(answer.headers["x-request-id"]);
  expect(answer.headers["content-security-policy"]).toMatch(/^default-src 'none'/);
  expect(answer.body).not.toContain(id);
});
