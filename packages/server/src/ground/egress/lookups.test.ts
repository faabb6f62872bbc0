import type { LookupAddress } from "node:dns";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { makeEgress } from "./egress.ts";
import { makeLookups } from "./lookups.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const here: readonly LookupAddress[] = [{ address: "127.0.0.1", family: 4 }];
const servers = (): Error => Object.assign(new Error("no answer"), { code: "EAI_AGAIN" });

/** The system's resolver: two names at a time, in turn; those that are in `hanging` end when they are let go. */
const openPool = () => {
  const hanging: ((name: string) => boolean)[] = [];
  const held: (() => void)[] = [];
  const began: string[] = [];
  const queue: (() => Promise<void>)[] = [];
  let threads = 0;
  const work = async (): Promise<void> => {
    if (threads >= 2) return;
    threads += 1;
    for (let next = queue.shift(); next; next = queue.shift()) await next();
    threads -= 1;
  };
  const lookup = (name: string) =>
    new Promise<readonly LookupAddress[]>((resolve, reject) => {
      queue.push(async () => {
        began.push(name);
        if (hanging.some((is) => is(name))) {
          await new Promise<void>((go) => held.push(go));
          reject(servers());
        } else resolve(here);
      });
      void work();
    });
  const hang = (domain: string) => hanging.push((name) => name.endsWith(domain));
  const letGo = () => {
    for (const go of held.splice(0)) go();
  };
  return { lookup, hang, letGo, began, held, hanging };
};

const openServer = async () => {
  const server = createServer((_request, response) => response.end("{}"));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return (name: string) => `http://${name}:${port}/`;
};
const reasonOf = (asked: Promise<unknown>) =>
  asked.then(
    () => "answered",
    (error: { reason?: string; code?: string }) => error.reason ?? error.code,
  );

describe("names whose servers do not answer", () => {
  test("hold one place with their whole domain: others are reached meanwhile, and who asked for them hears of it in time", async () => {
    const [pool, at] = [openPool(), await openServer()];
    pool.hang(".dead.example");
    const egress = makeEgress({ allow: ["127.0.0.1"] }, { lookup: pool.lookup, limits: { connectMs: 3_000 } });
    closers.push(() => egress.close());
    const dead = Array.from({ length: 50 }, (_, n) => reasonOf(egress.fetch(at(`n${n}.dead.example`))));
    for (let n = 0; n < 20; n += 1) expect((await egress.fetch(at(`n${n}.live${n % 3}.example.org`))).status).toBe(200);
    expect(new Set(await Promise.all(dead))).toEqual(new Set(["timeout"]));
    // Nobody waits for the rest any more, so that they are not looked up.
    expect(pool.began.filter((name) => name.endsWith(".dead.example"))).toHaveLength(1);
    pool.letGo();
    pool.hanging.length = 0;
    expect((await egress.fetch(at("n1.dead.example"))).status).toBe(200);
  });

  test("do not keep a name from being reached that was found before, wherever they are", async () => {
    const [pool, at] = [openPool(), await openServer()];
    const egress = makeEgress({ allow: ["127.0.0.1"] }, { lookup: pool.lookup, limits: { connectMs: 3_000 } });
    closers.push(() => egress.close());
    expect((await egress.fetch(at("known.example"))).status).toBe(200);
    pool.hang(".example.net");
    const dead = ["a.example.net", "b.sub.example.net"].map((name) => reasonOf(egress.fetch(at(name))));
    pool.hang(".example.com");
    dead.push(reasonOf(egress.fetch(at("c.example.com"))));
    await expect.poll(() => pool.held.length).toBe(2);
    const many = await Promise.all(Array.from({ length: 8 }, () => egress.fetch(at("known.example"))));
    expect(many.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await reasonOf(egress.fetch(at("never-seen.example")))).toBe("timeout");
    pool.letGo();
    expect(await Promise.all(dead)).toEqual(["timeout", "timeout", "timeout"]);
    expect((await egress.fetch(at("never-seen.example"))).status).toBe(200);
  });

  test("an address from memory is checked like any other", async () => {
    const [pool, at] = [openPool(), await openServer()];
    const egress = makeEgress({ allow: ["127.0.0.2"] }, { lookup: pool.lookup });
    closers.push(() => egress.close());
    const blocked = { name: "EgressBlocked", reason: "address" };
    await expect(egress.fetch(at("inside.example"))).rejects.toMatchObject(blocked);
    pool.hang("inside.example");
    await expect(egress.fetch(at("inside.example"))).rejects.toMatchObject(blocked);
    expect(pool.held).toHaveLength(1);
    pool.letGo();
  });
});

