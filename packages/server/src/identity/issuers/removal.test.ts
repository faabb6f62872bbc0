import { afterAll, beforeAll, expect, test } from "vitest";
import type { House } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { openTestHouse } from "../../testing/house.ts";
import { meeting } from "../../testing/lock-waits.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";

// Seen to fail, each break by itself: an issuer that is looked up before the transaction; one that is looked up in it and not held.

const admin = adminOf("default");
const redirectUris = ["https://app.example/callback"];

eachStore("an issuer that is removed while something comes to name it", (fresh) => {
  let address: StoreAddress;
  let house: House;
  let upstream: TestIssuer;

  beforeAll(async () => {
    address = await fresh();
    house = await openTestHouse(address);
    upstream = await startTestIssuer();
    await house.agents.create(admin, { name: "old-agent" });
    await house.clients.apps.create(admin, { name: "old-app", redirectUris });
  });
  afterAll(async () => {
    await house.close();
    await upstream.stop();
  });

  const corp = () => house.issuers.create(admin, { name: "corp", discoveryUrl: upstream.url, audiences: ["us"] });
  const naming = async () => {
    const { db } = house;
    const agents = await db.read.selectFrom("agents").select("name").where("issuer_id", "is not", null).execute();
    const apps = await db.read.selectFrom("clients").select("name").where("issuer_id", "is not", null).execute();
    return [...agents, ...apps].map(({ name }) => name);
  };

  /** Whatever comes to name an issuer. */
  const namers: Readonly<Record<string, (issuer: string) => Promise<unknown>>> = {
    "a new agent": (issuer) => house.agents.create(admin, { name: "new-agent", issuer }),
    "an agent that is changed": (issuer) => house.agents.update(admin, "old-agent", { issuer }),
    "a new client": (issuer) => house.clients.apps.create(admin, { name: "new-app", redirectUris, issuer }),
    "a client that is changed": (issuer) => house.clients.apps.update(admin, "old-app", { issuer }),
  };

  test.each(Object.keys(namers))("%s waits for the removal, and is then refused", async (which) => {
    for (const by of ["name", "id"] as const) {
      const issuer = await corp();
      const { id } = issuer;
      const refused: unknown[] = [];
      await meeting(
        { db: house.db, address },
        {
          // What a removal does first.
          lock: (tx) => tx.deleteFrom("issuers").where("tenant_id", "=", "default").where("id", "=", id).returning("id").executeTakeFirst(),
          write: () => Promise.resolve(),
        },
        () => namers[which]?.(issuer[by]).catch((error: unknown) => refused.push(error)) ?? expect.fail(),
      );
      expect(refused).toMatchObject([{ code: "issuer_unknown" }]);
      expect(await naming()).toEqual([]);
    }
  });

  test("the removal waits for who names it, and is then refused; others who name it wait for nobody", async () => {
    const { id } = await corp();
    const refused: unknown[] = [];
    await meeting(
      { db: house.db, address },
      {
        lock: (tx) => house.issuers.hold(tx, "default", "corp"),
        write: async (tx, held) => {
          expect(held).toBe(id);
          await tx
            .updateTable("agents")
            .set({ issuer_id: id })
            .where("tenant_id", "=", "default")
            .where("name", "=", "old-agent")
            .execute();
        },
      },
      async () => {
        if (address.engine === "postgres") await house.agents.create(admin, { name: "beside", issuer: id });
        await house.issuers.remove(admin, "corp").catch((error: unknown) => refused.push(error));
      },
    );
    expect(refused).toMatchObject([{ code: "issuer_in_use" }]);
    expect((await house.issuers.get("default", "corp")).id).toBe(id);
    expect(await naming()).toContain("old-agent");
  });
});
