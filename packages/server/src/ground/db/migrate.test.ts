import { Kysely, Migrator, PostgresDialect, sql } from "kysely";
import { expect, test } from "vitest";
import { emptyDatabase, onPostgres } from "../../testing/empty-database.ts";
import { eachStore } from "../../testing/stores.ts";
import { firstLight } from "./migrations/0001-first-light.ts";
import type { Columns } from "./migrations/columns.ts";
import { openDb, type StoreAddress } from "./open.ts";
import { openPostgresPool } from "./postgres-pool.ts";
import { openSqliteConnection } from "./sqlite-connection.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";
import type { Handle, Tables } from "./tables.ts";

onPostgres("replicas that start at once", (empty) => {
  test("on an empty database all come up, on one schema", async () => {
    const url = await empty();
    const opened = await Promise.allSettled([...Array(8)].map(() => openDb({ engine: "postgres", url })));
    const up = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const down = opened.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
    expect(down).toEqual([]);
    await Promise.all(up.map((db, n) => db.write((tx) => insertTenant(tx, `t${n}`))));
    expect(await up[0]?.read.selectFrom("tenants").select("id").execute()).toHaveLength(8);
    for (const db of up) await db.close();
  });
});

const columns: Record<StoreAddress["engine"], Columns> = {
  sqlite: { text: "text", integer: "integer", counter: "integer primary key autoincrement" },
  postgres: { text: 'text collate "C"', integer: "bigint", counter: "bigint generated always as identity primary key" },
};

/** Makes a store as the first release wrote it, and lets `fill` fill it. */
const firstRelease = async (address: StoreAddress, fill: (db: Handle) => Promise<void>) => {
  const sqlite = address.engine === "sqlite" ? openSqliteConnection(address.path) : undefined;
  const dialect =
    address.engine === "postgres"
      ? new PostgresDialect({ pool: openPostgresPool(address.url, 2) })
      : sqliteDialect(sqlite ?? openSqliteConnection(":memory:"));
  const db = new Kysely<Tables>({ dialect });
  const up = async (tx: Kysely<unknown>) => {
    for (const statement of firstLight(columns[address.engine])) await sql.raw(statement).execute(tx);
  };
  const provider = { getMigrations: () => Promise.resolve({ "0001-first-light": { up } }) };
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  if (error) throw error instanceof Error ? error : new Error("The first migration failed.", { cause: error });
  await fill(db);
  await db.destroy();
  sqlite?.close();
};

const insertTenant = (db: Handle, id: string) =>
  sql`insert into tenants (id, status, epoch, created_at) values (${id}, 'active', 3, 1)`.execute(db);
const insertEvent = (db: Handle, tenant: string, id: string, at: number) =>
  sql`insert into audit_events (tenant_id, id, at, action, outcome, caller_kind, agent_id, user_id, request_id, details)
      values (${tenant}, ${id}, ${at}, 'agent.created', 'done', 'operator', ${id}, ${at % 3 === 0 ? id : null}, 'req_1', '{}')`.execute(db);
const insertSigningKey = (db: Handle) =>
  sql`insert into signing_keys (id, tenant_id, alg, public_jwk, sealed_private_jwk, epoch, created_at, signs_from, expires_at)
      values ('k1', 'acme', 'ES256', '{}', 's1.x.y', 0, 1, 1, 9)`.execute(db);

eachStore("a store of the first release", (fresh) => {
  test("opens with all it held, and every audit row it held waits to be sealed", async () => {
    // On PostgreSQL the suite's own database is up to date already.
    const given = await fresh();
    const empty = given.engine === "postgres" ? await emptyDatabase(given.url) : undefined;
    const address: StoreAddress = empty ? { engine: "postgres", url: empty.url } : given;
    await firstRelease(address, async (db) => {
      await insertTenant(db, "acme");
      await insertTenant(db, "globex");
      await insertSigningKey(db);
      for (let n = 0; n < 20; n += 1) await insertEvent(db, n % 2 === 0 ? "acme" : "globex", `evt_${n}`, 100 + n);
    });
    const db = await openDb(address);
    try {
      const [tenant] = await db.read.selectFrom("tenants").selectAll().where("id", "=", "acme").execute();
      expect(tenant).toMatchObject({ status: "active", epoch: 3, account_id: null, deleted_at: null });
      const [key] = await db.read.selectFrom("signing_keys").selectAll().execute();
      expect(key).toMatchObject({ id: "k1", expires_at: 9, revoked_at: null });
      const placesIn = async (table: "audit_events" | "audit_unsealed") =>
        (await db.read.selectFrom(table).select(["tenant_id", "at", "id", "agent_id", "user_id"]).orderBy("at").execute()).map(
          Object.values,
        );
      expect(await placesIn("audit_unsealed")).toHaveLength(20);
      expect(await placesIn("audit_unsealed")).toEqual(await placesIn("audit_events"));
    } finally {
      await db.close();
      await empty?.drop();
    }
  });

  test("is refused by a release that does not know all of it", async () => {
    const address = await fresh();
    const db = await openDb(address);
    await db.write((tx) =>
      sql`insert into kysely_migration (name, timestamp) values ('9999-of-the-future', '2030')`.execute(tx).then(() => undefined),
    );
    await db.close();
    await expect(openDb(address)).rejects.toThrow(/newer Legate: this one does not know 9999-of-the-future/);
  });
});
