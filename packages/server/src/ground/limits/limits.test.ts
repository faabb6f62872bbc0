import { describe, expect, test } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { anonymous, type Principal } from "../kernel/index.ts";
import { openDb } from "../db/index.ts";
import { makeLimits } from "./limits.ts";

const minute = 60_000;

const agentOf = (tenant: string, agent: string, user?: string): Principal => ({
  tenant,
  caller: { kind: "agent", id: agent },
  agent: { id: agent, name: agent, labels: {}, origin: "operator", project: "default", epoch: 0 },
  ...(user !== undefined && { user: { id: user, epoch: 0 } }),
  actors: [agent],
  method: "workload_token",
  requestId: "req_test",
});
const operatorOf = (tenant: string, id: string): Principal => ({ ...adminOf(tenant), caller: { kind: "operator", id, role: "admin" } });

/** How often it is let through, of `tries`. */
const count = (tries: number, take: () => void): number => {
  let took = 0;
  for (let at = 0; at < tries; at += 1) {
    try {
      take();
      took += 1;
    } catch (error) {
      expect(error).toMatchObject({ code: "rate_limited" });
    }
  }
  return took;
};

const nowhere = { engine: "sqlite", read: undefined, write: () => Promise.reject(new Error("written in a request's way")) } as never;
const open = (scale: number | "off" = 0.01) => {
  const hand = handClock();
  return { ...hand, limits: makeLimits({ db: nowhere, clock: hand.clock, scale }) };
};

describe("requests are limited", () => {
  test("by address, where nobody is proven: one subscriber's /64 counts as one, and another's is not touched", () => {
    const { limits, forward } = open();
    expect(count(100, () => limits.takeUnproven("192.0.2.1"))).toBe(30);
    expect(count(100, () => limits.takeUnproven("192.0.2.2"))).toBe(30);
    expect(count(100, () => limits.takeUnproven(`2001:db8:1:1::${Math.floor(Math.random() * 9_999)}`))).toBe(30);
    expect(count(100, () => limits.takeUnproven("2001:db8:1:2::1"))).toBe(30);
    forward(2 * minute);
    expect(count(100, () => limits.takeUnproven("192.0.2.1"))).toBe(30);
    expect(limits.refused()).toMatchObject({ address: 70 * 4 + 70, agent: 0 });
  });

  test("by agent, by user, by operator key and by tenant, each alone", () => {
    const { limits } = open();
    expect(count(200, () => limits.take(agentOf("acme", "agt_a")))).toBe(120);
    expect(count(200, () => limits.take(agentOf("acme", "agt_b")))).toBe(120);
    // The user's limit holds also where the agent has room, and with another agent.
    expect(count(200, () => limits.take(agentOf("acme", "agt_c", "usr_1")))).toBe(30);
    expect(count(200, () => limits.take(agentOf("acme", "agt_d", "usr_1")))).toBe(0);
    expect(count(200, () => limits.take(agentOf("acme", "agt_d", "usr_2")))).toBe(30);
    expect(count(1_000, () => limits.take(operatorOf("acme", "op_1")))).toBe(600);
    expect(count(1_000, () => limits.take(operatorOf("acme", "op_2")))).toBe(600);
    expect(count(9_000, () => limits.take(operatorOf("globex", `op_${Math.random()}`)))).toBe(6_000);
    expect(count(10, () => limits.take(agentOf("globex", "agt_z")))).toBe(0);
    expect(count(10, () => limits.take(agentOf("acme", "agt_z")))).toBe(10);
  });

  test("and what is refused costs no other limit anything", () => {
    const { limits } = open();
    expect(count(500, () => limits.take(agentOf("acme", "agt_a", "usr_1")))).toBe(30);
    expect(limits.allowanceOf(agentOf("acme", "agt_a"))).toMatchObject({ limit: 120, remaining: 90 });
    expect(limits.allowanceOf(agentOf("acme", "agt_a", "usr_1"))).toMatchObject({ limit: 30, remaining: 0 });
  });

  test("a refusal says which limit, how much it allows, and when to come again; and then one may", () => {
    const { limits, forward } = open();
    forward(10_000);
    count(120, () => limits.take(agentOf("acme", "agt_a")));
    let retryAfter = 0;
    try {
      limits.take(agentOf("acme", "agt_a"));
    } catch (error) {
      const { details } = error as { details: { retryAfter: number } };
      expect(details).toEqual({ limit: "agent", perMinute: 120, retryAfter: expect.any(Number) as number });
      retryAfter = details.retryAfter;
    }
    expect(retryAfter).toBeGreaterThan(50);
    forward((retryAfter - 1) * 1000);
    expect(count(1, () => limits.take(agentOf("acme", "agt_a")))).toBe(0);
    forward(1000);
    expect(count(1, () => limits.take(agentOf("acme", "agt_a")))).toBe(1);
  });

  test("nobody's are who is anonymous: the address has counted them", () => {
    const { limits } = open();
    expect(count(500, () => limits.take(anonymous("acme", "r", "192.0.2.1")))).toBe(500);
    expect(limits.allowanceOf(anonymous("acme", "r", "192.0.2.1"))).toBeUndefined();
  });

  test("off means off, and a factor moves all of them", () => {
    const off = open("off").limits;
    expect(count(20_000, () => off.take(agentOf("acme", "agt_a", "usr_1")))).toBe(20_000);
    expect(count(20_000, () => off.takeUnproven("192.0.2.1"))).toBe(20_000);
    expect([off.allowanceOf(agentOf("acme", "agt_a")), off.allowanceAt("192.0.2.1"), off.size()]).toEqual([undefined, undefined, 0]);
    const twice = open(0.02).limits;
    expect(count(500, () => twice.take(agentOf("acme", "agt_a")))).toBe(240);
    expect(open(0.000001).limits.allowanceAt("192.0.2.1")).toMatchObject({ limit: 1 });
  });
});

