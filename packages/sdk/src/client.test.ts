import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { operations } from "@legate/contract";
import { LegateClient } from "./index.ts";
import { FakeLegate, operatorKey } from "./testing/fake-legate.ts";

let fake: FakeLegate;
let client: LegateClient;
beforeEach(async () => {
  fake = await FakeLegate.start();
  client = new LegateClient({ url: `${fake.url}/`, operatorKey });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await fake.stop();
});

describe("the client", () => {
  it("has a method for every operation of the contract, each asking that operation", async () => {
    // A stream is read as it comes, by whoever fetches it.
    const called = Object.values(operations).filter((operation) => !("streams" in operation));
    const methods = [client.agents, client.keys, client.users, client.issuers, client.providers, client.workloadTokens]
      .concat([client.credentials, client.authorizations, client.connections, client.auditEvents] as never)
      .concat([client.clientSecrets, client.clientKeys, client.accessKeys, client.clients, client.resources, client.grants] as never)
      .concat([client.projects, client.variables, client.integrations, client.roles, client.tokenVaults] as never)
      .concat([client.tenants, client.operators, client.signingKeys, client.dataKeys, client.masterKey, client.peppers] as never)
      .concat([{ whoami: client.whoami }] as never)
      .flatMap((noun) => Object.entries(noun).filter(([name]) => name !== "pages" && name !== "all"));
    expect(methods).toHaveLength(called.length);
    for (const [, method] of methods) {
      // Each takes names first and a body or query after; what is wrong with them is the server's to say.
      await (method as (...args: unknown[]) => Promise<unknown>)("abc", "def", {}, {}).catch(() => undefined);
    }
    await client.agents.create({ name: "abc" }).catch(() => undefined);
    await client.credentials.apiKey({ provider: "p" }, { bearer: "wat.x" }).catch(() => undefined);
    await client.credentials.sts({}, { bearer: "wat.x" }).catch(() => undefined);
    await client.credentials.variables({}, { bearer: "wat.x" }).catch(() => undefined);
    await client.credentials.oauth2({ provider: "p" }, { bearer: "wat.x" }).catch(() => undefined);
    expect(new Set(fake.seen.map((seen) => seen.id))).toEqual(new Set<string>(called.map(({ id }) => id)));
  });

  it("reads a list page by page, each fetched when it is asked for, and item by item", async () => {
    for (const name of ["one", "two", "three", "four", "five"]) await client.agents.create({ name });
    const page = await client.agents.list({ limit: 2 });
    expect(page.items.map((agent) => agent.name)).toEqual(["one", "two"]);
    const pages = client.agents.pages({ limit: 2, cursor: page.nextCursor });
    const before = fake.count("listAgents");
    expect((await pages.next()).value?.items.map((agent) => agent.name)).toEqual(["three", "four"]);
    expect(fake.count("listAgents")).toBe(before + 1);
    const names: string[] = [];
    for await (const agent of client.agents.all({ limit: 2 })) names.push(agent.name);
    expect(names).toEqual(["one", "two", "three", "four", "five"]);
  });

  it("deletes without an answer, and sends no body where the operation reads none", async () => {
    await client.agents.create({ name: "gone" });
    await expect(client.agents.delete("gone")).resolves.toBeUndefined();
    expect(fake.agents.size).toBe(0);
  });

  it("is made from the environment, options winning", async () => {
    vi.stubEnv("LEGATE_URL", fake.url);
    vi.stubEnv("LEGATE_OPERATOR_KEY", operatorKey);
    await LegateClient.fromEnvironment().agents.list();
    await LegateClient.fromEnvironment({ operatorKey: "op_other" }).agents.list();
    expect(fake.seen.map((seen) => seen.bearer)).toEqual([operatorKey, "op_other"]);
    vi.stubEnv("LEGATE_URL", "");
    expect(() => LegateClient.fromEnvironment()).toThrow(/LEGATE_URL/);
  });
});
