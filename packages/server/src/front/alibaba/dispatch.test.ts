import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { admin, answered, faultOf, openAlibaba, type OpenAlibaba, type TestKey, type WireError } from "./alibaba-for-tests.ts";

eachStore("the dispatcher of the Alibaba Cloud wire", (fresh) => {
  let wire: OpenAlibaba;
  let key: TestKey;
  let account: string;
  beforeAll(async () => {
    wire = await openAlibaba(await fresh());
    key = await wire.adminKey();
    account = (await wire.house.tenants.get("default")).accountId;
    await wire.house.agents.create(admin, { name: "scout" });
  });
  afterAll(() => wire.close());

  const identity = (more: Parameters<OpenAlibaba["call"]>[1] = {}) =>
    wire.call("GetCallerIdentity", { version: "2015-04-01", key, ...more });

  test("answers with this request's id and a length, whoever asks by whatever Host", async () => {
    for (const host of [
      "127.0.0.1:8700",
      "http://127.0.0.1:8700",
      "http://127.0.0.1:8700/",
      "agentidentitydata.x@127.0.0.1:1#.aliyuncs.com",
    ]) {
      const answer = await identity({ headers: { host } });
      expect(answered(answer)).toMatchObject({ AccountId: account });
      expect(answer.headers["content-length"]).toBe(String(Buffer.byteLength(answer.body)));
    }
  });

  test("finds the action in the headers, else in the query, and takes no two", async () => {
    const query = { Action: "GetCallerIdentity", Version: "2015-04-01" };
    expect(answered(await identity({ inQuery: { ...query, Format: "JSON" } }))).toMatchObject({ AccountId: account });
    const clash = await identity({ inQuery: { Action: "GetWorkloadAccessToken" } });
    expect(faultOf(clash)).toEqual([400, "InvalidParameter.Action"]);
    expect(faultOf(await identity({ inQuery: { Version: "2025-11-27" } }))).toEqual([400, "InvalidParameter.Version"]);
    expect(faultOf(await identity({ inQuery: { Format: "XML" } }))).toEqual([400, "InvalidParameter.Format"]);
    const bare = await wire.app.inject({ method: "POST", url: "/?Action=AssumeRoleForWorkloadIdentity&Version=2025-11-27" });
    expect(faultOf(bare)).toEqual([401, "MissingParameter.WorkloadAccessToken"]);
    expect(faultOf(await wire.app.inject({ method: "POST", url: "/" }))).toEqual([400, "MissingParameter.Version"]);
    expect(faultOf(await wire.app.inject({ method: "POST", url: "/?Action=a&Action=b&Version=2025-11-27" }))).toEqual([
      400,
      "InvalidParameter.Action",
    ]);
  });

  test("knows no action of another version, of a user pool, or of the language itself", async () => {
    for (const [version, action] of [
      ["2025-09-01", "GetWorkloadAccessToken"],
      ["2025-11-27", "getworkloadaccesstoken"],
      ["2025-09-01", "CreateUserPool"],
      ["2025-09-01", "SetSAMLIdentityProvider"],
      ["2025-09-01", "RunUserPoolSyncJob"],
      ["2026-01-01", "GetWorkloadAccessToken"],
      ["__proto__", "constructor"],
      ["2025-11-27", "x".repeat(5_000)],
    ] as const)
      expect(faultOf(await wire.call(action, { version, key })), `${version} ${action.slice(0, 40)}`).toEqual([
        404,
        "InvalidAction.NotFound",
      ]);
  });

  test("each action is its own in the metrics", async () => {
    await identity();
    await wire.call("NoSuchAction", { key });
    const { body } = await wire.app.inject("/metrics");
    expect(body).toMatch(/legate_http_requests_total\{operation="sts\.GetCallerIdentity",method="POST",status="200"\} \d/);
    expect(body).toMatch(/legate_http_requests_total\{operation="alibaba",method="POST",status="404"\} \d/);
    expect(body).not.toContain("NoSuchAction");
  });

  describe("tells who may not call from what cannot be proven", () => {
    test("unsigned, unknown, wrongly signed, replayed, of another time", async () => {
      const bare = await wire.call("GetWorkloadAccessToken", { params: { WorkloadIdentityName: "scout" } });
      expect(faultOf(bare)).toEqual([401, "IncompleteSignature"]);
      expect(bare.headers["www-authenticate"]).toBe("ACS3-HMAC-SHA256");
      const nobody = { ...key, accessKeyId: `ak_${"0".repeat(32)}` };
      expect(faultOf(await identity({ key: nobody }))).toEqual([401, "InvalidAccessKeyId.NotFound"]);
      expect(faultOf(await identity({ key: { ...key, accessKeySecret: "x" } }))).toEqual([401, "SignatureDoesNotMatch"]);
      expect(faultOf(await identity({ key: { ...key, securityToken: "x" } }))).toEqual([401, "InvalidSecurityToken.MismatchWithAccessKey"]);
      expect(faultOf(await identity({ more: { date: wire.hand.clock() - 16 * 60_000 } }))).toEqual([401, "InvalidTimeStamp.Expired"]);
      const nonce = { more: { nonce: "once" } };
      expect(answered(await identity(nonce))).toMatchObject({ AccountId: account });
      expect(faultOf(await identity(nonce))).toEqual([401, "SignatureNonceUsed"]);
    });

    test("an agent's key calls what agents may, for itself", async () => {
      await wire.house.agents.create(admin, { name: "other" });
      const own = await wire.agentKey("scout");
      const token = (name: string) => wire.call("GetWorkloadAccessToken", { key: own, params: { WorkloadIdentityName: name } });
      expect(answered(await token("scout"))).toMatchObject({ WorkloadAccessToken: expect.any(String) as string });
      expect(faultOf(await token("other"))).toEqual([403, "NoPermission"]);
      expect(faultOf(await token("nobody"))).toEqual([403, "NoPermission"]);
    });

    test("a suspended agent's key", async () => {
      await wire.house.agents.create(admin, { name: "halted" });
      const own = await wire.agentKey("halted");
      await wire.house.agents.suspend(admin, "halted");
      expect(faultOf(await identity({ key: own }))).toEqual([403, "Forbidden.WorkloadIdentitySuspended"]);
    });
  });

  test("says which account was searched, where a thing is not there", async () => {
    const answer = await wire.call("GetWorkloadAccessToken", { key, params: { WorkloadIdentityName: "nobody" } });
    expect(faultOf(answer)).toEqual([404, "EntityNotExists.WorkloadIdentity"]);
    expect(answer.json<WireError>().Message).toContain(`account ${account}, region cn-beijing`);
  });

  test("serves a tenant under its prefix, signed with or without it, and nobody else's key there", async () => {
    await wire.house.tenants.create(admin, "acme");
    const theirs = await wire.adminKey(adminOf("acme"));
    const { accountId } = await wire.house.tenants.get("acme");
    expect(accountId).not.toBe(account);
    for (const signedPath of ["/", "/t/acme/"])
      expect(answered(await identity({ key: theirs, path: "/t/acme/", more: { path: signedPath } }))).toMatchObject({
        AccountId: accountId,
      });
    expect(answered(await identity({ key: theirs }))).toMatchObject({ AccountId: accountId });
    expect(faultOf(await identity({ path: "/t/acme/" }))).toEqual([401, "InvalidAccessKeyId.NotFound"]);
    expect(faultOf(await identity({ path: "/t/nobody/" }))).toEqual([404, "NotFound"]);
    await wire.house.tenants.suspend(admin, "acme");
    expect(faultOf(await identity({ key: theirs }))).toEqual([401, "InvalidAccessKeyId.NotFound"]);
    expect(faultOf(await identity({ key: theirs, path: "/t/acme/" }))).toEqual([404, "NotFound"]);
  });

  test("the front door stays what it was", async () => {
    expect((await wire.app.inject("/")).json()).toMatchObject({ name: "Legate" });
  });
});

eachStore("the Alibaba Cloud wire, limited", (fresh) => {
  test("says when to come back in the header that the client makes a throttling of, and counts what cannot be read", async () => {
    const wire = await openAlibaba(await fresh(), { rateLimits: 0.001 });
    try {
      await wire.house.agents.create(admin, { name: "scout" });
      const key = await wire.agentKey("scout");
      const answers = [];
      for (let asked = 0; asked < 14; asked += 1) answers.push(await wire.call("GetCallerIdentity", { version: "2015-04-01", key }));
      const limited = answers.find(({ statusCode }) => statusCode === 429);
      if (!limited) throw new Error("Nobody was limited.");
      expect(faultOf(limited)).toEqual([429, "Throttling.User"]);
      expect(Number(limited.headers["x-acs-retry-after"])).toBe(Number(limited.headers["retry-after"]) * 1_000);
      expect(Number(limited.headers["x-acs-retry-after"])).toBeGreaterThan(0);
      const unread = [];
      for (let asked = 0; asked < 12; asked += 1) unread.push(await wire.call("NoSuchAction"));
      expect(unread.map(({ statusCode }) => statusCode)).toContain(429);
    } finally {
      await wire.close();
    }
  });
});
