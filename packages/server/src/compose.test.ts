import { expect, test } from "vitest";
import { openTestHouse } from "./testing/house.ts";
import { adminOf, eachStore } from "./testing/stores.ts";

const admin = adminOf("default");

eachStore("the house as a whole", (fresh) => {
  test("a deleted agent leaves the lists of the providers it might use, and what it held goes with it", async () => {
    const house = await openTestHouse(await fresh());
    try {
      const [scout, other] = [await house.agents.create(admin, { name: "scout" }), await house.agents.create(admin, { name: "other" })];
      const { id } = await house.providers.create(admin, {
        type: "api_key",
        name: "weather",
        apiKey: "k",
        agents: ["scout", "other", "label:x"],
      });
      const key = { kind: "agent", tenant: "default", agent: scout.id, provider: id, resource: "", audience: "", scopes: "[]" } as const;
      const tokens = { accessToken: "at", tokenType: "Bearer" };
      await house.db.write((tx) => house.connections.store(tx, key, { requestedScopes: [], tokens, now: 0 }));
      const held = async () => (await house.vault.listConnections("default", {}, { limit: 10 })).items.length;
      expect(await held()).toBe(1);
      await house.agents.remove(admin, "scout");
      expect((await house.providers.get("default", undefined, id)).agents).toEqual([other.id, "label:x"]);
      expect(await held()).toBe(0);
      await house.agents.revoke(admin, "other");
      expect((await house.providers.get("default", undefined, id)).agents).toEqual(["label:x"]);
    } finally {
      await house.close();
    }
  });
});