describe("guessing", () => {
  test("a hundred and twenty wrong keys a minute from one address, and no more credentials of it are looked at", () => {
    const { limits, forward } = open(1);
    const guess = () => {
      limits.mayGuess("192.0.2.1", "key");
      limits.guessed("192.0.2.1", "key");
    };
    expect(count(500, guess)).toBe(120);
    expect(limits.isShutOut("192.0.2.1", "key")).toBe(true);
    expect(count(1, () => limits.mayGuess("192.0.2.2", "key"))).toBe(1);
    // Who has a token need not suffer for dead keys.
    expect(count(1, () => limits.mayGuess("192.0.2.1", "token"))).toBe(1);
    // What needs no credential still goes.
    expect(count(1, () => limits.takeUnproven("192.0.2.1"))).toBe(1);
    forward(2 * minute);
    expect(count(500, guess)).toBe(120);
  });

  test("a fleet behind one address whose tokens all died at once is not shut out", () => {
    const { limits } = open(1);
    for (let agent = 0; agent < 1_000; agent += 1) {
      limits.mayGuess("192.0.2.1", "token");
      limits.guessed("192.0.2.1", "token");
    }
    expect(count(1, () => limits.mayGuess("192.0.2.1", "token"))).toBe(1);
    const more = () => {
      limits.mayGuess("192.0.2.1", "token");
      limits.guessed("192.0.2.1", "token");
    };
    expect(count(500, more)).toBe(200);
    expect(limits.isShutOut("192.0.2.1", "token")).toBe(true);
    expect(count(1, () => limits.mayGuess("192.0.2.1", "key"))).toBe(1);
  });

  test("who proves themselves leaves no trace among those who guess", () => {
    const { limits } = open(1);
    for (let at = 0; at < 1_000; at += 1) limits.mayGuess(`192.0.${at >> 8}.${at & 255}`, "key");
    expect(limits.size()).toBe(0);
  });
});

