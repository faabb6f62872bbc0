import { connect } from "node:net";
import { Writable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { Refusal, systemRandom } from "../../ground/kernel/index.ts";
import { type HttpSettings, makeHttp, makeLog, readForm, readJson } from "./index.ts";

const settings: HttpSettings = { host: "127.0.0.1", port: 0, publicUrl: "http://127.0.0.1:8700", trustedProxies: [], corsOrigins: [] };
const opened: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const http of opened.splice(0)) await http.close();
});

/** A server with one wire that reads JSON, one that reads forms, and a log that is kept. */
const open = async (more: Partial<HttpSettings> = {}, ping: () => Promise<unknown> = () => Promise.resolve()) => {
  const lines: string[] = [];
  const log = makeLog(
    "info",
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  const http = await makeHttp({ ...settings, ...more }, { log, random: systemRandom, ping });
  opened.push(http);
  const { app } = http;
  await app.register((scope: FastifyInstance, _options, done) => {
    readJson(scope);
    scope.post("/json/:name", { config: { operation: "echo" } }, (request) => ({ body: request.body, ip: request.ip }));
    scope.get("/throws/:what", (request): never => {
      const { what } = request.params as { what: string };
      if (what === "unavailable") throw new Refusal("unavailable", "Not now.");
      throw new Error("broken with Bearer sk_0123456789abcdef and /callback?code=verysecret&state=alsosecret");
    });
    done();
  });
  await app.register((scope: FastifyInstance, _options, done) => {
    readForm(scope);
    scope.post("/form", (request) => ({ body: request.body }));
    done();
  });
  const json = (body: string | Buffer, headers: Record<string, string> = {}) =>
    app.inject({ method: "POST", url: "/json/x", headers: { "content-type": "application/json", ...headers }, payload: body });
  return { ...http, lines, json };
};

/** What a server answers to bytes that no HTTP client would send. */
const raw = (address: string, bytes: string | Buffer, wait = 5_000): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address);
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setTimeout(wait, () => socket.destroy());
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });

const shape = {
  error: {
    code: expect.any(String) as string,
    message: expect.any(String) as string,
    requestId: expect.stringMatching(/^req_[0-9a-f]{32}$/) as string,
  },
};

describe("every answer", () => {
  test("carries a request id of ours, whatever the caller sent as one", async () => {
    const { app } = await open();
    const answer = await app.inject({ url: "/livez", headers: { "x-request-id": "theirs" } });
    expect(answer.headers["x-request-id"]).toMatch(/^req_[0-9a-f]{32}$/);
  });

  test("carries the security headers, and HSTS only under https", async () => {
    const plain = await (await open()).app.inject({ url: "/" });
    expect(plain.headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-resource-policy": "same-origin",
      "x-frame-options": "DENY",
      "cache-control": "no-store",
    });
    expect(plain.headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(plain.headers).not.toHaveProperty("strict-transport-security");
    const secure = await (await open({ publicUrl: "https://legate.example" })).app.inject({ url: "/nowhere" });
    expect(secure.headers["strict-transport-security"]).toBe("max-age=31536000");
    expect(secure.headers["x-content-type-options"]).toBe("nosniff");
  });
});

describe("a request that no route takes", () => {
  test("is 404, and 405 with Allow where another method is answered", async () => {
    const { app } = await open();
    const missing = await app.inject({ url: "/nowhere" });
    expect([missing.statusCode, missing.json()]).toEqual([404, shape]);
    const method = await app.inject({ method: "DELETE", url: "/json/x" });
    expect([method.statusCode, method.headers["allow"], method.json<typeof shape>().error.code]).toEqual([
      405,
      "POST",
      "method_not_allowed",
    ]);
    expect((await app.inject({ method: "POST", url: "/livez" })).headers["allow"]).toBe("GET, HEAD");
    expect((await app.inject({ method: "POST", url: "/json/x/y" })).statusCode).toBe(404);
  });

  test("is refused before its body is read", async () => {
    const { app } = await open();
    const answer = await app.inject({ method: "POST", url: "/nowhere", headers: { "content-type": "application/json" }, payload: "{" });
    expect(answer.statusCode).toBe(404);
  });
});

