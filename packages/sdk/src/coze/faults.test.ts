import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type CozeReply, type CozeRoute, FakeCoze } from "../testing/fake-coze.ts";
import { Client, type ClientOptions, OutboundError, TokenExchangeError, TokenRetrievalError, type WorkloadIdentityError } from "./index.ts";

const patient = { timeout: 20_000 };
let fake: FakeCoze;
let waits: number[];
beforeEach(async () => {
  fake = await FakeCoze.start();
  waits = [];
});
afterEach(() => fake.stop());

/** A client whose waits take no time and are written down. The clock is its own, so no token is left of another test. */
const clientWith = (options: ClientOptions = {}) => {
  const sleep = async (ms: number, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    waits.push(ms);
  };
  return new Client({ ...fake.options, sleep, random: () => 0.5, clock: () => 1_800_000_000_000, ...options });
};
const failureOf = (promise: Promise<unknown>): Promise<WorkloadIdentityError> =>
  promise.then(
    () => expect.unreachable("it should have failed"),
    (error: unknown) => error as WorkloadIdentityError,
  );

const calls = {
  integration: (client: Client) => client.getIntegrationCredential("github"),
  env: (client: Client) => client.getProjectEnvVars(),
} as const;
const names = {
  integration: ["Integration credential", "integration credential"],
  env: ["Project environment variables", "project environment variables"],
} as const;

describe("a token request that fails", () => {
  /** What the first or second step answers, and the text the original has for it. */
  const table: readonly (readonly [string, CozeReply, RegExp, object])[] = [
    [
      "400 with a body that says why",
      { status: 400, body: { error: "invalid_grant", error_description: "The subject token has expired." } },
      /^Failed to retrieve token: 400 Client Error: Bad Request for url: http:\/\/127\.0\.0\.1:\d+\/(id|access)$/,
      { status: 400, code: "invalid_grant", detail: "The subject token has expired.", requestId: "req-1" },
    ],
    [
      "401 without JSON",
      { status: 401, text: "<html>", headers: { "x-request-id": "", "x-tt-logid": "log-1" } },
      /^Failed to retrieve token: 401 Client Error: Unauthorized for url: /,
      { status: 401, code: undefined, detail: undefined },
    ],
    ["500", { status: 500, text: "" }, /^Failed to retrieve token: 500 Server Error: Internal Server Error for url: /, { status: 500 }],
    ["501, which is not asked again", { status: 501 }, /^Failed to retrieve token: 501 Server Error: /, { status: 501 }],
    [
      "a redirect",
      { status: 307, headers: { location: "/elsewhere" } },
      /^Failed to retrieve token: redirects are not followed, and .* answered 307$/,
      { status: 307, code: "redirect" },
    ],
    ["no JSON", { text: "<html>" }, /^Failed to retrieve token: the answer is not JSON$/, { status: 200, requestId: "req-1" }],
    ["nothing at all", { text: "" }, /^Failed to retrieve token: the answer is not JSON$/, { status: 200 }],
    ["half of a JSON", { text: '{"access_token":"a' }, /^Failed to retrieve token: /, { status: 200 }],
    ["JSON that is no object", { text: '["access_token"]' }, /^Invalid token response format: expected JSON object$/, { status: 200 }],
    ["null", { text: "null" }, /^Invalid token response format: expected JSON object$/, { status: 200 }],
    [
      "an error with status 200",
      { body: { error: "invalid_client", error_description: "no such client" } },
      /^Token request failed: no such client$/,
      { status: 200, code: "invalid_client", detail: "no such client" },
    ],
    [
      "an error without a description",
      { body: { error: "invalid_client" } },
      /^Token request failed: invalid_client$/,
      { code: "invalid_client" },
    ],
    ["an error that is null", { body: { error: null, access_token: "x" } }, /^Token request failed: None$/, { status: 200 }],
  ];

  describe.each(["id", "access"] as const)("at step %s", (step) => {
    it.each(table)("%s", async (_, reply, text, facts) => {
      fake.on(step, () => reply);
      for (const call of [(client: Client) => client.getAccessToken(), calls.integration, calls.env]) {
        const error = await failureOf(call(clientWith()));
        expect(error.constructor).toBe(TokenRetrievalError);
        expect(error.name).toBe("TokenRetrievalError");
        expect(error.message).toMatch(text);
        expect(error).toMatchObject(facts);
      }
      expect(fake.count("integration") + fake.count("env") + fake.count("elsewhere")).toBe(0);
    });
  });

  it.each([{}, { access_token: "" }, { access_token: null }, { access_token: 7 }, { id_token: "x" }])(
    "because the answer is %j: the one case of TokenExchangeError is the second step's",
    async (body) => {
      fake.script("id", { body });
      const first = await failureOf(clientWith().getAccessToken());
      expect(first.constructor).toBe(TokenRetrievalError);
      expect(first.message).toBe("No access_token found in ID token response");
      fake.script("access", { body });
      const second = await failureOf(clientWith({ clock: () => 1 }).getAccessToken());
      expect(second.constructor).toBe(TokenExchangeError);
      expect(second.message).toBe("No access_token found in access token response");
      expect(second).toMatchObject({ status: 200, requestId: "req-1" });
    },
  );

  it.each([null, "3600", true, {}, []])("because its life is %j says so, where the original breaks", async (life) => {
    fake.accessTokenLife = life;
    const error = await failureOf(clientWith().getAccessToken());
    expect(error.constructor).toBe(TokenRetrievalError);
    expect(error.message).toBe("Invalid token response format: expires_in must be a number");
  });

  it("because the token could not stand in a header says so without quoting it", async () => {
    fake.script("access", { body: { access_token: "canary\ntoken", expires_in: 3600 } });
    const error = await failureOf(clientWith().getAccessToken());
    expect(error.message).toBe("Invalid token response format: access_token cannot stand in a header");
  });

  it("because nobody listens, or the name is unknown, tells the system's code", async () => {
    const gone = await FakeCoze.start();
    const { url } = gone;
    await gone.stop();
    const refused = await failureOf(clientWith({ tokenEndpoint: `${url}/id?key=canary` }).getAccessToken());
    expect(refused.constructor).toBe(TokenRetrievalError);
    expect(refused.message).toMatch(/^Failed to retrieve token: http:\/\/127\.0\.0\.1:\d+\/id cannot be reached \(ECONNREFUSED\)$/);
    expect(refused).toMatchObject({ code: "ECONNREFUSED", status: undefined, cause: expect.any(Error) as Error });
    const unknown = await failureOf(clientWith({ tokenEndpoint: "http://nowhere.invalid/id", retries: 0 }).getAccessToken());
    expect(unknown.code).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
  });
});

