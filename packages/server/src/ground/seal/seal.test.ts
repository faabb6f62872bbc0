import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { eachStore, openGround } from "../../testing/stores.ts";
import { systemRandom } from "../kernel/index.ts";
import { kekFrom, makeSeal, masterKeyFile, masterKeyPath, openPepper, SealBroken } from "./index.ts";

const secret = "hunter2-canary";

eachStore("sealed secrets", (fresh) => {
  test("open where they stand", async () => {
    const { db, seal } = await openGround(await fresh());
    const sealed = await db.write((tx) => seal.seal(tx, "acme", "providers/1/secret", secret));
    expect(sealed).not.toContain(secret);
    expect(await seal.open("acme", "providers/1/secret", sealed)).toBe(secret);
    await db.close();
  });

  test("do not open in another row, another field or another tenant", async () => {
    const { db, seal } = await openGround(await fresh());
    const sealed = await db.write((tx) => seal.seal(tx, "acme", "providers/1/secret", secret));
    await db.write((tx) => seal.seal(tx, "globex", "providers/1/secret", secret));
    for (const [tenant, identity] of [
      ["acme", "providers/2/secret"],
      ["acme", "providers/1/other"],
      ["globex", "providers/1/secret"],
    ] as const) {
      await expect(seal.open(tenant, identity, sealed)).rejects.toBeInstanceOf(SealBroken);
    }
    await db.close();
  });

  test("do not open when a single character was changed", async () => {
    const { db, seal } = await openGround(await fresh());
    const sealed = await db.write((tx) => seal.seal(tx, "acme", "x", secret));
    const start = sealed.lastIndexOf(".") + 1;
    for (let at = start; at < sealed.length - 1; at += 1) {
      const changed = `${sealed.slice(0, at)}${sealed[at] === "A" ? "B" : "A"}${sealed.slice(at + 1)}`;
      await expect(seal.open("acme", "x", changed)).rejects.toBeInstanceOf(SealBroken);
    }
    for (const broken of ["", "s1", "s1.a.b", "s2.a.b", `${sealed}.x`])
      await expect(seal.open("acme", "x", broken)).rejects.toBeInstanceOf(SealBroken);
    await db.close();
  });

  test("a dump without the master key reveals nothing and opens nowhere", async () => {
    const { db, seal, clock, random } = await openGround(await fresh());
    const sealed = await db.write((tx) => seal.seal(tx, "acme", "x", secret));
    const dump = JSON.stringify([
      await db.read.selectFrom("data_keys").selectAll().execute(),
      await db.read.selectFrom("peppers").selectAll().execute(),
    ]);
    expect(dump).not.toContain(secret);
    const thief = kekFrom(Buffer.alloc(32, 8), systemRandom);
    await expect(makeSeal({ db, kek: thief, clock, random }).open("acme", "x", sealed)).rejects.toBeInstanceOf(SealBroken);
    await expect(openPepper({ db, kek: thief, clock, random })).rejects.toBeInstanceOf(SealBroken);
    await db.close();
  });

  test("a tenant has one data key however many seal at once, and another process opens what it sealed", async () => {
    const address = await fresh();
    const first = await openGround(address);
    await first.db.write((tx) => first.seal.seal(tx, "acme", "first", secret));
    const sealed = await Promise.all(
      [...Array(20).keys()].map((n) => first.db.write((tx) => first.seal.seal(tx, "acme", `row/${n}`, `${secret}${n}`))),
    );
    expect(await first.db.read.selectFrom("data_keys").selectAll().execute()).toHaveLength(1);
    await first.db.close();
    const second = await openGround(address);
    expect(await Promise.all(sealed.map((text, n) => second.seal.open("acme", `row/${n}`, text)))).toEqual(
      sealed.map((_, n) => `${secret}${n}`),
    );
    await second.db.close();
  });

  test("of many tenants open whichever was used last, though the keys of few are remembered", async () => {
    const { db, clock, random, kek } = await openGround(await fresh());
    let unwrapped = 0;
    const counting = {
      ...kek,
      unwrap: (...given: Parameters<typeof kek.unwrap>) => {
        unwrapped += 1;
        return kek.unwrap(...given);
      },
    };
    const seal = makeSeal({ db, kek: counting, clock, random, remembered: 2 });
    const tenants = ["a", "b", "c", "d", "e", "f"];
    const sealed = new Map<string, string>();
    for (const tenant of tenants) sealed.set(tenant, await db.write((tx) => seal.seal(tx, tenant, "x", `${secret} of ${tenant}`)));
    const open = (tenant: string) => seal.open(tenant, "x", sealed.get(tenant) ?? "");
    for (const tenant of tenants) expect(await open(tenant)).toBe(`${secret} of ${tenant}`);
    const before = unwrapped;
    for (let time = 0; time < 5; time += 1) await open("f");
    expect(unwrapped).toBe(before);
    for (const tenant of tenants) await open(tenant);
    // Two generations of two: at least two of the six had to be opened anew.
    expect(unwrapped).toBeGreaterThanOrEqual(before + 2);
    // Whichever key it no longer knows, it seals with the one that there is.
    for (const tenant of tenants) await db.write((tx) => seal.seal(tx, tenant, "y", secret));
    expect(await db.read.selectFrom("data_keys").selectAll().execute()).toHaveLength(tenants.length);
    await db.close();
  });

  test("the pepper stays the same from start to start", async () => {
    const address = await fresh();
    const first = await openGround(address);
    const hash = first.pepper.hash("key");
    await first.db.close();
    const second = await openGround(address);
    expect(second.pepper.candidates("key")).toContainEqual(hash);
    expect(second.pepper.hash("key2")).not.toEqual(hash);
    await second.db.close();
  });
});

test("an unwrapped key is no piece of a longer buffer, which would stay in memory with it", () => {
  const kek = kekFrom(Buffer.alloc(32, 7), systemRandom);
  const key = kek.unwrap(kek.id, "here", kek.wrap("here", Buffer.alloc(32, 9)));
  expect(key).toEqual(Buffer.alloc(32, 9));
  expect(key.buffer.byteLength).toBe(32);
});

describe("the master key file", () => {
  const directory = mkdtempSync(join(tmpdir(), "legate-kek-"));

  test("is made once, for its owner only, and read again", () => {
    const path = masterKeyPath(join(directory, "data"));
    const made = masterKeyFile(path, systemRandom);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, "data")).mode & 0o777).toBe(0o700);
    expect(masterKeyFile(path, systemRandom)).toEqual(made);
  });

  test("is refused when others may read it, and when it holds no key", () => {
    const path = masterKeyPath(join(directory, "data"));
    chmodSync(path, 0o644);
    expect(() => masterKeyFile(path, systemRandom)).toThrow(/can be read by others/);
    const short = join(directory, "short.key");
    writeFileSync(short, "c2hvcnQ", { mode: 0o600 });
    expect(() => masterKeyFile(short, systemRandom)).toThrow(/does not hold a 32-byte key/);
    rmSync(directory, { recursive: true });
  });
});
