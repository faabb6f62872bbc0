import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, realpathSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import { findPostgres } from "../../packages/server/src/testing/postgres.ts";
import { startProvider, type TestProvider } from "../../packages/server/src/testing/provider.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { ask, connect, introduce, makeAgent, states, tokenFor } from "./connected.ts";
import { agentNames, codeOf, must, type Running, runMaintenance, sleep, startServer, storeIn } from "./server.ts";

// Processes are started and stopped again and again.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

// Seen to fail, each break by itself: signing keys left as they were; the restored file moved without its write-ahead log; the stale log left beside it; the lock not asked;
// pg_stat_activity not asked.

const folder = mkdtempSync(join(tmpdir(), "legate-restore-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const programs = findPostgres();
/** Its tools stand beside the server itself, also where only the server is on PATH. */
const toolFolder = programs === undefined ? "" : dirname(realpathSync(join(programs, "postgres")));
const postgresTool = (name: string, ...args: readonly string[]) =>
  execFileSync(join(toolFolder, name), args, { stdio: ["ignore", "ignore", "pipe"] });
const hasTools = existsSync(join(toolFolder, "pg_dump")) && existsSync(join(toolFolder, "pg_restore"));

/** Backs the store up as the guide says. */
const backUp = async (store: StoreAddress, file: string) => {
  if (store.engine === "postgres") postgresTool("pg_dump", "--format=custom", "--no-owner", `--file=${file}`, `--dbname=${store.url}`);
  else expect(await runMaintenance(storeIn(store), "backup", file)).toMatchObject({ code: 0 });
};

/** Restores it as the guide says. */
const restore = async (store: StoreAddress, file: string) => {
  if (store.engine === "sqlite") return runMaintenance(storeIn(store), "restore", file, "--replace");
  postgresTool("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", `--dbname=${store.url}`, file);
  return runMaintenance(storeIn(store), "restore");
};

eachStore("after a restore", (fresh) => {
  let upstream: TestProvider;
  let server: Running | undefined;
  beforeAll(async () => {
    upstream = await startProvider({ accessTokenSeconds: 2 });
  });
  afterEach(async () => {
    await server?.stop();
  });
  afterAll(() => upstream.stop());

  test("no token from before is good, renewed connections ask for consent, the others work, and the audit says so", async (context) => {
    const store = await fresh();
    if (store.engine === "postgres" && !hasTools) context.skip("(pg_dump: none found)");
    const env = storeIn(store);
    server = await startServer(env);
    const { url } = server;
    await introduce(url, upstream);
    await makeAgent(url, "scout");
    await makeAgent(url, "stolen");
    for (const user of ["renewed", "idle"]) await connect(url, upstream, "scout", user);
    const file = join(folder, `${store.engine}.backup`);
    const stolen = await tokenFor(url, "stolen", "anyone");
    await backUp(store, file);

    // What happens after the backup: a grant is renewed, and its former refresh token spent; an agent is revoked; another is made.
    await sleep(2_500);
    expect(await ask(url, await tokenFor(url, "scout", "renewed"))).toMatchObject({ status: 200 });
    await must("POST", `${url}/v1/agents/stolen/revoke`, {});
    expect((await ask(url, stolen)).status).toBeGreaterThan(400);
    await makeAgent(url, "late");
    const live = await tokenFor(url, "scout", "idle");
    expect(await server.stop()).toBe(0);

    const restored = await restore(store, file);
    expect(restored).toMatchObject({ code: 0, stderr: "" });
    expect(restored.stdout).toMatch(/Every signing key was retired \([1-9]\d*\)/);

    server = await startServer(env);
    const back = server.url;
    // The agent that was revoked is back as it was then; its token is not.
    expect(await agentNames(back)).toEqual(new Set(["scout", "stolen"]));
    for (const token of [stolen, live]) expect(codeOf(await ask(back, token))).toBe("unauthenticated");
    expect(await ask(back, await tokenFor(back, "scout", "idle"))).toMatchObject({ status: 200 });
    expect(await ask(back, await tokenFor(back, "scout", "renewed"))).toMatchObject({ status: 202 });
    expect((await states(back)).toSorted()).toEqual(["active", "needs_consent"]);
    await connect(back, upstream, "scout", "renewed");
    expect(await ask(back, await tokenFor(back, "scout", "renewed"))).toMatchObject({ status: 200 });

    const events = (await must("GET", `${back}/v1/audit-events?action=store.restored`))["items"] as readonly unknown[];
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ outcome: "done" });
  }, 90_000);

  test("a store that a server serves from is left alone", async (context) => {
    const store = await fresh();
    if (store.engine === "postgres" && !hasTools) context.skip("(pg_dump: none found)");
    server = await startServer(storeIn(store));
    const file = join(folder, `${store.engine}-running.backup`);
    await backUp(store, file);
    await must("POST", `${server.url}/v1/agents`, { name: "after" });
    const refused =
      store.engine === "sqlite"
        ? await runMaintenance(storeIn(store), "restore", file, "--replace")
        : await runMaintenance(storeIn(store), "restore");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(store.engine === "sqlite" ? /Stop it first/ : /Stop every replica/);
    expect(await agentNames(server.url)).toContain("after");
    if (store.engine === "postgres") expect(await runMaintenance(storeIn(store), "restore", "--force")).toMatchObject({ code: 0 });
  });
});

