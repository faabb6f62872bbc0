import { afterEach, expect, test } from "vitest";
import { eachStore } from "../../testing/stores.ts";
import { openWire, type Wire } from "./wire-for-tests.ts";

eachStore("who am I", (fresh) => {
  let wire: Wire;
  afterEach(() => wire.close());

  const make = async (url: string, body: unknown, key?: string) =>
    (await wire.ask({ method: "POST", url: `/v1/${url}`, body, ...(key !== undefined && { key }) })).json<Record<string, string>>();
  const whoami = async (key?: string) => (await wire.ask({ url: "/v1/whoami", ...(key !== undefined && { key }) })).json<unknown>();

  test("each credential is told whose it is, and where", async () => {
    wire = await openWire(await fresh());
    const { key } = await make("operators", { name: "reader", role: "auditor" });
    const agent = await make("agents", { name: "scout" });
    const { apiKey } = await make("agents/scout/keys", {});
    const place = { tenant: "default", region: "cn-beijing", accountId: expect.stringMatching(/^\d{16}$/) as string };
    const scout = { id: agent["id"], name: "scout", project: "default" };
    expect(await whoami()).toMatchObject({ ...place, caller: { kind: "operator", role: "admin" }, method: "operator_key" });
    expect(await whoami(key)).toMatchObject({ caller: { kind: "operator", name: "reader", role: "auditor" } });
    expect(await whoami(apiKey)).toMatchObject({ caller: { kind: "agent", id: agent["id"], name: "scout" }, agent: scout });
  });

  test("it tells the address and the time of the server", async () => {
    wire = await openWire(await fresh());
    expect(await whoami()).toMatchObject({ address: "127.0.0.1", now: expect.stringMatching(/^\d{4}-.*Z$/) as string });
  });
});
