import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { startProvider, type TestProvider } from "../../packages/server/src/testing/provider.ts";
import { type ManyTenants, openManyTenants, testAdminKey } from "./many-tenants.ts";

eachStore("a tenant's addresses", (fresh) => {
  let many: ManyTenants;
  let admin: string;
  const statusOf = async (url: string, key?: string) => (await many.ask({ url, key })).statusCode;

  beforeAll(async () => {
    many = await openManyTenants(await fresh());
    admin = await many.makeTenant("acme");
  });
  afterAll(() => many.close());

  test("are under its prefix, where RFC 8414 puts a path too, and written in no other way", async () => {
    const keySet = await many.ask({ url: "/t/acme/.well-known/jwks.json" });
    expect(keySet.statusCode).toBe(200);
    expect((await many.ask({ url: "/.well-known/jwks.json/t/acme" })).body).toBe(keySet.body);
    expect((await many.ask({ url: "/.well-known/jwks.json" })).body).not.toBe(keySet.body);
    expect(await statusOf("/t/acme/v1/agents?limit=1", admin)).toBe(200);
    const wrong = [
      "/t/default/v1/agents",
      "/.well-known/jwks.json/t/default",
      "/t/nowhere/.well-known/jwks.json",
      "/.well-known/jwks.json/t/nowhere",
      "/t/acme",
      "/t/acme/",
      "/t//v1/agents",
      "/t/ACME/v1/agents",
      "/t/%61cme/v1/agents",
      "/T/acme/v1/agents",
      "/t/acme/t/acme/v1/agents",
      "/t/acme//v1/agents",
      "/t/acme/.well-known/jwks.json/t/acme",
      "/v1/t/acme/agents",
    ];
    for (const url of wrong) expect([url, await statusOf(url, admin)]).toEqual([url, 404]);
  });

  test("are none for what is the whole installation's", async () => {
    for (const path of ["/", "/livez", "/readyz", "/metrics", "/docs", "/docs/start.js", "/v1/openapi.json"]) {
      expect([path, await statusOf(path)]).toEqual([path, 200]);
      expect([path, await statusOf(`/t/acme${path}`)]).toEqual([path, 404]);
    }
  });

  test("answer nothing while it is suspended, to nobody, as if it had never been; and again once it is resumed", async () => {
    await many.makeTenant("sleepy");
    const addresses = [
      "/t/sleepy/.well-known/jwks.json",
      "/t/sleepy/consent/x",
      "/t/sleepy/callback/x?state=y",
      "/t/sleepy/login/callback?state=y",
    ];
    const answers = async () => Promise.all(addresses.map((url) => many.ask({ url })));
    const turn = (to: string) => many.had({ method: "POST", url: `/v1/tenants/sleepy/${to}`, key: testAdminKey, body: {} });
    const before = await answers();
    expect(before.map(({ statusCode }) => statusCode)).toEqual([200, 404, 404, 404]);
    await turn("suspend");
    const suspended = await answers();
    expect(suspended.map(({ statusCode }) => statusCode)).toEqual([404, 404, 404, 404]);
    const nowhere = await many.ask({ url: "/t/nowhere/.well-known/jwks.json" });
    const said = ({ body }: { body: string }) => body.replaceAll(/req_[0-9a-f]+/g, "req");
    expect(said(suspended[0] ?? nowhere)).toBe(said(nowhere));
    await turn("resume");
    expect((await answers())[0]?.body).toBe(before[0]?.body);
    await many.had({ method: "DELETE", url: "/v1/tenants/sleepy", key: testAdminKey });
    expect((await answers()).map(({ statusCode }) => statusCode)).toEqual([404, 404, 404, 404]);
  });

  test("are told to whoever makes it, and its admin's key is shown that once", async () => {
    const made = await many.ask({ method: "POST", url: "/v1/tenants", key: testAdminKey, body: { name: "fresh" } });
    expect(made.json()).toEqual({
      name: "fresh",
      issuer: "http://127.0.0.1:8700/t/fresh",
      accountId: expect.stringMatching(/^[0-9]{16}$/),
      adminKey: expect.stringMatching(/^op_[0-9a-f]{64}$/),
    });
    const { adminKey } = made.json<{ adminKey: string }>();
    const shown = await many.ask({ url: "/v1/tenants/fresh", key: testAdminKey });
    expect(shown.json()).toMatchObject({ name: "fresh", status: "active", issuer: "http://127.0.0.1:8700/t/fresh" });
    expect(shown.body + (await many.ask({ url: "/t/fresh/v1/operators", key: adminKey })).body).not.toContain(adminKey.slice(0, 20));
  });
});

