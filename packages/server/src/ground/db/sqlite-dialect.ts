import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { asRefusal } from "./failures.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

/** SQLite runs data definition inside transactions, so that a migration is whole or absent. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class OneConnection implements DatabaseConnection {
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    try {
      const { rows, changes } = this.#connection.run(sql, parameters);
      return Promise.resolve({ rows: rows as R[], numAffectedRows: BigInt(changes) });
    } catch (error) {
      return Promise.reject(asRefusal(error));
    }
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("SQLite: rows are not streamed here");
  }
}

/** A Kysely dialect over one guarded connection. The caller owns the connection and serialises transactions. */
export const sqliteDialect = (connection: SqliteConnection): Dialect => {
  const one = new OneConnection(connection);
  const raw = (text: string) => one.executeQuery(CompiledQuery.raw(text)).then(() => undefined);
  const driver: Driver = {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(one),
    beginTransaction: () => raw("begin immediate"),
    commitTransaction: () => raw("commit"),
    rollbackTransaction: () => raw("rollback"),
    releaseConnection: () => Promise.resolve(),
    destroy: () => Promise.resolve(),
  };
  return {
    createDriver: () => driver,
    createAdapter: () => new TransactionalSqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
};
