import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, describe } from "vitest";
import { makeAudit } from "../ground/audit/index.ts";
import { type Db, openDb, type StoreAddress } from "../ground/db/index.ts";
import { type Clock, type Principal, type Random, systemRandom } from "../ground/kernel/index.ts";
import { kekFrom, makeSeal, openPepper } from "../ground/seal/index.ts";

/** A clock that a test moves by hand; it starts at a fixed moment. */
export const handClock = (start = Date.UTC(2026, 0, 1)) => {
  let now = start;
  return {
    clock: (() => now) satisfies Clock,
    forward: (milliseconds: number) => {
      now += milliseconds;
    },
    set: (to: number) => {
      now = to;
    },
  };
};

/** An operator with every right, in the tenant given. */
export const adminOf = (tenant: string): Principal => ({
  tenant,
  caller: { kind: "operator", id: "op_test", role: "admin" },
  actors: [],
  method: "operator_key",
  requestId: "req_test",
  address: "127.0.0.1",
});

/** The ground floor on a fresh store: what every room stands on. */
export const openGround = async (address: StoreAddress, clock: Clock = () => Date.now(), random: Random = systemRandom) => {
  const db = await openDb(address);
  const kek = kekFrom(Buffer.alloc(32, 7), random);
  return {
    db,
    clock,
    random,
    kek,
    audit: makeAudit({ db, clock, random }),
    seal: makeSeal({ db, kek, clock, random }),
    pepper: await openPepper({ db, kek, clock, random }),
  };
};
export type Ground = Awaited<ReturnType<typeof openGround>>;

/** Where PostgreSQL is for tests, if anywhere. */
export const testDatabaseUrl = (): string | undefined => process.env["LEGATE_TEST_DATABASE_URL"] || undefined;

const template = `legate_template_${process.pid}`;
let templateMade: Promise<void> | undefined;

const onServer = async (url: string, run: (client: pg.Client) => Promise<unknown>): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await run(client);
  } finally {
    await client.end();
  }
};

const named = (url: string, database: string): string => {
  const at = new URL(url);
  at.pathname = `/${database}`;
  return at.href;
};

/** A fresh database on the test server, and how to be rid of it. */
const freshPostgres = async (url: string): Promise<{ address: StoreAddress; drop: () => Promise<void> }> => {
  templateMade ??= (async () => {
    await onServer(url, (client) => client.query(`create database ${template}`));
    const db: Db = await openDb({ engine: "postgres", url: named(url, template) });
    await db.close();
  })();
  await templateMade;
  const name = `legate_${randomBytes(6).toString("hex")}`;
  await onServer(url, (client) => client.query(`create database ${name} template ${template}`));
  return {
    address: { engine: "postgres", url: named(url, name) },
    drop: () => onServer(url, (client) => client.query(`drop database if exists ${name} with (force)`)),
  };
};

/** A fresh SQLite file in a folder of its own, and how to be rid of it. */
const freshSqlite = (): { address: StoreAddress; drop: () => Promise<void> } => {
  const directory = mkdtempSync(join(tmpdir(), "legate-test-"));
  return {
    address: { engine: "sqlite", path: join(directory, "legate.db") },
    drop: () => {
      rmSync(directory, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
};

/**
 * Runs a suite on SQLite, and on PostgreSQL where one is given. `fresh` answers the address of a new, empty store each time it is called; all are
 * deleted when the suite ends.
 */
export const eachStore = (name: string, suite: (fresh: () => Promise<StoreAddress>) => void): void => {
  const run = (engine: string, make: () => Promise<{ address: StoreAddress; drop: () => Promise<void> }>) =>
    describe(`${name} (${engine})`, () => {
      const drops: (() => Promise<void>)[] = [];
      afterAll(async () => {
        for (const drop of drops) await drop();
      });
      suite(async () => {
        const { address, drop } = await make();
        drops.push(drop);
        return address;
      });
    });
  run("sqlite", () => Promise.resolve(freshSqlite()));
  const url = testDatabaseUrl();
  if (url !== undefined) run("postgres", () => freshPostgres(url));
  else
    describe.skip(`${name} (postgres: none found)`, () => {
      suite(() => Promise.reject(new Error("no PostgreSQL")));
    });
};
