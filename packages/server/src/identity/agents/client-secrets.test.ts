import { crc32 } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import type { Refusal } from "../../ground/kernel/index.ts";
import { openIdentity } from "../../testing/identity.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { isClientSecret } from "./client-secret.ts";

const admin = adminOf("default");
const page = { limit: 50 };

eachStore("agents' client secrets", (fresh) => {
  let identity: Awaited<ReturnType<typeof openIdentity>>;
  beforeEach(async () => {
    identity = await openIdentity(await fresh());
    return () => identity.close();
  });

  test("prove the agent that they were made for, and no other; the secret is stored nowhere", async () => {
    const { agents, db } = identity;
    const { id: scout } = await agents.create(admin, { name: "scout" });
    const { id: clerk } = await agents.create(admin, { name: "clerk" });
    const { id, clientId, clientSecret } = await agents.createClientSecret(admin, "scout", { description: "laptop" });
    expect(clientId).toBe(scout);
    expect(await agents.clientSecretHolder(scout, clientSecret)).toMatchObject({ tenant: "default", keyId: id, agentId: scout });
    for (const other of [clerk, "scout", "", `agt_${"0".repeat(32)}`, "https://app.example/"]) {
      expect(await agents.clientSecretHolder(other, clientSecret)).toBeUndefined();
    }
    const rows = JSON.stringify(await db.read.selectFrom("client_secrets").selectAll().execute());
    expect(rows).not.toContain(clientSecret.slice(9));
    const listed = await agents.listClientSecrets("default", "scout", page);
    expect(listed.items).toMatchObject([{ id, description: "laptop", hint: clientSecret.slice(0, 9) }]);
    expect(JSON.stringify(listed)).not.toContain(clientSecret.slice(9));
    // Neither is an API key, and no API key is one.
    const { apiKey } = await agents.createKey(admin, "scout", {});
    expect(await agents.holderOf(clientSecret)).toBeUndefined();
    expect(await agents.clientSecretHolder(scout, apiKey)).toBeUndefined();
  });

  test("two live at a time, however many ask at once, and apart from API keys", async () => {
    const { agents } = identity;
    await agents.create(admin, { name: "scout" });
    for (let at = 0; at < 2; at += 1) await agents.createKey(admin, "scout", {});
    const made = await Promise.allSettled([...Array(8).keys()].map(() => agents.createClientSecret(admin, "scout", {})));
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    expect(made.flatMap((result) => (result.status === "rejected" ? [(result.reason as Refusal).code] : []))).toEqual(
      Array(6).fill("too_many_keys"),
    );
    const { items } = await agents.listClientSecrets("default", "scout", page);
    await agents.deleteClientSecret(admin, "scout", items[0]?.id ?? "");
    await expect(agents.createClientSecret(admin, "scout", {})).resolves.toMatchObject({ clientSecret: expect.stringMatching(/^cs_/) });
  });

  test("a deleted one proves nothing at once, also where it was remembered; nor does any of an agent that is revoked or deleted", async () => {
    const { agents } = identity;
    for (const end of ["delete", "revoke", "remove"] as const) {
      const { id: clientId } = await agents.create(admin, { name: end });
      const { id, clientSecret } = await agents.createClientSecret(admin, end, {});
      expect(await agents.clientSecretHolder(clientId, clientSecret)).toBeDefined();
      if (end === "delete") await agents.deleteClientSecret(admin, end, id);
      else await agents[end](admin, end);
      expect(await agents.clientSecretHolder(clientId, clientSecret), end).toBeUndefined();
    }
    await agents.create(admin, { name: "other" });
    const { id } = await agents.createClientSecret(admin, "other", {});
    await expect(agents.deleteClientSecret(admin, "delete", id)).rejects.toMatchObject({ code: "key_unknown" });
    await expect(agents.createClientSecret(admin, "revoke", {})).rejects.toMatchObject({ code: "agent_revoked" });
    await expect(agents.createClientSecret(admin, "nobody", {})).rejects.toMatchObject({ code: "agent_unknown" });
  });

  test("stand in the record when they are made and deleted, and are announced when they go", async () => {
    const { agents, audit, db } = identity;
    const { id: agent } = await agents.create(admin, { name: "scout" });
    const heard: string[] = [];
    db.changes.subscribe((change) => heard.push(change ? `${change.kind} ${change.target}` : "anything"));
    const { id, clientSecret } = await agents.createClientSecret(admin, "scout", {});
    await agents.deleteClientSecret(admin, "scout", id);
    expect(heard).toContain(`client_secret ${id}`);
    const { items } = await audit.list("default", { action: "client_secret.*" }, page);
    expect(items.map(({ action, target, agent: whose }) => [action, target, whose])).toEqual([
      ["client_secret.deleted", id, agent],
      ["client_secret.created", id, agent],
    ]);
    expect(JSON.stringify(items)).not.toContain(clientSecret.slice(9));
  });

  test("last use is known within a minute", async () => {
    const { agents, hand } = identity;
    const { id: clientId } = await agents.create(admin, { name: "scout" });
    const { clientSecret } = await agents.createClientSecret(admin, "scout", {});
    const lastUsed = async () => (await agents.listClientSecrets("default", "scout", page)).items[0]?.lastUsedAt;
    expect(await lastUsed()).toBeUndefined();
    await agents.clientSecretHolder(clientId, clientSecret);
    const first = hand.clock();
    hand.forward(59_000);
    await agents.clientSecretHolder(clientId, clientSecret);
    expect(await lastUsed()).toBe(first);
    hand.forward(1_000);
    await agents.clientSecretHolder(clientId, clientSecret);
    expect(await lastUsed()).toBe(first + 60_000);
  });
});

describe("the form of a client secret", () => {
  test("is told from an API key's, and has a checksum of its own", () => {
    const hex = "00112233445566778899aabbccddeeff00112233445566778899aabb";
    const secret = `cs_${hex}${crc32(`cs_${hex}`).toString(16).padStart(8, "0")}`;
    expect(isClientSecret(secret)).toBe(true);
    expect(isClientSecret(secret.replace("cs_", "sk_"))).toBe(false);
    for (let at = 3; at < secret.length; at += 1)
      expect(isClientSecret(`${secret.slice(0, at)}${secret[at] === "0" ? "1" : "0"}${secret.slice(at + 1)}`)).toBe(false);
  });
});
