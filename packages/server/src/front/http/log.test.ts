import { Writable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { closeAll, open, type shape } from "./http-for-tests.ts";
import { makeLog } from "./index.ts";

afterEach(closeAll);

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
    expect(log).toContain("http-for-tests.ts");
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
