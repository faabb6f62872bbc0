import { Agent, request } from "undici";
import { afterEach, describe, expect, test } from "vitest";
import { collectGarbage } from "../../testing/collect-garbage.ts";
import { closeAll, open, type shape } from "./http-for-tests.ts";

afterEach(closeAll);

/** A route that is worked on until it is let go. */
const openSlow = async (limits: NonNullable<NonNullable<Parameters<typeof open>[0]>["limits"]>, waiting = () => 0) => {
  const wire = await open({ limits }, undefined, { waiting });
  const held: (() => void)[] = [];
  wire.app.get("/slow", () => new Promise((resolve) => held.push(() => resolve({ done: true }))));
  const gauge = async () => {
    const { body } = await wire.app.inject({ url: "/metrics" });
    return Number(/^legate_http_requests_in_flight (\d+)/m.exec(body)?.[1]) - 1;
  };
  const letGo = () => {
    for (const go of held.splice(0)) go();
  };
  return { ...wire, held, letGo, gauge };
};

describe("too much at once", () => {
  test("a flood on a slow store: who is accepted is answered, the rest hear 503 at once, memory stays flat, and then all is well", async () => {
    // A store that does one thing after another, two milliseconds each.
    let store: Promise<unknown> = Promise.resolve();
    let waits = 0;
    const { app, listen } = await open({ limits: { inFlight: 200, inFlightFromOne: 10_000 } });
    let peak = 0;
    app.get("/work", async () => {
      waits += 1;
      peak = Math.max(peak, waits);
      store = store.then(() => new Promise((resolve) => setTimeout(resolve, 2)));
      await store;
      waits -= 1;
      return { done: "x".repeat(10_000) };
    });
    const address = await listen();
    const agent = new Agent({ connections: 1_200, pipelining: 1 });
    const ask = async (path: string) => {
      const { statusCode, headers, body } = await request(`${address}${path}`, { dispatcher: agent });
      await body.dump();
      return { statusCode, retryAfter: headers["retry-after"] };
    };
    await ask("/livez");
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    const flood = Promise.all(Array.from({ length: 3_000 }, () => ask("/work")));
    await expect.poll(() => peak, { timeout: 10_000 }).toBe(200);
    const [health, metrics] = await Promise.all([app.inject({ url: "/livez" }), app.inject({ url: "/metrics" })]);
    expect([health.statusCode, metrics.statusCode]).toEqual([200, 200]);
    const answers = await flood;
    const grown = (process.memoryUsage().rss - before) / 1_048_576;
    const served = answers.filter(({ statusCode }) => statusCode === 200).length;
    const turnedAway = answers.filter(({ statusCode, retryAfter }) => statusCode === 503 && Number(retryAfter) >= 1);
    expect(served).toBeGreaterThanOrEqual(200);
    expect(served + turnedAway.length).toBe(3_000);
    expect(turnedAway.length).toBeGreaterThan(1_000);
    // Not all at the same second again.
    expect(new Set(turnedAway.map(({ retryAfter }) => retryAfter)).size).toBe(5);
    expect(peak).toBe(200);
    // Both ends of all connections are in this process.
    expect(grown).toBeLessThan(200);
    for (let count = 0; count < 20; count += 1) expect((await ask("/work")).statusCode).toBe(200);
    expect((await app.inject({ url: "/metrics" })).body).toContain("legate_http_requests_in_flight 1\n");
    await agent.close();
  });

  test("is refused before a body is read", async () => {
    const { app, held, letGo } = await openSlow({ inFlight: 1 });
    const slow = app.inject({ url: "/slow" });
    await expect.poll(() => held.length).toBe(1);
    const answer = await app.inject({ method: "POST", url: "/json/x", headers: { "content-type": "application/json" }, payload: "{" });
    expect([answer.statusCode, answer.json<typeof shape>().error.code]).toEqual([503, "unavailable"]);
    letGo();
    expect((await slow).statusCode).toBe(200);
    expect(
      (await app.inject({ method: "POST", url: "/json/x", headers: { "content-type": "application/json" }, payload: "{" })).statusCode,
    ).toBe(400);
  });

  test("of one address leaves the places of others", async () => {
    const { app, held, letGo } = await openSlow({ inFlight: 10, inFlightFromOne: 5 });
    const from = (remoteAddress: string) => app.inject({ url: "/slow", remoteAddress });
    const first = Array.from({ length: 5 }, (_, host) => from(`2001:db8:1:1::${host}`));
    await expect.poll(() => held.length).toBe(5);
    expect((await from("2001:db8:1:1:ffff::")).statusCode).toBe(503);
    const other = from("2001:db8:1:2::1");
    await expect.poll(() => held.length).toBe(6);
    letGo();
    for (const answer of [...first, other]) expect((await answer).statusCode).toBe(200);
  });

  test("at the store turns new work away, and not health", async () => {
    let waiting = 10;
    const { app } = await openSlow({ queued: 10 }, () => waiting);
    expect((await app.inject({ url: "/" })).statusCode).toBe(503);
    expect((await app.inject({ url: "/livez" })).statusCode).toBe(200);
    expect((await app.inject({ url: "/metrics" })).body).toContain("legate_store_waiting 10\n");
    expect((await app.inject({ url: "/metrics" })).body).toContain("legate_http_turned_away_total 1\n");
    waiting = 9;
    expect((await app.inject({ url: "/" })).statusCode).toBe(200);
  });
});

