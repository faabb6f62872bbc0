import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openTestHouse } from "../../testing/house.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, api, claimsOf, issuerUrl, type Oauth, openOauth, type Params, serveHouse } from "./oauth-for-tests.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("a user's assertion", (fresh) => {
  let oauth: Oauth;
  afterEach(() => oauth.close());
  const open = async () => {
    const store = await fresh();
    oauth = await openOauth(store, issuer);
    return { ...oauth, store };
  };
  let made = 0;
  const assertion = (claims: Readonly<Record<string, unknown>> = {}) => {
    made += 1;
    return oauth.userToken({ aud: issuerUrl, jti: `assertion-${made}`, ...claims });
  };
  const present = (text: string | undefined, params: Params = {}, client = oauth.scout, token = oauth.token) =>
    token(client, { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: text, resource: api, ...params });

  test("that is made for us gives a token for the user, with the agent as the one that acts", async () => {
    const { alice, scout } = await open();
    const { status, body } = await present(await assertion(), { scope: "read" });
    expect(status).toBe(200);
    expect(claimsOf(body.access_token)).toMatchObject({ sub: alice.id, act: { sub: scout.id }, client_id: scout.id, scope: "read" });
    expect(body).not.toHaveProperty("refresh_token");
    expect(body).not.toHaveProperty("issued_token_type");
    expect((await present(await assertion({ aud: [issuerUrl] }))).status).toBe(200);
  });

  test("is refused the same, byte for byte, whatever does not hold", async () => {
    const { scout, hand, stranger, house } = await open();
    await house.agents.update(admin, stranger.id, { issuer: null });
    const now = Math.floor(hand.clock() / 1000);
    const said = (await present("rubbish")).text;
    expect(JSON.parse(said)).toMatchObject({ error: "invalid_grant" });
    const tried: readonly (readonly [string, string])[] = [
      ["for the application, as the issuer makes them", await assertion({ aud: "legate" })],
      ["for us and somebody else", await assertion({ aud: [issuerUrl, "legate"] })],
      ["for our token endpoint", await assertion({ aud: `${issuerUrl}/oauth2/token` })],
      ["for our address with a slash", await assertion({ aud: `${issuerUrl}/` })],
      ["without an id", await assertion({ jti: undefined })],
      ["with an empty id", await assertion({ jti: "" })],
      ["with an id that is no text", await assertion({ jti: 7 })],
      ["expired", await assertion({ exp: now - 60 })],
      ["good for two days", await assertion({ exp: now + 2 * 24 * 3600 })],
      ["without an end", await assertion({ exp: undefined })],
      ["without a user", await assertion({ sub: undefined })],
      ["of another issuer", await assertion({ iss: "https://evil.example" })],
      ["leaving it to another agent", await assertion({ may_act: { sub: oauth.other.id } })],
      ["a token of ours", (await oauth.token(scout, { grant_type: "client_credentials", resource: api })).body.access_token ?? ""],
    ];
    for (const [what, text] of tried) {
      const answer = await present(text);
      expect([what, answer.status, answer.text]).toEqual([what, 400, said]);
    }
    expect((await present(await assertion(), {}, stranger)).text).toBe(said);
    expect((await present(undefined)).body.error).toBe("invalid_request");
  });

  test("is used once, on whichever replica", async () => {
    const { store, hand } = await open();
    const text = await assertion();
    const tokens = [oauth.token];
    const more = store.engine === "postgres" ? await openTestHouse(store, { clock: hand.clock }) : undefined;
    const served = more && (await serveHouse(more));
    if (served) tokens.push(served.token);
    const answers = await Promise.all(Array.from({ length: 16 }, (_, at) => present(text, {}, oauth.scout, tokens[at % tokens.length])));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.error === "invalid_grant")).toHaveLength(15);
    hand.forward(500_000);
    expect((await present(text)).body.error).toBe("invalid_grant");
    await served?.http.close();
    await more?.close();
  });

  test("that is refused for what was asked beside it is not used up", async () => {
    await open();
    const text = await assertion();
    expect((await present(text, { scope: "drop" })).body.error).toBe("invalid_scope");
    expect((await present(text, { resource: "https://nowhere.example/" })).body.error).toBe("invalid_target");
    expect((await present(text)).status).toBe(200);
  });

  test("gives nothing for a user who is suspended, and nothing that outlives it", async () => {
    const { house, alice, hand } = await open();
    const now = Math.floor(hand.clock() / 1000);
    expect((await present(await assertion({ exp: now + 60 }))).body.expires_in).toBe(60);
    await house.users.suspend(admin, alice.id);
    expect((await present(await assertion())).body.error).toBe("invalid_grant");
  });
});
