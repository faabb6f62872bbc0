import { dirname } from "node:path";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SealBroken } from "../../packages/server/src/ground/seal/index.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { formsOf } from "../threats/canaries.ts";
import { adminKey, aKey, furnish, keysInUse, notWhole, openWith, run, textOf } from "./sealed-things.ts";

// Seen to fail, each break by itself: a secret stored as it came; the identity left out of what is authenticated; the tenant left out of it; a sealed
// column that no room introduces; the old key removed at the first look, and without looking again; sealing anew under a wrong identity.

const minute = 60_000;
const hour = 60 * minute;

eachStore("what is at rest", (fresh) => {
  test("a dump without the master key reveals nothing: no secret stands in any stored byte, in any form, before and after sealing anew", async () => {
    const store = await fresh();
    const house = await openWith(store);
    const { things, apiKey, who } = await furnish(house, "acme");
    const { items } = await house.signing.list("acme", { limit: 1 });
    const [signing] = await house.db.read
      .selectFrom("signing_keys")
      .selectAll()
      .where("id", "=", items[0]?.id ?? "")
      .execute();
    const privateHalf = JSON.parse(
      await house.seal.open("acme", `signing_keys/${signing?.id}/private_jwk`, signing?.sealed_private_jwk ?? ""),
    ) as {
      d: string;
    };
    const secrets = [
      ...things.map(({ plain }) => plain),
      apiKey,
      adminKey,
      privateHalf.d,
      aKey(7).toString("hex"),
      aKey(7).toString("base64"),
    ];
    const dump = async (): Promise<Buffer> => {
      const rows: unknown[] = [];
      for (const { name } of await house.db.read.introspection.getTables())
        rows.push(
          await house.db.read
            .selectFrom(name as "agents")
            .selectAll()
            .execute(),
        );
      const files =
        store.engine === "sqlite" ? readdirSync(dirname(store.path)).map((file) => readFileSync(join(dirname(store.path), file))) : [];
      return Buffer.concat([Buffer.from(JSON.stringify(rows)), ...files]);
    };
    const found = async () => {
      const bytes = await dump();
      return secrets.filter((each) => formsOf(each).some((form) => bytes.includes(form)));
    };
    expect(await found()).toEqual([]);
    await house.dataKeys.rotate(who);
    await run(house, "data_keys.reseal");
    expect(await found()).toEqual([]);
    // The search finds what is there.
    await house.db.write((tx) =>
      tx
        .updateTable("agents")
        .set({ description: secrets[0] ?? null })
        .execute(),
    );
    expect(await found()).toEqual([secrets[0]]);
    await house.close();
  });

  test("no text opens in another row, another column or another tenant, and a connection's in no other version", async () => {
    const house = await openWith(await fresh());
    const acme = await furnish(house, "acme");
    const globex = await furnish(house, "globex");
    for (const thing of acme.things) {
      const text = await textOf(house, thing);
      expect(await house.seal.open("acme", thing.identity, text)).toContain(thing.plain);
      for (const other of acme.things)
        if (other !== thing) await expect(house.seal.open("acme", other.identity, text)).rejects.toBeInstanceOf(SealBroken);
      for (const { identity } of [...globex.things, thing])
        await expect(house.seal.open("globex", identity, text)).rejects.toBeInstanceOf(SealBroken);
      if (thing.table === "connections")
        await expect(house.seal.open("acme", thing.identity.replace(/\d+$/, "2"), text)).rejects.toBeInstanceOf(SealBroken);
    }
    await house.close();
  });

  test("every sealed column of the schema comes under a new data key, and every table of hashes is asked before a pepper goes", async () => {
    const house = await openWith(await fresh());
    const columns = (await house.db.read.introspection.getTables()).flatMap((table) =>
      table.columns.map(({ name, dataType }) => ({ table: table.name, column: name, isText: dataType.toLowerCase() === "text" })),
    );
    const sealed = columns
      .filter(({ column, isText }) => isText && column.startsWith("sealed_"))
      .map(({ table, column }) => `${table}.${column}`);
    expect(sealed.length).toBeGreaterThan(6);
    expect([...house.dataKeys.columns].toSorted()).toEqual(sealed.toSorted());
    const peppered = columns.filter(({ column }) => column === "pepper_id").map(({ table }) => table);
    expect([...house.peppers.tables].toSorted()).toEqual(peppered.toSorted());
    await house.close();
  });

  test("a new data key seals from now on; all that others sealed follows, opens as before, and its progress is told", async () => {
    const told: string[] = [];
    const house = await openWith(await fresh(), {}, Date.now, (line) => told.push(line));
    const acme = await furnish(house, "acme", 120);
    const globex = await furnish(house, "globex");
    const [before] = await keysInUse(house, "acme");
    const globexKeys = await keysInUse(house, "globex");
    const made = await house.dataKeys.rotate(acme.who);
    const listed = async () => (await house.dataKeys.list("acme", { limit: 50 })).items;
    expect(await listed()).toMatchObject([
      { id: made.id, seals: true },
      {
        id: before,
        seals: false,
        left: { providers: 1, issuers: 1, signing_keys: 1, connections: 120, authorization_sessions: 2, authorization_visits: 1 },
      },
    ]);
    const late = await furnish(house, "acme");
    expect(await keysInUse(house, "acme")).toEqual(new Set([before, made.id]));

    await run(house, "data_keys.reseal");
    expect([...(await keysInUse(house, "acme"))]).toEqual([made.id]);
    expect((await listed())[1]).toMatchObject({
      id: before,
      left: { providers: 0, issuers: 0, signing_keys: 0, connections: 0, authorization_sessions: 0, authorization_visits: 0 },
      unneededSince: expect.any(Number) as number,
    });
    expect(await notWhole(house, "acme", [...acme.things, ...late.things])).toEqual([]);
    expect(await keysInUse(house, "globex")).toEqual(globexKeys);
    expect(await notWhole(house, "globex", globex.things)).toEqual([]);
    expect(told.map((line) => line.split(" {")[0])).toEqual(["sealing anew what an older data key sealed", "sealed anew"]);
    // And the signing key.
    const rows = acme.things.length + 1;
    expect(told[0]).toContain(`"rows":${rows}`);
    expect(told[1]).toContain(`"resealed":${rows}`);
    await house.close();
  });

  test("an old data key is removed when nothing needed it at two looks an hour apart; a straggler makes it wait anew, and everything still opens", async () => {
    let now = Date.now();
    const store = await fresh();
    const house = await openWith(store, {}, () => now);
    const { who, things, keys } = await furnish(house, "acme");
    const [old = ""] = await keysInUse(house, "acme");
    const dataKeys = async () => (await house.dataKeys.list("acme", { limit: 50 })).items.map(({ id }) => id);
    /** A replica that has not heard of the new key: it seals with the one it knows. */
    const straggle = async () => {
      const [first] = things.filter(({ table }) => table === "connections");
      if (!first) throw new Error("There is no connection.");
      const text = await house.seal.reseal("acme", first.identity, await textOf(house, first), old);
      await house.db.write((tx) => tx.updateTable("connections").set({ sealed_tokens: text }).where("id", "=", first.id).execute());
    };
    const { id: fresh1 } = await house.dataKeys.rotate(who);
    await run(house, "data_keys.reseal");
    now += hour - 2 * minute;
    await run(house, "data_keys.reseal");
    expect(await dataKeys()).toEqual([fresh1, old]);

    await straggle();
    now += 3 * minute;
    await run(house, "data_keys.reseal");
    expect(await dataKeys()).toEqual([fresh1, old]);
    expect([...(await keysInUse(house, "acme"))]).toEqual([fresh1]);
    now += hour - 2 * minute;
    await run(house, "data_keys.reseal");
    expect(await dataKeys()).toEqual([fresh1, old]);

    now += 3 * minute;
    await run(house, "data_keys.reseal");
    expect(await dataKeys()).toEqual([fresh1]);
    expect(await notWhole(house, "acme", things)).toEqual([]);
    expect(
      (await house.audit.list("acme", { action: "data_key.*" }, { limit: 10 })).items.map(({ action, target }) => [action, target]),
    ).toEqual([
      ["data_key.removed", old],
      ["data_key.created", fresh1],
    ]);
    // Where the house starts anew, and where another stands already.
    await house.close();
    const again = await openWith(store);
    expect(await notWhole(again, "acme", things)).toEqual([]);
    expect(keys).toHaveLength(3);
    await again.close();
  });

  test("a text that does not open is left as it is, is told of, and keeps its key", async () => {
    let now = Date.now();
    const told: string[] = [];
    const house = await openWith(
      await fresh(),
      {},
      () => now,
      (line) => told.push(line),
    );
    const { who, things } = await furnish(house, "acme", 60);
    const [old = ""] = await keysInUse(house, "acme");
    const [one, two] = things.filter(({ table }) => table === "connections");
    if (!one || !two) throw new Error("There are no connections.");
    const moved = await textOf(house, one);
    await house.db.write((tx) => tx.updateTable("connections").set({ sealed_tokens: moved }).where("id", "=", two.id).execute());
    const { id } = await house.dataKeys.rotate(who);
    await run(house, "data_keys.reseal");
    expect(await textOf(house, two)).toBe(moved);
    expect(
      await notWhole(
        house,
        "acme",
        things.filter((thing) => thing !== two),
      ),
    ).toEqual([]);
    expect(told.filter((line) => line.includes('"broken":1'))).toHaveLength(1);
    now += 3 * hour;
    await run(house, "data_keys.reseal");
    expect((await house.dataKeys.list("acme", { limit: 50 })).items).toMatchObject([{ id }, { id: old, left: { connections: 1 } }]);
    await house.close();
  });
});