describe("look-ups", () => {
  const open = (limits: { waitMs?: number; perDomain?: number } = {}) => {
    const pool = openPool();
    return { ...pool, look: makeLookups(pool.lookup, { waitMs: 5_000, perDomain: 3, ...limits }) };
  };
  const settled = () => new Promise((done) => setTimeout(done, 20));

  test("of one name at a time are one, and each caller gets its answer", async () => {
    const { look, hang, held, letGo, began } = open();
    hang("slow.example");
    const asked = Array.from({ length: 100 }, () => reasonOf(look("slow.example")));
    await settled();
    expect([held.length, began]).toEqual([1, ["slow.example"]]);
    letGo();
    expect(new Set(await Promise.all(asked))).toEqual(new Set(["EAI_AGAIN"]));
  });

  test("go by turns among domains, and beyond a domain's share are refused at once", async () => {
    const { look, hang, letGo, began } = open();
    hang("");
    const asked = [
      "1.a.example",
      "2.a.example",
      "3.a.example",
      "4.a.example",
      "5.a.example",
      "1.b.example",
      "1.c.example",
      "A.c.example.",
    ].map((name) => reasonOf(look(name)));
    expect(await asked[4]).toBe("crowded");
    for (let turn = 0; turn < 5; turn += 1) {
      await settled();
      letGo();
    }
    expect(await Promise.all(asked)).toEqual([...Array(4).fill("EAI_AGAIN"), "crowded", ...Array(3).fill("EAI_AGAIN")]);
    expect(began.slice(0, 4)).toEqual(["1.a.example", "1.b.example", "2.a.example", "1.c.example"]);
    expect(began.slice(4).sort()).toEqual(["3.a.example", "4.a.example", "A.c.example."]);
  });

  test("give every place back, however they end and however late", async () => {
    const { look, hang, hanging, held, letGo, began } = open({ waitMs: 30 });
    for (let round = 0; round < 5; round += 1) {
      hang(".example");
      const names = [`1.a${round}.example`, `2.a${round}.example`, `1.b${round}.example`, `1.c${round}.example`];
      expect(await Promise.all(names.map((name) => reasonOf(look(name))))).toEqual(Array(4).fill("timeout"));
      expect(held).toHaveLength(2);
      letGo();
      hanging.length = 0;
      await settled();
      expect(await Promise.all(names.map((name) => reasonOf(look(name))))).toEqual(Array(4).fill("answered"));
    }
    expect(began).toHaveLength(5 * (2 + 4));
  });

  test("that fail for the moment are spoken for by what was found within the hour, unless there is no such name any more", async () => {
    let answer: () => Promise<readonly LookupAddress[]> = () => Promise.resolve(here);
    let now = 0;
    const look = makeLookups(
      () => answer(),
      { waitMs: 5_000, perDomain: 3 },
      () => now,
    );
    await expect(look("x.example")).resolves.toEqual(here);
    answer = () => Promise.reject(servers());
    now += 3_599_999;
    await expect(look("x.example")).resolves.toEqual(here);
    now += 1;
    await expect(look("x.example")).rejects.toMatchObject({ code: "EAI_AGAIN" });
    answer = () => Promise.resolve(here);
    await look("x.example");
    const moved = [{ address: "127.0.0.9", family: 4 }];
    answer = () => Promise.resolve(moved);
    await expect(look("x.example")).resolves.toEqual(moved);
    answer = () => Promise.reject(Object.assign(new Error("none"), { code: "ENOTFOUND" }));
    await expect(look("x.example")).rejects.toMatchObject({ code: "ENOTFOUND" });
    answer = () => Promise.reject(servers());
    await expect(look("x.example")).rejects.toMatchObject({ code: "EAI_AGAIN" });
  });
});
