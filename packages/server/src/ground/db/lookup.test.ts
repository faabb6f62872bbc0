import { expect, test } from "vitest";
import { eachStore } from "../../testing/stores.ts";
import { openDb } from "./open.ts";
import { lookup } from "./lookup.ts";

const tenantOf = lookup<{ id: string; status: string }, { id: string; created_at: number }>((db, { id, status }) =>
  db
    .selectFrom("tenants")
    .select(["id", "created_at"])
    .where("id", "=", id)
    .where("status", "=", status as "active")
    .limit(1),
);

eachStore("rows that many look up at once", (fresh) => {
  const filled = async () => {
    const db = await openDb(await fresh());
    const tenants = [...Array(50).keys()].map((n) => ({ id: `t-${n}`, created_at: n }));
    await db.write(async (tx) => {
      for (const tenant of tenants)
        await tx
          .insertInto("tenants")
          .values({ ...tenant, status: "active", epoch: 1 })
          .execute();
    });
    return db;
  };

  test("everybody gets the row of his own key, and nobody one that is not there", async () => {
    const db = await filled();
    const asks = ["t-7", "none", "t-49", "t-7", "", 't-"8', "t-8", "{t-9}", "t-9", "NULL", "t-\\1", "t-1'"];
    const found = await Promise.all(asks.map((id) => tenantOf(db.read, { id, status: "active" })));
    expect(found.map((row) => row && { ...row })).toEqual(
      asks.map((id) => (/^t-\d+$/.test(id) ? { id, created_at: Number(id.slice(2)) } : undefined)),
    );
    expect(await Promise.all([...Array(2_500).keys()].map((n) => tenantOf(db.read, { id: `t-${n % 60}`, status: "active" })))).toEqual(
      [...Array(2_500).keys()].map((n) => (n % 60 < 50 ? { id: `t-${n % 60}`, created_at: n % 60 } : undefined)),
    );
    expect(await tenantOf(db.read, { id: "t-1", status: "suspended" })).toBeUndefined();
    await db.close();
  });

  test("one that the store cannot even be asked harms none of those beside it", async () => {
    const db = await filled();
    const ids = [...Array(40).keys()].map((n) => (n === 20 ? "t-\0" : `t-${n}`));
    const found = await Promise.allSettled(ids.map((id) => tenantOf(db.read, { id, status: "active" })));
    const known = found.flatMap((one) => (one.status === "fulfilled" && one.value ? [one.value.id] : []));
    expect(known).toEqual(ids.filter((id) => id !== "t-\0"));
    await db.close();
  });

  test("what was committed before is seen, and within a transaction what it wrote itself", async () => {
    const db = await filled();
    for (let n = 0; n < 20; n += 1) {
      const id = `later-${n}`;
      const asks = Promise.all([...Array(5).keys()].map((at) => tenantOf(db.read, { id: `t-${at}`, status: "active" })));
      await db.write(async (tx) => {
        await tx.insertInto("tenants").values({ id, created_at: n, status: "active", epoch: 1 }).execute();
        expect(await tenantOf(tx, { id, status: "active" })).toEqual({ id, created_at: n });
      });
      expect(await tenantOf(db.read, { id, status: "active" })).toEqual({ id, created_at: n });
      await asks;
    }
    await db.close();
  });
});
