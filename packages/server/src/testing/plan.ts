import { type CompiledQuery, type KyselyPlugin, type QueryId, type RootOperationNode, sql } from "kysely";
import type { Handle, StoreAddress } from "../ground/db/index.ts";

interface Query {
  readonly node: RootOperationNode;
  readonly queryId: QueryId;
}

/** How a store goes about the statements that `run` makes: what it says when asked to explain them, with the rows it has now. */
export const planOf = async (db: Handle, { engine }: StoreAddress, run: (db: Handle) => Promise<unknown>): Promise<string> => {
  const queries: Query[] = [];
  const listening: KyselyPlugin = {
    transformQuery: (query) => {
      queries.push(query);
      return query.node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  };
  if (engine === "postgres") await sql`analyze`.execute(db);
  await run(db.withPlugin(listening));
  const lines: string[] = [];
  for (const { node, queryId } of queries) {
    const query: CompiledQuery = db.getExecutor().compileQuery(node, queryId);
    const explain = engine === "postgres" ? "explain (analyze, costs off, timing off, summary off)" : "explain query plan";
    const { rows } = await db.executeQuery<Readonly<Record<string, unknown>>>({ ...query, sql: `${explain} ${query.sql}` });
    lines.push(...rows.map((row) => String(row["QUERY PLAN"] ?? row["detail"])));
  }
  return lines.join("\n");
};
