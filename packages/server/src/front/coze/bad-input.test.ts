import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eachStore } from "../../testing/stores.ts";
import {
  admin,
  exchangeGrant,
  formType,
  idTokenType,
  keptBy,
  openCoze,
  type OpenCoze,
  type TestClient,
  type TokenBody,
} from "./coze-for-tests.ts";

const long = "a".repeat(300_000);

eachStore("bad input to the Coze wire", (fresh) => {
  let wire: OpenCoze;
  let scout: TestClient;
  let token: string;
  let apiKey: string;
  beforeAll(async () => {
    wire = await openCoze(await fresh());
    scout = await wire.client("scout");
    token = await wire.accessToken(scout);
    ({ apiKey } = await wire.house.agents.createKey(admin, scout.id, {}));
  });
  afterAll(() => wire.close());

  type Answered = Awaited<ReturnType<OpenCoze["ask"]>>;
  const usual = { cache: "no-store", type: "application/json; charset=utf-8" };
  const isUsual = (answer: Answered): boolean => {
    const { requestId, ...kept } = keptBy(answer);
    return isDeepStrictEqual(kept, usual) && /^req_[0-9a-f]+$/.test(String(requestId)) && !answer.body.includes(String(requestId));
  };

  /** What the token endpoint says, where it says it as RFC 6749 5.2 has it; else the whole answer. */
  const tokenFault = (answer: Answered): unknown => {
    const { error, error_description: description, ...more } = answer.json<TokenBody>();
    const isWhole = /^[\x20\x21\x23-\x5B\x5D-\x7E]+$/.test(String(description)) && Object.keys(more).length === 0 && isUsual(answer);
    return isWhole ? [answer.statusCode, error] : { body: answer.body, headers: answer.headers };
  };
  /** The status, where the body is as the original reads it; else the whole answer. */
  const secretFault = (answer: Answered): unknown => {
    const { code, msg, ...more } = answer.json<{ code: unknown; msg: unknown }>();
    const isWhole = Number.isInteger(code) && code !== 0 && typeof msg === "string" && msg !== "" && Object.keys(more).length === 0;
    return isWhole && isUsual(answer) ? answer.statusCode : { body: answer.body, headers: answer.headers };
  };

  describe("the token endpoint", () => {
    test.each([
      ["JSON", "{}", "application/json", 415],
      ["plain text", "grant_type=client_credentials", "text/plain", 415],
      ["a form of parts", "--x--", "multipart/form-data; boundary=x", 415],
      ["no body", undefined, formType, 400],
      ["an empty form", "", formType, 400],
      ["NUL", "grant_type=client_credentials&client_id=%00", formType, 400],
      ["raw NUL", "grant_type=client_credentials\0", formType, 400],
      ["a lone surrogate", "grant_type=%ED%A0%80", formType, 400],
      ["broken percent-encoding", "grant_type=%zz", formType, 400],
      ["no UTF-8", "grant_type=%ff", formType, 400],
      ["more than it reads", `grant_type=${long}`, formType, 413],
      ["grant_type twice", "grant_type=client_credentials&grant_type=client_credentials", formType, 400],
      ["a meaningless name twice", "grant_type=client_credentials&x=1&x=2", formType, 400],
      ["client_secret twice", "grant_type=client_credentials&client_id=a&client_secret=b&client_secret=c", formType, 400],
      ["arrays as some write them", "grant_type[]=client_credentials", formType, 400],
    ])("%s", async (_, body, type, status) => {
      expect(tokenFault(await wire.ask({ url: "/coze/token", body, type }))).toEqual([status, "invalid_request"]);
    });

    test("a grant there is not", async () => {
      for (const grant of ["password", "authorization_code", "CLIENT_CREDENTIALS", "__proto__", "constructor"])
        expect(tokenFault(await wire.token({ grant_type: grant, client_id: scout.id, client_secret: scout.secret }))).toEqual([
          400,
          "unsupported_grant_type",
        ]);
    });

    test.each(["client_id", "client_secret"])("step 1 without %s, with it empty, and with nonsense", async (name) => {
      const good = { grant_type: "client_credentials", client_id: scout.id, client_secret: scout.secret };
      for (const value of [undefined, "", " ", "nobody", "x".repeat(10_000), "agt_é", "{}", `${good[name as "client_id"]} `])
        expect(tokenFault(await wire.token({ ...good, [name]: value }))).toEqual([401, "invalid_client"]);
    });

    test.each(["client_id", "subject_token", "subject_token_type"])("step 2 without %s, with it empty, and with nonsense", async (name) => {
      const { access_token: subject } = (await wire.first(scout)).json<TokenBody>();
      const good = { grant_type: exchangeGrant, client_id: scout.id, subject_token: subject, subject_token_type: idTokenType };
      for (const value of [undefined, "", "nobody", "x".repeat(20_000), "a.b.c", "é"])
        expect(tokenFault(await wire.token({ ...good, [name]: value }))).toEqual([400, "invalid_request"]);
      expect((await wire.token(good)).statusCode).toBe(200);
    });

    test("a requested_token_type that it does not issue", async () => {
      const { access_token: subject } = (await wire.first(scout)).json<TokenBody>();
      const refused = await wire.second(scout.id, subject, { requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" });
      expect(tokenFault(refused)).toEqual([400, "invalid_request"]);
    });
  });

  describe("the secret endpoints", () => {
    test.each(["/coze/secret", "/coze/secret/integration"])("a body that is none: %s", async (url) => {
      const headers = { authorization: `Bearer ${token}` };
      for (const body of ["", "{", "null", "[]", '"maps"', "7", '{"integration_name":"a","integration_name":"b"}', '{"__proto__":{}}'])
        expect(secretFault(await wire.ask({ url, headers, body, type: "application/json" }))).toBe(400);
      for (const name of [undefined, null, 7, true, "", [], ["maps"], {}, "x".repeat(129), "a\0b"])
        expect(secretFault(await wire.ask({ url, headers, body: { integration_name: name } }))).toBe(400);
      expect(secretFault(await wire.ask({ url, headers, body: '{"integration_name":"\\ud800"}' }))).toBe(400);
      expect(secretFault(await wire.ask({ url, headers, body: "integration_name=maps", type: formType }))).toBe(415);
      expect(secretFault(await wire.ask({ url, headers, body: "{}", type: "text/plain" }))).toBe(415);
      expect(secretFault(await wire.ask({ url, headers, body: { integration_name: long } }))).toBe(413);
    });

    test("a name of nothing there is, however it looks", async () => {
      for (const name of ["nobody", "../x", "__proto__", "constructor", "é", "%00", "' or 1=1 --"])
        expect(secretFault(await wire.integration(token, name))).toBe(404);
    });

    test("a project that is named twice, or oddly", async () => {
      expect(secretFault(await wire.env(token, {}, "/coze/secret/env?project_id=default&project_id=default"))).toBe(400);
      expect(secretFault(await wire.env(token, {}, "/coze/secret/env?project_id="))).toBe(404);
      expect(secretFault(await wire.env(token, {}, `/coze/secret/env?project_id=${"x".repeat(5_000)}`))).toBe(404);
      expect(secretFault(await wire.env(token, {}, "/coze/secret/env?project_id=%00"))).toBe(400);
      expect(secretFault(await wire.env(token, {}, "/coze/secret/env?project_id=%ED%A0%80"))).toBe(400);
      expect((await wire.env(token, {}, "/coze/secret/env?other=1&other=2")).statusCode).toBe(200);
    });

    test("no token, or one that is none", async () => {
      const tokens = [
        "",
        "x",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.e30.",
        `${token}x`,
        token.slice(0, -2),
        apiKey,
        scout.secret,
        "x".repeat(15_000),
      ];
      for (const each of tokens) {
        expect(secretFault(await wire.env(each))).toBe(401);
        expect(secretFault(await wire.integration(each, "maps"))).toBe(401);
        // Before the body is looked at.
        expect(secretFault(await wire.ask({ url: "/coze/secret", headers: { authorization: `Bearer ${each}` }, body: "{" }))).toBe(401);
      }
      for (const authorization of [token, `Basic ${token}`, `Bearer${token}`, `DPoP ${token}`])
        expect(secretFault(await wire.ask({ method: "GET", url: "/coze/secret/env", headers: { authorization } }))).toBe(401);
      expect(secretFault(await wire.ask({ method: "GET", url: "/coze/secret/env" }))).toBe(401);
    });

    test("lanes that are odd are the default set's", async () => {
      for (const lane of ["", " ", "x".repeat(2_000), "a,b", "../..", "%00"])
        expect((await wire.env(token, { "x-tt-env": lane, "x-use-ppe": "nonsense" })).statusCode).toBe(200);
      expect((await wire.env(token, { "x-tt-env": "\xff\xfe" })).statusCode).toBe(400);
    });
  });

  describe("the skill environments", () => {
    const skillFault = (answer: Answered): unknown => {
      const { code, msg, BaseResp, ...more } = answer.json<{ code: unknown; msg: unknown; BaseResp: unknown }>();
      const isWhole = isDeepStrictEqual(BaseResp, { StatusCode: code, StatusMessage: msg }) && Object.keys(more).length === 0;
      return isWhole && Number.isInteger(code) && code !== 0 ? answer.statusCode : { body: answer.body, headers: answer.headers };
    };

    test("a body without ids, or with ids that are none", async () => {
      const headers = { authorization: `Bearer ${apiKey}` };
      const url = "/coze/skill-envs";
      for (const body of [
        "",
        "{",
        "[]",
        "null",
        { agent_id: 1 },
        { skill_id: 1 },
        { agent_id: null, skill_id: 1 },
        { agent_id: [1], skill_id: 1 },
      ])
        expect(skillFault(await wire.ask({ url, headers, body, type: "application/json" }))).toBe(400);
      for (const id of [true, {}, -1, 1.5, "", "x".repeat(200)])
        expect(skillFault(await wire.ask({ url, headers, body: { agent_id: id, skill_id: 1 } }))).toBe(400);
      expect(skillFault(await wire.ask({ url, headers, body: { agent_id: 1, skill_id: 1, identity_ticket: 7 } }))).toBe(400);
      expect(skillFault(await wire.ask({ url, headers, body: "agent_id=1&skill_id=1", type: formType }))).toBe(415);
    });

    test("a token of another kind", async () => {
      for (const each of ["", "x", token, scout.secret, `sk_${"0".repeat(64)}`])
        expect(skillFault(await wire.ask({ url: "/coze/skill-envs", headers: { authorization: `Bearer ${each}` }, body: "{" }))).toBe(401);
    });
  });

  test("what is not here is said as this wire says it, and an address says which methods it answers", async () => {
    for (const url of ["/coze", "/coze/nowhere", "/coze/secret/nowhere", "/coze/secret/env/more", "/coze/token/more"])
      expect(secretFault(await wire.ask({ method: "GET", url }))).toBe(404);
    for (const [method, url, allow] of [
      ["GET", "/coze/token", "POST"],
      ["PUT", "/coze/secret", "POST"],
      ["POST", "/coze/secret/env", "GET"],
      ["HEAD", "/coze/secret/env", "GET"],
      ["GET", "/coze/skill-envs", "POST"],
    ] as const) {
      const answer = await wire.ask({ method, url });
      expect([answer.statusCode, answer.headers["allow"]]).toEqual([405, allow]);
    }
  });

  test("whatever is sent to whichever address, by whom it may be: an answer of this wire, and none a fault of ours", async () => {
    const odd = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.constantFrom("", "default", "maps", "../..", "[]", "%00", "é", "1e999"),
    );
    const json = fc.json({ maxDepth: 3 });
    const form = fc.array(fc.tuple(fc.constantFrom("grant_type", "client_id", "client_secret", "subject_token", "x"), odd), {
      maxLength: 5,
    });
    const bodies = fc.oneof(
      json,
      form.map((fields) => fields.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join("&")),
      odd,
      fc.record({ integration_name: odd, agent_id: fc.anything({ maxDepth: 1 }), skill_id: odd }).map((body) => JSON.stringify(body) ?? ""),
    );
    const asked = fc.record({
      method: fc.constantFrom("GET" as const, "POST" as const, "POST" as const, "PUT" as const, "DELETE" as const),
      path: fc.constantFrom("token", "secret", "secret/integration", "secret/env", "secret/env?project_id=", "skill-envs", "nowhere", ""),
      more: odd.map((text) => encodeURIComponent(text.toWellFormed())),
      body: bodies,
      type: fc.constantFrom("application/json", formType, "text/plain"),
      by: fc.constantFrom("", token, apiKey, "nonsense"),
      lane: fc.constantFrom("", "ppe_x", "a,b", "x".repeat(300)),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ method, path, more, body, type, by, lane }) => {
        const headers = { "x-tt-env": lane, ...(by !== "" && { authorization: `Bearer ${by}` }) };
        const url = `/coze/${path}${path.endsWith("=") ? more : ""}`;
        const answer = await wire.ask({ method, url, headers, ...(method !== "GET" && { body, type }) });
        expect(answer.statusCode, answer.body).toBeLessThan(500);
        const said = answer.json<Record<string, unknown>>();
        if (answer.statusCode === 200) expect(said["code"] ?? said["token_type"]).toBeDefined();
        else if (path === "token" && method === "POST") expect(tokenFault(answer)).toEqual([answer.statusCode, said["error"]]);
        else if (path !== "skill-envs") expect(secretFault(answer)).toBe(answer.statusCode);
      }),
      { numRuns: 400 },
    );
  });
});
