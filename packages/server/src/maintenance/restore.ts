import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type House, openHouse } from "../compose.ts";
import type { Config } from "../config/index.ts";
import {
  checkSqliteStore,
  copyAtRest,
  legatesConnected,
  lockSqliteFolder,
  replaceSqliteStore,
  type StoreAddress,
  StoreBroken,
  StoreInUse,
} from "../ground/db/index.ts";
import { anonymous, type Clock, systemRandom } from "../ground/kernel/index.ts";
import { masterKeyFile, masterKeyPath, oldMasterKeyFile, oldMasterKeyPath, SealBroken } from "../ground/seal/index.ts";
import { defaultTenant } from "../identity/tenants/index.ts";
import { Unable } from "./unable.ts";

/** What a restore needs to be told. */
export interface RestoreAsk {
  readonly config: Config;
  readonly args: readonly string[];
  readonly clock: Clock;
}

const sqliteUsage = "Usage: npm run restore -- FILE [--replace]";
const postgresUsage = `Usage, once pg_restore is done: npm run restore [-- --force]
  pg_restore --clean --if-exists --no-owner --single-transaction --dbname="$LEGATE_DATABASE_URL" FILE
  npm run restore`;

const whatCameBack = `What was deleted, suspended or changed since the backup is as it was then: agents, their keys, operators, connections. Compare the audit with
your last export, and suspend or delete again what must not be back. Connections whose refresh tokens were renewed since say needs_consent
when they are next used. docs/operations.md has the list.`;

/** The house on this store, without what starting a server would change: no new admin key, no background work. */
const settingsOf = ({ publicUrl, secureCookies, egressAllow }: Config, store: StoreAddress, keys: ReturnType<typeof masterKeysFor>) => ({
  store,
  ...keys,
  publicUrl,
  secureCookies,
  egressAllow,
});

/** No token that was signed before lives on: one that was revoked since the backup would be good again. */
const finish = async (house: House, details: Readonly<Record<string, unknown>>): Promise<number> => {
  const retired = await house.signing.retireAll("restored");
  await house.db.write((tx) =>
    house.audit.record(tx, anonymous(defaultTenant, "restore"), "store.restored", { details: { ...details, signingKeysRetired: retired } }),
  );
  return retired;
};

const onOpened = async (settings: Parameters<typeof openHouse>[0], details: Readonly<Record<string, unknown>>): Promise<number> => {
  const house = await openHouse(settings);
  try {
    return await finish(house, details);
  } finally {
    await house.close();
  }
};

/** The keys that were given, else the data directory's own; a new one would open nothing. A backup may be older than the master key. */
const masterKeysFor = ({ secrets, dataDir }: Config): { masterKey: Buffer; oldMasterKey: Buffer | undefined } => {
  if (secrets.masterKey !== undefined) return { masterKey: secrets.masterKey, oldMasterKey: secrets.oldMasterKey };
  const path = masterKeyPath(dataDir);
  if (!existsSync(path)) throw new Unable(`The master key of the backup is not here: put it back as ${path}, or set LEGATE_MASTER_KEY.`);
  return {
    masterKey: masterKeyFile(path, systemRandom),
    oldMasterKey: secrets.oldMasterKey ?? oldMasterKeyFile(oldMasterKeyPath(dataDir)),
  };
};

const restoreSqlite = async (config: Config, path: string, { args, clock }: RestoreAsk): Promise<string> => {
  const [file, ...more] = args.filter((arg) => arg !== "--replace");
  if (file === undefined || file.startsWith("-") || more.length > 0) throw new Unable(sqliteUsage, 2);
  const from = resolve(file);
  if (!existsSync(from)) throw new Unable(`There is no file ${from}.`);
  const { dataDir } = config;
  if (mkdirSync(dataDir, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(dataDir, 0o700);
  const lock = lockSqliteFolder(dataDir);
  const work = mkdtempSync(join(dataDir, "restoring-"));
  try {
    const exists = existsSync(path);
    if (exists && !args.includes("--replace")) {
      throw new Unable(`There is a store in ${dataDir} already. With --replace it is moved aside, and kept.`);
    }
    const keys = masterKeysFor(config);
    // All is done to a copy, and only a store that opened with the key and whose old tokens are dead takes its place.
    const fresh = join(work, "legate.db");
    copyAtRest(from, fresh);
    checkSqliteStore(fresh, from);
    const retired = await onOpened(settingsOf(config, { engine: "sqlite", path: fresh }, keys), {});
    const aside = `${path}.replaced-${new Date(clock()).toISOString().replaceAll(/[:.]/g, "-")}`;
    replaceSqliteStore(fresh, path, aside);
    return `Restored ${from} to ${path}. Every signing key was retired (${retired}): tokens from before are dead, agents fetch new ones by themselves.
${exists ? `The former store is kept as ${aside}; delete it when you are sure.\n` : ""}${whatCameBack}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
    lock.close();
  }
};

const restorePostgres = async (config: Config, url: string, { args }: RestoreAsk): Promise<string> => {
  const rest = args.filter((arg) => arg !== "--force");
  if (rest.length > 0) throw new Unable(postgresUsage, 2);
  const others = await legatesConnected(url);
  if (others > 0 && !args.includes("--force")) {
    throw new Unable(`Other Legate processes hold ${others} connections to this database. Stop every replica before a restore: what they remember is
of the time before it, and they would not hear of changes made now. --force goes on all the same.`);
  }
  const retired = await onOpened(settingsOf(config, { engine: "postgres", url }, masterKeysFor(config)), {});
  return `The restore is finished. Every signing key was retired (${retired}): tokens from before are dead, agents fetch new ones by themselves.
Start the replicas now.
${whatCameBack}`;
};

/**
 * Makes a restored store safe to serve from. On SQLite it also puts the backup in its place; on PostgreSQL that is pg_restore's part, before.
 * @returns what to tell the person who asked
 * @throws Unable for what they can mend; whatever the file system or the server says
 */
export const restore = async (ask: RestoreAsk): Promise<string> => {
  const { database } = ask.config;
  try {
    return await (database.engine === "sqlite"
      ? restoreSqlite(ask.config, database.path, ask)
      : restorePostgres(ask.config, database.url, ask));
  } catch (error) {
    if (error instanceof StoreInUse) throw new Unable("A Legate server is running on this data directory. Stop it first.");
    if (error instanceof SealBroken) throw new Unable(`The master key does not open this backup: ${error.message}`);
    if (error instanceof StoreBroken) throw new Unable(error.message);
    throw error;
  }
};
