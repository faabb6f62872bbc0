import { findPostgres, reachesPostgres, startPostgres } from "../../packages/server/src/testing/postgres.ts";

const variable = "LEGATE_TEST_DATABASE_URL";

const say = (text: string) => process.stdout.write(`${text}\n`);

/**
 * Finds PostgreSQL before the first test: the server of LEGATE_TEST_DATABASE_URL, else a throw-away one of this machine's binaries, else none.
 * `LEGATE_TEST_DATABASE_URL=none` leaves PostgreSQL out. Workers read where it is from the same variable; empty means that there is none.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  const given = process.env[variable];
  if (given === "none") {
    process.env[variable] = "";
    return undefined;
  }
  if (given) {
    if (!(await reachesPostgres(given))) throw new Error(`${variable} is set, and no PostgreSQL answers there.`);
    return undefined;
  }
  const programs = findPostgres();
  if (programs === undefined) {
    say(`No PostgreSQL: neither ${variable} nor postgres and initdb on this machine. Tests on PostgreSQL are skipped.`);
    process.env[variable] = "";
    return undefined;
  }
  const postgres = await startPostgres(programs);
  process.env[variable] = postgres.url;
  return () => postgres.stop();
}
