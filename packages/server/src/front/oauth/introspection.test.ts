import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openTestHouse } from "../../testing/house.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { makeProver } from "../../testing/prover.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, api, basic, claimsOf, down, issuerUrl, type Oauth, openOauth, serveHouse } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("what is said of a token", (fresh) => {
  let oauth: Oauth;
  afterEach(() => oauth.close());
  const open = async () => {
    const store = await fresh();
    oauth = await openOauth(store, issuer);
    return { ...oauth, store };
  };
  const own = async (client = oauth.scout) =>
    (await oauth.token(client, { grant_type: "client_credentials", resource: api })).body.access_token ?? "";

  test("is all of it for its client and for the resource it was sent to, and nothing for anybody else", async () => {
    const { scout, other, server, stranger, introspect } = await open();
    const token = await own();
    const claims = claimsOf(token);
    const whole = {
      active: true,
      scope: "read sync write",
      client_id: scout.id,
      token_type: "Bearer",
      exp: claims["exp"],
      iat: claims["iat"],
      sub: scout.id,
      aud: api,
      iss: issuerUrl,
      jti: claims["jti"],
    };
    expect(await introspect(scout, token)).toEqual(whole);
    expect(await introspect(server, token)).toEqual(whole);
    for (const client of [other, stranger]) expect(await introspect(client, token)).toEqual({ active: false });
    // To be a resource is to be that one: the server of `api` is nobody at `down`.
    const elsewhere = (await oauth.token(scout, { grant_type: "client_credentials", resource: down })).body.access_token;
    expect(await introspect(server, elsewhere)).toEqual({ active: false });
  });

  test("tells who acts for whom, and to which key it is bound", async () => {
    const { scout, server, alice, introspect, userToken, token } = await open();
    const prover = await makeProver();
    const proof = await prover.proof({
      url: `${issuerUrl}/oauth2/token`,
      nonce: oauth.house.dpop.nonce("default"),
      at: oauth.hand.clock(),
    });
    const exchanged = await token(
      scout,
      {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: await userToken(),
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        resource: api,
      },
      { dpop: proof },
    );
    expect(await introspect(server, exchanged.body.access_token)).toMatchObject({
      active: true,
      sub: alice.id,
      act: { sub: scout.id },
      cnf: { jkt: prover.thumbprint },
      token_type: "DPoP",
    });
  });

  test("of a refresh token is for its client alone, until it is spent", async () => {
    const { scout, server, alice, introspect, redeemed, token } = await open();
    const { body } = await redeemed(scout, { client: scout.id, user: alice });
    const refresh = body.refresh_token ?? "";
    const said = await introspect(scout, refresh);
    expect(said).toEqual({
      active: true,
      scope: "read write",
      client_id: scout.id,
      exp: expect.any(Number) as number,
      iat: expect.any(Number) as number,
      sub: alice.id,
      aud: api,
      iss: issuerUrl,
      act: { sub: scout.id },
    });
    expect(await introspect(server, refresh)).toEqual({ active: false });
    await token(scout, { grant_type: "refresh_token", refresh_token: refresh });
    expect(await introspect(scout, refresh)).toEqual({ active: false });
  });

  test("is exactly that it is not active, for whatever is dead, unknown or none of ours", async () => {
    const { scout, userToken, house, hand, introspect, revoke } = await open();
    const revoked = await own();
    await revoke(scout, { token: revoked });
    const { token: workload } = await house.workloadTokens.issue(admin, { agent: scout.id });
    const token = await own();
    for (const text of ["rubbish", "a.b.c", `${token.slice(0, -2)}xx`, await userToken(), workload, revoked, "rt_x", scout.secret])
      expect([text.slice(0, 8), await introspect(scout, text)]).toEqual([text.slice(0, 8), { active: false }]);
    expect((await introspect(scout, token)).active).toBe(true);
    await house.signing.rotate(admin).catch(() => undefined);
    hand.forward(600_000);
    expect(await introspect(scout, token)).toEqual({ active: false });
  });

  test("needs a client that proves itself, and a token", async () => {
    const { post, scout, desk } = await open();
    const nobody = await post("/oauth2/introspect", { token: "x" });
    expect([nobody.statusCode, nobody.json<{ error: string }>().error]).toEqual([401, "invalid_client"]);
    // RFC 7662 2.1: nobody tries tokens out in the name of an app that everybody can claim to be.
    const asApp = await post("/oauth2/introspect", { token: await own(), client_id: desk.id });
    expect([asApp.statusCode, asApp.body]).toEqual([401, nobody.body]);
    const none = await post("/oauth2/introspect", {}, { authorization: basic(scout) });
    expect([none.statusCode, none.json<{ error: string }>().error]).toEqual([400, "invalid_request"]);
    const twice = await post("/oauth2/introspect", "token=a&token=b", { authorization: basic(scout) });
    expect([twice.statusCode, twice.json<{ error: string }>().error]).toEqual([400, "invalid_request"]);
  });

  test("a Coze access token is taken back by its own client, dies alone, and on every replica", async () => {
    const { store, scout, other, revoke, house, hand } = await open();
    const agent = await house.agents.get("default", "scout");
    const asks = { tenant: "default", actors: [agent.id], method: "access_token", requestId: "req_test" } as const;
    const issued = async () =>
      (await house.doorTokens.issue({ ...asks, caller: { kind: "agent", id: agent.id }, agent }, "coze_access")).token;
    const [taken, kept] = [await issued(), await issued()];
    const opens = (token: string, at = house) =>
      at.authn.proveDoor({ tenant: undefined, requestId: "req_test", address: undefined, token }, "coze_access").then(
        (proven) => proven.agent?.id,
        ({ code }: { code: string }) => code,
      );
    const more = store.engine === "postgres" ? await openTestHouse(store, { clock: hand.clock }) : undefined;
    const replica = more ?? house;
    try {
      expect([await opens(taken), await opens(taken, replica)]).toEqual([agent.id, agent.id]);
      expect((await revoke(other, { token: taken })).status).toBe(200);
      expect(await opens(taken)).toBe(agent.id);
      for (let round = 0; round < 2; round += 1) expect((await revoke(scout, { token: taken })).status).toBe(200);
      expect([await opens(taken), await opens(kept)]).toEqual(["unauthenticated", agent.id]);
      await expect.poll(() => opens(taken, replica), { timeout: 10_000 }).toBe("unauthenticated");
      const rows = (await house.audit.list("default", { action: "token.revoked" }, { limit: 5 })).items;
      expect(rows.map((row) => [row.target, row.agent, row.details])).toEqual([
        [claimsOf(taken)["jti"], agent.id, { client: scout.id, kind: "coze_access" }],
      ]);
    } finally {
      await more?.close();
    }
  });

  test("follows a revocation on every replica within two seconds, and an access token dies alone", async () => {
    const { store, scout, server, alice, redeemed, introspect, revoke, token, house, hand } = await open();
    const { body } = await redeemed(scout, { client: scout.id, user: alice });
    const again = await token(scout, { grant_type: "refresh_token", refresh_token: body.refresh_token });
    const more = store.engine === "postgres" ? await openTestHouse(store, { clock: hand.clock }) : undefined;
    const replica = more && (await serveHouse(more));
    const elsewhere = replica?.introspect ?? introspect;
    expect((await elsewhere(server, body.access_token)).active).toBe(true);

    expect((await revoke(oauth.other, { token: body.access_token })).status).toBe(200);
    expect((await introspect(server, body.access_token)).active).toBe(true);
    expect((await revoke(scout, { token: body.access_token })).status).toBe(200);
    expect((await introspect(server, body.access_token)).active).toBe(false);
    await expect.poll(async () => (await elsewhere(server, body.access_token)).active, { timeout: 5_000 }).toBe(false);
    expect((await elsewhere(server, again.body.access_token)).active).toBe(true);
    const [row] = (await house.audit.list("default", { action: "token.revoked" }, { limit: 5 })).items;
    expect(row).toMatchObject({
      target: claimsOf(body.access_token)["jti"],
      callerId: scout.id,
      details: { client: scout.id, audience: api },
    });

    await revoke(scout, { token: again.body.refresh_token });
    await expect.poll(async () => (await elsewhere(server, again.body.access_token)).active, { timeout: 5_000 }).toBe(false);
    // What was taken back is forgotten once it would be dead anyway.
    expect(await house.db.read.selectFrom("revoked_tokens").selectAll().execute()).toHaveLength(1);
    hand.forward(2 * 60 * 60_000);
    await house.jobs.runNow("grants.sweep");
    expect(await house.db.read.selectFrom("revoked_tokens").selectAll().execute()).toEqual([]);
    await replica?.http.close();
    await more?.close();
  });
});
