import { generateKeyPairSync } from "node:crypto";
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
    const { agents, users, providers, issuers, clients, families, grants, db } = house;
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
    const secret = await agents.createClientSecret(admin, "scout", {});
    const { publicKey } = generateKeyPairSync("ed25519");
    const app = await clients.apps.create(admin, { name: "notes", redirectUris: ["https://notes.example/"] });
    const made = await providers.create(admin, { name: "weather", type: "api_key", apiKey: "key", agents: ["clerk"] });
    /** That, and perhaps what the feed tells once more. */
    const told = (kind: string, id: string): unknown => expect.arrayContaining([`default ${kind} ${id}`]);

    expect(await of(() => agents.update(admin, "scout", { labels: { team: "a" } }))).toEqual(told("agent", scout.id));
    for (const end of [agents.suspend, agents.resume]) expect(await of(() => end(admin, "scout"))).toEqual(told("agent", scout.id));
    expect(await of(() => agents.deleteKey(admin, "scout", key.id))).toEqual(told("agent_key", key.id));
    expect(await of(() => agents.deleteClientSecret(admin, "scout", secret.id))).toEqual(told("client_secret", secret.id));
    // A key is announced by its agent, so that a second one is heard of too; a resource by its tenant, for whoever names none.
    const jwk = publicKey.export({ format: "jwk" }) as Record<string, unknown>;
    expect(await of(() => agents.createClientKey(admin, "scout", { jwk }))).toEqual(told("client_key", scout.id));
    const { items } = await agents.listClientKeys("default", "scout", { limit: 1 });
    expect(await of(() => agents.deleteClientKey(admin, "scout", items[0]?.id ?? ""))).toEqual(told("client_key", scout.id));
    const resource = { name: "mail", identifier: "https://mail.example/", agents: ["clerk"], clients: ["notes"], scopes: [] };
    expect(await of(() => clients.resources.create(admin, resource))).toEqual(told("resource", "default"));
    expect(await of(() => clients.resources.update(admin, "mail", { scopes: [{ name: "read" }] }))).toEqual(told("resource", "default"));
    for (const write of [clients.apps.suspend, clients.apps.resume]) {
      expect(await of(() => write(admin, "notes"))).toEqual(told("client", app.id));
    }
    expect(await of(() => clients.apps.update(admin, "notes", { title: "Notes" }))).toEqual(told("client", app.id));
    const gone = await of(() => clients.apps.remove(admin, "notes"));
    expect(gone).toEqual(expect.arrayContaining([`default client ${app.id}`, "default resource default"]));
    expect(await of(() => agents.revoke(admin, "scout"))).toContain(`default agent ${scout.id}`);
    for (const end of [users.suspend, users.resume, users.revoke])
      expect(await of(() => end(admin, alice.id))).toEqual(told("user", alice.id));
    expect(await of(() => providers.update(admin, undefined, "weather", { apiKey: "another" }))).toEqual(told("provider", made.id));
    for (const end of [providers.suspend, providers.resume]) {
      expect(await of(() => end(admin, undefined, "weather"))).toEqual(told("provider", made.id));
    }
    const granted = (client: string) =>
      db.write((tx) =>
        families.begin(tx, admin, {
          client,
          clientVersion: "1",
          clientEpoch: 0,
          agent: undefined,
          user: { id: "usr_0", epoch: 0 },
          tenantEpoch: 0,
          resource: "https://api.example/",
          scopes: [],
          expiresAt: Date.now() + 60_000,
        }),
      );
    const one = await granted("cli_0");
    expect(await of(() => grants.remove(admin, one.id))).toEqual(told("oauth_grant", one.id));
    const { token } = await house.tokens.mint("access", "default", {
      audience: "https://api.example/",
      clientId: clerk.id,
      scopes: [],
      actors: [{ id: clerk.id, epoch: 0 }],
      tenantEpoch: 0,
    });
    const client = await house.clients.find("default", clerk.id);
    if (!client) throw new Error("no client");
    const { jti } = await house.tokens.verify("access", token);
    expect(await of(() => grants.revoke({ client, who: admin }, token))).toEqual(told("access_token", jti));
    // With an agent go its entries.
    expect(await of(() => agents.remove(admin, "clerk"))).toEqual(
      expect.arrayContaining([`default agent ${clerk.id}`, `default provider ${made.id}`, "default resource default"]),
    );
    expect(await of(() => clients.resources.remove(admin, "mail"))).toEqual(told("resource", "default"));
    expect(await of(() => providers.remove(admin, undefined, "weather"))).toEqual(told("provider", made.id));
    expect(await of(() => issuers.update(admin, "corp", { audiences: ["other"] }))).toEqual(told("issuer", corp.id));
    expect(await of(() => issuers.remove(admin, "corp"))).toEqual(told("issuer", corp.id));
  });
});
