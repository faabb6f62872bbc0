import { get, type IncomingMessage } from "node:http";
import { afterEach, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { systemRandom } from "../../ground/kernel/index.ts";
import { testAdminKey } from "../../testing/house.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import { makeHttp, makeLog } from "../http/index.ts";
import { serveNative } from "./index.ts";
import { openWire, type Wire } from "./wire-for-tests.ts";

eachStore("the export of the audit", (fresh) => {
  let wire: Wire | undefined;
  afterEach(async () => {
    await wire?.close();
    wire = undefined;
  });

  test("is JSON lines, for who may read the audit and nobody else, and leaves a row itself", async () => {
    wire = await openWire(await fresh());
    const { house, ask } = wire;
    await ask({ method: "POST", url: "/v1/agents", body: { name: "scout" } });
    const { apiKey } = (await ask({ method: "POST", url: "/v1/agents/scout/keys", body: {} })).json<{ apiKey: string }>();
    const { key: auditor } = (await ask({ method: "POST", url: "/v1/operators", body: { name: "aud", role: "auditor" } })).json<{
      key: string;
    }>();
    for (const [key, status] of [
      ["", 401],
      [apiKey, 403],
      [auditor, 200],
      [testAdminKey, 200],
    ] as const)
      expect((await ask({ url: "/v1/audit-events/export", key })).statusCode, key).toBe(status);
    const answer = await ask({ url: "/v1/audit-events/export?from=2020-01-01T00:00:00Z" });
    expect(answer.headers["content-type"]).toBe("application/jsonl; charset=utf-8");
    expect(answer.headers["content-disposition"]).toBe('attachment; filename="audit-default.jsonl"');
    const lines = answer.body
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { type: string; action?: string; tenant?: string });
    expect([lines[0]?.type, lines.at(-1)?.type]).toEqual(["header", "end"]);
    expect(lines.filter(({ action }) => action === "audit.exported")).toHaveLength(3);
    await house.audit.note(adminOf("globex"), "thing.secret");
    expect((await ask({ url: "/v1/audit-events/export" })).body).not.toContain("thing.secret");
  });

  test("that fails midway breaks off, so that nobody takes it for whole", async () => {
    wire = await openWire(await fresh());
    const { house } = wire;
    const http = await makeHttp(
      { host: "127.0.0.1", port: 0, publicUrl: testPublicUrl, trustedProxies: [], corsOrigins: [] },
      { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve(), isOpen: house.tenants.isOpen },
    );
    await serveNative(http.app, {
      ...house,
      chain: {
        ...house.chain,
        async *export() {
          yield `${"x".repeat(100_000)}\n`;
          await new Promise((later) => setTimeout(later, 50));
          throw new Error("the store is gone");
        },
      },
    });
    const address = await http.listen();
    const answer = await fetch(`${address}/v1/audit-events/export`, { headers: { authorization: `Bearer ${testAdminKey}` } });
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow("terminated");
    await http.close();
  });

  test("is made no faster than it is read", async () => {
    wire = await openWire(await fresh());
    const { house } = wire;
    const http = await makeHttp(
      { host: "127.0.0.1", port: 0, publicUrl: testPublicUrl, trustedProxies: [], corsOrigins: [] },
      { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve(), isOpen: house.tenants.isOpen },
    );
    let made = 0;
    let ended = false;
    await serveNative(http.app, {
      ...house,
      chain: {
        ...house.chain,
        async *export() {
          try {
            for (; made < 1_000; made += 1) {
              yield "x".repeat(100_000);
              await new Promise(setImmediate);
            }
          } finally {
            ended = true;
          }
        },
      },
    });
    const address = await http.listen();
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${address}/v1/audit-events/export`, { headers: { authorization: `Bearer ${testAdminKey}` } }, resolve).on("error", reject);
    });
    await new Promise((later) => setTimeout(later, 500));
    // What the sockets hold, and no more: of a hundred megabytes.
    expect(made).toBeLessThan(200);
    answer.destroy();
    await expect.poll(() => ended).toBe(true);
    expect(made).toBeLessThan(200);
    await http.close();
  });
});
