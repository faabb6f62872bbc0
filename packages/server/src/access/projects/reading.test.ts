import { afterEach, expect, test, vi } from "vitest";
import type { House } from "../../compose.ts";
import { openTestHouse } from "../../testing/house.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { startScripted } from "../providers/providers-for-tests.ts";
import { admin, anAgent, asking, dumpOf, recorded, valuesOf } from "./projects-for-tests.ts";
import { makeReading } from "./reading.ts";

const forbidden = { code: "forbidden" };

eachStore("what agents read", (fresh) => {
  let house: House;
  afterEach(() => house.close());

  /** Two lanes and the default set, each with a value of its own. */
  const furnish = async (lanes: Readonly<Record<string, readonly string[]>> = {}) => {
    house = await openTestHouse(await fresh());
    const { projects } = house;
    await projects.put(admin, "shop", { lanes });
    for (const lane of [undefined, "ppe_test", "boe_dev"]) {
      await projects.variablesOf.put(admin, "shop", "DATABASE", { value: `CANARY-${lane ?? "prod"}`, lane });
      await projects.variablesOf.put(admin, "shop", "Z", { value: "last", lane });
    }
    return projects;
  };

  /** Readings whose reads of the store are counted. */
  const meter = () => {
    const { db } = house;
    let reads = 0;
    const counting: Parameters<typeof db.read.withPlugin>[0] = {
      transformQuery: ({ node }) => node,
      transformResult: ({ result }) => {
        reads += 1;
        return Promise.resolve(result);
      },
    };
    const cost = async (ask: () => Promise<unknown>): Promise<number> => {
      const before = reads;
      await ask();
      return reads - before;
    };
    return {
      counted: () => makeReading({ ...house, db: { ...db, read: db.read.withPlugin(counting) } }),
      cost,
      /** Once what was announced before has been heard, nothing is read again. */
      remembers: (ask: () => Promise<unknown>) => vi.waitFor(async () => expect(await cost(ask)).toBe(0), 10_000),
    };
  };

  test("the lane chooses a whole set, and no value of one lane is ever read in another (THREATS 28)", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    await projects.variablesOf.put(admin, "shop", "ONLY_PROD", { value: "CANARY-only" });
    for (let round = 0; round < 2; round += 1) {
      expect(await projects.variables(scout, {})).toEqual({
        project: "shop",
        lane: undefined,
        variables: [
          { name: "DATABASE", value: "CANARY-prod" },
          { name: "ONLY_PROD", value: "CANARY-only" },
          { name: "Z", value: "last" },
        ],
      });
      // The whole set: nothing of the default one shows through.
      expect(valuesOf(await projects.variables(scout, { lane: "ppe_test" }))).toEqual({ DATABASE: "CANARY-ppe_test", Z: "last" });
      expect(valuesOf(await projects.variables(scout, { lane: "boe_dev" }))).toEqual({ DATABASE: "CANARY-boe_dev", Z: "last" });
    }
    const at = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const lane = [undefined, "ppe_test", "boe_dev"][n % 3];
        return [lane ?? "prod", valuesOf(await projects.variables(scout, { lane }))["DATABASE"]] as const;
      }),
    );
    for (const [lane, value] of at) expect(value).toBe(`CANARY-${lane}`);
  });

  test.each(["ppe_unknown", "", "PPE_TEST", "ppe_test ", "none", "__proto__", "constructor", "default", "ppe_test,boe_dev"])(
    "a lane that the project does not know means the default set: %j",
    async (lane) => {
      const projects = await furnish();
      const scout = await anAgent(house, "scout", { project: "shop" });
      expect(await projects.variables(scout, { lane })).toMatchObject({ lane: undefined, variables: [{ value: "CANARY-prod" }, {}] });
    },
  );

  test("a lane is read by those whom the project lets into it, and naming another lane opens nothing", async () => {
    house = await openTestHouse(await fresh());
    const tester = await anAgent(house, "tester", { labels: { stage: "test" } });
    const prod = await anAgent(house, "prod");
    const { projects, agents } = house;
    await projects.put(admin, "shop", { agents: ["label:stage", "prod"], lanes: { ppe_test: ["label:stage"], closed: [] } });
    await projects.variablesOf.put(admin, "shop", "A", { value: "prod" });
    await projects.variablesOf.put(admin, "shop", "A", { value: "test", lane: "ppe_test" });
    await projects.integrationsOf.put(admin, "shop", "maps", { credential: "CANARY-maps" });
    const inShop = async (name: string) => asking(await agents.update(admin, name, { project: "shop" }));
    const [testerNow, prodNow] = [await inShop("tester"), await inShop("prod")];
    const stranger = await anAgent(house, "stranger", { project: "shop" });
    expect(valuesOf(await projects.variables(testerNow, { lane: "ppe_test" }))).toEqual({ A: "test" });
    expect(valuesOf(await projects.variables(prodNow, {}))).toEqual({ A: "prod" });
    await expect(projects.variables(prodNow, { lane: "ppe_test" })).rejects.toMatchObject(forbidden);
    await expect(projects.integration(prodNow, "maps", { lane: "ppe_test" })).rejects.toMatchObject(forbidden);
    // Known, for the project names it, though nothing stands in it.
    await expect(projects.variables(testerNow, { lane: "closed" })).rejects.toMatchObject(forbidden);
    for (const lane of [undefined, "ppe_test", "unknown"]) {
      await expect(projects.variables(stranger, { lane })).rejects.toMatchObject(forbidden);
      await expect(projects.integration(stranger, "maps", { lane })).rejects.toMatchObject(forbidden);
    }
    // The agent's credential says which project it belongs to; one from before it was moved reads the one it named.
    expect([tester.agent?.project, prod.agent?.project]).toEqual(["default", "default"]);
    expect((await recorded(house, "request.refused")).length).toBeGreaterThan(0);
  });

  test("a lane that the project names and that holds nothing is an empty set, and not the default one", async () => {
    const projects = await furnish({ ppe_empty: ["*"] });
    const scout = await anAgent(house, "scout", { project: "shop" });
    expect(await projects.variables(scout, { lane: "ppe_empty" })).toEqual({ project: "shop", lane: "ppe_empty", variables: [] });
  });

  test("an agent reads its own project, and naming another never widens what it reads", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    const other = await anAgent(house, "other");
    expect(valuesOf(await projects.variables(scout, { project: "shop" }))).toMatchObject({ DATABASE: "CANARY-prod" });
    const refusals = await Promise.all(
      ["default", "nobody", ""].map((project) => projects.variables(scout, { project }).catch((error: unknown) => error)),
    );
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: "project_unknown" });
    await expect(projects.variables(other, { project: "shop" })).rejects.toMatchObject({ code: "project_unknown" });
    expect(valuesOf(await projects.variables(other, {}))).toEqual({});
    await expect(projects.variables(admin, {})).rejects.toMatchObject(forbidden);
  });

  test("each read leaves one row, which says how many variables of which lane, and no value", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    await projects.integrationsOf.put(admin, "shop", "maps", { credential: "CANARY-maps" });
    await projects.variables(scout, {});
    await projects.variables(scout, { lane: "ppe_test" });
    await projects.variables(scout, { lane: `ppe_${"x".repeat(100)}` });
    expect(await projects.integration(scout, "maps", {})).toBe("CANARY-maps");
    const told = [...(await recorded(house, "variables.read")), ...(await recorded(house, "integration.read"))];
    expect(told.map(({ agent, details }) => [agent, details])).toEqual([
      [scout.agent?.id, { project: "shop", unknownLane: true, count: 2 }],
      [scout.agent?.id, { project: "shop", lane: "ppe_test", count: 2 }],
      [scout.agent?.id, { project: "shop", count: 2 }],
      [scout.agent?.id, { project: "shop", integration: "maps" }],
    ]);
    expect(await dumpOf(house)).not.toContain("CANARY");
  });

  test("costs one read of the store when nothing is remembered, and none after that, until something changes", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    await projects.integrationsOf.put(admin, "shop", "maps", { credential: "maps" });
    const { counted, cost, remembers } = meter();
    let reading = counted();
    const asks = [
      () => reading.variables(scout, {}),
      () => reading.variables(scout, { lane: "unknown" }),
      () => reading.variables(scout, { lane: "ppe_test" }),
      () => reading.integration(scout, "maps", {}),
    ];
    for (const ask of asks) {
      reading = counted();
      expect(await cost(ask)).toBe(1);
      await remembers(ask);
    }
    for (const ask of asks) expect(await cost(ask)).toBeLessThanOrEqual(1);
    for (const ask of asks) await remembers(ask);
    await projects.variablesOf.put(admin, "shop", "DATABASE", { value: "moved" });
    expect(await cost(async () => expect(valuesOf(await reading.variables(scout, {}))["DATABASE"]).toBe("moved"))).toBe(1);
    // A set that is too large to be remembered is read each time, once.
    await projects.variablesOf.put(admin, "shop", "LARGE", { value: "x".repeat(65_000), lane: "boe_dev" });
    for (let round = 0; round < 3; round += 1) expect(await cost(() => reading.variables(scout, { lane: "boe_dev" }))).toBe(1);
  });

  test("who asks at the same time for what is not remembered takes its room once", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    await projects.variablesOf.put(admin, "shop", "LARGE", { value: "x".repeat(20_000), lane: "boe_dev" });
    await projects.integrationsOf.put(admin, "shop", "large", { credential: "x".repeat(15_000) });
    const { counted, cost, remembers } = meter();
    const reading = counted();
    await remembers(() => reading.variables(scout, {}));
    const lane = () => reading.variables(scout, { lane: "boe_dev" });
    await Promise.all(Array.from({ length: 4 }, lane));
    await remembers(lane);
    const integration = () => reading.integration(scout, "large", {});
    await Promise.all(Array.from({ length: 4 }, integration));
    await remembers(integration);
    const small = () => reading.variables(scout, { lane: "ppe_test" });
    await remembers(small);
    for (const ask of [lane, integration, small]) expect(await cost(ask)).toBeLessThanOrEqual(1);
  });

  test("after a data key has changed, of whichever tenant, what is read is remembered again", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    await house.tenants.create(admin, "globex");
    await projects.integrationsOf.put(admin, "shop", "maps", { credential: "maps" });
    const { counted, cost, remembers } = meter();
    const reading = counted();
    const asks = [() => reading.variables(scout, {}), () => reading.integration(scout, "maps", {})];
    for (const ask of asks) await remembers(ask);
    for (const who of [adminOf("globex"), admin]) {
      await house.dataKeys.rotate(who);
      for (const ask of asks) expect(await cost(ask)).toBeLessThanOrEqual(1);
      for (const ask of asks) await remembers(ask);
    }
  });

  test("a project that so many may read is not remembered, and read right", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    const many = Array.from({ length: 500 }, (_, at) => `label:team=${at}${"x".repeat(150)}`);
    await projects.put(admin, "shop", { agents: ["*"], lanes: { ppe_test: [...many, "scout"] } });
    const { counted, cost } = meter();
    const reading = counted();
    for (let round = 0; round < 3; round += 1) {
      const read = async () => expect(valuesOf(await reading.variables(scout, { lane: "ppe_test" }))["DATABASE"]).toBe("CANARY-ppe_test");
      expect(await cost(read)).toBe(1);
    }
  });

  test("what is read anew is read by those who may at that moment, whatever is remembered of the project", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    await projects.integrationsOf.put(admin, "shop", "maps", { credential: "CANARY-maps" });
    const { db } = house;
    // One that has not heard of a change yet.
    const reading = makeReading({ ...house, db: { ...db, changes: { ...db.changes, isCurrent: () => true, subscribe: () => undefined } } });
    await reading.variables(scout, {});
    await projects.put(admin, "shop", { agents: ["label:nobody"], lanes: {} });
    expect(valuesOf(await reading.variables(scout, {}))["DATABASE"]).toBe("CANARY-prod");
    await expect(reading.variables(scout, { lane: "ppe_test" })).rejects.toMatchObject(forbidden);
    await expect(reading.integration(scout, "maps", {})).rejects.toMatchObject(forbidden);
  });

  test("what was changed, removed or forbidden is so at the next read", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    const { variablesOf: variables, integrationsOf: integrations } = projects;
    await integrations.put(admin, "shop", "maps", { credential: "one" });
    await projects.variables(scout, {});
    await projects.integration(scout, "maps", {});
    await variables.remove(admin, "shop", "DATABASE");
    expect(valuesOf(await projects.variables(scout, {}))).toEqual({ Z: "last" });
    await integrations.put(admin, "shop", "maps", { credential: "two" });
    expect(await projects.integration(scout, "maps", {})).toBe("two");
    await integrations.remove(admin, "shop", "maps");
    await expect(projects.integration(scout, "maps", {})).rejects.toMatchObject({ code: "integration_unknown" });
    await variables.importFile(admin, "shop", { text: "", lane: "ppe_test", replace: true });
    expect(await projects.variables(scout, { lane: "ppe_test" })).toMatchObject({ lane: undefined });
    await projects.put(admin, "shop", { agents: [] });
    await expect(projects.variables(scout, {})).rejects.toMatchObject(forbidden);
  });

  test("what is remembered outlives no data key: what was sealed anew is read anew", async () => {
    const projects = await furnish();
    const scout = await anAgent(house, "scout", { project: "shop" });
    await projects.integrationsOf.put(admin, "shop", "maps", { credential: "CANARY-maps" });
    const read = async () => [valuesOf(await projects.variables(scout, {})), await projects.integration(scout, "maps", {})];
    const before = await read();
    const [old] = (await house.dataKeys.list("default", { limit: 10 })).items;
    await house.dataKeys.rotate(admin);
    await house.jobs.runNow("data_keys.reseal");
    const sealed = await house.db.read.selectFrom("variables").select("sealed_value").execute();
    expect(sealed.every(({ sealed_value }) => !sealed_value.includes(old?.id ?? ""))).toBe(true);
    // As the job removes it once nothing has needed it for an hour.
    await house.db.write(async (tx) => {
      await tx
        .deleteFrom("data_keys")
        .where("id", "=", old?.id ?? "")
        .execute();
      await house.db.changes.announce(tx, "default", "data_key", old?.id ?? "");
    });
    expect(await read()).toEqual(before);
  });
});

