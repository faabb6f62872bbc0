import { afterAll, beforeAll, expect, test } from "vitest";
import { onPostgres, type OwnDatabase, ownDatabase } from "./database.ts";
import { diceOf, eachOf, full, say, seed, sleep, times, worst } from "./extent.ts";
import { asAdmin, askFor, type Held, makeHerd, makeHerder, statesOf } from "./herd.ts";
import { type ServerProcess, serverProcess } from "./server-process.ts";
import { startStrictProvider, type StrictProvider } from "./strict-provider.ts";

/** Milliseconds. A lease of a process that died ends after this. */
const lease = 45_000;
/** Within this after a provider's answer a living process has stored it, however busy this machine is. */
const longestCommit = 10_000;

/** How long a caller asked until it had a token or was sent to consent. */
interface Outcome {
  readonly tookMs: number;
  /** Whether a process was killed while it was asked. */
  readonly cutOff: boolean;
}

onPostgres("a storm", () => {
  let database: OwnDatabase;
  let provider: StrictProvider;
  let servers: readonly ServerProcess[] = [];
  beforeAll(async () => {
    database = await ownDatabase();
    provider = await startStrictProvider();
    servers = await Promise.all(
      Array.from({ length: 4 }, () => serverProcess({ LEGATE_DATABASE_URL: database.url, LEGATE_LOG_LEVEL: "error" })),
    );
    await Promise.all(servers.map((server) => server.start()));
    await makeHerder(servers[0]?.url ?? "", provider);
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await provider.stop();
    await database.drop();
  });

  test("connections that expire together, a provider that is slow and fails, processes that are killed: no grant is lost unnoticed", async () => {
    const count = times(300, 10_000);
    const killEvery = times(700, 3_000);
    const dice = diceOf(seed);
    const herd = await makeHerd(
      servers.map(({ url }) => url),
      count,
    );
    await sleep(1_100);
    provider.behave({
      latency: () => 50 + dice() * 450,
      failure: () => {
        const thrown = dice();
        // 5% in all; silence costs its caller twenty seconds, which only the long form has.
        if (thrown < (full ? 0.002 : 0)) return "silence";
        if (thrown < 0.025) return "reset";
        return thrown < 0.05 ? "500" : undefined;
      },
    });

    const kills: number[] = [];
    let isOver = false;
    const murder = async (): Promise<void> => {
      for (let at = 0; !isOver; at += 1) {
        await sleep(killEvery);
        const victim = servers[Math.floor(dice() * servers.length)];
        if (isOver || !victim || (!full && at >= 3)) break;
        await victim.kill();
        kills.push(performance.now());
        await victim.start();
      }
    };
    const survivorsOnly = () => servers.filter((server) => server.isUp());

    const outcomes: Outcome[] = [];
    const faults: string[] = [];
    const settle = async (held: Held, at: number): Promise<void> => {
      const began = performance.now();
      const deadline = began + 6 * lease;
      let cutOff = false;
      for (let tries = 1; performance.now() < deadline; tries += 1) {
        const up = survivorsOnly();
        const server = up[(at + tries) % Math.max(1, up.length)];
        const told = server ? await askFor(server.url, held) : ({ is: "later", why: "none is up" } as const);
        if (told.is === "fault") faults.push(`${held.user}: ${told.why}`);
        if (told.is === "live" && !provider.isLive(told.accessToken)) faults.push(`${held.user}: a token that is not live`);
        if (told.is === "live" || told.is === "needs_consent") {
          outcomes.push({ tookMs: performance.now() - began, cutOff });
          return;
        }
        cutOff ||= !told.why.startsWith("503");
        await sleep(100 + dice() * 200);
      }
    };
    /** In short, nobody waits for the leases of the dead: when the living have none, all that are left are theirs, and they are ended. */
    const hurry = async (): Promise<void> => {
      for (let idle = 0; !full && !isOver; ) {
        await sleep(100);
        idle = murdering ? 0 : provider.inFlight() === 0 ? idle + 1 : 0;
        if (idle < 15) continue;
        await database.query("update connections set lease_until = 0 where lease_until > 0");
        idle = 0;
      }
    };

    let murdering = true;
    const murders = murder().finally(() => {
      murdering = false;
    });
    const hurrying = hurry();
    const began = performance.now();
    // Each is asked for twice at once, at two processes.
    await eachOf(
      herd.flatMap((held) => [held, held]),
      times(64, 160),
      settle,
    );
    const tookMs = performance.now() - began;
    isOver = true;
    await Promise.all([murders, hurrying]);

    expect(faults).toEqual([]);
    expect(outcomes).toHaveLength(2 * count);
    // Nothing was restarted but what was killed, and each process serves.
    const again: string[] = [];
    provider.behave({});
    await eachOf(herd, 32, async (held, at) => {
      const told = await askFor(servers[at % servers.length]?.url ?? "", held);
      const grant = provider.grants.get(held.user);
      const isRight = told.is === "live" ? provider.isLive(told.accessToken) : told.is === "needs_consent" && grant?.dead === true;
      if (!isRight) again.push(`${held.user}: ${JSON.stringify(told)}`);
    });
    expect(again).toEqual([]);

    const grants = [...provider.grants.values()];
    const dead = grants.filter((grant) => grant.dead);
    const states = await statesOf(servers[0]?.url ?? "");
    // Every connection without tokens is one whose grant the provider ended, and none of those was merely forgotten.
    expect(states["needs_consent"] ?? 0).toBe(dead.length);
    expect(states["active"]).toBe(count - dead.length);
    // A grant died only where the answer that spent its token met a process's death.
    const unexplained = dead.filter(
      (grant) => !grant.answers.some((at) => kills.some((kill) => kill >= at - 100 && kill - at < longestCommit)),
    );
    expect(unexplained).toEqual([]);
    expect(grants.filter(({ mostInFlight }) => mostInFlight > 1)).toEqual([]);
    const { items } = await asAdmin("GET", `${servers[0]?.url ?? ""}/v1/audit-events?action=connection.lapsed&limit=500`);
    expect((items as unknown[]).length).toBe(Math.min(500, dead.length));

    const waits = outcomes.map((outcome) => outcome.tookMs).sort((a, b) => a - b);
    const waitAt = (part: number) => Math.round(waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] ?? 0);
    say("storm", {
      connections: count,
      seed,
      seconds: Math.round(tookMs / 1000),
      kills: kills.length,
      live: count - dead.length,
      needsConsent: dead.length,
      mostInFlightOfOne: worst(grants.map((grant) => grant.mostInFlight)),
      provider: provider.counts(),
      waitMs: { p50: waitAt(0.5), p99: waitAt(0.99), worst: waitAt(1) },
      worstWaitMsOfThoseCutOff: Math.round(worst(outcomes.filter(({ cutOff }) => cutOff).map((outcome) => outcome.tookMs))),
    });
  }, 1_800_000);
});
