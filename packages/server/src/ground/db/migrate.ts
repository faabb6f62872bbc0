import { sql, type Kysely, type Migration, Migrator } from "kysely";
import { firstLight } from "./migrations/0001-first-light.ts";
import { manyReplicas } from "./migrations/0002-many-replicas.ts";
import { oauthServer } from "./migrations/0003-oauth-server.ts";
import { signedRequests } from "./migrations/0004-signed-requests.ts";
import { StoreBroken } from "./failures.ts";
import type { Columns } from "./migrations/columns.ts";
import type { Tables } from "./tables.ts";

/** In the order of their numbers; what was released is never edited, only followed. */
const migrations: Readonly<Record<string, (columns: Columns) => readonly string[]>> = {
  "0001-first-light": firstLight,
  "0002-many-replicas": manyReplicas,
  "0003-oauth-server": oauthServer,
  "0004-signed-requests": signedRequests,
};

const columns: Readonly<Record<"sqlite" | "postgres", Columns>> = {
  sqlite: { text: "text", integer: "integer", counter: "integer primary key autoincrement" },
  postgres: { text: 'text collate "C"', integer: "bigint", counter: "bigint generated always as identity primary key" },
};

/**
 * Brings the schema up to date. Safe when several processes start at once: on PostgreSQL the first takes an advisory lock and the others wait.
 * @throws StoreBroken when the store was written by a newer Legate; whatever a migration fails with
 */
export const migrate = async (db: Kysely<Tables>, engine: "sqlite" | "postgres"): Promise<void> => {
  const asMigration = (statements: readonly string[]): Migration => ({
    up: async (tx) => {
      for (const statement of statements) await sql.raw(statement).execute(tx);
    },
  });
  const all = Object.fromEntries(Object.entries(migrations).map(([name, make]) => [name, asMigration(make(columns[engine]))]));
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(all) } });
  const { error } = await migrator.migrateToLatest();
  const [, unknown] = /previously executed migration (\S+) is missing/.exec(error instanceof Error ? error.message : "") ?? [];
  if (unknown !== undefined) throw new StoreBroken(`The store was written by a newer Legate: this one does not know ${unknown}.`);
  if (error) throw error instanceof Error ? error : new Error("A migration failed.", { cause: error });
};
