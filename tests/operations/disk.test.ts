import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { adminKey, agentNames, call, codeOf, keepWriting, must, NotStarted, type Running, sleep, startServer } from "./server.ts";
import { canMount, insideOf, withSmallDisk } from "./small-disk.ts";

// Processes are started and stopped again and again.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

// docs/operations.md: "The disk is full", "The disk is read-only".
// Seen to fail, each break by itself: SQLITE_FULL and SQLITE_IOERR not taken for `unavailable`; a lock that cannot be opened taken for one that is held.

describe.skipIf(!canMount)(`the embedded store's disk${canMount ? "" : " (small disk: none may be mounted)"}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-disk-"));
  let server: Running | undefined;
  afterEach(async () => {
    await server?.stop("SIGKILL");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("when full refuses writes as 503 while reads go on, and takes writes again without a restart once there is space", async () => {
    server = await startServer({ LEGATE_DATA_DIR: folder }, withSmallDisk(folder, "16m"));
    const { url, pid } = server;
    const writing = keepWriting(url, 4, "full");
    await sleep(500);
    for (let round = 0; round < 3; round += 1) {
      // All that is left, to the last byte.
      insideOf(pid, `cat /dev/zero > '${folder}/ballast' 2>/dev/null; true`);
      const before = writing.refused.length;
      for (let waited = 0; writing.refused.length < before + 10 && waited < 10_000; waited += 50) await sleep(50);
      expect(writing.refused.length).toBeGreaterThanOrEqual(before + 10);
      expect((await call("GET", `${url}/v1/agents?limit=5`)).status).toBe(200);
      expect((await call("GET", `${url}/readyz`, undefined)).status).toBe(200);
      const taken = writing.acknowledged.length;
      insideOf(pid, `rm '${folder}/ballast'`);
      for (let waited = 0; writing.acknowledged.length < taken + 20 && waited < 5_000; waited += 50) await sleep(50);
      expect(writing.acknowledged.length).toBeGreaterThanOrEqual(taken + 20);
    }
    await writing.stop();
    expect(writing.broken).toEqual([]);
    expect(new Set(writing.refused.map((each) => JSON.stringify(each)))).toEqual(
      new Set([JSON.stringify({ status: 503, code: "unavailable", retryAfter: "5" })]),
    );
    const names = await agentNames(url);
    expect(writing.acknowledged.filter((name) => !names.has(name))).toEqual([]);
    // An action and its audit row are there together, or neither.
    const { items } = (await must("GET", `${url}/v1/audit-events?action=agent.created&limit=500`)) as { items: { target: string }[] };
    expect(items.length).toBe(Math.min(500, names.size));
    expect(server.written()).not.toMatch(/"level":"(error|fatal)"/);
    expect(await server.stop()).toBe(0);
  }, 90_000);

  test("when nothing can be written to it refuses writes as 503 while reads go on, and takes writes again once it can", async () => {
    server = await startServer({ LEGATE_DATA_DIR: folder }, withSmallDisk(folder, "16m"));
    const { url, pid } = server;
    await must("POST", `${url}/v1/agents`, { name: "before" });
    // The kernel refuses every write of this process to any file, as a disk does that went read-only under it.
    insideOf(pid, `prlimit --pid ${pid} --fsize=0:`);
    const during = await call("POST", `${url}/v1/agents`, adminKey, { name: "during" });
    const read = await call("GET", `${url}/v1/agents`);
    insideOf(pid, `prlimit --pid ${pid} --fsize=unlimited:`);
    expect([during.status, codeOf(during), during.headers.get("retry-after")]).toEqual([503, "unavailable", "5"]);
    expect(read.status).toBe(200);
    await must("POST", `${url}/v1/agents`, { name: "after" });
    expect(await agentNames(url)).toEqual(new Set(["before", "after"]));
  });

  test("when read-only at the start is said plainly", async () => {
    const wrap = withSmallDisk(folder, "16m");
    const readOnly = [...wrap.slice(0, -1), wrap.at(-1)?.replace("&& exec", `&& mount -o remount,ro '${folder}' && exec`) ?? ""];
    const failed = await startServer({ LEGATE_DATA_DIR: folder }, readOnly).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(NotStarted);
    expect(failed).toMatchObject({ code: 1 });
    expect((failed as NotStarted).message).toMatch(/^Legate did not start\. The store .* cannot be opened for writing\.$/m);
    expect((failed as NotStarted).message).not.toMatch(/\n\s+at /);
  });
});
