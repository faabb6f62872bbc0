import pg from "pg";
import { afterEach, expect, test, vi } from "vitest";
import { cuttableWire } from "../../packages/server/src/testing/cuttable-wire.ts";
import { onPostgres } from "../../packages/server/src/testing/empty-database.ts";
import { findPostgres, startPostgres } from "../../packages/server/src/testing/postgres.ts";
import { adminKey, agentNames, call, codeOf, keepWriting, must, type Running, sleep, startServer } from "./server.ts";

// Processes are started and stopped again and again.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

// docs/operations.md: "The database is gone", "The database does not answer", "The database is read-only".
// Seen to fail, each break by itself: no timeout for an answer; a hung connection put back into its pool; the codes of a server that shuts down not
// taken for `unavailable`; no time limit for closing.

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const open = async (databaseUrl: string): Promise<Running> => {
  const server = await startServer({ LEGATE_DATABASE_URL: databaseUrl });
  closing.push(() => server.stop("SIGKILL"));
  return server;
};
const admin = async (url: string) => {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  closing.push(() => client.end().catch(() => undefined));
  return client;
};

type Writing = ReturnType<typeof keepWriting>;

/** What every caller is told while the store is away: that it is, and to come again. */
const expectPlainRefusals = ({ refused, broken }: Writing) => {
  expect(broken).toEqual([]);
  expect(new Set(refused.map((each) => JSON.stringify(each)))).toEqual(
    new Set(refused.length === 0 ? [] : [JSON.stringify({ status: 503, code: "unavailable", retryAfter: "5" })]),
  );
};
const expectGoingOn = async (writing: Writing, within: number) => {
  const before = writing.acknowledged.length;
  const since = performance.now();
  while (writing.acknowledged.length < before + 20 && performance.now() - since < within) await sleep(20);
  expect(writing.acknowledged.length).toBeGreaterThanOrEqual(before + 20);
};
const expectNothingLost = async (url: string, { acknowledged }: Writing) => {
  const names = await agentNames(url);
  expect(acknowledged.filter((name) => !names.has(name))).toEqual([]);
};

onPostgres("a database that is gone and comes back", (empty) => {
  test("is told as 503 with Retry-After to everybody, and served again without a restart", async () => {
    const url = await empty();
    const wire = await cuttableWire(url);
    closing.push(() => wire.close());
    const server = await open(wire.url);
    const writing = keepWriting(server.url, 8, "gone");
    await expectGoingOn(writing, 5_000);
    for (let round = 0; round < 2; round += 1) {
      await wire.cut();
      await sleep(2_500);
      expect((await call("GET", `${server.url}/livez`, undefined)).status).toBe(200);
      expect((await call("GET", `${server.url}/readyz`, undefined)).status).toBe(503);
      const read = await call("GET", `${server.url}/v1/agents`);
      expect([read.status, codeOf(read)]).toEqual([503, "unavailable"]);
      await wire.mend();
      await expectGoingOn(writing, 5_000);
      expect((await call("GET", `${server.url}/readyz`, undefined)).status).toBe(200);
    }
    await writing.stop();
    expect(writing.refused.length).toBeGreaterThan(0);
    expectPlainRefusals(writing);
    await expectNothingLost(server.url, writing);
    expect(server.written()).not.toMatch(/"level":"(error|fatal)"/);
    expect(await server.stop()).toBe(0);
  }, 60_000);

  test("though every connection is killed again and again, nothing acknowledged is lost and nobody gets a fault", async () => {
    const url = await empty();
    const server = await open(url);
    const killer = await admin(url);
    const writing = keepWriting(server.url, 8, "killed");
    for (let round = 0; round < 8; round += 1) {
      await sleep(250);
      await killer.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'legate%' and datname = current_database()",
      );
    }
    await expectGoingOn(writing, 5_000);
    await writing.stop();
    expectPlainRefusals(writing);
    await expectNothingLost(server.url, writing);
    expect(server.written()).not.toMatch(/"level":"(error|fatal)"/);
  }, 60_000);

  test("also when the whole server crashed and had to recover, with two replicas that go on hearing each other", async () => {
    // Durable, as one in production must be: without synchronous commits a crash loses what was acknowledged.
    const postgres = await startPostgres(findPostgres() ?? "", true);
    closing.push(() => postgres.stop());
    const [one, two] = await Promise.all([open(postgres.url), open(postgres.url)]);
    const watcher = await admin(postgres.url);
    const writing = keepWriting(one.url, 4, "crash");
    await expectGoingOn(writing, 5_000);
    const { rows } = await watcher.query<{ pid: number }>("select pid from pg_stat_activity where application_name = 'legate' limit 1");
    // One that dies without a word makes PostgreSQL end all others and replay its log.
    process.kill(rows[0]?.pid ?? 0, "SIGKILL");
    await expectGoingOn(writing, 15_000);
    await writing.stop();
    expectPlainRefusals(writing);
    await expectNothingLost(two.url, writing);

    await must("POST", `${one.url}/v1/agents`, { name: "suspect" });
    const { token } = (await must("POST", `${two.url}/v1/workload-tokens`, { agent: "suspect" })) as { token: string };
    const ask = () => call("POST", `${two.url}/v1/credentials/api-key`, token, { provider: "none" });
    expect((await ask()).status).toBe(404);
    await must("POST", `${one.url}/v1/agents/suspect/suspend`, {});
    await sleep(2_000);
    expect([401, 403]).toContain((await ask()).status);
    const client = await admin(postgres.url);
    const leases = async () =>
      (await client.query<{ owner: string | null }>("select owner from jobs where lease_until > 0 and owner is not null")).rows.length;
    // No job is stuck with somebody who lost the store while holding it.
    for (let waited = 0; (await leases()) > 0 && waited < 40_000; waited += 500) await sleep(500);
    expect(await leases()).toBe(0);
  }, 120_000);
});