eachStore("an integration that a credential provider gives", (fresh) => {
  let house: House;
  afterEach(() => house.close());

  test("is an API key, or a token that the agent gets for itself, with one row in the record that names the integration", async () => {
    house = await openTestHouse(await fresh());
    const upstream = await startScripted(({ body }) => ({
      body: { access_token: `CANARY-${new URLSearchParams(body).get("scope") ?? "none"}`, token_type: "Bearer", expires_in: 3600 },
    }));
    try {
      const { projects, providers } = house;
      const scout = await anAgent(house, "scout");
      const other = await anAgent(house, "other");
      await providers.create(admin, { type: "api_key", name: "weather", vault: "second", apiKey: "CANARY-key", agents: ["scout"] });
      await providers.create(admin, {
        type: "oauth2",
        name: "calendar",
        clientId: "us",
        clientSecret: "secret",
        ...upstream.endpoints,
        scopes: ["own"],
      });
      const { integrationsOf: integrations } = projects;
      await integrations.put(admin, "default", "weather", { provider: "weather", vault: "second" });
      await integrations.put(admin, "default", "plain", { provider: "calendar" });
      await integrations.put(admin, "default", "scoped", { provider: "calendar", scopes: ["write", "read"] });
      expect(await projects.integration(scout, "weather", {})).toBe("CANARY-key");
      expect(await projects.integration(scout, "plain", {})).toBe("CANARY-own");
      expect(await projects.integration(scout, "scoped", { lane: "ppe_x" })).toMatch(/^CANARY-(read write|write read)$/);
      await projects.integration(scout, "scoped", {});
      expect(upstream.tokenCalls()).toBe(2);
      // Which agents may use a provider is the provider's to say, also through a project.
      await expect(projects.integration(other, "weather", {})).rejects.toMatchObject({ code: "provider_unknown" });
      await expect(projects.integration(scout, "nothing", {})).rejects.toMatchObject({ code: "integration_unknown" });
      const rows = await recorded(house, "credential.read");
      expect(rows.map(({ agent, details }) => [agent, details["project"], details["integration"], details["unknownLane"]])).toEqual([
        [scout.agent?.id, "default", "scoped", undefined],
        [scout.agent?.id, "default", "scoped", true],
        [scout.agent?.id, "default", "plain", undefined],
        [scout.agent?.id, "default", "weather", undefined],
      ]);
      expect(await recorded(house, "integration.read")).toEqual([]);
      await providers.suspend(admin, undefined, "calendar");
      await expect(projects.integration(scout, "plain", {})).rejects.toMatchObject({ code: "provider_suspended" });
      await providers.remove(admin, undefined, "calendar");
      await expect(projects.integration(scout, "plain", {})).rejects.toMatchObject({ code: "integration_unknown" });
      expect(await dumpOf(house)).not.toContain("CANARY");
    } finally {
      await upstream.stop();
    }
  });
});
