import { afterEach, expect, test } from "vitest";
import { eachStore } from "../../testing/stores.ts";
import { type Failure, openWire, type Wire } from "./wire-for-tests.ts";

eachStore("projects on the native wire", (fresh) => {
  let wire: Wire;
  afterEach(() => wire.close());

  const put = (url: string, body: unknown) => wire.ask({ method: "PUT", url: `/v1/projects/${url}`, body });
  const get = (url: string) => wire.ask({ url: `/v1/projects${url}` });

  test("a project is put, read, listed and deleted, with agents by name", async () => {
    wire = await openWire(await fresh());
    await wire.ask({ method: "POST", url: "/v1/agents", body: { name: "scout" } });
    const made = await put("shop", { description: "Sells.", agents: ["scout", "label:team=a"], lanes: { ppe_1: ["scout"], closed: [] } });
    const moment = expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/) as string;
    expect([made.statusCode, made.json()]).toEqual([
      200,
      {
        name: "shop",
        description: "Sells.",
        agents: ["scout", "label:team=a"],
        lanes: { ppe_1: ["scout"], closed: [] },
        sets: [],
        version: 1,
        createdAt: moment,
        updatedAt: moment,
      },
    ]);
    await put("shop/variables/A", { value: "1" });
    await put("shop/variables/A", { value: "1", lane: "ppe_1" });
    expect((await get("/shop")).json()).toMatchObject({ sets: [{ variables: 1 }, { lane: "ppe_1", variables: 1 }] });
    expect((await get("")).json<{ items: { name: string }[] }>().items.map(({ name }) => name)).toEqual(["default", "shop"]);
    const member = await wire.ask({ method: "PATCH", url: "/v1/agents/scout", body: { project: "shop" } });
    expect(member.json()).toMatchObject({ project: "shop" });
    expect((await wire.ask({ method: "DELETE", url: "/v1/projects/shop" })).json<Failure>().error.code).toBe("project_in_use");
    await wire.ask({ method: "DELETE", url: "/v1/agents/scout" });
    expect((await get("/shop")).json()).toMatchObject({ agents: ["label:team=a"], lanes: { ppe_1: [], closed: [] } });
    expect((await wire.ask({ method: "DELETE", url: "/v1/projects/shop" })).statusCode).toBe(204);
    expect((await get("/shop")).json<Failure>().error.code).toBe("project_unknown");
  });

  test("a .env file of the longest that may be is set, however its characters are written; one longer is refused", async () => {
    wire = await openWire(await fresh());
    const line = (at: number, value: string) => `V${at}="${value}"\n`;
    const filled = Array.from({ length: 8 }, (_, at) => line(at, "仓".repeat(16_000))).join("");
    const text = `${filled}#${"é".repeat(262_144 - filled.length - 1)}`;
    const escaped = (file: string) =>
      JSON.stringify({ text: file }).replaceAll(/[^\x20-\x7e]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
    const url = "/v1/projects/default/variables/import";
    const imported = await wire.ask({ method: "POST", url, body: escaped(text) });
    expect([imported.statusCode, imported.json()]).toEqual([200, { made: 8, changed: 0, unchanged: 0, removed: 0 }]);
    const refused = await wire.ask({ method: "POST", url, body: escaped(`${text}#`) });
    expect(refused.json<Failure>().error).toMatchObject({ code: "invalid_request", details: { issues: [{ path: "text" }] } });
  });

  test("values and credentials go in and never come back", async () => {
    wire = await openWire(await fresh());
    await wire.ask({ method: "POST", url: "/v1/credential-providers", body: { name: "weather", type: "api_key", apiKey: "CANARY" } });
    const answers = [
      await put("default/variables/A", { value: "CANARY" }),
      await put("default/variables/A", { value: "CANARY 2" }),
      await put("default/variables/B", { value: "CANARY", lane: "ppe_1" }),
      await wire.ask({
        method: "POST",
        url: "/v1/projects/default/variables/import",
        body: { text: "A='CANARY 2'\nC=CANARY", replace: true },
      }),
      await get("/default/variables"),
      await get("/default/variables?lane=ppe_1"),
      await get("/default/variables/B?lane=ppe_1"),
      await put("default/integrations/maps", { credential: "CANARY" }),
      await put("default/integrations/weather", { provider: "weather" }),
      await get("/default/integrations"),
      await get("/default/integrations/maps"),
    ];
    for (const answer of answers) expect([answer.statusCode, answer.body.includes("CANARY")], answer.body).toEqual([200, false]);
    const [, changed, , imported, list, ofLane, , , ofProvider] = answers.map((answer) => answer.json<Record<string, unknown>>());
    expect(changed).toMatchObject({ name: "A", version: 2 });
    expect(imported).toEqual({ made: 1, changed: 0, unchanged: 1, removed: 0 });
    expect(list).toMatchObject({ items: [{ name: "A" }, { name: "C" }] });
    expect(ofLane).toMatchObject({ items: [{ name: "B", lane: "ppe_1" }] });
    expect(ofProvider).toMatchObject({ name: "weather", provider: "weather", vault: "default", version: 1 });
    for (const url of ["variables/B?lane=ppe_1", "variables/A", "integrations/maps"])
      expect((await wire.ask({ method: "DELETE", url: `/v1/projects/default/${url}` })).statusCode).toBe(204);
    expect((await get("/default/variables/A")).json<Failure>().error.code).toBe("variable_unknown");
    expect((await get("/default/integrations/maps")).json<Failure>().error.code).toBe("integration_unknown");
  });

  test("an agent reads the values of its own project with a workload token, and of no other; an operator's key does not", async () => {
    wire = await openWire(await fresh());
    await put("shop", {});
    for (const [name, project] of [
      ["scout", "shop"],
      ["other", "default"],
    ])
      await wire.ask({ method: "POST", url: "/v1/agents", body: { name, project } });
    await put("shop/variables/A", { value: "1" });
    await put("shop/variables/A", { value: "2", lane: "ppe_1" });
    const tokenOf = async (agent: string) =>
      (await wire.ask({ method: "POST", url: "/v1/workload-tokens", body: { agent } })).json<{ token: string }>().token;
    const read = async (body: unknown, key?: string) =>
      (await wire.ask({ method: "POST", url: "/v1/credentials/variables", body, ...(key !== undefined && { key }) })).json<Failure>();
    const token = await tokenOf("scout");
    expect(await read({}, token)).toEqual({ project: "shop", variables: [{ name: "A", value: "1" }] });
    expect(await read({ project: "shop", lane: "ppe_1" }, token)).toEqual({
      project: "shop",
      lane: "ppe_1",
      variables: [{ name: "A", value: "2" }],
    });
    expect((await read({ project: "shop" }, await tokenOf("other"))).error.code).toBe("project_unknown");
    expect((await read({})).error.code).toBe("forbidden");
    await put("shop", { agents: ["other"] });
    expect((await read({}, token)).error.code).toBe("forbidden");
  });
});