describe.each(["integration", "env"] as const)("an outbound call for %s that fails", (route) => {
  const [subject, object] = names[route];
  const table: readonly (readonly [string, CozeReply, string | RegExp, object])[] = [
    [
      "404 with a message",
      { status: 404, body: { code: 4040, msg: "none of this name" } },
      `Client error (404): ${subject} request failed with status 404: none of this name`,
      { status: 404, code: 4040, requestId: "req-1" },
    ],
    ["403 without JSON", { status: 403, text: "no" }, `Client error (403): ${subject} request failed with status 403`, { status: 403 }],
    ["400 with a list", { status: 400, body: [1] }, `Client error (400): ${subject} request failed with status 400`, { status: 400 }],
    [
      "503 with a message",
      { status: 503, body: { msg: "later" } },
      `Server error (503): ${subject} request failed with status 503: later`,
      {},
    ],
    ["201", { status: 201, body: { code: 0 } }, `Server error (201): ${subject} request failed with status 201`, { status: 201 }],
    ["204", { status: 204, text: "" }, `Server error (204): ${subject} request failed with status 204`, { status: 204 }],
    [
      "a redirect, which is not followed",
      { status: 302, text: "", headers: { location: "/elsewhere" } },
      `Server error (302): ${subject} request failed with status 302`,
      { status: 302 },
    ],
    ["a code", { body: { code: 7, msg: "quota" } }, `${subject} API error: code=7, msg=quota`, { status: 200, code: 7 }],
    ["a code alone", { body: { code: 7 } }, `${subject} API error: code=7, msg=Unknown error`, { code: 7 }],
    ["a code that is text", { body: { code: "0", msg: null } }, `${subject} API error: code=0, msg=None`, { code: "0" }],
    ["no code", { body: { data: {} } }, `${subject} API error: code=None, msg=Unknown error`, { code: undefined }],
    ["a code that is true", { body: { code: true } }, `${subject} API error: code=True, msg=Unknown error`, {}],
    ["no object", { body: [] }, "Invalid response format: expected JSON object", { status: 200 }],
    ["no data", { body: { code: 0 } }, "Invalid response format: missing or invalid 'data' field", {}],
    ["data that is a list", { body: { code: 0, data: [] } }, "Invalid response format: missing or invalid 'data' field", {}],
    ["no JSON", { text: "hello" }, new RegExp(`^Failed to retrieve ${object}: the answer is not JSON$`), { status: 200 }],
    [
      "bytes that are no text",
      { text: Buffer.from([0x22, 0xff, 0x22]) },
      new RegExp(`^Failed to retrieve ${object}: .* is not UTF-8$`),
      {},
    ],
    ["a broken connection", { way: "cut" }, new RegExp(`^Failed to retrieve ${object}: .* cannot be reached \\([A-Z_]+\\)$`), {}],
  ];
  it.each(table)("%s", async (_, reply, text, facts) => {
    fake.on(route, () => reply);
    const error = await failureOf(calls[route](clientWith()));
    expect(error.constructor).toBe(OutboundError);
    if (typeof text === "string") expect(error.message).toBe(text);
    else expect(error.message).toMatch(text);
    expect(error).toMatchObject(facts);
    expect(fake.count("elsewhere")).toBe(0);
  });
});

