import { afterEach, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import {
  admin,
  bytesOf,
  exchangeGrant,
  idTokenType,
  keptBy,
  openCoze,
  type OpenCoze,
  type TestClient,
  type TokenBody,
} from "./coze-for-tests.ts";

const page = { limit: 50 };

eachStore("the Coze wire", (fresh) => {
  let wire: OpenCoze;
  afterEach(() => wire.close());

  const furnished = async (): Promise<TestClient> => {
    wire = await openCoze(await fresh());
    const { projects } = wire.house;
    await projects.put(admin, "shop", {});
    await projects.variablesOf.put(admin, "shop", "REGION", { value: 'eu "west"\n' });
    await projects.variablesOf.put(admin, "shop", "ALPHA", { value: "仓库" });
    await projects.variablesOf.put(admin, "shop", "REGION", { value: "test", lane: "ppe_test" });
    await projects.integrationsOf.put(admin, "shop", "maps", { credential: "maps-credential" });
    return wire.client("scout", { project: "shop" });
  };
  const rows = async (action: string) => (await wire.house.audit.list("default", { action }, page)).items;

  test("two steps, at one address or two, lead to what the agent's project holds, byte for byte as the original reads it", async () => {
    const scout = await furnished();
    const first = await wire.first(scout);
    expect(first.statusCode).toBe(200);
    const { access_token: idToken, ...about } = first.json<TokenBody>();
    expect(about).toEqual({ token_type: "Bearer", expires_in: 120, issued_token_type: idTokenType });
    const second = await wire.second(scout.id, idToken);
    const { access_token: accessToken, ...more } = second.json<TokenBody>();
    expect(more).toEqual({ token_type: "Bearer", expires_in: 3600, issued_token_type: "urn:ietf:params:oauth:token-type:access_token" });
    const env = await wire.env(accessToken);
    expect(bytesOf(env)).toEqual([
      200,
      '{"code":0,"msg":"success","data":{"secrets":[{"key":"ALPHA","value":"仓库"},{"key":"REGION","value":"eu \\"west\\"\\n"}]}}',
    ]);
    const credential = '{"code":0,"msg":"success","data":{"credential":"maps-credential"}}';
    // 0.1.2 posts to the address itself, later ones below it.
    expect(bytesOf(await wire.integration(accessToken, "maps", "/coze/secret"))).toEqual([200, credential]);
    const integration = await wire.integration(accessToken, "maps");
    expect(bytesOf(integration)).toEqual([200, credential]);
    for (const answer of [first, second, env, integration])
      expect(keptBy(answer)).toEqual({
        cache: "no-store",
        type: "application/json; charset=utf-8",
        requestId: expect.stringMatching(/^req_/),
      });
    // A name that the token endpoint never says on success: it alone would make the original fail.
    for (const answer of [first, second]) expect(answer.json()).not.toHaveProperty("error");
  });

  test("slashes that come twice, or at the end, are counted once, in every address and under a tenant's prefix", async () => {
    const scout = await furnished();
    for (const url of ["/coze//token", "//coze/token", "/coze/token/", "///coze///token//"])
      expect((await wire.first(scout, url)).statusCode).toBe(200);
    const token = await wire.accessToken(scout);
    for (const url of ["/coze/secret//env", "/coze//secret//env", "/coze/secret/env/", "/coze/secret//env?project_id=shop"])
      expect((await wire.env(token, {}, url)).statusCode).toBe(200);
    for (const url of ["/coze/secret/", "/coze/secret//integration", "/coze/secret/integration/", "/coze//secret"])
      expect((await wire.integration(token, "maps", url)).statusCode).toBe(200);
    const { house } = wire;
    await house.tenants.create(admin, "acme");
    const theirs = await wire.client("scout", {}, adminOf("acme"));
    expect((await wire.first(theirs, "/t/acme//coze//token")).statusCode).toBe(200);
    expect((await wire.first(theirs, "/t/acme/coze/token/")).statusCode).toBe(200);
  });

  test("the lane header chooses the set; NONE sends none, an empty one names none that is known", async () => {
    const scout = await furnished();
    const token = await wire.accessToken(scout);
    const regionIn = async (headers: Readonly<Record<string, string>>) =>
      (await wire.env(token, headers))
        .json<{ data: { secrets: { key: string; value: string }[] } }>()
        .data.secrets.map(({ value }) => value);
    const usual = ["仓库", 'eu "west"\n'];
    expect(await regionIn({})).toEqual(usual);
    expect(await regionIn({ "x-tt-env": "ppe_test", "x-use-ppe": "1" })).toEqual(["test"]);
    expect(await regionIn({ "x-tt-env": "ppe_test" })).toEqual(["test"]);
    expect(await regionIn({ "x-use-ppe": "1" })).toEqual(usual);
    for (const lane of ["ppe_other", "boe_test", "", "NONE", "none", "PPE_TEST"])
      expect(await regionIn({ "x-tt-env": lane })).toEqual(usual);
    await wire.house.projects.put(admin, "shop", { lanes: { ppe_test: ["label:stage"] } });
    const refused = await wire.env(token, { "x-tt-env": "ppe_test" });
    expect(bytesOf(refused)).toEqual([403, '{"code":40300,"msg":"This agent may not read lane ppe_test of project shop."}']);
    expect(await regionIn({})).toEqual(usual);
  });

  test("project_id must be the agent's own project, and widens nothing", async () => {
    const scout = await furnished();
    const other = await wire.client("other");
    const [token, others] = [await wire.accessToken(scout), await wire.accessToken(other)];
    expect((await wire.env(token, {}, "/coze/secret/env?project_id=shop")).statusCode).toBe(200);
    const refusals = [
      await wire.env(token, {}, "/coze/secret/env?project_id=default"),
      await wire.env(others, {}, "/coze/secret/env?project_id=shop"),
      await wire.env(others, {}, "/coze/secret/env?project_id=nobody"),
    ];
    expect(refusals.map(bytesOf)).toEqual([
      [404, '{"code":40401,"msg":"There is no project default."}'],
      [404, '{"code":40401,"msg":"There is no project shop."}'],
      [404, '{"code":40401,"msg":"There is no project nobody."}'],
    ]);
    expect((await wire.env(others)).json()).toEqual({ code: 0, msg: "success", data: { secrets: [] } });
  });

  test("an agent that is given another project reads that at the next request, with the token it has", async () => {
    const scout = await furnished();
    const token = await wire.accessToken(scout);
    expect((await wire.integration(token, "maps")).statusCode).toBe(200);
    await wire.house.agents.update(admin, scout.id, { project: null });
    expect((await wire.integration(token, "maps")).statusCode).toBe(404);
    expect((await wire.env(token)).json()).toEqual({ code: 0, msg: "success", data: { secrets: [] } });
  });

  test("whoever does not prove itself hears the same bytes, whatever is wrong", async () => {
    const scout = await furnished();
    const { house } = wire;
    const suspended = await wire.client("suspended");
    await house.agents.suspend(admin, "suspended");
    const bare = await house.agents.create(admin, { name: "bare" });
    const app = await house.clients.apps.create(admin, { name: "app", redirectUris: ["https://app.example/back"] });
    const forged = await wire.token({
      grant_type: "client_credentials",
      client_id: scout.id,
      client_secret: `${scout.secret.slice(0, -1)}${scout.secret.endsWith("0") ? "1" : "0"}`,
    });
    const answers = [
      forged,
      await wire.first({ id: "agt_00000000000000000000000000000000", secret: scout.secret }),
      await wire.first({ id: scout.id, secret: "wrong" }),
      await wire.first({ id: scout.id, secret: suspended.secret }),
      await wire.first(suspended),
      await wire.first({ id: bare.id, secret: scout.secret }),
      await wire.first({ id: app.id, secret: "x" }),
      await wire.token({ grant_type: "client_credentials", client_id: app.id }),
      await wire.token({ grant_type: "client_credentials", client_id: scout.id }),
      await wire.first({ id: "scout", secret: scout.secret }),
    ];
    for (const answer of answers) expect(bytesOf(answer)).toEqual(bytesOf(forged));
    expect(forged.statusCode).toBe(401);
    expect(forged.headers["www-authenticate"]).toBeUndefined();
  });

  test("an ID token is exchanged by the client that got it alone, as often as it likes, until it ends; and for nothing else", async () => {
    const scout = await furnished();
    const other = await wire.client("other");
    const { access_token: idToken } = (await wire.first(scout)).json<TokenBody>();
    for (let round = 0; round < 3; round += 1) expect((await wire.second(scout.id, idToken)).statusCode).toBe(200);
    const accessToken = await wire.accessToken(scout);
    const dead = await wire.second(scout.id, "a.b.c");
    const answers = [
      await wire.second(other.id, idToken),
      await wire.second("agt_00000000000000000000000000000000", idToken),
      // Neither is the second token exchanged, nor the first spent.
      await wire.second(scout.id, accessToken),
      await wire.second(scout.id, scout.secret),
    ];
    for (const answer of answers) expect(bytesOf(answer)).toEqual(bytesOf(dead));
    expect(dead.statusCode).toBe(400);
    expect((await wire.env(idToken)).statusCode).toBe(401);
    // A secret beside it changes nothing: the token is the whole proof.
    expect((await wire.second(other.id, idToken, { client_secret: other.secret })).statusCode).toBe(400);
    wire.hand.forward(119_000);
    expect((await wire.second(scout.id, idToken)).statusCode).toBe(200);
    wire.hand.forward(2_000);
    expect(bytesOf(await wire.second(scout.id, idToken))).toEqual(bytesOf(dead));
    expect((await wire.env(accessToken)).statusCode).toBe(200);
    wire.hand.forward(3_600_000);
    expect((await wire.env(accessToken)).statusCode).toBe(401);
  });

  test.each(["suspended", "revoked", "deleted"] as const)("an agent that is %s is dead at the next request, at every step", async (how) => {
    const scout = await furnished();
    const { agents } = wire.house;
    const { apiKey } = await agents.createKey(admin, scout.id, {});
    const { access_token: idToken } = (await wire.first(scout)).json<TokenBody>();
    const accessToken = await wire.accessToken(scout);
    const skills = () =>
      wire.ask({ url: "/coze/skill-envs", headers: { authorization: `Bearer ${apiKey}` }, body: { agent_id: 1, skill_id: 1 } });
    const steps = async () =>
      [
        await wire.first(scout),
        await wire.second(scout.id, idToken),
        await wire.env(accessToken),
        await wire.integration(accessToken, "maps"),
        await skills(),
      ].map(({ statusCode }) => statusCode);
    expect(await steps()).toEqual([200, 200, 200, 200, 200]);
    if (how === "suspended") await agents.suspend(admin, scout.id);
    else if (how === "revoked") await agents.revoke(admin, scout.id);
    else await agents.remove(admin, scout.id);
    const gone = how === "deleted" ? 401 : 403;
    expect(await steps()).toEqual([401, 400, gone, gone, how === "suspended" ? 403 : 401]);
    if (how !== "suspended") return;
    await agents.resume(admin, scout.id);
    // Its secret and key work again; what was handed out before stays dead.
    expect(await steps()).toEqual([200, 400, 401, 401, 200]);
  });

  test("a credential under another tenant's prefix is unknown there, at every step", async () => {
    const scout = await furnished();
    const { house } = wire;
    await house.tenants.create(admin, "acme");
    const theirs = await wire.client("scout", {}, adminOf("acme"));
    await house.projects.variablesOf.put(adminOf("acme"), "default", "THEIRS", { value: "1" });
    const { access_token: idToken } = (await wire.first(scout)).json<TokenBody>();
    const accessToken = await wire.accessToken(scout);
    const at = (prefix: string) => async (client: TestClient, first: string, second: string) =>
      [
        await wire.first(client, `${prefix}/coze/token`),
        await wire.token(
          { client_id: client.id, subject_token: first, subject_token_type: idTokenType, grant_type: exchangeGrant },
          `${prefix}/coze/token`,
        ),
        await wire.env(second, {}, `${prefix}/coze/secret/env`),
      ].map(({ statusCode }) => statusCode);
    expect(await at("/t/acme")(scout, idToken, accessToken)).toEqual([401, 400, 401]);
    expect(await at("/t/nobody")(scout, idToken, accessToken)).toEqual([404, 404, 404]);
    const theirFirst = (await wire.first(theirs)).json<TokenBody>().access_token;
    const theirSecond = (await wire.second(theirs.id, theirFirst)).json<TokenBody>().access_token;
    // Whose credential it is says the tenant; the prefix need not.
    for (const prefix of ["", "/t/acme"]) expect(await at(prefix)(theirs, theirFirst, theirSecond)).toEqual([200, 200, 200]);
    expect((await wire.env(theirSecond)).json()).toMatchObject({ data: { secrets: [{ key: "THEIRS" }] } });
    // That it is suspended is nobody's business there.
    await house.agents.suspend(admin, scout.id);
    expect(await at("/t/acme")(scout, idToken, accessToken)).toEqual([401, 400, 401]);
    await house.tenants.suspend(admin, "acme");
    expect(await at("")(theirs, theirFirst, theirSecond)).toEqual([401, 400, 401]);
  });

  test("each token and each read leaves one row; what is read, and every token, is in none of them", async () => {
    const scout = await furnished();
    const token = await wire.accessToken(scout);
    await wire.env(token, { "x-tt-env": "ppe_test" });
    await wire.integration(token, "maps");
    expect((await rows("token.issued")).map(({ agent, details }) => [agent, details["kind"]])).toEqual([
      [scout.id, "coze_access"],
      [scout.id, "coze_id"],
    ]);
    expect((await rows("variables.read")).map(({ details }) => details)).toEqual([{ project: "shop", lane: "ppe_test", count: 1 }]);
    expect((await rows("integration.read")).map(({ details }) => details)).toEqual([{ project: "shop", integration: "maps" }]);
    const dump = JSON.stringify(await wire.house.db.read.selectFrom("audit_events").selectAll().execute());
    for (const secret of [token, scout.secret, "maps-credential", "west"]) expect(dump).not.toContain(secret);
  });

  test("the skill-environment loader reads the project of the agent whose API key it has, whatever ids it sends", async () => {
    const scout = await furnished();
    const { apiKey } = await wire.house.agents.createKey(admin, scout.id, {});
    const load = (body: string) =>
      wire.ask({ url: "/coze/skill-envs", headers: { authorization: `Bearer ${apiKey}` }, body, type: "application/json" });
    const wanted =
      '{"code":0,"msg":"success","data":{"envs":{"ALPHA":"仓库","REGION":"eu \\"west\\"\\n"}},"BaseResp":{"StatusCode":0,"StatusMessage":"success"}}';
    for (const body of ['{"agent_id":7461234567890123457,"skill_id":1}', '{"agent_id":1,"skill_id":"abc","identity_ticket":"t","more":[]}'])
      expect(bytesOf(await load(body))).toEqual([200, wanted]);
    expect(await rows("variables.read")).toHaveLength(2);
  });
});

eachStore("the Coze wire, limited", (fresh) => {
  test("who asks too often hears 429 in this wire's own words, and when to come back", async () => {
    const wire = await openCoze(await fresh(), { rateLimits: 0.001 });
    try {
      const scout = await wire.client("scout");
      const token = await wire.accessToken(scout);
      const answers = [];
      for (let asked = 0; asked < 12; asked += 1) answers.push(await wire.env(token));
      const limited = answers.find(({ statusCode }) => statusCode === 429);
      expect(limited?.json()).toEqual({ code: 42900, msg: expect.stringMatching(/^Too many requests of this agent/) as string });
      expect(Number(limited?.headers["retry-after"])).toBeGreaterThan(0);
      const steps = await wire.second(scout.id, "x");
      expect([steps.statusCode, steps.json<TokenBody>().error]).toEqual([400, "invalid_request"]);
      const guesses = [];
      for (let asked = 0; asked < 12; asked += 1) guesses.push(await wire.first({ id: scout.id, secret: "x" }));
      const refused = guesses.find(({ statusCode }) => statusCode === 429);
      expect(refused?.json<TokenBody>().error).toBe("temporarily_unavailable");
      // What cannot be read proves nobody, and is counted too.
      const unread = [];
      for (let asked = 0; asked < 12; asked += 1) unread.push(await wire.ask({ url: "/coze/token", body: "{}" }));
      expect(unread.map(({ statusCode }) => statusCode)).toContain(429);
    } finally {
      await wire.close();
    }
  });
});
