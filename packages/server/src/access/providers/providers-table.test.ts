import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Db, openDb, type StoreAddress } from "../../ground/db/index.ts";
import { planOf } from "../../testing/plan.ts";
import { eachStore } from "../../testing/stores.ts";
import { providersTable } from "./providers-table.ts";

const many = 20_000;

eachStore("lists of many providers", (fresh) => {
  let address: StoreAddress;
  let db: Db;
  beforeEach(async () => {
    address = await fresh();
    db = await openDb(address);
    // Of every hundred one is of type `sts`, and ten were made in the same moment.
    await db.write((tx) =>
      sql`insert into providers (tenant_id, id, vault, name, type, agents, scopes, scopes_key, warnings, version, created_at, updated_at)
        with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${sql.lit(many)})
        select 'acme', 'prv_' || (100000 + n), 'default', 'p' || n, case when n % 100 = 0 then 'sts' else 'api_key' end, '["*"]', '[]', '[]', '[]', 1,
          n / 10, n / 10 from numbers`.execute(tx),
    );
  });
  afterEach(() => db.close());

  const list = (from: number | undefined, type?: "sts") => (handle: Db["read"]) =>
    providersTable.list(
      handle,
      "acme",
      "default",
      from === undefined ? undefined : { at: Math.floor(from / 10), id: `prv_${100_000 + from}` },
      5,
      type,
    );

  test("go on exactly where a page ended, also among those of one moment", async () => {
    const names = async (...ask: Parameters<typeof list>) => (await list(...ask)(db.read)).map(({ name }) => name);
    await expect(names(undefined)).resolves.toEqual(["p1", "p2", "p3", "p4", "p5"]);
    await expect(names(7)).resolves.toEqual(["p8", "p9", "p10", "p11", "p12"]);
    await expect(names(many - 2)).resolves.toEqual([`p${many - 1}`, `p${many}`]);
    await expect(names(150, "sts")).resolves.toEqual(["p200", "p300", "p400", "p500", "p600"]);
  });

  test("read of the index what they answer, and nothing before or between", async () => {
    const deep = await planOf(db.read, address, list(many - 100));
    const ofType = await planOf(db.read, address, list(undefined, "sts"));
    const deepOfType = await planOf(db.read, address, list(many - 1000, "sts"));
    if (address.engine === "sqlite") {
      expect(deep).toBe("SEARCH providers USING INDEX providers_by_age (tenant_id=? AND vault=? AND (created_at,id)>(?,?))");
      expect(ofType).toBe("SEARCH providers USING INDEX providers_by_type (tenant_id=? AND vault=? AND type=?)");
      expect(deepOfType).toBe(
        "SEARCH providers USING INDEX providers_by_type (tenant_id=? AND vault=? AND type=? AND (created_at,id)>(?,?))",
      );
      return;
    }
    for (const plan of [deep, ofType, deepOfType]) {
      expect(plan).toContain(`Index Scan using providers_by_${plan === deep ? "age" : "type"}`);
      expect(plan).not.toMatch(/Sort|Filter/);
    }
    for (const plan of [deep, deepOfType]) expect(plan).toMatch(/Index Cond: .*ROW\(created_at, id\) > ROW\(/);
  });
});
