import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { agentNames, keepWriting, must, NotStarted, sleep, startServer, storeIn } from "./server.ts";

// Processes are started and stopped again and again.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

// docs/operations.md: "It does not start", "Stopping".

describe("a server that cannot start says why", () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-start-"));
  const whole = join(folder, "whole");
  const own = { LEGATE_MASTER_KEY: undefined };
  beforeAll(async () => {
    const server = await startServer({ ...own, LEGATE_DATA_DIR: whole });
    for (let n = 0; n < 200; n += 1) await must("POST", `${server.url}/v1/agents`, { name: `agent-${n}` });
    await server.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const copyOf = (name: string): string => {
    const to = join(folder, name);
    mkdirSync(to, { mode: 0o700 });
    for (const file of ["legate.db", "master.key"]) copyFileSync(join(whole, file), join(to, file));
    return to;
  };
  const whyNot = async (env: Readonly<Record<string, string | undefined>>): Promise<string> => {
    const failed: unknown = await startServer({ ...own, ...env }).catch((error: unknown) => error);
    if (!(failed instanceof NotStarted)) throw new Error("it started");
    expect(failed.code).toBe(1);
    expect(failed.message).not.toMatch(/\n\s+at /);
    return failed.message;
  };

  test("when another has the data directory", async () => {
    const first = await startServer({ ...own, LEGATE_DATA_DIR: whole });
    expect(await whyNot({ LEGATE_DATA_DIR: whole })).toContain("Another Legate process is using this data directory");
    await first.stop();
  });

  test("when its file is no store, or a damaged one", async () => {
    const overwritten = copyOf("overwritten");
    writeFileSync(join(overwritten, "legate.db"), Buffer.alloc(65_536, 0x2a));
    expect(await whyNot({ LEGATE_DATA_DIR: overwritten })).toMatch(/not a database/);
    const damaged = copyOf("damaged");
    const bytes = readFileSync(join(damaged, "legate.db"));
    bytes.fill(0xff, 4_096, 3 * 65_536);
    writeFileSync(join(damaged, "legate.db"), bytes);
    expect(await whyNot({ LEGATE_DATA_DIR: damaged })).toMatch(/malformed|damaged|corrupt/);
  });

  test("when the master key is another, or its file is not there", async () => {
    expect(await whyNot({ LEGATE_DATA_DIR: whole, LEGATE_MASTER_KEY: Buffer.alloc(32, 9).toString("base64") })).toMatch(
      /another master key/,
    );
    const without = copyOf("without");
    rmSync(join(without, "master.key"));
    expect(await whyNot({ LEGATE_DATA_DIR: without })).toContain("not the key it was sealed with");
  });

  test("when the database is not there", async () => {
    const env = { LEGATE_DATABASE_URL: "postgres://legate:canary-password@127.0.0.1:1/legate", LEGATE_MASTER_KEY: "a".repeat(64) };
    const why = await whyNot(env);
    expect(why).toMatch(/cannot be reached.*ECONNREFUSED/);
    expect(why).not.toContain("canary-password");
  });
});

eachStore("a server told to stop under load", (fresh) => {
  test("answers what it accepted, loses nothing of it, and ends well", async () => {
    const env = storeIn(await fresh());
    const server = await startServer(env);
    const writing = keepWriting(server.url, 16, "late");
    await sleep(1_500);
    const since = performance.now();
    const code = server.stop();
    await sleep(50);
    await writing.stop();
    expect(await code).toBe(0);
    expect(performance.now() - since).toBeLessThan(10_000);
    // Those that came too late were turned away at the door; that none was taken and left without an answer is seen below.
    expect(writing.broken.filter((why) => !/ECONNREFUSED|ECONNRESET|other side closed/.test(why))).toEqual([]);
    expect(writing.refused).toEqual([]);
    const again = await startServer(env);
    const names = await agentNames(again.url);
    expect(writing.acknowledged.length).toBeGreaterThan(50);
    expect(writing.acknowledged.filter((name) => !names.has(name))).toEqual([]);
    expect([...names].filter((name) => !writing.acknowledged.includes(name))).toEqual([]);
    await again.stop();
  }, 60_000);
});