describe("a flood from more networks than can be counted", () => {
  test("fills no memory, forgets nobody who was there, and is limited itself", () => {
    const { limits, forward } = open(1);
    count(2_999, () => limits.takeUnproven("198.51.100.7"));
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    let through = 0;
    for (let network = 0; network < 250_000; network += 1) {
      // Seven times a /48, each with all its /64.
      const address = `2001:db8:${network % 7}:${(network & 0xffff).toString(16)}::1`;
      try {
        limits.takeUnproven(address);
        through += 1;
      } catch {
        // Counted by what is not let through.
      }
    }
    expect(limits.size()).toBeLessThan(52_000);
    expect((process.memoryUsage().heapUsed - before) / 1_048_576).toBeLessThan(60);
    // Beyond the first fifty thousand they share the crowds of their seven neighbourhoods.
    expect(through).toBeLessThan(100_000);
    expect(count(10, () => limits.takeUnproven("198.51.100.7"))).toBe(1);
    forward(2 * minute);
    limits.takeUnproven("198.51.100.7");
    expect(limits.size()).toBe(1);
  });
});

test("a decision takes less than five microseconds", () => {
  const { limits } = open(1_000);
  const callers = Array.from({ length: 500 }, (_, at) => agentOf("acme", `agt_${at}`, `usr_${at}`));
  const run = () => {
    const from = process.hrtime.bigint();
    for (let round = 0; round < 200; round += 1) {
      for (const caller of callers) {
        limits.mayGuess("192.0.2.1", "token");
        limits.take(caller);
        limits.allowanceOf(caller);
      }
    }
    return Number(process.hrtime.bigint() - from) / (200 * callers.length) / 1_000;
  };
  expect(Math.min(run(), run(), run(), run())).toBeLessThan(5);
});