describe("a place", () => {
  test("is held by the work and not by the caller: who hangs up and asks again does not have more done at once", async () => {
    const { app, listen, held, letGo, gauge } = await openSlow({ inFlight: 3 });
    const address = await listen();
    for (let count = 0; count < 3; count += 1) {
      const caller = new AbortController();
      const asked = fetch(`${address}/slow`, { signal: caller.signal }).catch(() => "hung up");
      await expect.poll(() => held.length).toBe(count + 1);
      caller.abort();
      expect(await asked).toBe("hung up");
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await fetch(`${address}/slow`)).status).toBe(503);
    expect(await gauge()).toBe(3);
    letGo();
    await expect.poll(gauge).toBe(0);
    expect((await app.inject({ url: "/" })).statusCode).toBe(200);
  });

  test("and nothing else is held once the work is done of which the caller hung up: what it sent is forgotten", async () => {
    const { app, listen, gauge } = await openSlow({});
    const asked: WeakRef<object>[] = [];
    let letGo: (() => void) | undefined;
    app.post("/slowly", async (request) => {
      asked.push(new WeakRef(request), new WeakRef(request.raw));
      await new Promise<void>((resolve) => (letGo = resolve));
      return {};
    });
    const address = await listen();
    for (let count = 1; count <= 3; count += 1) {
      const caller = new AbortController();
      const sent = fetch(`${address}/slowly`, { method: "POST", signal: caller.signal }).catch(() => "hung up");
      await expect.poll(() => asked.length).toBe(2 * count);
      caller.abort();
      expect(await sent).toBe("hung up");
      await new Promise((resolve) => setTimeout(resolve, 50));
      letGo?.();
      await expect.poll(gauge).toBe(0);
    }
    await expect
      .poll(async () => {
        await collectGarbage();
        return asked.filter((each) => each.deref() !== undefined).length;
      })
      .toBe(0);
  });

  test("is given back whatever becomes of the request", async () => {
    const { app, gauge } = await openSlow({});
    const type = { "content-type": "application/json" };
    for (const ask of [
      { url: "/nowhere" },
      { url: "/throws/error" },
      { url: "/throws/unavailable" },
      { method: "POST", url: "/json/x", headers: type, payload: "{" },
      { method: "POST", url: "/json/x", headers: { "content-type": "text/plain" }, payload: "x" },
      { method: "POST", url: "/json/x", headers: type, payload: `"${"a".repeat(300_000)}"` },
      { method: "HEAD", url: "/livez" },
      { method: "OPTIONS", url: "/json/x" },
      { url: "/%" },
    ] as const) {
      await app.inject(ask as { url: string });
      expect([ask.url, await gauge()]).toEqual([ask.url, 0]);
    }
  });
});