describe("restoring the embedded store", () => {
  const data = join(folder, "embedded");
  const env = { LEGATE_DATA_DIR: data };
  const file = join(folder, "embedded.backup");
  beforeAll(async () => {
    const server = await startServer(env);
    await must("POST", `${server.url}/v1/agents`, { name: "then" });
    await runMaintenance(env, "backup", file);
    await must("POST", `${server.url}/v1/agents`, { name: "since" });
    // Killed: its last writes stand in the write-ahead log, which must not be read into the backup.
    await server.stop("SIGKILL");
  });

  test("replaces a store only when told to, and keeps the former one whole", async () => {
    expect(existsSync(join(data, "legate.db-wal"))).toBe(true);
    const refused = await runMaintenance(env, "restore", file);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain("--replace");

    expect(await runMaintenance(env, "restore", file, "--replace")).toMatchObject({ code: 0 });
    const [aside = ""] = readdirSync(data).filter((name) => name.startsWith("legate.db.replaced-"));
    const server = await startServer(env);
    expect(await agentNames(server.url)).toEqual(new Set(["then"]));
    await server.stop();

    expect(await runMaintenance(env, "restore", join(data, aside), "--replace")).toMatchObject({ code: 0 });
    const former = await startServer(env);
    expect(await agentNames(former.url)).toEqual(new Set(["then", "since"]));
    await former.stop();
    expect(readdirSync(data).filter((name) => name.startsWith("restoring-"))).toEqual([]);
  });

  test.each([
    ["no backup", () => "no backup at all", {}, /cannot be read as a store/],
    ["half a backup", () => readFileSync(file).subarray(0, 100_000), {}, /damaged|cannot be read/],
    ["a backup under another key", () => readFileSync(file), { LEGATE_MASTER_KEY: Buffer.alloc(32, 9).toString("base64") }, /master key/],
    ["a backup whose key file is missing", () => readFileSync(file), { LEGATE_MASTER_KEY: undefined }, /put it back as .*master\.key/],
  ])("%s is said plainly and changes nothing", async (name, content, more, why) => {
    const path = join(folder, `${name}.backup`);
    writeFileSync(path, content());
    const before = readFileSync(join(data, "legate.db"));
    const { code, stderr } = await runMaintenance({ ...env, ...more }, "restore", path, "--replace");
    expect(code).toBe(1);
    expect(stderr).toMatch(why);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(readFileSync(join(data, "legate.db")).equals(before)).toBe(true);
    expect(readdirSync(dirname(join(data, "x"))).filter((each) => each.startsWith("restoring-"))).toEqual([]);
  });

  test("says how it is used", async () => {
    expect(await runMaintenance(env, "restore")).toMatchObject({ code: 2 });
    expect(await runMaintenance(env, "restore", join(folder, "absent"))).toMatchObject({ code: 1 });
    const onPostgres = { LEGATE_DATABASE_URL: "postgres://legate@127.0.0.1:1/legate" };
    expect((await runMaintenance(onPostgres, "restore", file)).stderr).toContain("pg_restore");
    expect((await runMaintenance(onPostgres, "restore")).stderr).toMatch(/cannot be reached/);
  });
});
