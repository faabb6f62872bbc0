import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Kysely } from "kysely";
import { type Changes, makeHearing, ownChanges } from "./changes.ts";
import { asBroken, isBusy, StoreBroken } from "./failures.ts";
import { makeGroupCommit } from "./group-commit.ts";
import { migrate } from "./migrate.ts";
import { readingInTurns } from "./reading-turns.ts";
import { openSqliteConnection, type SqliteConnection } from "./sqlite-connection.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";
import { openSqliteLog } from "./sqlite-log.ts";
import type { Handle, Tables } from "./tables.ts";

/** Where the store is. */
export type StoreAddress = { readonly engine: "sqlite"; readonly path: string } | { readonly engine: "postgres"; readonly url: string };

/** The store. What is read outside a transaction is committed; what `write` has answered is on disk. */
export interface Db {
  readonly engine: "sqlite" | "postgres";
  /** For reading outside a transaction. */
  readonly read: Handle;
  /**
   * Runs one unit of work in a transaction and answers when it is committed. A unit uses only its handle, awaits nothing from the network, and
   * may be run again. What it throws undoes it; a no that must be remembered is returned instead.
   * @throws Refusal unavailable when the store cannot be written
   */
  write<T>(unit: (tx: Handle) => Promise<T>): Promise<T>;
  /** What was changed, by whichever replica. */
  readonly changes: Changes;
  /** @throws Refusal unavailable once the disk has failed in a way after which this process writes nothing more */
  checkWritable(): void;
  /** How much work waits for its turn: writes on SQLite, whatever needs a connection on PostgreSQL. */
  waiting(): number;
  /** Finishes what was accepted. */
  close(): Promise<void>;
}

/** Another process has the SQLite file. */
export class StoreInUse extends Error {}

/**
 * Keeps every other process from the SQLite store in this folder. Held as long as the process lives; the operating system frees it even after
 * kill -9.
 * @throws StoreInUse; StoreBroken where the folder cannot be written
 */
export const lockSqliteFolder = (folder: string): { close(): void } => {
  const path = join(folder, "lock.db");
  let lock: SqliteConnection | undefined;
  try {
    lock = openSqliteConnection(path);
    lock.exec("pragma busy_timeout = 0");
    lock.exec("begin exclusive");
    return lock;
  } catch (error) {
    lock?.close();
    if (!isBusy(error)) throw asBroken(error, path);
    throw new StoreInUse("Another Legate process is using this data directory.", { cause: error });
  }
};

/** To each of the two connections. */
const pageCacheKiB = 32 * 1024;
/** 32 MiB. */
const pagesInLog = 8_192;

/** Brings what stands in the log into the file, syncs that, and empties the log. Answers whether nobody's reading kept it from that. */
const foldLog = (writer: SqliteConnection): boolean => {
  const [{ busy } = { busy: 1 }] = writer.run("pragma wal_checkpoint(truncate)", []).rows;
  return busy === 0;
};

const openSqlite = async (path: string): Promise<Db> => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lock = lockSqliteFolder(dirname(path));
  const opened: { close(): void }[] = [lock];
  const connect = (): SqliteConnection => {
    const connection = openSqliteConnection(path);
    opened.push(connection);
    connection.exec("pragma busy_timeout = 5000");
    connection.exec("pragma journal_mode = wal");
    connection.exec("pragma synchronous = full");
    // Pages that are read again and again stay in memory; taken only as they are used.
    connection.exec(`pragma cache_size = -${pageCacheKiB}`);
    // The log is folded into the file less often, so that a page that many transactions changed is written there once.
    connection.exec(`pragma wal_autocheckpoint = ${pagesInLog}`);
    return connection;
  };
  const closeAll = () => {
    for (const connection of opened.reverse()) connection.close();
  };
  try {
    const writer = connect();
    // What is read from a log that was left behind need not be on the disk: the sync that failed may be why its process ended. What is added after
    // it would be lost with it; folded in, all of it is written once more, and synced.
    if (!foldLog(writer))
      throw new StoreBroken(`The store ${path} is being read by another process, such as a backup: start again when that is done.`);
    const tx = new Kysely<Tables>({ dialect: sqliteDialect(writer) });
    await migrate(tx, "sqlite");
    // From here on a commit waits for nothing. Whoever is to be answered waits for the log, on another thread; SQLite itself still syncs before and
    // after it folds, and the head of each log that it begins.
    writer.exec("pragma synchronous = normal");
    const log = openSqliteLog(path);
    opened.push(log);
    const reader = connect();
    reader.exec("pragma query_only = on");
    const read = new Kysely<Tables>({ dialect: readingInTurns(sqliteDialect(reader)) });
    const hearing = makeHearing();
    const group = makeGroupCommit({ connection: writer, tx, hearing, sync: () => log.sync() });
    return {
      engine: "sqlite",
      read,
      write: group.write,
      changes: ownChanges(hearing),
      checkWritable: group.checkWritable,
      waiting: group.waiting,
      close: async () => {
        await group.close();
        try {
          // The driver leaves the log where it is when it closes; whoever then takes the file alone would take less than all. After a failed sync
          // only the next start, which verifies what it reads, may fold.
          group.checkWritable();
          foldLog(writer);
        } catch {
          // Or the disk is full now: the next start reads the log.
        }
        closeAll();
      },
    };
  } catch (error) {
    closeAll();
    throw asBroken(error, path);
  }
};

/**
 * Opens the store and brings its schema up to date.
 * @throws StoreInUse when another process has the SQLite file; StoreBroken when it cannot be used
 */
export const openDb = async (address: StoreAddress): Promise<Db> => {
  if (address.engine === "sqlite") return openSqlite(address.path);
  // Its driver takes memory, which whoever has no PostgreSQL need not spend.
  const { openPostgres } = await import("./postgres.ts");
  return openPostgres(address.url);
};
