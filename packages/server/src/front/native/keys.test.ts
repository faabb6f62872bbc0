import { afterEach, expect, test } from "vitest";
import { eachStore } from "../../testing/stores.ts";
import { openWire, type Wire } from "./wire-for-tests.ts";

// Seen to fail, each break by itself: verified tokens kept when their key is revoked; the token handed out again after its key was revoked.

eachStore("keys over the wire", (fresh) => {
  let wire: Wire;
  afterEach(() => wire.close());

  const opened = async () => {
    wire = await openWire(await fresh());
    await wire.ask({ method: "POST", url: "/v1/agents", body: { name: "probe" } });
    await wire.ask({ method: "POST", url: "/v1/credential-providers", body: { name: "weather", type: "api_key", apiKey: "weather-key" } });
    const token = async () =>
      (await wire.ask({ method: "POST", url: "/v1/workload-tokens", body: { agent: "probe" } })).json<{ token: string }>().token;
    const use = async (key: string) =>
      (await wire.ask({ method: "POST", url: "/v1/credentials/api-key", key, body: { provider: "weather" } })).statusCode;
    return { token, use };
  };

  test("a revoked signing key's tokens are dead at the next request, and none of them is handed out again", async () => {
    const { token, use } = await opened();
    const old = await token();
    expect(await use(old)).toBe(200);
    expect(await token()).toBe(old);
    const { items } = (await wire.ask({ url: "/v1/signing-keys" })).json<{ items: { id: string; status: string }[] }>();
    expect(items.map(({ status }) => status)).toEqual(["signing"]);
    const revoked = await wire.ask({ method: "POST", url: `/v1/signing-keys/${items[0]?.id}/revoke` });
    expect([revoked.statusCode, revoked.json<{ status: string }>().status]).toEqual([200, "revoked"]);
    expect(await use(old)).toBe(401);
    const fresh1 = await token();
    expect(fresh1).not.toBe(old);
    expect(await use(fresh1)).toBe(200);
    const { keys } = (await wire.ask({ url: "/.well-known/jwks.json" })).json<{ keys: { kid: string }[] }>();
    expect(keys.map(({ kid }) => kid)).not.toContain(items[0]?.id);
    expect(keys).toHaveLength(1);
  });

  test("each kind of key is listed and changed, and no answer holds a key", async () => {
    const { token, use } = await opened();
    const before = await token();
    const answers: string[] = [];
    for (const noun of ["signing-keys", "data-keys", "peppers"]) {
      const made = await wire.ask({ method: "POST", url: `/v1/${noun}` });
      expect(made.statusCode).toBe(201);
      const listed = await wire.ask({ url: `/v1/${noun}?limit=1` });
      expect(listed.json<{ items: { id: string }[] }>().items[0]?.id).toBe(made.json<{ id: string }>().id);
      const { nextCursor } = listed.json<{ nextCursor: string }>();
      const rest = await wire.ask({ url: `/v1/${noun}?cursor=${nextCursor}` });
      expect(rest.json<{ items: unknown[] }>().items).toHaveLength(1);
      answers.push(made.body, listed.body, rest.body);
    }
    const master = await wire.ask({ url: "/v1/master-key" });
    expect(master.json()).toMatchObject({ dataKeys: { total: 2, rewrapped: 2 }, peppers: { total: 2, rewrapped: 2 }, oldKeyNeeded: false });
    const stored = JSON.stringify([
      await wire.house.db.read.selectFrom("data_keys").select("wrapped").execute(),
      await wire.house.db.read.selectFrom("peppers").select("wrapped").execute(),
    ]);
    for (const [, text = ""] of stored.matchAll(/"wrapped":"([^"]+)"/g)) expect([...answers, master.body].join()).not.toContain(text);
    expect([...answers, master.body].join()).not.toMatch(/"(d|x|wrapped|publicJwk)"/);
    expect(await use(before)).toBe(200);
  });
});
