import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Answered,
  admin,
  answered,
  faultOf,
  openAlibaba,
  type OpenAlibaba,
  type TestKey,
  type WireError,
} from "./alibaba-for-tests.ts";
import { operationsOf } from "./alibaba.ts";
import { eachStore } from "../../testing/stores.ts";
import { secretParameters } from "./names.ts";
import { samples } from "./bad-input-samples-for-tests.ts";
import type { Operation } from "./operation.ts";

const formType = "application/x-www-form-urlencoded";
const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

eachStore("bad input to the Alibaba Cloud wire", (fresh) => {
  let wire: OpenAlibaba;
  let key: TestKey;
  let agentKey: TestKey;
  let temporaryKey: TestKey;
  let token: string;
  let operations: readonly Operation[];
  let named: ReadonlyMap<string, Operation>;
  beforeAll(async () => {
    wire = await openAlibaba(await fresh());
    operations = operationsOf(wire.house);
    named = new Map(operations.map((operation) => [`${operation.version}/${operation.action}`, operation]));
    key = await wire.adminKey();
    await wire.house.agents.create(admin, {
      name: "scout",
      roleArn: "acs:ram::9999999999999999:role/role",
      allowedReturnUrls: ["http://app.test/callback"],
    });
    await wire.house.providers.create(admin, { type: "api_key", name: "maps", apiKey: "maps-key" });
    agentKey = await wire.agentKey("scout");
    const params = { WorkloadIdentityName: "scout" };
    token = String(answered(await wire.call("GetWorkloadAccessToken", { key, params }))["WorkloadAccessToken"]);
    const assumed = answered(await wire.assume({ WorkloadAccessToken: token, RoleSessionName: "session" }));
    const { AccessKeyId, AccessKeySecret, SecurityToken } = assumed["Credentials"] as Record<string, string>;
    temporaryKey = { accessKeyId: AccessKeyId ?? "", accessKeySecret: AccessKeySecret ?? "", securityToken: SecurityToken ?? "" };
  });
  afterAll(() => wire.close());

  const called = ({ version, action }: Operation, sent: Parameters<OpenAlibaba["call"]>[1] = {}): Promise<Answered> =>
    wire.call(action, { version, key, ...sent });
  const shapeOf = (operation: Operation) =>
    Object.entries(operation.params.shape as Record<string, { safeParse(value: unknown): { success: boolean } }>);
  const isRequired = (schema: { safeParse(value: unknown): { success: boolean } }) => !schema.safeParse(undefined).success;
  /** All that an action must be told. */
  const whole = (operation: Operation): Record<string, string> =>
    Object.fromEntries(
      shapeOf(operation)
        .filter(([, schema]) => isRequired(schema))
        .map(([name]) => [name, samples[name] ?? ""]),
    );
  /** A workload access token is a credential. */
  const statusOf = (name: string): number => (name === "WorkloadAccessToken" ? 401 : 400);
  const forbidsUnknown = (operation: Operation): boolean =>
    operation.params.safeParse({ ...whole(operation), Nonsense: "1" }).success === false;

  /** How many there are of everything that anybody could have made. */
  const made = async (): Promise<Record<string, number>> => {
    const { read } = wire.house.db;
    const counted: Record<string, number> = {};
    for (const table of [
      "agents",
      "users",
      "issuers",
      "providers",
      "connections",
      "authorization_sessions",
      "access_keys",
      "roles",
      "role_policies",
      "token_vaults",
      "policy_sets",
      "policies",
      "gateway_policies",
    ] as const) {
      const row = await read
        .selectFrom(table as "agents")
        .select(({ fn }) => fn.countAll<number | string>().as("rows"))
        .executeTakeFirst();
      counted[table] = Number(row?.rows);
    }
    return counted;
  };

  const saidSecrets = (answer: Answered): readonly string[] =>
    [
      key.accessKeySecret,
      agentKey.accessKeySecret,
      temporaryKey.accessKeySecret,
      temporaryKey.securityToken ?? "",
      token,
      "maps-key",
    ].filter((secret) => answer.body.includes(secret));

  test("the samples are what the schemas take, so that only one thing is wrong at a time below", () => {
    for (const operation of operations) {
      expect(operation.params.safeParse(whole(operation)).success, operation.action).toBe(true);
      for (const [name, schema] of shapeOf(operation))
        expect(schema.safeParse(samples[name]).success, `${operation.action} ${name}`).toBe(true);
    }
  });

  test("each parameter of each action that is missing, empty, too long, of another type or no JSON is named, and nothing is made", async () => {
    const before = await made();
    for (const operation of operations)
      for (const [name, schema] of shapeOf(operation)) {
        const status = statusOf(name);
        const { [name]: _, ...others } = whole(operation);
        if (isRequired(schema)) {
          const missing = faultOf(await called(operation, { params: others }));
          expect(missing, `${operation.action} without ${name}`).toEqual([status, `MissingParameter.${name}`]);
        }
        const values = [
          "",
          "x".repeat(20_000),
          "{",
          deep(40),
          '{"a":1,"a":2}',
          '{"__proto__":{}}',
          '"\\u0000"',
          '"\\ud800"',
          "null",
          "1e9",
          "-1",
          "yes",
          "[null]",
        ];
        const bad = values.filter((value) => !schema.safeParse(value).success);
        expect(bad, `${operation.action} ${name} has a bound`).toContain("x".repeat(20_000));
        for (const value of bad) {
          const answer = await called(operation, { params: { ...others, [name]: value } });
          expect(faultOf(answer), `${operation.action} ${name}=${value.slice(0, 30)}`).toEqual([status, `InvalidParameter.${name}`]);
          expect(answer.body).not.toContain("xxxxx");
        }
      }
    expect(await made()).toEqual(before);
  }, 120_000);

  test("a parameter that an action does not have, or that stands twice, wherever it stands", async () => {
    const before = await made();
    for (const operation of operations) {
      const params = whole(operation);
      if (!forbidsUnknown(operation)) continue;
      expect(faultOf(await called(operation, { params: { ...params, Nonsense: "1" } }))).toEqual([400, "InvalidParameter.Nonsense"]);
      expect(faultOf(await called(operation, { params, inQuery: { Nonsense: "1" } }))).toEqual([400, "InvalidParameter.Nonsense"]);
      // A name that could be a secret in the wrong place is not repeated.
      const secret = await called(operation, { params: { ...params, [key.accessKeySecret]: "1" } });
      expect(faultOf(secret)).toEqual([400, "InvalidParameter"]);
      expect(saidSecrets(secret)).toEqual([]);
      for (const name of ["__proto__", "constructor", "toString", "Action"])
        expect(
          faultOf(await called(operation, { body: `${new URLSearchParams(params).toString()}&${name}=1` })),
          `${operation.action} ${name}`,
        ).toEqual([400, expect.stringMatching(/^InvalidParameter/) as string]);
      const [[name, value] = []] = Object.entries(params);
      if (name === undefined || value === undefined) continue;
      const twice = [statusOf(name), `InvalidParameter.${name}`];
      expect(
        faultOf(await called(operation, { body: new URLSearchParams([...Object.entries(params), [name, value]]).toString() })),
      ).toEqual(twice);
      expect(faultOf(await called(operation, { params, inQuery: { [name]: value } }))).toEqual(twice);
    }
    expect(await made()).toEqual(before);
  }, 60_000);

  test("the name of something that every object has is a value like any other, and what is made of it is read again", async () => {
    for (const word of ["constructor", "__proto__", "toString"])
      for (const operation of operations)
        for (const [name] of shapeOf(operation)) {
          const answer = await called(operation, { params: { ...whole(operation), [name]: word } });
          expect(answer.statusCode, `${operation.action} ${name}=${word}: ${answer.body}`).toBeLessThan(500);
        }
    for (const operation of operations.filter(({ action }) => action.startsWith("List"))) {
      const answer = await called(operation, { params: whole(operation) });
      expect(answer.statusCode, `${operation.action}: ${answer.body}`).toBeLessThan(500);
    }
  }, 120_000);

  test("a secret in the URL is refused, whatever else there is", async () => {
    for (const operation of operations) {
      for (const [name] of shapeOf(operation)) {
        if (!secretParameters.has(name)) continue;
        const { [name]: value = samples[name] ?? "", ...params } = whole(operation);
        const answer = await called(operation, { params, inQuery: { [name]: value } });
        expect(faultOf(answer), `${operation.action} ${name}`).toEqual([statusOf(name), `InvalidParameter.${name}`]);
        expect(answer.json<WireError>().Message).toContain("in the form");
      }
    }
  });

  test("bytes that are no form, of a type that is not read, or too many", async () => {
    const before = await made();
    for (const operation of operations) {
      const [name = "X"] = Object.keys(operation.params.shape);
      for (const body of [`${name}=%00`, `${name}=%ED%A0%80`, `${name}=%ff`, `${name}=%zz`, `${name}=\0`, `${name}=%C0%AF`])
        expect(faultOf(await called(operation, { body })), `${operation.action} ${body}`).toEqual([400, "InvalidParameter"]);
      for (const type of ["application/json", "text/plain", "multipart/form-data; boundary=x", "nonsense"])
        expect(faultOf(await called(operation, { body: "{}", type })), type).toEqual([415, "UnsupportedMediaType"]);
      expect(faultOf(await called(operation, { body: `${name}=${"x".repeat(300_000)}` }))).toEqual([413, "RequestTooLarge"]);
    }
    expect(await made()).toEqual(before);
  }, 60_000);

  test("a request that is none, or not for this address", async () => {
    const post = (url: string, headers: Record<string, string> = {}) => wire.app.inject({ method: "POST", url, headers });
    for (const url of ["/?x=%zz", "/?x=%00", "/?%ED%A0%80=1", "/t/acme/?x=%zz"])
      expect(faultOf(await post(url)), url).toEqual([400, "InvalidParameter"]);
    expect(faultOf(await post("/", { "x-acs-action": "\xff\xfe" }))).toEqual([400, "InvalidParameter"]);
    expect(faultOf(await post("/t/nobody/"))).toEqual([404, "NotFound"]);
    expect(faultOf(await post("/", { "x-acs-version": "2025-11-27" }))).toEqual([400, "MissingParameter.Action"]);
    for (const method of ["PUT", "PATCH", "DELETE"] as const) {
      const answer = await wire.app.inject({ method, url: "/" });
      expect([answer.statusCode, answer.headers["allow"]]).toEqual([405, "GET, HEAD, POST"]);
      expect(answer.json<{ error: { requestId: string } }>().error.requestId).toBe(answer.headers["x-request-id"]);
    }
  });

  test("a signature that cannot be read", async () => {
    for (const authorization of [
      "",
      "ACS3-HMAC-SHA256",
      "ACS3-HMAC-SHA256 Credential=,SignedHeaders=,Signature=",
      `Bearer ${token}`,
      `ACS3-HMAC-SHA256 Credential=${key.accessKeyId},SignedHeaders=host,Signature=zz`,
      `ACS3-HMAC-SM3 Credential=${key.accessKeyId},SignedHeaders=host,Signature=${"0".repeat(64)}`,
      "x".repeat(9_000),
    ]) {
      const headers = { "x-acs-action": "GetCallerIdentity", "x-acs-version": "2015-04-01", authorization };
      const answer = await wire.app.inject({ method: "POST", url: "/", headers });
      expect(faultOf(answer), authorization.slice(0, 60)).toEqual([401, "IncompleteSignature"]);
    }
  });

  describe("whatever is put together", () => {
    test("is answered, in this wire's words, with a request id, without a fault of ours and without a secret", async () => {
      const odd = fc.oneof(
        fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.toWellFormed().replaceAll("\0", "")),
        fc.json({ maxDepth: 3 }).map((text) => text.replaceAll("\\u0000", "")),
        fc.constantFrom("", "default", "maps", "scout", "../..", "[]", "{}", "é", "1e999", "True", "false", "900", "rol_", "*"),
      );
      const names = [...new Set(operations.flatMap(({ params }) => Object.keys(params.shape)))];
      const asked = fc.record({
        action: fc.constantFrom(...named.keys()),
        use: fc.array(fc.tuple(fc.constantFrom(...names), odd), { maxLength: 3 }),
        usual: fc.boolean(),
        own: fc.boolean(),
        by: fc.constantFrom("admin", "agent", "temporary", "nobody"),
        query: fc.boolean(),
        type: fc.constantFrom(formType, formType, formType, "application/json"),
      });
      const keys: Readonly<Record<string, TestKey | undefined>> = { admin: key, agent: agentKey, temporary: temporaryKey };
      await fc.assert(
        fc.asyncProperty(asked, async ({ action, use, usual, own, by, query, type }) => {
          const operation = named.get(action);
          if (!operation) throw new Error("There is no such action.");
          const given: Record<string, string> = {
            ...(usual && whole(operation)),
            ...(own && "WorkloadAccessToken" in operation.params.shape && { WorkloadAccessToken: token }),
            ...Object.fromEntries(use),
          };
          const signing = keys[by];
          const answer = await wire.call(operation.action, {
            version: operation.version,
            ...(signing && { key: signing }),
            [query ? "inQuery" : "params"]: given,
            type,
          });
          // A provider that was put together here is at a host that nobody has, and is asked where its name is used afterwards.
          const isProviders = answer.statusCode === 503 && answer.json<WireError>().Code === "ServiceUnavailable.CredentialProvider";
          if (!isProviders) expect(answer.statusCode, answer.body).toBeLessThan(500);
          if (answer.statusCode === 200) expect(answer.json<{ RequestId: string }>().RequestId).toBe(answer.headers["x-request-id"]);
          else expect(faultOf(answer)).toEqual([answer.statusCode, answer.json<WireError>().Code]);
          const secrets = saidSecrets(answer).filter((secret) => answer.statusCode !== 200 || (secret !== "maps-key" && secret !== token));
          expect(secrets).toEqual([]);
        }),
        { numRuns: 400 },
      );
    }, 120_000);
  });
});
