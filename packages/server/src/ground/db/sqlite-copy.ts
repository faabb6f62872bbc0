import { closeSync, constants, copyFileSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StoreBroken } from "./failures.ts";
import { openSqliteConnection } from "./sqlite-connection.ts";

/** Brings a file, or what a folder holds by name, to disk. */
export const syncToDisk = (path: string): void => {
  const handle = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * Reads every page of a SQLite store and sees that it is one of ours.
 * @param name What a person calls it
 * @throws StoreBroken with what is wrong
 */
export const checkSqliteStore = (path: string, name: string): void => {
  const connection = openSqliteConnection(path, { readonly: true });
  try {
    const found = connection.run("pragma integrity_check(5)", []).rows.map((row) => String(Object.values(row)[0]));
    if (found.join() !== "ok") throw new StoreBroken(`${name} is damaged: ${found.join("; ")}.`);
    const tables = connection.run("select name from sqlite_master where name in ('kysely_migration', 'tenants')", []).rows;
    if (tables.length !== 2) throw new StoreBroken(`${name} holds no Legate store.`);
  } catch (error) {
    if (error instanceof StoreBroken) throw error;
    throw new StoreBroken(`${name} cannot be read as a store: ${error instanceof Error ? error.message : String(error)}.`, {
      cause: error,
    });
  } finally {
    connection.close();
  }
};

/** Puts a finished file in its place, and refuses to write over anything that stands there. */
const place = (from: string, to: string): void => {
  try {
    linkSync(from, to);
    rmSync(from);
  } catch (error) {
    // A file system without hard links; renaming would replace what stands there.
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes((error as NodeJS.ErrnoException).code ?? "") || existsSync(to)) throw error;
    renameSync(from, to);
  }
};

/**
 * Copies a SQLite store as it is at one moment, also while another process serves from it: readers do not hold up its writer. The copy is of mode
 * 600, checked, and on disk when this answers its size in bytes; when it throws, nothing is left of it.
 * @param wanted Asked before the copy takes its place, so that an interrupted one leaves nothing.
 * @throws StoreBroken when the copy does not hold; whatever the file system says
 */
export const copySqliteStore = async (from: string, to: string, wanted: () => Promise<boolean>): Promise<number> => {
  const part = `${to}.${process.pid}.part`;
  // Made by us first: SQLite writes into an empty file, and no moment passes in which others may read it.
  closeSync(openSync(part, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
  try {
    const source = openSqliteConnection(from, { readonly: true });
    try {
      source.exec("pragma busy_timeout = 5000");
      source.exec(`vacuum into ${quoted(part)}`);
    } finally {
      source.close();
    }
    checkSqliteStore(part, `The copy of ${from}`);
    syncToDisk(part);
    if (!(await wanted())) throw new Error("The backup was interrupted.");
    place(part, to);
    syncToDisk(dirname(to));
    return statSync(to).size;
  } finally {
    for (const end of ["", "-journal", "-wal", "-shm"]) rmSync(`${part}${end}`, { force: true });
  }
};

/** Copies a file that nobody writes to, for its owner only, and brings it to disk. */
export const copyAtRest = (from: string, to: string): void => {
  closeSync(openSync(to, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
  copyFileSync(from, to);
  syncToDisk(to);
};

/** Brings what a store has in its write-ahead log into its file, so that the one file is all of it. */
const foldLog = (path: string): void => {
  const connection = openSqliteConnection(path);
  try {
    const [{ busy } = { busy: 1 }] = connection.run("pragma wal_checkpoint(truncate)", []).rows;
    if (busy !== 0) throw new StoreBroken(`${path} is in use, so that its write-ahead log cannot be folded into it.`);
  } finally {
    connection.close();
  }
  syncToDisk(path);
};

/** Gives a file a second name; where the file system knows none, a copy. */
const copyOrLink = (from: string, to: string): void => {
  try {
    linkSync(from, to);
  } catch {
    copyAtRest(from, to);
  }
};

/**
 * Puts a closed store in the place of another one, which keeps its content under the name `aside`. Whenever the process dies, one whole store
 * stands in the place, the old one or the new one.
 */
export const replaceSqliteStore = (fresh: string, at: string, aside: string): void => {
  // Closing does not fold it while the driver still holds a statement.
  foldLog(fresh);
  if (existsSync(at)) {
    try {
      foldLog(at);
    } catch {
      // One that is damaged is kept as it is, with its log.
    }
    // A log left beside a file that it does not belong to would be read into it.
    if (existsSync(`${at}-wal`)) renameSync(`${at}-wal`, `${aside}-wal`);
    rmSync(`${at}-shm`, { force: true });
    copyOrLink(at, aside);
  }
  renameSync(fresh, at);
  syncToDisk(dirname(at));
};
