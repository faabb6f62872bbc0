import { asRefusal } from "./failures.ts";

/**
 * How many connections other Legate processes hold to a database, as far as this user may see.
 * @throws Refusal unavailable when the server cannot be reached
 */
export const legatesConnected = async (url: string): Promise<number> => {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000, application_name: "legate restore" });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ count: string }>(
      "select count(*) from pg_stat_activity where datname = current_database() and application_name in ('legate', 'legate feed')",
    );
    return Number(rows[0]?.count ?? 0);
  } catch (error) {
    throw asRefusal(error);
  } finally {
    await client.end().catch(() => undefined);
  }
};
