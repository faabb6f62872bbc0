import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { closeAll, open, raw, shape } from "./http-for-tests.ts";

afterEach(closeAll);

describe("every answer", () => {
  test("carries a request id of ours, whatever the caller sent as one", async () => {
    const { app } = await open();
    const answer = await app.inject({ url: "/livez", headers: { "x-request-id": "theirs" } });
    expect(answer.headers["x-request-id"]).toMatch(/^req_[0-9a-f]{32}$/);
  });

  test("carries one also where the request names no host", async () => {
    const { listen } = await open();
    const answer = await raw(await listen(), "GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/x-request-id: req_[0-9a-f]{32}\r\n/);
    expect(answer).toContain("The request has no Host header.");
  });

  test("carries one also where the request expects what nobody knows", async () => {
    const { listen } = await open();
    const answer = await raw(await listen(), "GET /livez HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\nconnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toMatch(/x-request-id: req_[0-9a-f]{32}\r\n/);
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
      ["GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n", 400],
      [`GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${"a".repeat(20_000)}\r\n\r\n`, 431],
      [`GET /livez HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n`, 200],
      ["GET http://elsewhere/livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 200],
    ] as const) {
      const answer = await raw(address, bytes);
      expect(answer.split("\r\n")[0]).toContain(` ${status} `);
      expect(answer).toMatch(/x-request-id: req_[0-9a-f]{32}/);
    }
  });
});

// RFC 9112 3.2
describe("what a request names", () => {
  const asked = async (line: string) => {
    const { app, listen } = await open({}, undefined, { isOpen: (tenant) => Promise.resolve(tenant === "acme") });
    app.post("/", (request) => ({ url: request.url }));
    const answer = await raw(await listen(), `${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    expect(answer).toMatch(/\r\nx-request-id: req_[0-9a-f]{32}\r\n/);
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    return { status: Number(head.split(" ")[1]), body: JSON.parse(body) as unknown };
  };

  test.each([
    "POST *",
    "GET *",
    "DELETE *",
    "GET http:///livez",
    "POST http://",
    "POST http://x*",
    "POST http://somebody:secret@x/",
    "POST ftp://x/",
    "GET x:443",
    "PRI *",
    "FOO /",
    "post /",
  ])("is refused where it is no path and no URL of one: %s", async (line) => {
    expect(await asked(line)).toEqual({ status: 400, body: { error: { ...shape.error, code: "invalid_request" } } });
  });

  test.each([
    ["POST /", "/"],
    ["POST http://x", "/"],
    ["POST http://x/", "/"],
    ["POST HTTPS://x:99?a=http://y/z", "/?a=http://y/z"],
    ["POST http://[::1]:99/t/acme/", "/"],
    ["POST /t/acme/?a", "/?a"],
  ])("is read the same as a path and as a URL: %s", async (line, url) => {
    expect(await asked(line)).toEqual({ status: 200, body: { url } });
  });

  test("may be nothing at all where somebody asks for the options of the server", async () => {
    expect((await asked("OPTIONS *")).status).toBe(404);
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
    expect(await ask(["10.0.0.0/8"], "10.1.1.1", "<b>not an address</b>")).toBe("10.1.1.1");
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

describe("TLS", () => {
  const openssl = spawnSync("openssl", ["version"]).status === 0;
  test.skipIf(!openssl)(`is served with the certificate and key given${openssl ? "" : " (openssl: none found)"}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "legate-tls-"));
    const [certPath, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    spawnSync("openssl", ["req", "-x509", ...curve, "-keyout", keyPath, "-out", certPath, "-days", "2", ...subject]);
    const { listen } = await open({ tls: { certPath, keyPath }, publicUrl: "https://127.0.0.1:8700" });
    const address = await listen();
    expect(address).toMatch(/^https:/);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${address}/livez`, { ca: readFileSync(certPath), agent: false }, resolve).on("error", reject);
    });
    expect([answer.statusCode, answer.headers["strict-transport-security"]]).toEqual([200, "max-age=31536000"]);
    answer.resume();
    rmSync(folder, { recursive: true });
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
    expect((await app.inject({ url: "/readyz" })).statusCode).toBe(503);
    await expect(fetch(`${address}/livez`)).rejects.toThrow("fetch failed");
    go();
    const answer = await slow;
    expect([answer.status, await answer.json(), answer.headers.get("connection")]).toEqual([200, { done: true }, "close"]);
    await closed;
  });

  test("what comes over an open connection as it begins is answered, and told that the connection ends", async () => {
    const { listen, close } = await open();
    const { hostname, port } = new URL(await listen());
    let answers = "";
    const socket = connect(Number(port), hostname, () => socket.write("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"));
    const ended = new Promise((done) => socket.on("close", done));
    await new Promise<void>((first) => {
      socket.on("data", (chunk) => {
        answers += chunk.toString("latin1");
        first();
      });
    });
    const closed = close();
    socket.write("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
    await Promise.all([closed, ended]);
    expect(answers.match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
    expect(answers).toMatch(/connection: close/i);
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
