import {
  type AliasableExpression,
  type Compilable,
  type CompiledQuery,
  type Dialect,
  PostgresAdapter,
  type QueryExecutor,
  sql,
} from "kysely";
import { makeGathering } from "./gathering.ts";
import { placeholdersFor, prepared, withValues } from "./prepared.ts";
import type { Handle } from "./tables.ts";

/** Marks a handle of PostgreSQL on which rows are looked up together. Not for transactions, whose reads see what they wrote themselves. */
class GatheringAdapter extends PostgresAdapter {}

/** Lets what is looked up at the same moment go in one statement. */
export const gathering = (dialect: Dialect): Dialect => ({
  createDriver: () => dialect.createDriver(),
  createAdapter: () => new GatheringAdapter(),
  createQueryCompiler: () => dialect.createQueryCompiler(),
  createIntrospector: (db) => dialect.createIntrospector(db),
});

/** Finds one row, or none. */
type Statement<Answer> = Compilable<Answer> & AliasableExpression<Answer>;

/** A row as it comes from a statement for many: whose it is, counted from one, beside what was asked for. */
type Numbered<Answer> = Answer & { readonly nth_asked: number };

/**
 * A statement that finds one row by its key, for those that run at every request: built once for each kind of store, as `prepared` has it. Outside
 * of transactions on PostgreSQL, where a statement of its own costs more than what it does, all that is asked of it at the moment goes in one.
 * @param build Gets a placeholder for each field of `Ask`, to be used as a value and nowhere else. Its statement must find one row at most, and say so by
 * `limit(1)`: within the statement for many that also makes each be found through the index.
 * @example const byId = lookup<{ id: string }, { name: string }>((db, { id }) => db.selectFrom("agents").select("name").where("id", "=", id).limit(1));
 */
export const lookup = <Ask extends { readonly [Name in keyof Ask]: string }, Answer extends object>(
  build: (db: Handle, ask: Ask) => Statement<Answer>,
): ((db: Handle, ask: Ask) => Promise<Answer | undefined>) => {
  const alone = prepared<Ask, Answer>(build);
  const gathered = new WeakMap<QueryExecutor, (ask: Ask) => Promise<Answer | undefined>>();
  return async (db, ask) => {
    const executor = db.getExecutor();
    if (!(executor.adapter instanceof GatheringAdapter)) return (await alone(db, ask))[0];
    let find = gathered.get(executor);
    if (!find) {
      const findAll = together(db, Object.keys(ask) as (keyof Ask & string)[], build);
      find = makeGathering((take) => findAll(take()));
      gathered.set(executor, find);
    }
    return find(ask);
  };
};

/** One statement that finds a row for each of any number of asks, and answers them in the order of the asks. */
const together = <Ask extends { readonly [Name in keyof Ask]: string }, Answer extends object>(
  db: Handle,
  names: readonly (keyof Ask & string)[],
  build: (db: Handle, ask: Ask) => Statement<Answer>,
) => {
  const asked = Object.fromEntries(names.map((name) => [name, sql.ref(`asked.${name}`)]));
  // A list of values for each name: the statement is the same for any number of asks.
  const lists = placeholdersFor<Record<string, string[]>>();
  const table = sql`unnest(${sql.join(names.map((name) => sql`${lists[name]}::text[]`))}) with ordinality`;
  const query: CompiledQuery = db
    .selectFrom(table.as(sql`asked(${sql.join([...names, "nth_asked"].map((name) => sql.ref(name)))})`))
    .innerJoinLateral(build(db, asked as unknown as Ask).as("found"), (join) => join.onTrue())
    .selectAll("found")
    .select(sql<number>`asked.nth_asked`.as("nth_asked"))
    .compile();
  return async (asks: readonly Ask[]): Promise<readonly (Answer | undefined)[]> => {
    const values = Object.fromEntries(names.map((name) => [name, asks.map((ask) => ask[name])]));
    const { rows } = await db.executeQuery<Numbered<Answer>>(withValues(query, values));
    const answers: (Answer | undefined)[] = asks.map(() => undefined);
    for (const { nth_asked, ...row } of rows) answers[nth_asked - 1] = row as unknown as Answer;
    return answers;
  };
};
