import { afterEach, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { acting, type OpenVault, openVault } from "./vault-for-tests.ts";

eachStore("API keys", (fresh) => {
  let house: OpenVault;
  afterEach(() => house.close());

  test("a key is read by the agents its provider lists, each reading leaves a row, and none holds the key", async () => {
    house = await openVault(await fresh());
    const { vault, providers, ground } = house;
    const admin = adminOf("acme");
    const scout = acting("acme", await house.agent("acme", "scout"), await house.user("acme", "alice"));
    const clerk = acting("acme", await house.agent("acme", "clerk"));
    const maps = await providers.create(admin, { type: "api_key", name: "maps", agents: ["scout"], apiKey: "CANARY-key" });
    await providers.create(admin, { type: "api_key", name: "maps", vault: "second", apiKey: "other" });
    await house.provider("acme", "git");
    await expect(vault.apiKey(scout, { provider: "maps" })).resolves.toEqual({ apiKey: "CANARY-key" });
    await expect(vault.apiKey(clerk, { provider: "maps", vault: "second" })).resolves.toEqual({ apiKey: "other" });
    await expect(vault.apiKey(clerk, { provider: "maps" })).rejects.toMatchObject({ code: "provider_unknown" });
    await expect(vault.apiKey(clerk, { provider: "none" })).rejects.toMatchObject({ code: "provider_unknown" });
    await expect(vault.apiKey(scout, { provider: "git" })).rejects.toMatchObject({ code: "provider_wrong_type" });
    const stranger = acting("globex", await house.agent("globex", "scout"));
    await expect(vault.apiKey(stranger, { provider: "maps" })).rejects.toMatchObject({ code: "provider_unknown" });
    const { items } = await ground.audit.list("acme", { action: "credential.read" }, { limit: 10 });
    expect(items).toHaveLength(2);
    expect(items[1]).toMatchObject({ target: maps.id, agent: scout.agent?.id, user: scout.user?.id });
    const dump = JSON.stringify([
      await ground.db.read.selectFrom("providers").selectAll().execute(),
      await ground.db.read.selectFrom("audit_events").selectAll().execute(),
    ]);
    expect(dump).not.toContain("CANARY");
  });
});