onPostgres("a database that does not answer", (empty) => {
  test("is told as 503 within seconds, holds nobody for ever, and is served again when it answers", async () => {
    const wire = await cuttableWire(await empty());
    closing.push(() => wire.close());
    const server = await open(wire.url);
    const writing = keepWriting(server.url, 8, "hung");
    await expectGoingOn(writing, 5_000);
    writing.slowest();
    wire.hang();
    await sleep(3_500);
    expect((await call("GET", `${server.url}/livez`, undefined)).status).toBe(200);
    expect((await call("GET", `${server.url}/readyz`, undefined)).status).toBe(503);
    await sleep(14_000);
    await wire.mend();
    await expectGoingOn(writing, 12_000);
    await writing.stop();
    expect(writing.refused.length).toBeGreaterThan(0);
    expectPlainRefusals(writing);
    expect(writing.slowest()).toBeLessThan(16_000);
    await expectNothingLost(server.url, writing);
  }, 90_000);

  test("does not keep a server from stopping", async () => {
    const wire = await cuttableWire(await empty());
    closing.push(() => wire.close());
    const server = await open(wire.url);
    const writing = keepWriting(server.url, 4, "stopping");
    await expectGoingOn(writing, 5_000);
    wire.hang();
    await sleep(500);
    const since = performance.now();
    const code = server.stop();
    await sleep(100);
    void writing.stop();
    expect(await code).toBe(0);
    expect(performance.now() - since).toBeLessThan(30_000);
    expect(writing.broken.filter((why) => !/ECONNREFUSED|ECONNRESET|other side closed/.test(why))).toEqual([]);
  }, 60_000);
});

onPostgres("a database that is read-only", (empty) => {
  test("refuses writes as 503 and goes on answering reads, and is written again without a restart", async () => {
    const url = await empty();
    const server = await open(url);
    const client = await admin(url);
    await must("POST", `${server.url}/v1/agents`, { name: "before" });
    const keys = (await call("GET", `${server.url}/.well-known/jwks.json`, undefined)).text;
    const turn = async (value: "on" | "off") => {
      await client.query("set default_transaction_read_only = off");
      await client.query(`alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = ${value}`);
      await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'legate%' and datname = current_database()",
      );
      await sleep(300);
    };
    await turn("on");
    const written = await call("POST", `${server.url}/v1/agents`, adminKey, { name: "during" });
    expect([written.status, codeOf(written), written.headers.get("retry-after")]).toEqual([503, "unavailable", "5"]);
    expect((await call("GET", `${server.url}/v1/agents`)).status).toBe(200);
    expect((await call("GET", `${server.url}/.well-known/jwks.json`, undefined)).text).toBe(keys);
    expect((await call("GET", `${server.url}/readyz`, undefined)).status).toBe(200);
    await turn("off");
    await must("POST", `${server.url}/v1/agents`, { name: "after" });
    expect(await agentNames(server.url)).toEqual(new Set(["before", "after"]));
  }, 60_000);
});
