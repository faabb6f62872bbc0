import { afterEach, beforeEach, expect, test } from "vitest";
import { counters, type StoreAddress } from "../../ground/db/index.ts";
import type { Page } from "../../ground/kernel/index.ts";
import { meeting } from "../../testing/lock-waits.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { NewProvider } from "./provider.ts";
import { type OpenProviders, openProviders } from "./providers-for-tests.ts";
import type { TokenVault } from "./vault.ts";

const acme = adminOf("acme");
const globex = adminOf("globex");
const page = { limit: 50 };

const inVault = (vault: string | undefined, name = "weather") => ({ type: "api_key", name, vault, apiKey: "canary" }) as NewProvider;

eachStore("token vaults", (fresh) => {
  let address: StoreAddress;
  let house: OpenProviders;
  beforeEach(async () => {
    address = await fresh();
    house = await openProviders(address);
  });
  afterEach(() => house.close());

  const namesOf = ({ items }: Page<TokenVault>) => items.map(({ name }) => name);
  const unknown = { code: "vault_unknown", details: { vault: "other" } };
  const inUse = (vault: string) => ({ code: "vault_in_use", details: { vault } });

  test("every tenant has its default, which may be described and stays", async () => {
    const { vaults } = house;
    await expect(vaults.get("acme", "default")).resolves.toMatchObject({ name: "default", description: undefined, foreign: {} });
    await expect(vaults.create(acme, { name: "default" })).rejects.toMatchObject({ code: "vault_exists" });
    await vaults.update(acme, "default", { description: "what there is", foreign: { alibaba: { RoleArn: "r" } } });
    await vaults.update(acme, "default", { foreign: { other: { a: 1 } } });
    await expect(vaults.get("acme", "default")).resolves.toMatchObject({
      description: "what there is",
      foreign: { alibaba: { RoleArn: "r" }, other: { a: 1 } },
    });
    await expect(vaults.get("globex", "default")).resolves.toMatchObject({ description: undefined });
    await expect(vaults.remove(acme, "default")).rejects.toMatchObject(inUse("default"));
    await expect(vaults.list("acme", page)).resolves.toMatchObject({ items: [{ name: "default", description: "what there is" }] });
    await expect(vaults.count("acme")).resolves.toBe(1);
  });

  test("a name is taken once in a tenant; what is made, changed and deleted is in the record", async () => {
    const { vaults, audit } = house;
    await vaults.create(acme, { name: "other", description: "one more", foreign: { alibaba: { a: 1 } } });
    await expect(vaults.create(acme, { name: "other" })).rejects.toMatchObject({ code: "vault_exists", details: { vault: "other" } });
    await expect(vaults.get("globex", "other")).rejects.toMatchObject(unknown);
    await expect(vaults.update(globex, "other", { description: "" })).rejects.toMatchObject(unknown);
    await expect(vaults.remove(globex, "other")).rejects.toMatchObject(unknown);
    house.hand.forward(5);
    await expect(vaults.update(acme, "other", { description: "" })).resolves.toMatchObject({
      description: undefined,
      foreign: { alibaba: { a: 1 } },
    });
    const { createdAt, updatedAt } = await vaults.get("acme", "other");
    expect(updatedAt - createdAt).toBe(5);
    await vaults.remove(acme, "other");
    await expect(vaults.get("acme", "other")).rejects.toMatchObject(unknown);
    await expect(vaults.remove(acme, "other")).rejects.toMatchObject(unknown);
    const { items } = await audit.list("acme", { action: "token_vault.*" }, page);
    expect(items.map(({ action, target }) => [action, target])).toEqual([
      ["token_vault.deleted", "other"],
      ["token_vault.updated", "other"],
      ["token_vault.created", "other"],
    ]);
  });

  test("are listed with default first, then oldest first, in pages, and counted", async () => {
    const { vaults } = house;
    for (const name of ["c", "a", "b"]) {
      await vaults.create(acme, { name });
      house.hand.forward(1);
    }
    await vaults.update(acme, "default", { description: "changed" });
    const pages: (readonly string[])[] = [];
    let cursor: string | undefined;
    do {
      const found = await vaults.list("acme", { limit: 1, cursor });
      pages.push(namesOf(found));
      cursor = found.nextCursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([["default"], ["c"], ["a"], ["b"]]);
    expect(namesOf(await vaults.list("acme", page))).toEqual(["default", "c", "a", "b"]);
    expect(namesOf(await vaults.list("globex", page))).toEqual(["default"]);
    await expect(vaults.count("acme")).resolves.toBe(4);
    await expect(vaults.count("globex")).resolves.toBe(1);
  });

  test("a provider makes the vault it stands in, unless that must be there; a vault with a provider in it stays", async () => {
    const { vaults, providers, audit } = house;
    await expect(providers.create(acme, inVault("other"), { vaultMustBe: true })).rejects.toMatchObject(unknown);
    await expect(providers.create(acme, inVault("default"), { vaultMustBe: true })).resolves.toMatchObject({ vault: "default" });
    await providers.create(acme, inVault("other"));
    await providers.create(acme, inVault("other", "maps"), { vaultMustBe: true });
    await expect(vaults.count("acme")).resolves.toBe(2);
    expect((await audit.list("acme", { action: "token_vault.created" }, page)).items).toHaveLength(1);
    await expect(vaults.remove(acme, "other")).rejects.toMatchObject(inUse("other"));
    await expect(vaults.get("acme", "other")).resolves.toMatchObject({ name: "other" });
    await providers.remove(acme, "other", "weather");
    await providers.remove(acme, "other", "maps");
    await vaults.remove(acme, "other");
    await expect(vaults.count("acme")).resolves.toBe(1);
  });

  test("how many providers of a type stand in a vault is known without counting them", async () => {
    const { providers, vaults, db } = house;
    await providers.create(acme, inVault(undefined));
    await providers.create(acme, inVault("other"));
    await providers.create(acme, inVault("other", "maps"));
    await expect(providers.create(acme, inVault("other", "maps"))).rejects.toMatchObject({ code: "provider_exists" });
    const count = (vault: string) => providers.count("acme", "api_key", vault);
    expect([await count("default"), await count("other"), await providers.count("acme", "oauth2", "other")]).toEqual([1, 2, 0]);
    await providers.remove(acme, "other", "maps");
    await expect(count("other")).resolves.toBe(1);
    await providers.remove(acme, "other", "weather");
    await vaults.remove(acme, "other");
    await expect(counters.read(db.read, "acme", "providers/api_key/other")).resolves.toBe(0);
    const rows = await db.read.selectFrom("counters").selectAll().where("name", "=", "providers/api_key/other").execute();
    expect(rows).toEqual([]);
  });

  test("a provider that goes twice at once is counted once", async () => {
    const { providers } = house;
    await providers.create(acme, inVault(undefined));
    await providers.create(acme, inVault(undefined, "maps"));
    const gone = await Promise.allSettled([1, 2, 3].map(() => providers.remove(acme, undefined, "weather")));
    expect(gone.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expect(providers.count("acme", "api_key", "default")).resolves.toBe(1);
  });

  test("where a vault is deleted while a provider comes into it, the provider never stands nowhere", async () => {
    const { providers, vaults } = house;
    for (const round of [1, 2, 3, 4, 5]) {
      const name = `v${round}`;
      await vaults.create(acme, { name });
      const [made, removed] = await Promise.allSettled([
        providers.create(acme, inVault(name), { vaultMustBe: true }),
        vaults.remove(acme, name),
      ]);
      expect([made.status, removed.status].sort()).toEqual(["fulfilled", "rejected"]);
      if (made.status === "fulfilled") await expect(vaults.get("acme", name)).resolves.toMatchObject({ name });
      else expect(made.reason).toMatchObject({ code: "vault_unknown" });
    }
  });

  test("of two providers that make a vault at once, both stand in it and one made it", async () => {
    const { providers, vaults, db } = house;
    await meeting(
      { db, address },
      { lock: (tx) => vaults.hold(tx, acme, "other", false), write: (tx) => vaults.countMade(tx, "acme") },
      () => providers.create(acme, inVault("other", "maps")),
    );
    await expect(vaults.count("acme")).resolves.toBe(2);
    await expect(providers.get("acme", "other", "maps")).resolves.toMatchObject({ vault: "other" });
  });
});
