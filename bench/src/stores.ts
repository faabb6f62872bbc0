import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Filling, fillStore } from "@legate/server/testing/fill";
import { findPostgres, startPostgres } from "@legate/server/testing/postgres";
import type { Options } from "./options.ts";
import { type Running, startLegate } from "./processes.ts";
import { count } from "./table.ts";

type StoreName = Options["stores"][number];

/** A key that every server of a run is started with. */
export const adminKey = `op_${randomBytes(32).toString("hex")}`;

export const storeTitles: Readonly<Record<StoreName, string>> = { sqlite: "SQLite", postgres: "PostgreSQL" };

/** The stores that can be measured here. */
export const storesHere = ({ stores }: Options): readonly StoreName[] =>
  stores.filter((name) => name === "sqlite" || findPostgres() !== undefined);

/** One sentence for each store that was asked for and cannot be measured. */
export const storesMissing = (options: Options): readonly string[] =>
  options.stores
    .filter((name) => !storesHere(options).includes(name))
    .map((name) => `${storeTitles[name]} was not measured: none was found on this machine.`);

/** Legate as it is shipped, on a store of its own that was filled before. */
export interface Filled {
  readonly legate: Running;
  /** Seconds that filling took. */
  readonly filledIn: number;
  /** Seconds from starting Legate on it to its first line that says where it listens. */
  readonly readyIn: number;
  /** Stops the server and deletes the store. */
  readonly close: () => Promise<void>;
}

/** Says on standard error what goes on, so that standard output holds figures alone. */
export const tell = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** Makes a new store, fills it and starts Legate on it. PostgreSQL syncs as one in production does. */
export const startFilled = async (store: StoreName, filling: Filling, nodeArgs: readonly string[] = []): Promise<Filled> => {
  const directory = mkdtempSync(join(tmpdir(), "legate-bench-"));
  const programs = store === "postgres" ? findPostgres() : undefined;
  const postgres = programs === undefined ? undefined : await startPostgres(programs, true);
  const dropStore = async () => {
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  const env = {
    LEGATE_PORT: "0",
    LEGATE_ADMIN_KEY: adminKey,
    LEGATE_MASTER_KEY: randomBytes(32).toString("hex"),
    LEGATE_EGRESS_ALLOW: "127.0.0.1",
    LEGATE_LOG_LEVEL: "warn",
    // So high that all is counted and nobody refused.
    LEGATE_RATE_LIMITS: "1000000",
    LEGATE_DATA_DIR: directory,
    ...(postgres && { LEGATE_DATABASE_URL: postgres.url }),
  };
  try {
    const began = performance.now();
    tell(`${storeTitles[store]}: filling in ${count(filling.agents)} agents and ${count(filling.connections + filling.users)} connections`);
    await fillStore(env, filling, (agents) => tell(`${storeTitles[store]}: ${count(agents)} agents`));
    const filledIn = (performance.now() - began) / 1000;
    const starting = performance.now();
    const legate = await startLegate(env, nodeArgs);
    return {
      legate,
      filledIn,
      readyIn: (performance.now() - starting) / 1000,
      close: async () => {
        await legate.stop();
        await dropStore();
      },
    };
  } catch (error) {
    await dropStore();
    throw error;
  }
};