describe("a URL or header that is not well-formed", () => {
  test.each(["/livez?x=%", "/livez?x=%zz", "/%ED%A0%80", "/json/%00", "/%C0%AF", "/livez?x=%00", "/%", "/json/%E0%A4%A"])(
    "%s is a 400",
    async (url) => {
      const { app } = await open();
      for (const method of ["GET", "POST"] as const) {
        const answer = await app.inject({ method, url });
        expect([answer.statusCode, answer.json()]).toEqual([400, shape]);
        expect(answer.json<typeof shape>().error.code).toBe("invalid_request");
        expect(answer.headers["x-request-id"]).toBe(answer.json<typeof shape>().error.requestId);
      }
    },
  );

  test("bytes beyond UTF-8 in a header are a 400, UTF-8 passes", async () => {
    const { listen } = await open();
    const address = await listen();
    const ask = (bytes: Buffer) =>
      Buffer.concat([Buffer.from("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-name: "), bytes, Buffer.from("\r\n\r\n")]);
    expect(await raw(address, ask(Buffer.from([0xed, 0xa0, 0x80])))).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(address, ask(Buffer.from("Zoë")))).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(address, ask(Buffer.from([0x61, 0])))).toMatch(/^HTTP\/1.1 400 /);
  });

  test("what is no HTTP, and headers beyond the limit, get an answer with a request id", async () => {
    const { listen } = await open();
    const address = await listen();
    for (const [bytes, status] of [
      ["NONSENSE\r\n\r\n", 400],
      ["GET /livez HTTP/1.1\r\n\r\n", 400],
      [`GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${"a".repeat(20_000)}\r\n\r\n`, 431],
      [`GET /livez HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n`, 200],
      ["GET http://elsewhere/livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 200],
    ] as const) {
      const answer = await raw(address, bytes);
      expect(answer.split("\r\n")[0]).toContain(` ${status} `);
      if (status !== 400 || bytes.startsWith("N")) expect(answer).toMatch(/x-request-id: req_[0-9a-f]{32}/);
    }
  });
});

describe("a JSON body", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

  test.each([
    ["no JSON", "{"],
    ["a trailing comma", '{"a":1,}'],
    ["a byte order mark", '\ufeff{"a":1}'],
    ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22])],
    ["bytes of a surrogate", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["a lone surrogate", '{"a":{"b":["x\\ud800"]}}'],
    ["a NUL", '{"a":"\\u0000"}'],
    ["a raw NUL", '{"a":"\0"}'],
    ["a NUL in a name", '{"\\u0000":1}'],
    ["a name twice", '{"a":1,"a":2}'],
    ["a name twice, written differently", '{"a":1,"\\u0061":2}'],
    ["a name twice, deep", '{"x":[{"a":{"c":1},"b":[],"a":2}]}'],
    ["__proto__", '{"__proto__":{"admin":true}}'],
    ["__proto__ in disguise", '{"x":[{"\\u005f_proto__":1}]}'],
    ["nesting beyond 32", nested(33)],
    ["endless nesting", "[".repeat(200_000)],
    ["endless objects", '{"a":'.repeat(40_000)],
  ])("with %s is a 400", async (_what, body) => {
    const { json } = await open();
    const answer = await json(body);
    expect([answer.statusCode, answer.json()]).toEqual([400, shape]);
  });

  test.each([
    ['{"a":"\\"{","b":{"a":"}"},"c":[{"a":1},{"a":2}]}'],
    ['{"a":"a","b":["a","a",{"a":[]}],"\\\\":1,"\\"":2}'],
    ['"\\ud83d\\ude00"'],
    [nested(32)],
    ["0"],
    [' { "a" : [ ] } '],
  ])("%s is read as JSON.parse reads it", async (body) => {
    const { json } = await open();
    const answer = await json(body);
    expect([answer.statusCode, answer.json<{ body: unknown }>().body]).toEqual([200, JSON.parse(body)]);
  });

  test("beyond 256 KiB is a 413, told by its length or found by reading", async () => {
    const { json, listen } = await open();
    expect((await json(`"${"a".repeat(256 * 1024)}"`)).statusCode).toBe(413);
    expect((await json(`"${"a".repeat(256 * 1024 - 2)}"`)).statusCode).toBe(200);
    const address = await listen();
    const chunk = "a".repeat(0x10000);
    const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(5);
    const head = "POST /json/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    expect(await raw(address, `${head}${chunks}0\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 /);
  });

  test("of another type is a 415, and each scope reads only its own", async () => {
    const { app, json } = await open();
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/xml",
      "nonsense",
      "application/json; charset=utf-16",
    ]) {
      expect([type, (await json("{}", { "content-type": type })).statusCode]).toEqual([type, 415]);
    }
    expect((await json("{}", { "content-type": "application/json; charset=UTF-8" })).statusCode).toBe(200);
    const form = (payload: string, type = "application/x-www-form-urlencoded") =>
      app.inject({ method: "POST", url: "/form", headers: { "content-type": type }, payload });
    expect((await form("a=1+%C3%AB&b=2&a=3&__proto__=x")).json()).toEqual({
      body: JSON.parse('{"a":["1 ë","3"],"b":"2","__proto__":"x"}') as unknown,
    });
    expect((await form("{}", "application/json")).statusCode).toBe(415);
    for (const bad of ["a=%", "a=%00", "a=%ED%A0%80", "a=\u00ff"]) expect((await form(bad)).statusCode).toBe(400);
  });
});