describe("a consent in a tenant", () => {
  let idp: TestProvider;
  let upstream: TestProvider;

  beforeAll(async () => {
    [idp, upstream] = await Promise.all([startProvider(), startProvider()]);
  });
  afterAll(() => Promise.all([idp.stop(), upstream.stop()]));

  eachStore("goes through its own addresses from the page to the token", (fresh) => {
    test("page, login at the user's issuer, provider, and back", async () => {
      const many = await openManyTenants(await fresh());
      const admin = await many.makeTenant("acme");
      const make = <T = Readonly<Record<string, string>>>(url: string, body: unknown, by = admin) =>
        many.had<T>({ method: "POST", url: `/v1/${url}`, key: by, body });
      const client = { grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] as ["code"] };
      const { loginCallbackUrl = "" } = await make("issuers", {
        name: "idp",
        discoveryUrl: idp.discoveryUrl,
        audiences: ["app"],
        login: { clientId: "legate", clientSecret: "login-secret" },
      });
      idp.addClient({ ...client, client_id: "legate", client_secret: "login-secret", redirect_uris: [loginCallbackUrl] });
      const { callbackUrl = "" } = await make("credential-providers", {
        name: "github",
        type: "oauth2",
        discoveryUrl: upstream.discoveryUrl,
        clientId: "legate",
        clientSecret: "vault-secret",
        clientAuth: "client_secret_basic",
        scopes: ["read"],
      });
      upstream.addClient({ ...client, client_id: "legate", client_secret: "vault-secret", redirect_uris: [callbackUrl] });
      await make("agents", { name: "scout", issuer: "idp" });
      const proven = await many.house.users.proven({ ...(await principalOf(many, admin)) }, idp.issuer, "bob");
      const who = await actingFor(many, proven);
      const begun = await many.house.vault.oauth2(who, { provider: "github" });
      if (begun.status !== "pending") throw new Error("A consent was expected.");

      const url = new URL(begun.authorizationUrl).pathname;
      const page = await many.ask({ url });
      const cookie = String(page.headers["set-cookie"]).split(";", 1)[0] ?? "";
      const formToken = /name="formToken" value="([^"]+)"/.exec(page.body)?.[1] ?? "";
      const allowed = await many.http.app.inject({
        method: "POST",
        url,
        headers: { cookie, "content-type": "application/x-www-form-urlencoded" },
        payload: new URLSearchParams({ formToken, decision: "allow" }).toString(),
      });
      const toLogin = /url=(.*)$/.exec(String(allowed.headers["refresh"]))?.[1] ?? "";
      const back = async (to: string) => {
        const { pathname, search } = new URL(to);
        expect(pathname).toMatch(/^\/t\/acme\//);
        return many.ask({ url: `${pathname}${search}`, cookie });
      };
      const loggedIn = await back(await idp.walk(toLogin, "bob"));
      const done = await back(await upstream.walk(loggedIn.headers.location ?? "", "bob"));
      expect(done.statusCode, done.body).toBe(200);
      const had = await many.house.vault.oauth2(who, { provider: "github" });
      expect(had.status).toBe("ready");
      await many.close();
    });
  });

  const principalOf = (many: ManyTenants, key: string) =>
    many.house.authn.prove({ authorization: `Bearer ${key}`, requestId: "r" }, ["admin"]);
  const actingFor = async (many: ManyTenants, user: { readonly id: string; readonly epoch: number }) => {
    const { agent } = await many.house.standing.actor("acme", "scout");
    return {
      tenant: "acme",
      caller: { kind: "agent", id: agent.id },
      agent,
      user: { id: user.id, epoch: user.epoch },
      actors: [agent.id],
      method: "workload_token",
      requestId: "r",
    } as const;
  };
});
