import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { everyItem, verifyAudit } from "./durability/written.ts";
import { say, times } from "./replicas/extent.ts";
import { adminKey } from "./replicas/server-process.ts";

const rounds = times(5, 100);
const writes = 1_000;

/** Those that run, so that none outlives a test that failed. */
const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts the server as a person would, on a free port, and answers where it is once it listens. */
const start = async (env: Record<string, string>): Promise<{ child: ChildProcess; url: string }> => {
  const child = spawn(process.execPath, ["packages/server/dist/main.js"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", LEGATE_PORT: "0", LEGATE_ADMIN_KEY: adminKey, LEGATE_LOG_LEVEL: "error", ...env },
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  let text = "";
  for await (const chunk of child.stderr ?? []) {
    text += String(chunk);
    const [url] = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(text) ?? [];
    if (url !== undefined) {
      child.stderr?.resume();
      return { child, url };
    }
  }
  throw new Error(`the server did not start:\n${text}`);
};

const stop = async (child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> => {
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
  return child.exitCode;
};

const headers = { authorization: `Bearer ${adminKey}`, "content-type": "application/json" };
const create = async (url: string, name: string): Promise<boolean> => {
  const answer = await fetch(`${url}/v1/agents`, { method: "POST", headers, body: JSON.stringify({ name }) });
  await answer.arrayBuffer();
  return answer.status === 201;
};

describe("what was acknowledged survives kill -9", () => {
  const directory = mkdtempSync(join(tmpdir(), "legate-durability-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test(`${rounds} rounds of kill -9 during ${writes} concurrent writes lose nothing acknowledged, and no action is without its audit row`, async () => {
    const acknowledged = new Set<string>();
    let inTheMiddle = 0;
    for (let round = 0; round < rounds; round += 1) {
      const { child, url } = await start({ LEGATE_DATA_DIR: directory });
      const before = acknowledged.size;
      let killed: Promise<unknown> | undefined;
      const sent = [...Array(writes).keys()].map(async (n) => {
        const name = `r${round}-${n}`;
        const made = await create(url, name).catch(() => false);
        if (!made) return;
        acknowledged.add(name);
        // Each round dies at another place in the middle of the writes.
        if (acknowledged.size - before >= 50 + ((round * 80) % 800)) killed ??= stop(child, "SIGKILL");
      });
      await Promise.all(sent);
      // Where this machine has too little left, so many may have been turned away that it was not time to kill yet.
      if (killed) inTheMiddle += 1;
      await (killed ?? stop(child, "SIGKILL"));
      expect(acknowledged.size - before).toBeGreaterThan(49);
      expect(acknowledged.size - before).toBeLessThan(writes);
    }
    expect(inTheMiddle).toBeGreaterThan(rounds * 0.7);
    const { child, url } = await start({ LEGATE_DATA_DIR: directory });
    const stored = new Map((await everyItem<{ id: string; name: string }>(url, "/v1/agents")).map(({ id, name }) => [name, id]));
    expect([...acknowledged].filter((name) => !stored.has(name))).toEqual([]);
    const audited = new Set(
      (await everyItem<{ action: string; target?: string }>(url, "/v1/audit-events")).map(({ action, target }) => `${action} ${target}`),
    );
    expect([...stored.values()].filter((id) => !audited.has(`agent.created ${id}`))).toEqual([]);
    expect([...audited].filter((event) => event.startsWith("agent.created"))).toHaveLength(stored.size);
    await verifyAudit(url);
    expect(await stop(child, "SIGTERM")).toBe(0);
    say("kill -9 in writes", { rounds, inTheMiddle, acknowledged: acknowledged.size, stored: stored.size });
  }, 1_800_000);
});

describe("a data directory", () => {
  const directory = mkdtempSync(join(tmpdir(), "legate-directory-"));
  let first: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    first = await start({ LEGATE_DATA_DIR: directory });
  });
  afterAll(async () => {
    await stop(first.child, "SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });

  test("is one process's: a second is told so and stops, and may start when the first was killed", async () => {
    await expect(start({ LEGATE_DATA_DIR: directory })).rejects.toThrow(/Another Legate process is using this data directory/);
    await stop(first.child, "SIGKILL");
    first = await start({ LEGATE_DATA_DIR: directory });
    expect(await create(first.url, "after")).toBe(true);
  });

  test("a server that is told to stop answers what it accepted", async () => {
    const sent = [...Array(200).keys()].map((n) => create(first.url, `late-${n}`));
    // Once one is answered the others are on their way: those accepted are answered, those that come too late are refused, none is left open.
    await Promise.race(sent);
    const code = stop(first.child, "SIGTERM");
    const answered = (await Promise.allSettled(sent)).filter((result) => result.status === "fulfilled" && result.value).length;
    expect(await code).toBe(0);
    first = await start({ LEGATE_DATA_DIR: directory });
    const stored = (await everyItem<{ name: string }>(first.url, "/v1/agents")).filter(({ name }) => name.startsWith("late-"));
    expect(stored.length).toBeGreaterThanOrEqual(answered);
    expect(answered).toBeGreaterThan(0);
  });
});
