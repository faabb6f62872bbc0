import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { makeProver } from "../../testing/prover.ts";
import { eachStore } from "../../testing/stores.ts";
import {
  admin,
  api,
  appBackUrl,
  backUrl,
  claimsOf,
  down,
  issuerUrl,
  type Oauth,
  openOauth,
  type Params,
  verifier,
} from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("an authorization code", (fresh) => {
  let oauth: Oauth;
  afterEach(() => oauth.close());
  const open = async () => {
    oauth = await openOauth(await fresh(), issuer);
    return oauth;
  };
  /** Redeems a code as the app does, but for what is said. */
  const redeem = (code: string, params: Params = {}, headers: Readonly<Record<string, string>> = {}) =>
    oauth.token(
      undefined,
      {
        grant_type: "authorization_code",
        client_id: oauth.desk.id,
        code,
        redirect_uri: appBackUrl,
        code_verifier: verifier,
        ...params,
      },
      headers,
    );
  const issue = (more: Partial<Parameters<Oauth["code"]>[0]> = {}) => oauth.code({ client: oauth.desk.id, user: oauth.alice, ...more });
  const statusOf = async (token: string | undefined) => (await oauth.introspect(oauth.server, token)).active;

  test("becomes a token for the user, the app as its client, and a refresh token", async () => {
    const { desk, alice, house } = await open();
    const { status, body } = await redeem(await issue());
    expect([status, body]).toEqual([
      200,
      {
        access_token: expect.any(String) as string,
        token_type: "Bearer",
        expires_in: 600,
        scope: "read write",
        refresh_token: expect.stringMatching(/^rt_[\w-]{43}$/) as string,
      },
    ]);
    const claims = claimsOf(body.access_token);
    expect(claims).toMatchObject({
      aud: api,
      sub: alice.id,
      client_id: desk.id,
      scope: "read write",
      gid: expect.stringMatching(/^gnt_/) as string,
    });
    expect(claims).not.toHaveProperty("act");
    expect(await statusOf(body.access_token)).toBe(true);
    const rows = await house.db.read.selectFrom("refresh_tokens").selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(body.refresh_token);
  });

  test("of an agent names the agent as the one that acts", async () => {
    const { scout, alice, redeemed } = await open();
    const { body } = await redeemed(scout, { client: scout.id, user: alice });
    expect(claimsOf(body.access_token)).toMatchObject({ sub: alice.id, act: { sub: scout.id }, client_id: scout.id });
  });

  test("with openid gives an ID token for the client alone, which opens nothing", async () => {
    const { desk, alice, introspect, server } = await open();
    const { body } = await redeem(await issue({ scopes: ["openid", "read"], nonce: "n-0S6_WzA2Mj" }));
    const id = claimsOf(body.id_token);
    expect(id).toMatchObject({ iss: issuerUrl, aud: desk.id, sub: alice.id, nonce: "n-0S6_WzA2Mj" });
    expect(id["auth_time"]).toBe(Math.floor((oauth.hand.clock() - 5_000) / 1000));
    expect(id).toHaveProperty("at_hash");
    // OpenID Connect Core 11: who asks for a login gets no lasting access unless that was asked for too.
    expect(body).not.toHaveProperty("refresh_token");
    expect((await redeem(await issue({ scopes: ["offline_access", "openid", "read"] }))).body).toHaveProperty("refresh_token");
    expect(await introspect(server, body.id_token)).toEqual({ active: false });
  });

  test("is refused the same, byte for byte, whatever does not fit: nothing is used up by it", async () => {
    const { scout, token } = await open();
    const code = await issue();
    const other = await redeem("ac_unknown");
    const tried: readonly Params[] = [
      { code: `${code}x` },
      { code_verifier: `${verifier.slice(0, -1)}x` },
      { code_verifier: undefined },
      { code_verifier: "short" },
      { code_verifier: `${verifier}${"x".repeat(100)}` },
      { redirect_uri: `${appBackUrl}/` },
      { redirect_uri: "http://127.0.0.1:1234/back" },
      { redirect_uri: "https://evil.example/back" },
    ];
    for (const params of tried) {
      const { status, text } = await redeem(code, params);
      expect([params, status, text]).toEqual([params, 400, other.text]);
    }
    expect(other.body).toEqual({ error: "invalid_grant", error_description: expect.any(String) as string });
    // Another client, which proves itself well.
    const stolen = await token(scout, { grant_type: "authorization_code", code, redirect_uri: appBackUrl, code_verifier: verifier });
    expect([stolen.status, stolen.text]).toEqual([400, other.text]);
    const twin = await oauth.house.clients.apps.create(admin, { name: "twin", title: "desk", redirectUris: [appBackUrl] });
    const byTwin = await redeem(code, { client_id: twin.id });
    expect([byTwin.status, byTwin.text]).toEqual([400, other.text]);
    expect((await redeem(code, { resource: down })).body.error).toBe("invalid_target");
    expect((await redeem(code, { resource: api })).status).toBe(200);
  });

  test("is for the resource that the person was asked for, also where its client may use another", async () => {
    const { scout, alice, token } = await open();
    const code = await issue({ client: scout.id, user: alice, scopes: ["read"] });
    const ask = { grant_type: "authorization_code", code, redirect_uri: backUrl, code_verifier: verifier };
    expect((await token(scout, { ...ask, resource: down })).body.error).toBe("invalid_target");
    expect(claimsOf((await token(scout, ask)).body.access_token)["aud"]).toBe(api);
  });

  test("without a code, client or grant it is a request that is not right", async () => {
    await open();
    const code = await issue();
    expect((await redeem(code, { code: undefined })).body.error).toBe("invalid_request");
    expect((await redeem(code, { code: "" })).body.error).toBe("invalid_request");
    expect((await redeem(code, { client_id: undefined })).body.error).toBe("invalid_client");
  });

  test("may leave out the redirect URI where the client has only one", async () => {
    await open();
    expect((await redeem(await issue(), { redirect_uri: undefined })).status).toBe(200);
    await oauth.house.clients.apps.update(admin, "desk", { redirectUris: [appBackUrl, "https://desk.example/back"] });
    expect((await redeem(await issue(), { redirect_uri: undefined })).body.error).toBe("invalid_grant");
  });

  test("works once: brought again, all that it gave is dead, also after a restart and what was exchanged for it", async () => {
    const { token, server, introspect, house } = await open();
    const code = await issue();
    const first = await redeem(code);
    const exchanged = await token(server, {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: first.body.access_token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      resource: down,
      scope: "read",
    });
    expect(exchanged.status).toBe(200);
    expect(await statusOf(first.body.access_token)).toBe(true);
    expect((await introspect(server, exchanged.body.access_token)).active).toBe(true);

    const second = await redeem(code);
    expect([second.status, second.body.error]).toEqual([400, "invalid_grant"]);
    expect(await statusOf(first.body.access_token)).toBe(false);
    expect((await introspect(server, exchanged.body.access_token)).active).toBe(false);
    const refreshed = await token(undefined, {
      grant_type: "refresh_token",
      client_id: oauth.desk.id,
      refresh_token: first.body.refresh_token,
    });
    expect(refreshed.body.error).toBe("invalid_grant");
    const [row] = (await house.audit.list("default", { action: "grant.revoked" }, { limit: 5 })).items;
    expect(row).toMatchObject({ target: claimsOf(first.body.access_token)["gid"], details: { reason: "code_reused" } });
  });

  test("of many who redeem it at once one gets tokens, and nobody keeps them", async () => {
    await open();
    const code = await issue();
    const answers = await Promise.all(Array.from({ length: 16 }, () => redeem(code)));
    const given = answers.filter(({ status }) => status === 200);
    expect(given.length).toBeLessThanOrEqual(1);
    expect(answers.filter(({ body }) => body.error === "invalid_grant")).toHaveLength(16 - given.length);
    for (const { body } of given) expect(await statusOf(body.access_token)).toBe(false);
  });

  test("dies after a minute, and with a change of the client, a suspended user and a suspended app", async () => {
    const { hand, house, desk, alice } = await open();
    const late = await issue();
    hand.forward(60_000);
    expect((await redeem(late)).body.error).toBe("invalid_grant");
    const changed = await issue();
    await house.clients.apps.update(admin, "desk", { title: "Another name" });
    expect((await redeem(changed)).body.error).toBe("invalid_grant");
    const ofUser = await issue();
    await house.users.suspend(admin, alice.id);
    expect((await redeem(ofUser)).body.error).toBe("invalid_grant");
    await house.users.resume(admin, alice.id);
    // What was granted before a suspension stays dead.
    expect((await redeem(ofUser)).body.error).toBe("invalid_grant");
    const user = await house.users.get("default", alice.id);
    const ofApp = await issue({ user });
    await house.clients.apps.suspend(admin, desk.id);
    expect((await redeem(ofApp)).body.error).toBe("invalid_client");
    await house.clients.apps.resume(admin, desk.id);
    expect((await redeem(ofApp)).body.error).toBe("invalid_grant");
  });

  test("leaves nothing in the store by which anybody could go on: no code, no token, no verifier", async () => {
    const { house, token, introspect, server } = await open();
    const code = await issue({ scopes: ["offline_access", "openid", "read"] });
    const { body } = await redeem(code);
    const next = await token(undefined, { grant_type: "refresh_token", client_id: oauth.desk.id, refresh_token: body.refresh_token });
    await redeem(code, { code_verifier: undefined });
    await introspect(server, next.body.access_token);
    const given = [code, verifier, ...[body, next.body].flatMap((one) => [one.access_token, one.refresh_token, one.id_token ?? code])];
    const rows: string[] = [];
    for (const { name } of await house.db.read.introspection.getTables())
      rows.push(
        JSON.stringify(
          await house.db.read
            .selectFrom(name as "oauth_grants")
            .selectAll()
            .execute(),
        ),
      );
    const stored = rows.join("\n");
    expect(stored).toContain("code_reused");
    expect(given.filter((secret) => secret === undefined || stored.includes(secret))).toEqual([]);
    // A JWT's signature alone would do with its parts from elsewhere.
    expect(given.filter((secret) => stored.includes(secret?.split(".")[2] ?? "nothing"))).toEqual([]);
  });

  test("that is bound to a key needs a proof of that key", async () => {
    await open();
    const url = `${issuerUrl}/oauth2/token`;
    const [mine, foreign] = [await makeProver(), await makeProver()];
    const at = oauth.hand.clock();
    const asked = await redeem("ac_any", {}, { dpop: await mine.proof({ url, at }) });
    expect([asked.status, asked.body.error]).toEqual([400, "use_dpop_nonce"]);
    const nonce = String(asked.headers["dpop-nonce"]);
    const code = await issue({ dpopThumbprint: mine.thumbprint });
    expect((await redeem(code)).body.error).toBe("invalid_grant");
    expect((await redeem(code, {}, { dpop: await foreign.proof({ url, nonce, at }) })).body.error).toBe("invalid_grant");
    const bent = await redeem(code, {}, { dpop: await mine.proof({ url: `${issuerUrl}/oauth2/revoke`, nonce, at }) });
    expect([bent.status, bent.body.error]).toEqual([400, "invalid_dpop_proof"]);
    const good = await redeem(code, {}, { dpop: await mine.proof({ url, nonce, at }) });
    expect(good.body).toMatchObject({ token_type: "DPoP" });
    expect(good.headers["dpop-nonce"]).toBe(nonce);
    expect(claimsOf(good.body.access_token)).toMatchObject({ cnf: { jkt: mine.thumbprint } });

    const refresh = { grant_type: "refresh_token", client_id: oauth.desk.id, refresh_token: good.body.refresh_token };
    expect((await oauth.token(undefined, refresh)).body.error).toBe("invalid_grant");
    const byForeign = await oauth.token(undefined, refresh, { dpop: await foreign.proof({ url, nonce, at }) });
    expect(byForeign.body.error).toBe("invalid_grant");
    const proof = await mine.proof({ url, nonce, at });
    const refreshed = await oauth.token(undefined, refresh, { dpop: proof });
    expect([refreshed.status, refreshed.body.token_type]).toEqual([200, "DPoP"]);
    expect((await oauth.token(undefined, refresh, { dpop: proof })).body.error).toBe("invalid_dpop_proof");
  });

  test("of an agent that is bound to a key still needs the agent's secret", async () => {
    const { scout, token, alice } = await open();
    const code = await issue({ client: scout.id, user: alice, redirectUri: backUrl });
    const ask = { grant_type: "authorization_code", code, redirect_uri: backUrl, code_verifier: verifier };
    expect((await token(undefined, { ...ask, client_id: scout.id })).body.error).toBe("invalid_client");
    expect((await token(scout, ask)).status).toBe(200);
  });
});