describe("what is wrong with the data", () => {
  const shapes: readonly (readonly [keyof typeof calls, unknown, string])[] = [
    ["integration", {}, "missing 'credential' field in data"],
    ["integration", { credential: null }, "credential must be a string"],
    ["integration", { credential: 7 }, "credential must be a string"],
    ["env", {}, "missing or invalid 'secrets' field in data"],
    ["env", { secrets: {} }, "missing or invalid 'secrets' field in data"],
    ["env", { secrets: [{ key: "A", value: "1" }, "B=2"] }, "secrets[1] must be a dict"],
    ["env", { secrets: [{ key: "A" }] }, "secrets[0] must contain 'key' and 'value' keys"],
    ["env", { secrets: [{ key: "A", value: 1 }] }, "secrets[0] key and value must be strings"],
    ["env", { secrets: [{ key: null, value: "1" }] }, "secrets[0] key and value must be strings"],
  ];
  it.each(shapes)("%s %j is told in the original's words", async (route, data, words) => {
    fake.on(route, () => ({ body: { code: 0, data } }));
    const error = await failureOf(calls[route](clientWith()));
    expect(error.constructor).toBe(OutboundError);
    expect(error.message).toBe(`Invalid response format: ${words}`);
  });

  it("is nothing where the code is 0 or false, or fields are there that nobody knows", async () => {
    fake.on("integration", () => ({ body: { code: false, data: { credential: "", more: [1] }, BaseResp: {} } }));
    expect(await calls.integration(clientWith())).toBe("");
    fake.on("env", () => ({ text: '\ufeff{"code":0.0,"data":{"secrets":[]}}' }));
    expect((await calls.env(clientWith())).size).toBe(0);
  });
});

