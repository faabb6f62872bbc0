import { afterEach, describe, expect, test } from "vitest";
import { makeLimits } from "../../ground/limits/index.ts";
import { adminOf, handClock } from "../../testing/stores.ts";
import { closeAll, open, type shape } from "./http-for-tests.ts";

afterEach(closeAll);

const openLimited = async (scale = 0.01) => {
  const hand = handClock();
  const db = { engine: "sqlite" } as never;
  const rates = makeLimits({ db, clock: hand.clock, scale });
  const heard: unknown[] = [];
  const wire = await open({}, undefined, { rates, onLimited: (from, limit) => heard.push({ ...from, limit }) });
  const get = (url: string, remoteAddress = "192.0.2.7") => wire.app.inject({ url, remoteAddress });
  return { ...wire, ...hand, rates, heard, get };
};

describe("who proves nothing", () => {
  test("is limited by address: 429 with Retry-After and what is left, in every place, also where there is nothing", async () => {
    const { get, forward, heard } = await openLimited();
    for (let left = 29; left >= 0; left -= 1) {
      const answer = await get(left % 2 ? "/" : "/nowhere");
      expect([answer.statusCode, answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]]).toEqual([
        left % 2 ? 200 : 404,
        "30",
        String(left),
      ]);
      expect(Number(answer.headers["ratelimit-reset"])).toBeGreaterThan(0);
      expect(answer.headers["retry-after"]).toBeUndefined();
    }
    for (const url of ["/", "/nowhere", "/json/x", "/%00"]) {
      const answer = await get(url);
      expect([url, answer.statusCode, answer.json<typeof shape>().error.code]).toEqual([url, 429, "rate_limited"]);
      expect(answer.headers).toMatchObject({ "ratelimit-limit": "30", "ratelimit-remaining": "0" });
      expect(answer.headers["retry-after"]).toBe(answer.headers["ratelimit-reset"]);
      expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    }
    expect(heard).toHaveLength(4);
    expect(heard[0]).toEqual({ requestId: expect.stringMatching(/^req_/) as string, address: "192.0.2.7", limit: "address" });
    expect((await get("/", "192.0.2.8")).statusCode).toBe(200);
    forward(120_000);
    expect((await get("/")).statusCode).toBe(200);
  });

  test("is answered health and metrics all the same, uncounted", async () => {
    const { get } = await openLimited();
    for (let count = 0; count < 50; count += 1) {
      for (const url of ["/livez", "/readyz", "/metrics"]) {
        const answer = await get(url);
        expect([answer.statusCode, answer.headers["ratelimit-limit"]]).toEqual([200, undefined]);
      }
    }
    expect((await get("/")).headers["ratelimit-remaining"]).toBe("29");
  });

  test("behind a proxy that is not trusted is not whoever its header says", async () => {
    const { app } = await openLimited();
    const statuses = new Set<number>();
    for (let count = 0; count < 40; count += 1) {
      const headers = { "x-forwarded-for": `198.51.100.${count}` };
      statuses.add((await app.inject({ url: "/", remoteAddress: "192.0.2.7", headers })).statusCode);
    }
    expect(statuses).toEqual(new Set([200, 429]));
  });
});

test("a route that proves its caller leaves the address out of it, and tells what the caller may still do", async () => {
  const { app, rates } = await openLimited();
  const who = adminOf("acme");
  app.get("/proven", {
    config: { proves: true },
    handler: (request) => {
      rates.take(who);
      request.caller = who;
      return {};
    },
  });
  for (let left = 599; left >= 0; left -= 1) {
    const answer = await app.inject({ url: "/proven" });
    expect([answer.statusCode, answer.headers["ratelimit-remaining"]]).toEqual([200, String(left)]);
  }
  const over = await app.inject({ url: "/proven" });
  expect([over.statusCode, over.headers["ratelimit-limit"], over.headers["ratelimit-remaining"]]).toEqual([429, "600", "0"]);
  expect((await app.inject({ url: "/" })).headers["ratelimit-remaining"]).toBe("29");
});

test("metrics tell how many each kind of limit refused, and name nobody", async () => {
  const { get } = await openLimited();
  for (let count = 0; count < 37; count += 1) await get("/");
  const { body } = await get("/metrics");
  expect(body).toContain('legate_rate_limited_total{limit="address"} 7\n');
  expect(body).toContain('legate_rate_limited_total{limit="agent"} 0\n');
  expect(body).toContain("legate_http_requests_in_flight 1\n");
  expect(body).toContain("legate_http_turned_away_total 0\n");
  expect(body).toContain("legate_store_waiting 0\n");
  expect(body).not.toContain("192.0.2");
});
