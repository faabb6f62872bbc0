import { type Compilable, type CompiledQuery, PostgresAdapter } from "kysely";
import type { Handle } from "./tables.ts";

/** Whether a handle is of PostgreSQL: for the few statements that must be another one there. */
export const isPostgres = (db: Handle): boolean => db.getExecutor().adapter instanceof PostgresAdapter;

/** Stands where a value will; the compiled statement's parameters then say which value goes where. */
class Placeholder {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A value by name for each field of `Ask`. */
type Placeholders<Ask> = { readonly [Name in keyof Ask]: Ask[Name] };

const placeholders = new Proxy({}, { get: (_, name) => new Placeholder(String(name)) });

/** A placeholder for each field of `Ask`, to build a statement with. */
export const placeholdersFor = <Ask extends object>(): Placeholders<Ask> => placeholders as Placeholders<Ask>;

/** A statement that was built with placeholders, with values for them. */
export const withValues = <Ask extends object, Answer>(
  { sql, query, queryId, parameters }: CompiledQuery,
  ask: Ask,
): CompiledQuery<Answer> => ({
  sql,
  query,
  queryId,
  parameters: parameters.map((value) => (value instanceof Placeholder ? ask[value.name as keyof Ask] : value)),
});

/**
 * A statement that is built once for each kind of store and then only given values: for the few that run at every request, where building costs
 * more than running. `build` gets a placeholder for each field of `Ask`, to be used as a value and nowhere else: what it builds must not depend on
 * them.
 * @example const byId = prepared<{ id: string }, { name: string }>((db, { id }) => db.selectFrom("agents").select("name").where("id", "=", id));
 */
export const prepared = <Ask extends object, Answer = never>(
  build: (db: Handle, ask: Placeholders<Ask>) => Compilable<unknown>,
): ((db: Handle, ask: Ask) => Promise<readonly Answer[]>) => {
  const compiled = new Map<unknown, CompiledQuery>();
  return async (db, ask) => {
    const store = db.getExecutor().adapter.constructor;
    let query = compiled.get(store);
    if (!query) {
      query = build(db, placeholdersFor<Ask>()).compile() as CompiledQuery;
      compiled.set(store, query);
    }
    return (await db.executeQuery<Answer>(withValues(query, ask))).rows;
  };
};
