import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSqliteConnection } from "../../packages/server/src/ground/db/sqlite-connection.ts";
import { diceOf, say, seed, times } from "../replicas/extent.ts";
import { adminKey, serverProcess } from "../replicas/server-process.ts";
import { buildDiskLayer, canBuildDiskLayer, filesBelow, losePower } from "./remembered-disk.ts";
import { everyItem, verifyAudit } from "./written.ts";

const writers = 16;

const create = async (url: string, name: string): Promise<boolean> => {
  const answer = await fetch(`${url}/v1/agents`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ name }),
  });
  await answer.arrayBuffer();
  return answer.status === 201;
};

describe.skipIf(!canBuildDiskLayer)(`power loss${canBuildDiskLayer ? "" : " (disk layer: needs Linux and a C compiler)"}`, () => {
  const top = mkdtempSync(join(tmpdir(), "legate-power-"));
  let library = "";
  beforeAll(() => {
    library = buildDiskLayer(top);
  });
  afterAll(() => rmSync(top, { recursive: true, force: true }));

  /** Rounds of writing until the power goes, on one data directory; answers what was acknowledged and is not there, and what was measured. */
  const rounds = async (name: string, count: number, lies: boolean) => {
    const dice = diceOf(seed);
    const folder = join(top, name);
    const log = join(top, `${name}.log`);
    const acknowledged = new Set<string>();
    const totals = { writes: 0, syncs: 0, dropped: 0, acknowledged: 0 };
    // The first start makes the master key, the schema and the admin; it is a round like any other.
    const env = { LEGATE_DATA_DIR: folder, LEGATE_MASTER_KEY: undefined };
    const disk = {
      LD_PRELOAD: library,
      LEGATE_TEST_DISK_FOLDER: folder,
      LEGATE_TEST_DISK_LOG: log,
      ...(lies && { LEGATE_TEST_DISK_LIES: "1" }),
    };
    mkdirSync(folder, { mode: 0o700 });
    for (let round = 0; round < count; round += 1) {
      const before = filesBelow(folder);
      const server = await serverProcess({ ...env, ...disk });
      await server.start();
      const lasts = 40 + Math.floor(dice() * times(200, 400));
      let dark: Promise<void> | undefined;
      let made = 0;
      await Promise.all(
        Array.from({ length: writers }, async (_, writer) => {
          for (let at = 0; !dark; at += 1) {
            const agent = `r${round}-${writer}-${at}`;
            if (!(await create(server.url, agent).catch(() => false))) continue;
            acknowledged.add(agent);
            made += 1;
            if (made >= lasts) dark ??= server.kill();
          }
        }),
      );
      await dark;
      const { writes, syncs, dropped } = losePower(folder, before, log, dice);
      totals.writes += writes;
      totals.syncs += syncs;
      totals.dropped += dropped;
    }
    totals.acknowledged = acknowledged.size;
    return { folder, env, acknowledged, totals };
  };

  test("what was acknowledged is there, each action with its audit row, and the store is whole", async () => {
    const count = times(3, 20);
    const { folder, env, acknowledged, totals } = await rounds("honest", count, false);
    const server = await serverProcess(env);
    await server.start();
    const stored = new Map((await everyItem<{ id: string; name: string }>(server.url, "/v1/agents")).map(({ id, name }) => [name, id]));
    const events = await everyItem<{ action: string; target?: string }>(server.url, "/v1/audit-events");
    const audited = new Set(events.filter(({ action }) => action === "agent.created").map(({ target }) => target));
    await verifyAudit(server.url);
    expect(await server.stop()).toBe(0);
    expect([...acknowledged].filter((name) => !stored.has(name))).toEqual([]);
    expect([...stored.values()].filter((id) => !audited.has(id))).toEqual([]);
    expect(audited.size).toBe(stored.size);
    const file = openSqliteConnection(join(folder, "legate.db"));
    expect(file.run("pragma integrity_check", []).rows).toEqual([{ integrity_check: "ok" }]);
    file.close();
    expect(totals.syncs).toBeGreaterThan(count);
    say("power loss", { rounds: count, seed, ...totals, stored: stored.size });
  }, 600_000);

  test("on a disk that lies about syncing it is lost: the layer drops what it should", async () => {
    let lost = "nothing";
    try {
      const { env, acknowledged } = await rounds("liar", 1, true);
      const server = await serverProcess(env);
      await server.start();
      const stored = new Set((await everyItem<{ name: string }>(server.url, "/v1/agents")).map(({ name }) => name));
      await server.stop();
      if ([...acknowledged].some((name) => !stored.has(name))) lost = "acknowledged writes";
    } catch {
      lost = "the store";
    }
    expect(lost).not.toBe("nothing");
  }, 120_000);

  test("a disk that fails refuses who waited for it and every write after, says so, and loses nothing acknowledged", async () => {
    const folder = join(top, "failing");
    const fails = join(top, "the-disk-fails");
    mkdirSync(folder, { mode: 0o700 });
    const disk = { LD_PRELOAD: library, LEGATE_TEST_DISK_FOLDER: folder, LEGATE_TEST_DISK_LOG: join(top, "failing.log") };
    const env = { LEGATE_DATA_DIR: folder, LEGATE_MASTER_KEY: undefined };
    const server = await serverProcess({ ...env, ...disk, LEGATE_TEST_DISK_FAILS: fails });
    await server.start();
    const { url } = server;
    const ready = async () => (await fetch(`${url}/readyz`)).status;
    const names = async () => (await everyItem<{ name: string }>(url, "/v1/agents")).map(({ name }) => name);
    expect([await create(url, "before"), await ready()]).toEqual([true, 200]);
    writeFileSync(fails, "");
    const during = await Promise.all(Array.from({ length: 8 }, (_, at) => create(url, `during-${at}`)));
    // It would take the next sync, and make good what it never had.
    rmSync(fails);
    const after = await Promise.all(Array.from({ length: 8 }, (_, at) => create(url, `after-${at}`)));
    expect([...during, ...after]).toEqual(Array.from({ length: 16 }, () => false));
    expect([await ready(), (await fetch(`${url}/livez`)).status]).toEqual([503, 200]);
    expect(await names()).toContain("before");
    expect(await server.stop()).toBe(0);
    const again = await serverProcess(env);
    await again.start();
    expect(await create(again.url, "again")).toBe(true);
    const kept = (await everyItem<{ name: string }>(again.url, "/v1/agents")).map(({ name }) => name);
    expect(kept).toEqual(expect.arrayContaining(["before", "again"]));
    expect(kept.filter((name) => name.startsWith("after"))).toEqual([]);
    await verifyAudit(again.url);
    expect(await again.stop()).toBe(0);
  }, 120_000);
});
