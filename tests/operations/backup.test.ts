import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { agentNames, keepWriting, must, runMaintenance, sleep, startServer } from "./server.ts";

// Processes are started and stopped again and again.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe("a backup of the embedded store", () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-backup-"));
  const data = join(folder, "data");
  const env = { LEGATE_DATA_DIR: data };
  const own = { LEGATE_DATA_DIR: data, LEGATE_MASTER_KEY: undefined };
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("is whole though it is made under load, holds what was acknowledged before it, and does not hold writers up for long", async () => {
    const server = await startServer(own);
    const writers = keepWriting(server.url, 8, "w");
    for (let waited = 0; writers.acknowledged.length < 200 && waited < 30_000; waited += 50) await sleep(50);
    const usual = writers.slowest();
    const before = [...writers.acknowledged];
    const file = join(folder, "under-load.db");
    const { code, stdout, stderr } = await runMaintenance(own, "backup", file);
    const during = writers.slowest();
    expect(stderr).toBe("");
    expect(code).toBe(0);
    await sleep(300);
    await writers.stop();
    expect(writers.refused).toEqual([]);
    expect(writers.broken).toEqual([]);
    expect(before.length).toBeGreaterThan(100);
    expect(during, `usually ${usual} ms at most`).toBeLessThan(1_000 + 3 * usual);

    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(stdout).toContain(`${statSync(file).size} bytes`);
    expect(stdout).toContain(`NOT in it: the master key (${join(data, "master.key")})`);
    await server.stop();

    // Beside the key it was made with, it is a store.
    const copy = join(folder, "copy");
    mkdirSync(copy, { mode: 0o700 });
    copyFileSync(file, join(copy, "legate.db"));
    copyFileSync(join(data, "master.key"), join(copy, "master.key"));
    const again = await startServer({ ...own, LEGATE_DATA_DIR: copy });
    const names = await agentNames(again.url);
    expect(before.filter((name) => !names.has(name))).toEqual([]);
    await again.stop();
  }, 60_000);

  test("can be made of a store that nobody serves from, also of one whose server was killed", async () => {
    const killed = { ...env, LEGATE_DATA_DIR: join(folder, "killed") };
    const server = await startServer(killed);
    await must("POST", `${server.url}/v1/agents`, { name: "kept" });
    await server.stop("SIGKILL");
    expect(await runMaintenance(killed, "backup", join(folder, "killed.db"))).toMatchObject({ code: 0 });
    const restored = { ...env, LEGATE_DATA_DIR: join(folder, "restored") };
    expect(await runMaintenance(restored, "restore", join(folder, "killed.db"))).toMatchObject({ code: 0 });
    const again = await startServer(restored);
    expect(await agentNames(again.url)).toContain("kept");
    await again.stop();
  });

  test("writes over nothing, and leaves nothing behind when it cannot be made", async () => {
    const target = join(folder, "precious");
    writeFileSync(target, "precious");
    const refused = await runMaintenance(own, "backup", target);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("is there already");

    const nowhere = await runMaintenance(own, "backup", join(folder, "nowhere", "b.db"));
    expect(nowhere).toMatchObject({ code: 1, stdout: "" });
    const absent = await runMaintenance({ LEGATE_DATA_DIR: join(folder, "absent") }, "backup", join(folder, "b.db"));
    expect(absent.stderr).toContain("There is no store");
    expect(await runMaintenance(own, "backup")).toMatchObject({ code: 2 });

    // A store with a page that was written over: the copy is not called a backup.
    const broken = join(folder, "broken");
    mkdirSync(broken);
    writeFileSync(join(broken, "legate.db"), Buffer.alloc(8192, 7));
    const failed = await runMaintenance({ ...env, LEGATE_DATA_DIR: broken }, "backup", join(folder, "broken.db"));
    expect(failed).toMatchObject({ code: 1, stdout: "" });
    expect(existsSync(join(folder, "broken.db"))).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes(".part"))).toEqual([]);
  });

  test("is not made on PostgreSQL, whose own tool is named", async () => {
    const url = "postgres://legate:canary-password@127.0.0.1:1/legate";
    const { code, stderr } = await runMaintenance({ LEGATE_DATABASE_URL: url }, "backup", join(folder, "p.db"));
    expect(code).toBe(2);
    expect(stderr).toContain("pg_dump --format=custom");
    expect(stderr).not.toContain("canary-password");
  });
});