eachStore("replicas", (fresh) => {
  /** Two replicas over one store; on SQLite one process is all there is, and its two limiters share nothing. */
  const openTwo = async (scale = 0.1) => {
    const hand = handClock();
    const address = await fresh();
    const ground = await openGround(address, hand.clock);
    const second = address.engine === "postgres" ? await openDb(address) : ground.db;
    const failures: unknown[] = [];
    const replicas = [ground.db, second].map((db) =>
      makeLimits({ db, clock: hand.clock, scale, onFailure: (error) => failures.push(error) }),
    );
    for (const each of replicas) each.start();
    const [a, b] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    const share = async () => {
      await a.share();
      await b.share();
      await a.share();
    };
    const close = async () => {
      await Promise.all(replicas.map((each) => each.close()));
      if (second !== ground.db) await second.close();
      await ground.db.close();
    };
    return { ...hand, ground, second, a, b, share, close, failures, shares: address.engine === "postgres" };
  };

  test("count together what one caller uses of both, within one report", async () => {
    const { a, b, share, close, shares } = await openTwo();
    const who = agentOf("acme", "agt_a");
    expect(count(1_000, () => a.take(who))).toBe(1_000);
    await share();
    expect(count(1, () => b.take(who))).toBe(1);
    // One per cent is kept back until it is worth a report.
    expect(count(11, () => b.take(who))).toBe(11);
    await share();
    const rest = count(2_000, () => b.take(who));
    expect(rest).toBe(shares ? 1_200 - 1_012 : 1_200 - 12);
    await share();
    // A replica that had heard before learns the rest with its next report.
    expect(count(12, () => a.take(who))).toBe(12);
    await share();
    expect(count(500, () => a.take(who))).toBe(shares ? 0 : 188);
    expect(count(200, () => a.take(agentOf("acme", "agt_b")))).toBe(200);
    await close();
  });

  test("what was used in the last minute counts on the others too", async () => {
    const { a, b, share, forward, close, shares } = await openTwo();
    const who = agentOf("acme", "agt_a");
    count(600, () => a.take(who));
    count(600, () => b.take(who));
    await share();
    forward(minute);
    forward(minute / 2);
    expect(count(12, () => a.take(who))).toBe(12);
    await share();
    expect(count(2_000, () => a.take(who))).toBe(shares ? 600 - 12 : 900 - 12);
    await close();
  });

  test("nothing is written on one process, and where it is, nobody's address", async () => {
    const { a, share, ground, close, shares } = await openTwo();
    count(50, () => a.takeUnproven("192.0.2.77"));
    for (let at = 0; at < 50; at += 1) a.guessed("192.0.2.77", "key");
    count(50, () => a.take(agentOf("acme", "agt_a")));
    await share();
    const rows = await ground.db.read.selectFrom("limit_counts").selectAll().where("used", ">", 0).execute();
    expect(rows.map(({ tenant_id, used }) => `${tenant_id} ${used}`).toSorted()).toEqual(shares ? ["* 50", "* 500", "acme 50"] : []);
    expect(JSON.stringify(rows)).not.toContain("192.0.2");
    await close();
  });

  test("a request waits for no store: while it is away each counts by itself, and afterwards they count together again", async () => {
    const hand = handClock();
    const { db } = await openGround(await fresh(), hand.clock);
    let away = true;
    const failures: unknown[] = [];
    const flaky = { ...db, write: (unit: Parameters<typeof db.write>[0]) => (away ? Promise.reject(new Error("gone")) : db.write(unit)) };
    const limits = makeLimits({ db: flaky as typeof db, clock: hand.clock, scale: 0.01, onFailure: (error) => failures.push(error) });
    limits.start();
    const who = agentOf("acme", "agt_a");
    expect(count(60, () => limits.take(who))).toBe(60);
    await limits.share();
    expect(count(30, () => limits.take(who))).toBe(30);
    await limits.share();
    expect(failures).toHaveLength(db.engine === "postgres" ? 1 : 0);
    away = false;
    expect(count(100, () => limits.take(who))).toBe(30);
    await limits.share();
    const rows = await db.read.selectFrom("limit_counts").selectAll().where("bucket", "=", "agent/agt_a").where("used", ">", 0).execute();
    expect(rows.map(({ used }) => used)).toEqual(db.engine === "postgres" ? [120] : []);
    await limits.close();
    await db.close();
  });

  test("many callers of many replicas at once are reported without one waiting for the other", async () => {
    const { a, b, close, ground, shares, failures } = await openTwo(0.01);
    for (let round = 0; round < 3; round += 1) {
      for (let at = 0; at < 551; at += 1) {
        a.take(agentOf("acme", `agt_${at}`));
        b.take(agentOf("acme", `agt_${550 - at}`));
      }
      await Promise.all([a.share(), b.share()]);
    }
    expect(failures).toEqual([]);
    const rows = await ground.db.read.selectFrom("limit_counts").select("used").where("bucket", "like", "agent/%").execute();
    expect(rows.reduce((sum, { used }) => sum + used, 0)).toBe(shares ? 3 * 2 * 551 : 0);
    await close();
  });

  test("counts of minutes that are over are pruned, also those of a clock that was ahead", async () => {
    const { a, share, forward, ground, close, shares } = await openTwo();
    const periods = async () => (await ground.db.read.selectFrom("limit_counts").select("period").where("used", ">", 0).execute()).length;
    forward(90 * minute);
    count(50, () => a.take(agentOf("acme", "agt_a")));
    await share();
    forward(-90 * minute);
    count(50, () => a.take(agentOf("acme", "agt_a")));
    await share();
    expect(await periods()).toBe(shares ? 2 : 0);
    expect(await a.prune.isNeeded()).toBe(shares);
    await a.prune.run();
    expect(await periods()).toBe(shares ? 1 : 0);
    forward(3 * minute);
    await a.prune.run();
    expect(await periods()).toBe(0);
    expect(await a.prune.isNeeded()).toBe(false);
    await close();
  });
});