describe("a fault of ours", () => {
  test("is a 500 without details; the log has the stack and no secret", async () => {
    const { app, lines } = await open();
    const answer = await app.inject({
      url: "/throws/error?code=query-secret",
      headers: { authorization: "Bearer header-secret", cookie: "c=cookie-secret" },
    });
    expect([answer.statusCode, answer.json<typeof shape>().error.code]).toEqual([500, "internal"]);
    expect(answer.body).not.toContain("broken");
    const log = lines.join("");
    expect(log).toContain("http.test.ts");
    expect(log).toContain("broken with Bearer [hidden]");
    for (const secret of ["sk_0123456789abcdef", "verysecret", "alsosecret", "query-secret", "header-secret", "cookie-secret"]) {
      expect(log).not.toContain(secret);
    }
  });

  test("`unavailable` is a 503 with Retry-After", async () => {
    const { app } = await open();
    const answer = await app.inject({ url: "/throws/unavailable" });
    expect([answer.statusCode, answer.headers["retry-after"], answer.json<typeof shape>().error.message]).toEqual([503, "5", "Not now."]);
  });
});

describe("the log", () => {
  test("has one line per request: the route, never the URL", async () => {
    const { app, lines } = await open();
    const answer = await app.inject({ method: "POST", url: "/json/private-name?token=secret", remoteAddress: "192.0.2.7" });
    const line = JSON.parse(lines.find((each) => each.includes("request completed")) ?? "{}") as Record<string, unknown>;
    expect(line).toMatchObject({
      level: "info",
      requestId: answer.headers["x-request-id"],
      method: "POST",
      route: "/json/:name",
      status: 200,
      ms: expect.any(Number) as number,
      address: "192.0.2.7",
    });
    expect(lines.join("")).not.toMatch(/private-name|secret/);
  });

  test("hides credentials, cookies, bodies and URLs even where code hands them over", async () => {
    const lines: string[] = [];
    const log = makeLog("trace", new Writable({ write: (chunk, _e, done) => (lines.push(String(chunk)), done()) }));
    log.info(
      { authorization: "SECRET", headers: { cookie: "SECRET" }, body: { a: "SECRET" }, request: { url: "SECRET", query: "SECRET" } },
      "x",
    );
    log.info({ req: { headers: { authorization: "SECRET" } }, res: { a: "SECRET" } }, "x");
    log.error({ err: Object.assign(new Error("x", { cause: new Error("Basic SECRET") }), { config: "SECRET", detail: "SECRET" }) }, "x");
    expect(lines).toHaveLength(3);
    expect(lines.join("")).not.toContain("SECRET");
  });
});

describe("the caller's address", () => {
  const ask = async (trustedProxies: string[], from: string, forwarded: string) => {
    const { app } = await open({ trustedProxies });
    const answer = await app.inject({ method: "POST", url: "/json/x", remoteAddress: from, headers: { "x-forwarded-for": forwarded } });
    return answer.json<{ ip: string }>().ip;
  };
  test("is the connection's, unless a trusted proxy tells of another", async () => {
    expect(await ask([], "10.1.1.1", "192.0.2.9")).toBe("10.1.1.1");
    expect(await ask(["10.0.0.0/8"], "10.1.1.1", "192.0.2.9")).toBe("192.0.2.9");
    expect(await ask(["10.0.0.0/8"], "10.1.1.1", "203.0.113.5, 192.0.2.9")).toBe("192.0.2.9");
    expect(await ask(["10.0.0.0/8"], "11.1.1.1", "192.0.2.9")).toBe("11.1.1.1");
  });
});

