import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { makeProver } from "../../testing/prover.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, api, basic, claimsOf, type Confidential, down, issuerUrl, type Oauth, openOauth, type Params } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

const type = (name: string) => `urn:ietf:params:oauth:token-type:${name}`;

eachStore("a token exchange", (fresh) => {
  let oauth: Oauth;
  afterEach(() => oauth.close());
  const open = async () => {
    oauth = await openOauth(await fresh(), issuer);
    return oauth;
  };
  const exchange = (
    client: Confidential,
    subject_token: string | undefined,
    params: Params = {},
    headers: Readonly<Record<string, string>> = {},
  ) =>
    oauth.token(
      client,
      {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token,
        subject_token_type: type("access_token"),
        ...params,
      },
      headers,
    );
  const ofUser = { subject_token_type: type("id_token") };
  const own = async (client: Confidential, params: Params = { resource: api }) =>
    (await oauth.token(client, { grant_type: "client_credentials", ...params })).body.access_token;
  const workload = async (agent: string, userToken?: string) =>
    (await oauth.house.workloadTokens.issue(admin, { agent, ...(userToken !== undefined && { userToken }) })).token;

  test("of a user's token makes one for the user, with the agent as the one that acts", async () => {
    const { scout, alice, userToken, house } = await open();
    const { status, body } = await exchange(scout, await userToken(), { ...ofUser, resource: api, scope: "read" });
    expect([status, body]).toEqual([
      200,
      {
        access_token: expect.any(String) as string,
        token_type: "Bearer",
        expires_in: expect.any(Number) as number,
        scope: "read",
        issued_token_type: type("access_token"),
      },
    ]);
    expect(claimsOf(body.access_token)).toMatchObject({
      sub: alice.id,
      act: { sub: scout.id },
      client_id: scout.id,
      aud: api,
      scope: "read",
    });
    const [row] = (await house.audit.list("default", { action: "token.issued" }, { limit: 1 })).items;
    expect(row).toMatchObject({ agent: scout.id, user: alice.id });
    const asJwt = await exchange(scout, await userToken(), {
      subject_token_type: type("jwt"),
      resource: api,
      requested_token_type: type("jwt"),
    });
    expect(asJwt.body.issued_token_type).toBe(type("jwt"));
  });

  test("passes a token on from the resource that it was sent to, which joins the chain in front", async () => {
    const { scout, server, alice, userToken } = await open();
    const one = (await exchange(scout, await userToken(), { ...ofUser, resource: api })).body;
    const two = await exchange(server, one.access_token, { resource: down });
    expect(two.status).toBe(200);
    expect(claimsOf(two.body.access_token)).toMatchObject({
      sub: alice.id,
      client_id: server.id,
      aud: down,
      // In neither hand was `drop`, and `write` means nothing there.
      scope: "read sync",
      act: { sub: server.id, act: { sub: scout.id } },
    });
    const [row] = (await oauth.house.audit.list("default", { action: "token.issued" }, { limit: 1 })).items;
    expect(row).toMatchObject({ agent: server.id, user: alice.id, details: { actors: [server.id, scout.id] } });
  });

  test("of an agent's own token keeps the agent as the subject", async () => {
    const { scout, server } = await open();
    const one = await own(scout);
    const two = (await exchange(server, one, { resource: down })).body;
    expect(claimsOf(two.access_token)).toMatchObject({ sub: scout.id, act: { sub: server.id }, client_id: server.id });
    const narrowed = (await exchange(scout, one, { scope: "read" })).body;
    expect(claimsOf(narrowed.access_token)).toMatchObject({ sub: scout.id, aud: api, scope: "read" });
    expect(claimsOf(narrowed.access_token)).not.toHaveProperty("act");
  });

  test("of a workload token makes one for the agent, or for its user; of nobody else's", async () => {
    const { scout, other, alice, userToken } = await open();
    const alone = await exchange(scout, await workload(scout.id), { resource: api });
    expect(claimsOf(alone.body.access_token)).toMatchObject({ sub: scout.id, aud: api });
    const forUser = await exchange(scout, await workload(scout.id, await userToken()), { subject_token_type: type("jwt"), resource: api });
    expect(claimsOf(forUser.body.access_token)).toMatchObject({ sub: alice.id, act: { sub: scout.id } });
    expect((await exchange(other, await workload(scout.id), { resource: api })).body.error).toBe("invalid_request");
  });

  test("is refused in one way, whatever is the matter with the token", async () => {
    const { scout, other, stranger, server, userToken, redeemed, desk, alice } = await open();
    const mine = await own(scout);
    const person = await redeemed(undefined, { client: desk.id, user: alice, scopes: ["openid", "offline_access", "read"] });
    const said = (await exchange(scout, "rubbish", { resource: api })).text;
    const tried: readonly (readonly [string, Confidential, string | undefined, Params])[] = [
      ["another client's", other, mine, {}],
      ["another client's, which has nothing to do with it", stranger, mine, {}],
      ["an ID token of ours", server, person.body.id_token, ofUser],
      ["a refresh token", server, person.body.refresh_token, {}],
      ["altered", scout, `${mine?.slice(0, -3)}abc`, {}],
      ["of another kind than it says", scout, mine, ofUser],
      ["a user's, for somebody else", scout, await userToken({ aud: "somebody-else" }), ofUser],
      ["a user's, expired", scout, await userToken({ exp: Math.floor(oauth.hand.clock() / 1000) - 60 }), ofUser],
      ["of an issuer that is not trusted", scout, await userToken({ iss: "https://evil.example" }), ofUser],
      ["without a signature", scout, `${Buffer.from('{"alg":"none"}').toString("base64url")}.${mine?.split(".")[1]}.`, {}],
      ["an app's, at a resource that the asker is not", other, person.body.access_token, {}],
    ];
    for (const [what, client, token, params] of tried) {
      const { status, text } = await exchange(client, token, { resource: api, ...params });
      expect([what, status, text]).toEqual([what, 400, said]);
    }
    expect(JSON.parse(said)).toMatchObject({ error: "invalid_request" });
  });

  test("needs both tokens said whole, and gives no kind of token but its own", async () => {
    const { scout, desk, token } = await open();
    const mine = await own(scout);
    for (const params of [
      { subject_token: undefined },
      { subject_token_type: undefined },
      { subject_token_type: type("refresh_token") },
      { subject_token_type: "__proto__" },
      { actor_token: mine },
      { actor_token_type: type("jwt") },
      { actor_token: mine, actor_token_type: type("saml2") },
      { requested_token_type: type("refresh_token") },
      { requested_token_type: type("id_token") },
      { requested_token_type: "urn:ietf:params:oauth:token-type:id-jag" },
    ]) {
      expect([params, (await exchange(scout, mine, params)).body.error]).toEqual([params, "invalid_request"]);
    }
    const asApp = await token(undefined, {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      client_id: desk.id,
      subject_token: mine,
      subject_token_type: type("access_token"),
    });
    expect(asApp.body.error).toBe("unauthorized_client");
  });

  test("never takes the caller's word for who acts", async () => {
    const { scout, other, userToken } = await open();
    const act = JSON.stringify({ sub: other.id });
    const { body } = await exchange(scout, await userToken({ act: { sub: other.id } }), {
      ...ofUser,
      resource: api,
      act,
      actor: other.id,
      may_act: act,
    });
    expect(claimsOf(body.access_token)["act"]).toEqual({ sub: scout.id });
  });

  test("takes an actor's own token: of itself, or the workload token that another agent was trusted with", async () => {
    const { scout, other, server, userToken, alice } = await open();
    const actor = (token: string | undefined, actor_token_type = type("access_token")): Params => ({
      actor_token: token,
      actor_token_type,
    });
    const user = { ...ofUser, resource: api };
    const itself = await exchange(scout, await userToken(), { ...user, ...actor(await own(scout)) });
    expect(claimsOf(itself.body.access_token)).toMatchObject({ sub: alice.id, act: { sub: scout.id } });
    const trusted = await exchange(scout, await userToken(), { ...user, ...actor(await workload(other.id), type("jwt")) });
    expect(claimsOf(trusted.body.access_token)).toMatchObject({
      sub: alice.id,
      act: { sub: other.id, act: { sub: scout.id } },
      client_id: scout.id,
    });
    // Who stands in the chain already does not join it twice.
    const once = await exchange(scout, await workload(scout.id), { resource: api, ...actor(await workload(other.id), type("jwt")) });
    expect(claimsOf(once.body.access_token)).toMatchObject({ sub: scout.id, act: { sub: other.id }, client_id: scout.id });
    // Nor does whoever acted before come to stand in front of who asks for it.
    const ofOther = (await exchange(other, await userToken(), user)).body.access_token;
    const round = await exchange(server, ofOther, { resource: api, ...actor(await workload(other.id), type("jwt")) });
    expect([round.status, round.body.error_description]).toEqual([400, "The agent acts in this chain already."]);
    // The ceiling is that of whoever acts, and of whoever asks.
    expect(trusted.body.scope).toBe("read write");
    for (const [what, token] of [
      ["an access token of another agent, as any resource has it", await own(other)],
      ["one that is about a user", await workload(other.id, await userToken())],
      ["one of an agent for which another acts", (await exchange(server, await own(scout), { resource: down })).body.access_token],
      ["a user's", await userToken()],
    ] as const) {
      expect([what, (await exchange(scout, await userToken(), { ...user, ...actor(token) })).body.error]).toEqual([
        what,
        "invalid_request",
      ]);
    }
  });

  test("heeds may_act of a user's token: the agent that it names, and nobody else", async () => {
    const { scout, other, userToken } = await open();
    const ask = { ...ofUser, resource: api };
    const forScout = await userToken({ may_act: { sub: scout.id } });
    expect((await exchange(scout, forScout, ask)).status).toBe(200);
    expect((await exchange(other, forScout, ask)).body.error).toBe("invalid_request");
    expect((await exchange(scout, await userToken({ may_act: { sub: scout.id, iss: issuerUrl } }), ask)).status).toBe(200);
    for (const may_act of [{ sub: scout.id, iss: "https://evil.example" }, {}, null, scout.id, [scout.id], { sub: [scout.id] }])
      expect([may_act, (await exchange(scout, await userToken({ may_act }), ask)).body.error]).toEqual([may_act, "invalid_request"]);
  });

  test("widens neither scope nor audience, by whichever agent of the chain", async () => {
    const { scout, other, server, userToken } = await open();
    const read = (await exchange(scout, await userToken(), { ...ofUser, resource: api, scope: "read" })).body.access_token;
    for (const scope of ["write", "read write", "sync", "openid"])
      expect([scope, (await exchange(scout, read, { scope })).body.error]).toEqual([scope, "invalid_scope"]);
    // Its own client may have less of it at the same place, and carries it nowhere else, though it may use both.
    expect((await exchange(scout, read, { resource: down })).body.error).toBe("invalid_target");
    expect((await exchange(scout, read)).body.scope).toBe("read");
    for (const scope of ["sync", "drop", "read sync"])
      expect([scope, (await exchange(server, read, { resource: down, scope })).body.error]).toEqual([scope, "invalid_scope"]);
    // `other` may not use what lies behind, so nobody may there on its behalf.
    const ofOther = (await exchange(other, await userToken(), { ...ofUser, resource: api })).body.access_token;
    expect((await exchange(server, ofOther, { resource: down })).body.error).toBe("invalid_target");
    expect((await exchange(server, ofOther, { audience: `${issuerUrl}/vault` })).body.error).toBe("invalid_target");
  });

  test("outlives nothing that it was made from", async () => {
    const { scout, server, userToken, hand } = await open();
    const now = Math.floor(hand.clock() / 1000);
    const one = (await exchange(scout, await userToken({ exp: now + 90 }), { ...ofUser, resource: api })).body;
    expect(one.expires_in).toBe(90);
    hand.forward(30_000);
    const two = (await exchange(server, one.access_token, { resource: down })).body;
    expect(claimsOf(two.access_token)["exp"]).toBe(now + 90);
    const narrowed = (await exchange(scout, one.access_token)).body;
    expect(claimsOf(narrowed.access_token)["exp"]).toBe(now + 90);
    hand.forward(60_000);
    expect((await exchange(server, one.access_token, { resource: down })).body.error).toBe("invalid_request");
  });

  test("ends where a chain is too long or comes round again", async () => {
    const { house, scout, server, userToken, token } = await open();
    // Each of these is the resource of its name, and may use the next one.
    const ring: Confidential[] = [];
    for (let at = 0; at < 6; at += 1) {
      const { id } = await house.agents.create(admin, { name: `ring${at}`, labels: { ring: "yes" } });
      ring.push({ id, secret: (await house.agents.createClientSecret(admin, id, {})).clientSecret });
      await house.clients.resources.create(admin, {
        name: `ring${at}`,
        identifier: `https://ring${at}.example/`,
        agents: ["label:ring", "scout"],
        servers: [`ring${at}`],
        scopes: [{ name: "read" }],
      });
    }
    let current = (await exchange(scout, await userToken(), { ...ofUser, resource: "https://ring0.example/" })).body.access_token;
    const answers = [];
    for (const [at, agent] of ring.entries()) {
      const answer = await exchange(agent, current, { resource: `https://ring${(at + 1) % 6}.example/` });
      answers.push(answer);
      current = answer.body.access_token ?? current;
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 400, 400]);
    expect(answers[4]?.body).toEqual({ error: "invalid_request", error_description: "Too many agents act one for another." });
    const [zero, one] = ring;
    if (!zero || !one) throw new Error("no ring");
    // Who asks for another agent counts too: the fourth one has room for itself and not for both.
    let deep: string | undefined = (await exchange(scout, await userToken(), { ...ofUser, resource: "https://ring0.example/" })).body
      .access_token;
    for (const [at, agent] of ring.slice(0, 3).entries())
      deep = (await exchange(agent, deep, { resource: `https://ring${at + 1}.example/` })).body.access_token;
    const [fourth, fifth] = ring.slice(3);
    if (!fourth || !fifth) throw new Error("no ring");
    const shown = { actor_token: await workload(fifth.id), actor_token_type: type("jwt"), resource: "https://ring3.example/" };
    const both = await exchange(fourth, deep, shown);
    expect([both.status, both.body.error_description]).toEqual([400, "Too many agents act one for another."]);
    expect((await exchange(fourth, deep, { resource: "https://ring3.example/" })).status).toBe(200);
    const first = (await exchange(scout, await userToken(), { ...ofUser, resource: "https://ring0.example/" })).body.access_token;
    const second = (await exchange(zero, first, { resource: "https://ring1.example/" })).body.access_token;
    const third = (await exchange(one, second, { resource: "https://ring0.example/" })).body.access_token;
    const round = await exchange(zero, third, { resource: "https://ring2.example/" });
    expect([round.status, round.body.error_description]).toEqual([400, "The agent acts in this chain already."]);
    expect(server).toBeDefined();
    expect((await token(zero, { grant_type: "client_credentials", resource: "https://ring1.example/" })).status).toBe(200);
  });

  test("dies with every agent that it passed through, and refuses the next one at once", async () => {
    const { scout, server, userToken, house, introspect } = await open();
    const one = (await exchange(scout, await userToken(), { ...ofUser, resource: api })).body.access_token;
    const two = (await exchange(server, one, { resource: down })).body.access_token;
    expect((await introspect(server, two)).active).toBe(true);
    await house.agents.suspend(admin, scout.id);
    expect((await introspect(server, two)).active).toBe(false);
    expect((await exchange(server, one, { resource: down })).body.error).toBe("invalid_request");
    await house.agents.resume(admin, scout.id);
    expect((await exchange(server, one, { resource: down })).body.error).toBe("invalid_request");
    expect((await introspect(server, two)).active).toBe(false);
  });

  test("dies with whoever got it, though another agent acts in it: with every agent of the chain, for good", async () => {
    const { scout, other, server, stranger, userToken, house, introspect } = await open();
    await house.clients.resources.update(admin, "api", { servers: ["server", "stranger"] });
    const actor = async () => ({ actor_token: await workload(other.id), actor_token_type: type("jwt"), resource: api });
    const direct = async () => exchange(scout, await userToken(), { ...ofUser, ...(await actor()) });
    const passedOn = async () => {
      const first = await exchange(scout, await userToken(), { ...ofUser, resource: api });
      return exchange(server, first.body.access_token, await actor());
    };
    for (const [make, act, chain] of [
      [direct, { sub: other.id, act: { sub: scout.id } }, [other, scout]],
      [passedOn, { sub: other.id, act: { sub: server.id, act: { sub: scout.id } } }, [other, server, scout]],
    ] as const) {
      for (const { id } of chain) {
        const token = (await make()).body.access_token;
        expect(claimsOf(token)["act"]).toEqual(act);
        expect(await introspect(stranger, token)).toMatchObject({ active: true, act });
        await house.agents.suspend(admin, id);
        expect([id, await introspect(stranger, token)]).toEqual([id, { active: false }]);
        await house.agents.resume(admin, id);
        expect([id, await introspect(stranger, token)]).toEqual([id, { active: false }]);
      }
    }
    const [row] = (await house.audit.list("default", { action: "token.issued" }, { limit: 1 })).items;
    expect(row).toMatchObject({ agent: other.id, details: { client: server.id, actors: [other.id, server.id, scout.id] } });
    const last = (await direct()).body.access_token;
    expect((await introspect(stranger, last)).active).toBe(true);
    await house.agents.remove(admin, scout.id);
    expect(await introspect(stranger, last)).toEqual({ active: false });
  });

  test("does not loosen what is bound to a key", async () => {
    const { scout, server, userToken } = await open();
    const [mine, foreign] = [await makeProver(), await makeProver()];
    const url = `${issuerUrl}/oauth2/token`;
    const at = oauth.hand.clock();
    const nonce = oauth.house.dpop.nonce("default");
    const bound = await exchange(scout, await userToken(), { ...ofUser, resource: api }, { dpop: await mine.proof({ url, nonce, at }) });
    expect(bound.body.token_type).toBe("DPoP");
    expect((await exchange(scout, bound.body.access_token)).body.error).toBe("invalid_request");
    const byForeign = await exchange(scout, bound.body.access_token, {}, { dpop: await foreign.proof({ url, nonce, at }) });
    expect(byForeign.body.error).toBe("invalid_request");
    const byMine = await exchange(scout, bound.body.access_token, {}, { dpop: await mine.proof({ url, nonce, at }) });
    expect(claimsOf(byMine.body.access_token)).toMatchObject({ cnf: { jkt: mine.thumbprint } });
    expect((await exchange(server, bound.body.access_token, { resource: down })).status).toBe(200);
  });

  test("in another tenant's name finds nothing", async () => {
    const { post, scout, userToken } = await open();
    await oauth.house.tenants.create(admin, "acme");
    const answer = await post(
      "/t/acme/oauth2/token",
      {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: await userToken(),
        subject_token_type: type("id_token"),
        resource: api,
      },
      { authorization: basic(scout) },
    );
    expect([answer.statusCode, answer.json<{ error: string }>().error]).toEqual([401, "invalid_client"]);
  });
});
