import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Change } from "../../packages/server/src/ground/db/index.ts";
import { admin, publicUrl } from "../../packages/server/src/access/vault/consents-for-tests.ts";
import { openTestHouse } from "../../packages/server/src/testing/house.ts";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("what replicas may remember", (fresh) => {
  let house: Awaited<ReturnType<typeof openTestHouse>>;
  afterEach(() => house.close());

  test("is announced by every write that changes it, before the write is answered", async () => {
    house = await openTestHouse(await fresh(), {}, publicUrl);
    const { agents, users, providers, issuers, db } = house;
    const heard: string[] = [];
    db.changes.subscribe((change: Change | undefined) => {
      heard.push(change ? `${change.tenant} ${change.kind} ${change.target}` : "anything");
    });
    /** What is heard of a write by the time it is answered. */
    const of = async (write: () => Promise<unknown>): Promise<readonly string[]> => {
      heard.length = 0;
      await write();
      return [...heard];
    };
    const corp = await issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["legate"] });
    const scout = await agents.create(admin, { name: "scout" });
    const clerk = await agents.create(admin, { name: "clerk" });
    const key = await agents.createKey(admin, "scout", {});
    const alice = await users.asserted(admin, scout.id, "alice");
    const made = await providers.create(admin, { name: "weather", type: "api_key", apiKey: "key", agents: ["clerk"] });
    /** That, and perhaps what the feed tells once more. */
    const told = (kind: string, id: string): unknown => expect.arrayContaining([`default ${kind} ${id}`]);

    expect(await of(() => agents.update(admin, "scout", { labels: { team: "a" } }))).toEqual(told("agent", scout.id));
    for (const end of [agents.suspend, agents.resume]) expect(await of(() => end(admin, "scout"))).toEqual(told("agent", scout.id));
    expect(await of(() => agents.deleteKey(admin, "scout", key.id))).toEqual(told("agent_key", key.id));
    expect(await of(() => agents.revoke(admin, "scout"))).toContain(`default agent ${scout.id}`);
    for (const end of [users.suspend, users.resume, users.revoke])
      expect(await of(() => end(admin, alice.id))).toEqual(told("user", alice.id));
    expect(await of(() => providers.update(admin, undefined, "weather", { apiKey: "another" }))).toEqual(told("provider", made.id));
    for (const end of [providers.suspend, providers.resume]) {
      expect(await of(() => end(admin, undefined, "weather"))).toEqual(told("provider", made.id));
    }
    // With an agent go its entries.
    expect(await of(() => agents.remove(admin, "clerk"))).toEqual(
      expect.arrayContaining([`default agent ${clerk.id}`, `default provider ${made.id}`]),
    );
    expect(await of(() => providers.remove(admin, undefined, "weather"))).toEqual(told("provider", made.id));
    expect(await of(() => issuers.update(admin, "corp", { audiences: ["other"] }))).toEqual(told("issuer", corp.id));
    expect(await of(() => issuers.remove(admin, "corp"))).toEqual(told("issuer", corp.id));
  });
});