describe("CORS", () => {
  const ask = async (corsOrigins: string[], origin: string) => {
    const { app } = await open({ corsOrigins });
    const preflight = await app.inject({ method: "OPTIONS", url: "/json/x", headers: { origin, "access-control-request-method": "POST" } });
    const plain = await app.inject({ url: "/livez", headers: { origin } });
    return [
      preflight.headers["access-control-allow-origin"],
      plain.headers["access-control-allow-origin"],
      plain.headers["access-control-allow-credentials"],
    ];
  };
  test("is for the configured origins only, and never with credentials", async () => {
    expect(await ask([], "https://app.example")).toEqual([undefined, undefined, undefined]);
    expect(await ask(["https://app.example", "https://b.example"], "https://app.example")).toEqual([
      "https://app.example",
      "https://app.example",
      undefined,
    ]);
    expect(await ask(["https://app.example", "https://b.example"], "https://evil.example")).toEqual([undefined, undefined, undefined]);
  });
});

describe("health and metrics", () => {
  test("readyz follows the store, livez does not", async () => {
    let broken = false;
    const { app } = await open({ limits: { ping: 30 } }, () => (broken ? Promise.reject(new Error("gone")) : Promise.resolve()));
    expect((await app.inject({ url: "/readyz" })).statusCode).toBe(200);
    broken = true;
    expect((await app.inject({ url: "/readyz" })).statusCode).toBe(503);
    expect((await app.inject({ url: "/livez" })).statusCode).toBe(200);
    const hanging = await open({ limits: { ping: 30 } }, () => new Promise(() => undefined));
    expect((await hanging.app.inject({ url: "/readyz" })).statusCode).toBe(503);
  });

  test("metrics count by operation and status, and name nobody", async () => {
    const { app } = await open();
    await app.inject({ method: "POST", url: "/json/private-name" });
    await app.inject({ url: "/private-path" });
    const { body } = await app.inject({ url: "/metrics" });
    expect(body).toContain('legate_http_requests_total{operation="echo",method="POST",status="200"} 1');
    expect(body).toContain('legate_http_requests_total{operation="none",method="GET",status="404"} 1');
    expect(body).toContain('legate_http_request_duration_seconds_count{operation="echo"} 1');
    expect(body).toContain("process_resident_memory_bytes");
    expect(body).not.toContain("private");
  });

  test("GET / says what this is, to people and to programs", async () => {
    const { app } = await open();
    expect((await app.inject({ url: "/" })).json()).toMatchObject({ name: "Legate", docs: "http://127.0.0.1:8700/docs" });
    const page = await app.inject({ url: "/", headers: { accept: "text/html,*/*" } });
    expect(page.headers["content-type"]).toContain("text/html");
    expect(page.body).toContain('href="docs"');
  });
});

describe("closing", () => {
  test("finishes what was accepted, refuses what is new, and then is gone", async () => {
    const { app, listen, close } = await open();
    let go: () => void = () => undefined;
    const going = new Promise<void>((resolve) => {
      go = resolve;
    });
    app.get("/slow", async () => {
      await going;
      return { done: true };
    });
    const address = await listen();
    const slow = fetch(`${address}/slow`);
    await expect.poll(async () => (await app.inject({ url: "/metrics" })).body).toContain("legate_http_requests_in_flight 2");
    const closed = close();
    await expect(fetch(`${address}/livez`)).rejects.toThrow("fetch failed");
    go();
    const answer = await slow;
    expect([answer.status, await answer.json(), answer.headers.get("connection")]).toEqual([200, { done: true }, "close"]);
    await closed;
  });

  test("cuts off who is still busy after the limit", async () => {
    const { app, listen, close } = await open({ limits: { drain: 100 } });
    app.get("/never", () => new Promise(() => undefined));
    const address = await listen();
    const never = fetch(`${address}/never`).catch(() => "cut off");
    await expect.poll(async () => (await app.inject({ url: "/metrics" })).body).toContain("legate_http_requests_in_flight 2");
    await close();
    expect(await never).toBe("cut off");
  });

  test("a client that never finishes its request is cut off in time", async () => {
    const { listen } = await open({ limits: { headersTimeout: 200, requestTimeout: 300 } });
    const address = await listen();
    expect(await raw(address, "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ", 8_000)).toMatch(/^HTTP\/1.1 408 /);
    expect(
      await raw(address, 'POST /json/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"a"', 8_000),
    ).toMatch(/^HTTP\/1.1 408 /);
  });
});
