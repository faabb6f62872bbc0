import { closeSync, constants, fdatasync, openSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { syncToDisk } from "./sqlite-copy.ts";

const bringToDisk = promisify(fdatasync);

/** The write-ahead log of an open SQLite store. */
export interface SqliteLog {
  /** Waits, on another thread, until all that was committed before is on disk. @throws what the disk says */
  sync(): Promise<void>;
  close(): void;
}

/**
 * Opens the log beside its store, which must be open and stay so: then SQLite cuts this file and begins it anew, but never puts another in its place.
 * The store's own file is never opened here, because closing any descriptor of it would drop the locks that SQLite holds on it (POSIX).
 */
export const openSqliteLog = (path: string): SqliteLog => {
  const file = openSync(`${path}-wal`, constants.O_RDWR);
  // Its name and the store's must outlive a loss of power too. Windows opens no folders.
  if (process.platform !== "win32") syncToDisk(dirname(path));
  return { sync: () => bringToDisk(file), close: () => closeSync(file) };
};
