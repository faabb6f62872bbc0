import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { closeAll, open, raw } from "./http-for-tests.ts";
import { readJson } from "./json.ts";

const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await closeAll();
});

/** A connection that reads only when told to, and remembers whether it was closed by the other side. */
const dial = (address: string, bytes = "", localAddress?: string) => {
  const { hostname, port } = new URL(address);
  const socket = connect({ port: Number(port), host: hostname, ...(localAddress !== undefined && { localAddress }) });
  sockets.push(socket);
  const state = { open: false, closed: false, socket };
  socket.on("connect", () => {
    state.open = true;
    socket.write(bytes);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    state.closed = true;
  });
  socket.on("end", () => {
    state.closed = true;
  });
  return state;
};

const ask = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
const soon = { timeout: 10_000, interval: 50 };

describe("slow writers", () => {
  test("a connection that says nothing at all is ended", async () => {
    const { listen } = await open({ limits: { headersTimeout: 500, requestTimeout: 60_000 } });
    const silent = dial(await listen());
    silent.socket.resume();
    await expect.poll(() => silent.closed, soon).toBe(true);
  });

  test("headers a byte at a time are ended in time, though there is always one more", async () => {
    const { listen } = await open({ limits: { headersTimeout: 1_000, requestTimeout: 60_000 } });
    const slow = dial(await listen(), "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ");
    const drip = setInterval(() => slow.socket.write("a"), 100);
    let answer = "";
    slow.socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    await expect.poll(() => slow.closed, soon).toBe(true);
    clearInterval(drip);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
  });

  const dripping = async (path: string) => {
    const { app, listen } = await open({ limits: { headersTimeout: 3_000, requestTimeout: 3_000, inFlight: 2 } });
    await app.register((scope, _options, done) => {
      readJson(scope);
      scope.post("/proven", { config: { proves: true } }, () => ({}));
      done();
    });
    const address = await listen();
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n[`;
    const slow = [dial(address, head), dial(address, head)];
    const drip = setInterval(() => {
      for (const { socket } of slow) socket.write(" ");
    }, 100);
    for (const { socket } of slow) socket.resume();
    return { app, slow, drip };
  };

  test("a stranger's body a byte at a time takes nobody's place", async () => {
    const { app, slow, drip } = await dripping("/json/x");
    while (!slow.every(({ closed }) => closed)) {
      expect((await app.inject({ url: "/" })).statusCode).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    clearInterval(drip);
  });

  test("a body a byte at a time is ended in time, and its place is free again", async () => {
    const { app, slow, drip } = await dripping("/proven");
    await expect.poll(async () => (await app.inject({ url: "/" })).statusCode, soon).toBe(503);
    await expect.poll(() => slow.every(({ closed }) => closed), soon).toBe(true);
    clearInterval(drip);
    await expect.poll(async () => (await app.inject({ url: "/" })).statusCode, soon).toBe(200);
  });
});

describe("a reader who takes nothing", () => {
  const big = (megabytes: number) => Buffer.alloc(megabytes * 1_048_576, "x");

  test("of a long answer is cut off, and who takes it slowly is not", async () => {
    const { app, listen } = await open({ limits: { writeStall: 2_000 } });
    app.get("/big", (_request, reply) => reply.type("text/plain").send(big(24)));
    const address = await listen();
    const never = dial(address, ask("/big"));
    never.socket.pause();
    const slow = dial(address, ask("/big"));
    let taken = 0;
    slow.socket.pause();
    const sip = setInterval(() => {
      const chunk = slow.socket.read() as Buffer | null;
      taken += chunk?.length ?? 0;
    }, 20);
    await expect.poll(() => app.server.listening && connectionsOf(app), { ...soon, timeout: 15_000 }).toBe(1);
    // Whoever takes nothing does not even hear of its end.
    const before = taken;
    await expect.poll(() => taken, soon).toBeGreaterThan(before);
    clearInterval(sip);
    expect(slow.closed).toBe(false);
  }, 30_000);

  test("of an answer that streams is cut off, what makes it is told, and its place is free again", async () => {
    const { app, listen } = await open({ limits: { writeStall: 2_000, inFlight: 1 } });
    let told = false;
    app.get("/stream", (_request, reply) => {
      const rows = (function* () {
        for (;;) yield big(1);
      })();
      const stream = Readable.from(rows, { objectMode: false });
      stream.on("close", () => {
        told = true;
      });
      return reply.type("text/plain").send(stream);
    });
    const never = dial(await listen(), ask("/stream"));
    never.socket.pause();
    await expect.poll(async () => (await app.inject({ url: "/" })).statusCode, soon).toBe(503);
    const before = process.memoryUsage().rss;
    await expect.poll(() => told, soon).toBe(true);
    expect((process.memoryUsage().rss - before) / 1_048_576).toBeLessThan(100);
    await expect.poll(async () => (await app.inject({ url: "/" })).statusCode, soon).toBe(200);
  }, 30_000);

  test("is cut off sooner while answers that nobody takes fill the memory", async () => {
    const { app, listen } = await open({ limits: { writeStall: 60_000, unread: 40 * 1_048_576 } });
    app.get("/big", (_request, reply) => reply.type("text/plain").send(big(24)));
    const address = await listen();
    const readers = Array.from({ length: 4 }, () => dial(address, ask("/big")));
    for (const { socket } of readers) socket.pause();
    await expect.poll(() => connectionsOf(app), soon).toBe(4);
    await expect.poll(() => connectionsOf(app), soon).toBe(0);
  }, 30_000);
});

const connectionsOf = (app: Awaited<ReturnType<typeof open>>["app"]): Promise<number> =>
  new Promise((resolve) => {
    app.server.getConnections((_error, count) => resolve(count));
  });

describe("connections", () => {
  test("of one address are so many and no more, and another address still comes through", async () => {
    const { app, listen } = await open({ limits: { connectionsFromOne: 20 } });
    const address = await listen();
    const many = Array.from({ length: 60 }, () => dial(address));
    for (const { socket } of many) socket.resume();
    await expect.poll(() => many.filter(({ closed }) => closed).length, soon).toBe(40);
    const other = dial(address, ask("/livez"), "127.0.0.2");
    let answer = "";
    other.socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    await expect.poll(() => answer, soon).toMatch(/^HTTP\/1.1 200 /);
    for (const { socket } of many) socket.destroy();
    await expect.poll(() => connectionsOf(app), soon).toBe(1);
    expect(await raw(address, "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
  });

  test("of a trusted proxy are not held to it: it speaks for many", async () => {
    const { listen } = await open({ trustedProxies: ["127.0.0.0/8"], limits: { connectionsFromOne: 20 } });
    const address = await listen();
    const many = Array.from({ length: 60 }, () => dial(address));
    await expect.poll(() => many.filter((each) => each.open).length, soon).toBe(60);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(many.some(({ closed }) => closed)).toBe(false);
  });

  test("are so many in all", async () => {
    const { app, listen } = await open({ limits: { connections: 30 } });
    const address = await listen();
    const many = Array.from({ length: 60 }, () => dial(address));
    for (const { socket } of many) socket.resume();
    await expect.poll(() => many.filter(({ closed }) => closed).length, soon).toBe(30);
    expect(await connectionsOf(app)).toBe(30);
  });
});