describe("what may have failed by chance", () => {
  const everywhere = ["id", "access", "integration", "env"] as const;
  const answers = async (client: Client, route: CozeRoute) =>
    route === "env" ? (await calls.env(client)).get("GREETING") : await calls.integration(client);

  it.each(everywhere)("is asked again at %s, with growing, jittered waits", async (route) => {
    fake.script(route, { status: 429 }, { way: "cut" }, { status: 500 });
    expect(await answers(clientWith(), route)).toBe(route === "env" ? "hello" : "credential-of-github");
    expect(waits).toEqual([150, 300, 600]);
    expect(fake.count(route)).toBe(4);
  });

  it("is asked no more often than `retries` says", async () => {
    fake.on("env", () => ({ status: 503 }));
    expect(await failureOf(calls.env(clientWith({ retries: 1 })))).toMatchObject({ status: 503 });
    expect(fake.count("env")).toBe(2);
    expect(await failureOf(calls.env(clientWith({ retries: 0 })))).toMatchObject({ status: 503 });
    expect(fake.count("env")).toBe(3);
  });

  it("waits as long as Retry-After says, and gives up where all waits together would be too long", async () => {
    const busy = (seconds: string): CozeReply => ({ status: 429, headers: { "retry-after": seconds } });
    fake.script("env", busy("7"), busy("20"), busy("4"));
    expect(await failureOf(calls.env(clientWith()))).toMatchObject({ status: 429 });
    expect(waits).toEqual([7000, 20_000]);
    fake.script("env", busy("3600"));
    expect(await failureOf(calls.env(clientWith()))).toMatchObject({ status: 429 });
    expect(waits).toHaveLength(2);
  });

  it("is not asked again after a definite no", async () => {
    for (const reply of [{ status: 400 }, { status: 404 }, { body: { code: 5 } }, { text: "x" }]) {
      const before = fake.count("env");
      fake.on("env", () => reply);
      await failureOf(calls.env(clientWith()));
      expect(fake.count("env") - before).toBe(1);
    }
    expect(waits).toEqual([]);
  });

  it("ends with the caller's signal while it waits", async () => {
    fake.on("env", () => ({ status: 503 }));
    const controller = new AbortController();
    const client = new Client({ ...fake.options, random: () => 1 });
    const call = client.getProjectEnvVars(undefined, { signal: controller.signal });
    await vi.waitFor(() => expect(fake.count("env")).toBe(1), patient);
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("a server that is too slow or says too much", () => {
  it.each(["hang", "stall"] as const)("is left when the time of one attempt is over, and not asked again: %s", async (way) => {
    // There is a token already: fetching one should not be short of time.
    const clock = () => 1;
    await clientWith({ clock }).getAccessToken();
    fake.on("env", () => ({ way, text: '{"code":0,"data":{}}' }));
    const outbound = await failureOf(calls.env(clientWith({ clock, timeout: [20, 130] })));
    expect(outbound.constructor).toBe(OutboundError);
    expect(outbound.message).toMatch(/^Failed to retrieve project environment variables: .*\/secret\/env timed out after 150 ms$/);
    expect(outbound).toMatchObject({ code: "timeout", status: undefined });
    expect(fake.count("env")).toBe(1);
    fake.on("id", () => ({ way, text: "{     }" }));
    const token = await failureOf(clientWith({ timeout: { connect: 20, read: 130 }, clock: () => 2 }).getAccessToken());
    expect(token.constructor).toBe(TokenRetrievalError);
    expect(token.message).toMatch(/^Failed to retrieve token: .*\/id timed out after 150 ms$/);
    expect(fake.count("id")).toBe(2);
  });

  it("is left when a fetch of one's own heeds no signal", async () => {
    const fetch = () => new Promise<Response>(() => undefined);
    expect(await failureOf(clientWith({ fetch, timeout: 20 }).getAccessToken())).toMatchObject({ code: "timeout" });
  });

  it("is left after 8 MiB, also where it says nothing of its length", async () => {
    fake.on("env", () => ({ text: `"${"x".repeat(9 * 1024 * 1024)}"` }));
    const error = await failureOf(calls.env(clientWith()));
    expect(error.message).toMatch(/^Failed to retrieve project environment variables: the answer of .* is larger than 8388608 bytes$/);
    expect(error.code).toBe("too_large");
    expect(fake.count("env")).toBe(1);
    fake.on("env", () => ({ body: { code: 0, data: { secrets: [{ key: "BIG", value: "x".repeat(7 * 1024 * 1024) }] } } }));
    expect((await calls.env(clientWith())).get("BIG")).toHaveLength(7 * 1024 * 1024);
  });

  it("is quoted in 2,000 characters at most, in every text of an error", async () => {
    const much = "x".repeat(7 * 1024 * 1024);
    for (const [route, call] of [
      ["id", calls.env],
      ["access", calls.env],
      ["env", calls.env],
      ["integration", calls.integration],
    ] as const) {
      for (const status of [400, 200]) {
        const isToken = route === "id" || route === "access";
        for (const body of isToken
          ? [{ error: much }, { error: "no", error_description: much }]
          : [{ code: much }, { code: 1, msg: much }]) {
          fake.on(route, () => ({ status, body }));
          const error = await failureOf(call(clientWith({ clock: () => 5 })));
          expect(error).toMatchObject({ status });
          for (const text of [error.message, error.detail ?? "", String(error.code)]) expect(text.length).toBeLessThan(2_200);
          expect(error.stack?.length).toBeLessThan(10_000);
        }
      }
      fake.on(route, () => undefined);
    }
  });
});
