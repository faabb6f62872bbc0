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
const insertAgent = (db: Handle, id: string, deletedAt: number | null) =>
  sql`insert into agents (tenant_id, id, name, status, origin, permissions, return_urls, asserted_users, labels, epoch, created_at, updated_at, deleted_at)
      values ('acme', ${id}, 'planner', ${deletedAt === null ? "active" : "revoked"}, 'operator', '[]', '[]', 1, '{}', 2, 1, 1, ${deletedAt})`.execute(
    db,
  );
const insertIssuer = (db: Handle) =>
  sql`insert into issuers (id, tenant_id, name, issuer, discovery_url, audiences, subject_claim, created_at, updated_at)
      values ('iss_1', 'acme', 'corp', 'https://id.test', 'https://id.test', '["us"]', 'sub', 1, 1)`.execute(db);
const insertProvider = (db: Handle, tenant: string, vault: string, type: "api_key" | "oauth2", at: number) =>
  sql`insert into providers (id, tenant_id, vault, name, type, agents, scopes, scopes_key, warnings, version, created_at, updated_at)
      values (${`prv_${tenant}_${vault}_${at}`}, ${tenant}, ${vault}, ${`p${at}`}, ${type}, '["*"]', '[]', '[]', '[]', 1, ${at}, ${at})`.execute(
    db,
  );

eachStore("a store of the first release", (fresh) => {
  /** The store as this release opens it, when the first one had filled it. */
  const upgraded = async (fill: (db: Handle) => Promise<void>, look: (db: Handle) => Promise<void>): Promise<void> => {
    // On PostgreSQL the suite's own database is up to date already.
    const given = await fresh();
    const empty = given.engine === "postgres" ? await emptyDatabase(given.url) : undefined;
    const address: StoreAddress = empty ? { engine: "postgres", url: empty.url } : given;
    await firstRelease(address, fill);
    const db = await openDb(address);
    try {
      await look(db.read);
    } finally {
      await db.close();
      await empty?.drop();
    }
  };

  test("opens with all it held, and every audit row it held waits to be sealed", () =>
    upgraded(
      async (db) => {
        await insertTenant(db, "acme");
        await insertTenant(db, "globex");
        await insertSigningKey(db);
        for (let n = 0; n < 20; n += 1) await insertEvent(db, n % 2 === 0 ? "acme" : "globex", `evt_${n}`, 100 + n);
      },
      async (db) => {
        const [tenant] = await db.selectFrom("tenants").selectAll().where("id", "=", "acme").execute();
        expect(tenant).toMatchObject({ status: "active", epoch: 3, account_id: null, deleted_at: null });
        const [key] = await db.selectFrom("signing_keys").selectAll().execute();
        expect(key).toMatchObject({ id: "k1", expires_at: 9, revoked_at: null });
        const placesIn = async (table: "audit_events" | "audit_unsealed") =>
          (await db.selectFrom(table).select(["tenant_id", "at", "id", "agent_id", "user_id"]).orderBy("at").execute()).map(Object.values);
        expect(await placesIn("audit_unsealed")).toHaveLength(20);
        expect(await placesIn("audit_unsealed")).toEqual(await placesIn("audit_events"));
      },
    ));

  test("has its agents, issuers and providers counted, each vault that providers named is one, and all is as it was", () =>
    upgraded(
      async (db) => {
        await insertTenant(db, "acme");
        await insertTenant(db, "globex");
        // A name that is free again, and used again.
        await insertAgent(db, "agt_1", 7);
        await insertAgent(db, "agt_2", null);
        await insertIssuer(db);
        await insertProvider(db, "acme", "default", "api_key", 3);
        await insertProvider(db, "acme", "team", "api_key", 6);
        await insertProvider(db, "acme", "team", "oauth2", 5);
        await insertProvider(db, "acme", "team", "oauth2", 8);
        await insertProvider(db, "globex", "team", "api_key", 9);
      },
      async (db) => {
        const counted = await db.selectFrom("counters").selectAll().orderBy("tenant_id").orderBy("name").execute();
        expect(counted.map(({ tenant_id, name, count }) => [tenant_id, name, count])).toEqual([
          ["acme", "agents", 1],
          ["acme", "issuers", 1],
          ["acme", "providers/api_key/default", 1],
          ["acme", "providers/api_key/team", 1],
          ["acme", "providers/oauth2/team", 2],
          ["acme", "token_vaults", 1],
          ["globex", "providers/api_key/team", 1],
          ["globex", "token_vaults", 1],
        ]);
        const vaults = await db.selectFrom("token_vaults").selectAll().orderBy("tenant_id").execute();
        const bare = { name: "team", description: null, foreign_attributes: null };
        expect(vaults).toEqual([
          { tenant_id: "acme", ...bare, created_at: 5, updated_at: 5 },
          { tenant_id: "globex", ...bare, created_at: 9, updated_at: 9 },
        ]);
        const agents = await db.selectFrom("agents").selectAll().orderBy("id").execute();
        expect(agents).toMatchObject([
          { id: "agt_1", deleted_at: 7, project: null, foreign_attributes: null },
          { id: "agt_2", deleted_at: null, epoch: 2, project: null, foreign_attributes: null },
        ]);
        const providers = await db.selectFrom("providers").selectAll().execute();
        expect(providers).toHaveLength(5);
        for (const provider of providers)
          expect(provider).toMatchObject({ status: "active", redirect_uri: null, pkce: null, role_arn: null, foreign_attributes: null });
        expect(await db.selectFrom("issuers").select(["id", "description"]).execute()).toEqual([{ id: "iss_1", description: null }]);
      },
    ));

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
