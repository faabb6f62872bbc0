import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../config/index.ts";
import { copySqliteStore } from "../ground/db/index.ts";
import { masterKeyPath } from "../ground/seal/index.ts";
import { Unable } from "./unable.ts";

/** What a backup needs to be told. */
export interface BackupAsk {
  readonly config: Config;
  readonly args: readonly string[];
  /** Whether nobody has asked to stop. */
  readonly wanted: () => Promise<boolean>;
}

const usage = "Usage: npm run backup -- FILE";

const onPostgres = `This store is on PostgreSQL, whose own tool backs it up while Legate runs:
  pg_dump --format=custom --no-owner --file=FILE --dbname="$LEGATE_DATABASE_URL"
Keep the master key (LEGATE_MASTER_KEY) apart from the file: neither is of any use without the other.`;

/**
 * Copies the SQLite store as it is now, while a server serves from it.
 * @returns what to tell the person who asked
 * @throws Unable for what they can mend; whatever the file system says
 */
export const backup = async ({ config, args, wanted }: BackupAsk): Promise<string> => {
  const { database, dataDir, secrets } = config;
  if (database.engine === "postgres") throw new Unable(onPostgres, 2);
  const [file, ...more] = args;
  if (file === undefined || file === "" || file.startsWith("-") || more.length > 0) throw new Unable(usage, 2);
  const to = resolve(file);
  if (existsSync(to)) throw new Unable(`${to} is there already, and a backup writes over nothing.`);
  if (!existsSync(database.path)) throw new Unable(`There is no store at ${database.path}. LEGATE_DATA_DIR says where it is.`);
  const bytes = await copySqliteStore(database.path, to, wanted);
  const key = secrets.masterKey === undefined ? masterKeyPath(dataDir) : "LEGATE_MASTER_KEY";
  return `Backed up to ${to}: ${bytes} bytes, checked and on disk.
NOT in it: the master key (${key}). Nobody can open the backup without it; keep a copy of it somewhere else than this file.`;
};
