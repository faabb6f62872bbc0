import { afterEach, expect, test } from "vitest";
import type { House } from "../../compose.ts";
import { openTestHouse } from "../../testing/house.ts";
import { meeting } from "../../testing/lock-waits.ts";
import { eachStore, handClock } from "../../testing/stores.ts";
import type { Integration } from "./project.ts";
import { admin, anAgent, dumpOf, page, recorded, valuesOf } from "./projects-for-tests.ts";

const globex = { ...admin, tenant: "globex" };

eachStore("projects", (fresh) => {
  let house: House;
  afterEach(() => house.close());

  test("every tenant has its project default, which cannot be deleted, and agents belong to it", async () => {
    house = await openTestHouse(await fresh());
    const { projects, agents, tenants } = house;
    await tenants.create(admin, "globex");
    for (const who of [admin, globex]) {
      expect(await projects.get(who.tenant, "default")).toMatchObject({ name: "default", agents: ["*"], version: 1 });
      expect((await agents.create(who, { name: "scout" })).project).toBe("default");
      await expect(projects.remove(who, "default")).rejects.toMatchObject({ code: "project_in_use" });
    }
  });

  test("a project is made by the first put and changed by the next; the same again changes nothing and leaves no row", async () => {
    house = await openTestHouse(await fresh());
    const { projects, agents } = house;
    const { id } = await agents.create(admin, { name: "scout" });
    const made = await projects.put(admin, "billing", {
      description: "Bills",
      agents: ["scout", "label:team"],
      lanes: { ppe_1: ["scout"] },
    });
    expect(made).toMatchObject({ name: "billing", description: "Bills", agents: [id, "label:team"], version: 1 });
    expect([...made.lanes]).toEqual([["ppe_1", [id]]]);
    const again = await projects.put(admin, "billing", { description: "Bills", agents: [id, "label:team"], lanes: { ppe_1: [id] } });
    expect(again).toEqual(made);
    // What is left out stays: nobody is let in by what is not said.
    expect(await projects.put(admin, "billing", {})).toEqual(made);
    const described = await projects.put(admin, "billing", { description: "" });
    expect(described).toEqual({ ...made, description: undefined, version: 2, updatedAt: described.updatedAt });
    const opened = await projects.put(admin, "billing", { agents: ["*"] });
    expect(opened).toEqual({ ...described, agents: ["*"], version: 3, updatedAt: opened.updatedAt });
    expect(await projects.put(admin, "billing", { lanes: {} })).toMatchObject({ agents: ["*"], lanes: new Map(), version: 4 });
    expect(await projects.put(admin, "open", {})).toMatchObject({ description: undefined, agents: ["*"], lanes: new Map(), version: 1 });
    expect((await recorded(house, "project.*")).map(({ action, target, details }) => [action, target, details["fields"]])).toEqual([
      ["project.created", "open", undefined],
      ["project.updated", "billing", ["lanes"]],
      ["project.updated", "billing", ["agents"]],
      ["project.updated", "billing", ["description"]],
      ["project.created", "billing", undefined],
    ]);
    await expect(projects.put(admin, "billing", { lanes: { ppe_1: ["nobody"] } })).rejects.toMatchObject({ code: "agent_unknown" });
  });

  test("a tenant has so many projects and no more, however many are made at once", async () => {
    house = await openTestHouse(await fresh());
    const { projects, db, tenants } = house;
    const row = await db.read.selectFrom("projects").selectAll().where("tenant_id", "=", "default").executeTakeFirstOrThrow();
    await db.write(async (tx) => {
      for (let at = 0; at < 10; at += 1)
        await tx
          .insertInto("projects")
          .values(Array.from({ length: at === 9 ? 97 : 100 }, (_, n) => ({ ...row, id: `p${at}-${n}` })))
          .execute();
    });
    const done = await Promise.allSettled(["a", "b", "c", "d", "e"].map((name) => projects.put(admin, name, {})));
    expect(done.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    for (const each of done) if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "invalid_request" });
    expect(await projects.put(admin, "p0-0", { description: "changed" })).toMatchObject({ description: "changed" });
    await projects.remove(admin, "p0-1");
    await projects.put(admin, "f", {});
    await tenants.create(admin, "globex");
    await projects.put(globex, "a", {});
  });

  test("one that many put at once is made once, and all of them are heard", async () => {
    house = await openTestHouse(await fresh());
    const { projects } = house;
    await Promise.all(["1", "2", "3", "4"].map((description) => projects.put(admin, "billing", { description })));
    expect(await projects.get("default", "billing")).toMatchObject({ version: 4 });
    expect(await recorded(house, "project.created")).toHaveLength(1);
  });

  test("an agent belongs only to a project there is, which then cannot be deleted; an empty one goes with all it holds", async () => {
    house = await openTestHouse(await fresh());
    const { projects, agents, db } = house;
    await expect(agents.create(admin, { name: "scout", project: "billing" })).rejects.toMatchObject({ code: "project_unknown" });
    await projects.put(admin, "billing", {});
    await projects.variablesOf.put(admin, "billing", "A", { value: "1" });
    await projects.variablesOf.put(admin, "billing", "A", { value: "1", lane: "ppe_1" });
    await projects.integrationsOf.put(admin, "billing", "maps", { credential: "x" });
    await agents.create(admin, { name: "scout", project: "billing" });
    await expect(projects.remove(admin, "billing")).rejects.toMatchObject({ code: "project_in_use" });
    await expect(agents.update(admin, "scout", { project: "none" })).rejects.toMatchObject({ code: "project_unknown" });
    expect((await agents.update(admin, "scout", { project: null })).project).toBe("default");
    expect((await agents.update(admin, "scout", { title: "x" })).project).toBe("default");
    await projects.remove(admin, "billing");
    expect(await db.read.selectFrom("variables").selectAll().execute()).toEqual([]);
    expect(await db.read.selectFrom("integrations").selectAll().execute()).toEqual([]);
    await expect(projects.get("default", "billing")).rejects.toMatchObject({ code: "project_unknown" });
    await expect(projects.remove(admin, "billing")).rejects.toMatchObject({ code: "project_unknown" });
  });

  test("an agent that is put into a project while that is deleted: one of the two is refused", async () => {
    house = await openTestHouse(await fresh());
    const { projects, agents } = house;
    for (let round = 0; round < 5; round += 1) {
      await projects.put(admin, "billing", {});
      const agent = agents.create(admin, { name: `scout-${round}`, project: "billing" });
      const done = await Promise.allSettled([agent, projects.remove(admin, "billing")]);
      expect(done.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      if (done[0].status === "fulfilled") await agents.remove(admin, `scout-${round}`);
    }
  });

  test("a deleted agent is let into nothing by its entries", async () => {
    house = await openTestHouse(await fresh());
    const { projects, agents } = house;
    await agents.create(admin, { name: "scout" });
    await projects.put(admin, "billing", { agents: ["scout"], lanes: { ppe_1: ["scout", "label:x"] } });
    await agents.remove(admin, "scout");
    const left = await projects.get("default", "billing");
    expect([left.agents, left.lanes.get("ppe_1"), left.version]).toEqual([[], ["label:x"], 2]);
  });

  test("nothing of a project is seen or changed from another tenant", async () => {
    house = await openTestHouse(await fresh());
    const { projects, tenants } = house;
    await tenants.create(admin, "globex");
    await projects.put(admin, "billing", {});
    await projects.variablesOf.put(admin, "billing", "A", { value: "1" });
    const unknown = { code: "project_unknown" };
    await expect(projects.get("globex", "billing")).rejects.toMatchObject(unknown);
    await expect(projects.remove(globex, "billing")).rejects.toMatchObject(unknown);
    await expect(projects.variablesOf.put(globex, "billing", "A", { value: "2" })).rejects.toMatchObject(unknown);
    await expect(projects.variablesOf.get("globex", "billing", "A")).rejects.toMatchObject(unknown);
    await expect(projects.variablesOf.list("globex", "billing", undefined, page)).rejects.toMatchObject(unknown);
    await expect(projects.variablesOf.remove(globex, "billing", "A")).rejects.toMatchObject(unknown);
    await expect(projects.variablesOf.importFile(globex, "billing", { text: "A=2" })).rejects.toMatchObject(unknown);
    await expect(projects.integrationsOf.put(globex, "billing", "x", { credential: "y" })).rejects.toMatchObject(unknown);
    await expect(projects.integrationsOf.list("globex", "billing", page)).rejects.toMatchObject(unknown);
    expect((await projects.list("globex", page)).items.map(({ name }) => name)).toEqual(["default"]);
  });
});

eachStore("variables", (fresh) => {
  let house: House;
  afterEach(() => house.close());

  test("versions count up with each other value; the same value changes nothing; a list names no value", async () => {
    const { clock, forward } = handClock();
    house = await openTestHouse(await fresh(), { clock });
    const { variablesOf: variables } = house.projects;
    const made = await variables.put(admin, "default", "REGION", { value: "CANARY-eu" });
    expect(made).toMatchObject({ name: "REGION", lane: "", version: 1 });
    forward(1_000);
    expect(await variables.put(admin, "default", "REGION", { value: "CANARY-eu" })).toEqual(made);
    const changed = await variables.put(admin, "default", "REGION", { value: "CANARY-us" });
    expect(changed).toEqual({ ...made, version: 2, updatedAt: made.updatedAt + 1_000 });
    await variables.put(admin, "default", "REGION", { value: "CANARY-lane", lane: "ppe_1" });
    await variables.put(admin, "default", "EMPTY", { value: "" });
    expect((await variables.list("default", "default", undefined, page)).items.map(({ name, version }) => [name, version])).toEqual([
      ["EMPTY", 1],
      ["REGION", 2],
    ]);
    expect((await variables.list("default", "default", "ppe_1", page)).items).toHaveLength(1);
    expect(await variables.get("default", "default", "REGION")).toEqual(changed);
    await expect(variables.get("default", "default", "REGION", "ppe_2")).rejects.toMatchObject({ code: "variable_unknown" });
    expect(Object.fromEntries((await house.projects.get("default", "default")).sets)).toMatchObject({
      "": { count: 2 },
      ppe_1: { count: 1 },
    });
    await variables.remove(admin, "default", "REGION", "ppe_1");
    await expect(variables.remove(admin, "default", "REGION", "ppe_1")).rejects.toMatchObject({ code: "variable_unknown" });
    expect([...(await house.projects.get("default", "default")).sets.keys()]).toEqual([""]);
    expect(
      (await recorded(house, "variable.*")).map(({ action, details }) => [action, details["name"], details["lane"], details["version"]]),
    ).toEqual([
      ["variable.deleted", "REGION", "ppe_1", undefined],
      ["variable.created", "EMPTY", undefined, 1],
      ["variable.created", "REGION", "ppe_1", 1],
      ["variable.updated", "REGION", undefined, 2],
      ["variable.created", "REGION", undefined, 1],
    ]);
    expect(await dumpOf(house)).not.toContain("CANARY");
  });

  test("a list goes on where it stopped", async () => {
    house = await openTestHouse(await fresh());
    const { variablesOf: variables } = house.projects;
    for (const name of ["D", "B", "E", "A", "C"]) await variables.put(admin, "default", name, { value: name });
    const first = await variables.list("default", "default", undefined, { limit: 2 });
    const second = await variables.list("default", "default", undefined, { limit: 2, cursor: first.nextCursor });
    const third = await variables.list("default", "default", undefined, { limit: 2, cursor: second.nextCursor });
    expect([first, second, third].flatMap(({ items }) => items.map(({ name }) => name))).toEqual(["A", "B", "C", "D", "E"]);
    expect(third.nextCursor).toBeUndefined();
  });

  test("a value opens in its own place alone: not under another name, lane or project", async () => {
    house = await openTestHouse(await fresh());
    const { projects, db } = house;
    const scout = await anAgent(house, "scout");
    await projects.variablesOf.put(admin, "default", "KEY", { value: "prod" });
    await projects.variablesOf.put(admin, "default", "KEY", { value: "test", lane: "ppe_1" });
    expect(valuesOf(await projects.variables(scout, {}))).toEqual({ KEY: "prod" });
    const rows = await db.read.selectFrom("variables").selectAll().orderBy("lane").execute();
    await db.write(async (tx) => {
      await tx.deleteFrom("variables").execute();
      // Each takes the other's lane, with its own id and its own sealed text.
      for (const row of rows)
        await tx
          .insertInto("variables")
          .values({ ...row, lane: row.lane === "" ? "ppe_1" : "" })
          .execute();
      await db.changes.announce(tx, "default", "project", "default/default");
    });
    await expect(projects.variables(scout, {})).rejects.toThrow(/does not open/);
    // What no longer opens is simply set anew.
    await projects.variablesOf.put(admin, "default", "KEY", { value: "prod" });
    expect(valuesOf(await projects.variables(scout, {}))).toEqual({ KEY: "prod" });
  });

  test("a set holds so many variables and so many bytes, and lanes are so many, whichever way they come", async () => {
    house = await openTestHouse(await fresh());
    const { variablesOf: variables } = house.projects;
    const invalid = { code: "invalid_request" };
    const many = Array.from({ length: 1_000 }, (_, at) => `V${at}=1`).join("\n");
    expect(await variables.importFile(admin, "default", { text: many })).toEqual({ made: 1_000, changed: 0, unchanged: 0, removed: 0 });
    await expect(variables.put(admin, "default", "ONE_MORE", { value: "x" })).rejects.toMatchObject(invalid);
    await expect(variables.importFile(admin, "default", { text: "ONE_MORE=1" })).rejects.toMatchObject(invalid);
    await variables.put(admin, "default", "V0", { value: "other" });
    // As many go as come.
    expect(await variables.importFile(admin, "default", { text: "ONE_MORE=1\nV1=1", replace: true })).toMatchObject({
      made: 1,
      removed: 999,
    });
    const large = "x".repeat(65_536);
    for (let at = 0; at < 15; at += 1) await variables.put(admin, "default", `L${at}`, { value: large, lane: "large" });
    await expect(variables.put(admin, "default", "L15", { value: large, lane: "large" })).rejects.toMatchObject(invalid);
    await expect(variables.put(admin, "default", "L15", { value: large.slice(30), lane: "large" })).rejects.toMatchObject(invalid);
    await variables.put(admin, "default", "L0", { value: "", lane: "large" });
    await variables.put(admin, "default", "L15", { value: large, lane: "large" });
    await expect(variables.importFile(admin, "default", { text: `A=${"x".repeat(65_537)}` })).rejects.toMatchObject(invalid);
    for (let at = 1; at < 50; at += 1) await variables.put(admin, "default", "A", { value: "1", lane: `lane_${at}` });
    await expect(variables.put(admin, "default", "A", { value: "1", lane: "lane_50" })).rejects.toMatchObject(invalid);
    await variables.remove(admin, "default", "A", "lane_49");
    await variables.put(admin, "default", "A", { value: "1", lane: "lane_50" });
  });

  test("many who set variables at once are all heard, and the set's totals are true", async () => {
    house = await openTestHouse(await fresh());
    const { variablesOf: variables } = house.projects;
    await Promise.all(Array.from({ length: 20 }, (_, at) => variables.put(admin, "default", `V${at}`, { value: String(at) })));
    await Promise.all([
      ...Array.from({ length: 5 }, (_, at) => variables.remove(admin, "default", `V${at}`)),
      ...Array.from({ length: 5 }, (_, at) => variables.put(admin, "default", `V${at + 10}`, { value: "changed" })),
    ]);
    const rows = await house.db.read.selectFrom("variables").selectAll().execute();
    const totals = (await house.projects.get("default", "default")).sets.get("");
    expect([totals?.count, totals?.bytes]).toEqual([rows.length, rows.reduce((sum, { size }) => sum + size, 0)]);
    expect(rows).toHaveLength(15);
  });
});

eachStore("a .env file", (fresh) => {
  let house: House;
  afterEach(() => house.close());

  test("sets what it names, all in one; counts what it did; and with replace removes what it does not name", async () => {
    house = await openTestHouse(await fresh());
    const { projects } = house;
    const scout = await anAgent(house, "scout");
    const { variablesOf: variables } = projects;
    await variables.put(admin, "default", "KEPT", { value: "1" });
    await variables.put(admin, "default", "CHANGED", { value: "CANARY-old" });
    await variables.put(admin, "default", "OTHER", { value: "1", lane: "ppe_1" });
    const text = "# ours\nexport KEPT=1\nCHANGED=\"CANARY\\nnew\"\nMADE='x y'\n";
    expect(await variables.importFile(admin, "default", { text })).toEqual({ made: 1, changed: 1, unchanged: 1, removed: 0 });
    expect(await variables.importFile(admin, "default", { text })).toEqual({ made: 0, changed: 0, unchanged: 3, removed: 0 });
    expect(await variables.get("default", "default", "CHANGED")).toMatchObject({ version: 2 });
    expect(await variables.importFile(admin, "default", { text: "MADE=x y", replace: true })).toEqual({
      made: 0,
      changed: 0,
      unchanged: 1,
      removed: 2,
    });
    expect(valuesOf(await projects.variables(scout, {}))).toEqual({ MADE: "x y" });
    expect(valuesOf(await projects.variables(scout, { lane: "ppe_1" }))).toEqual({ OTHER: "1" });
    expect((await recorded(house, "variables.imported")).map(({ details }) => details)).toEqual([
      { project: "default", made: 0, changed: 0, unchanged: 1, removed: 2, names: ["CHANGED", "KEPT"] },
      { project: "default", made: 1, changed: 1, unchanged: 1, removed: 0, names: ["MADE", "CHANGED"] },
    ]);
    expect(await dumpOf(house)).not.toContain("CANARY");
  });

  test("one line that does not parse, and nothing of it is set; the lines are named, and not what stands in them", async () => {
    house = await openTestHouse(await fresh());
    const { variablesOf: variables } = house.projects;
    await variables.put(admin, "default", "A", { value: "1" });
    const refusal = await variables
      .importFile(admin, "default", { text: "A=2\nCANARY what is this\nB=3\nC='never", replace: true })
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "invalid_request", details: { issues: [{ path: "text.2" }, { path: "text.4" }] } });
    expect(JSON.stringify(refusal)).not.toContain("CANARY");
    expect(await variables.get("default", "default", "A")).toMatchObject({ version: 1 });
    expect(await recorded(house, "variables.imported")).toEqual([]);
  });

  test("two files at once are both set, one after the other", async () => {
    house = await openTestHouse(await fresh());
    const { variablesOf: variables } = house.projects;
    const done = await Promise.all([
      variables.importFile(admin, "default", { text: "A=1\nB=1" }),
      variables.importFile(admin, "default", { text: "A=2\nC=2" }),
      variables.put(admin, "default", "A", { value: "3" }),
    ]);
    expect(done[0].made + done[1].made + 1).toBeGreaterThanOrEqual(3);
    const names = (await variables.list("default", "default", undefined, page)).items.map(({ name }) => name);
    expect(names).toEqual(["A", "B", "C"]);
    expect((await variables.get("default", "default", "A")).version).toBe(3);
  });
});

eachStore("integrations", (fresh) => {
  let house: House;
  afterEach(() => house.close());

  test("a stored credential is shown to nobody who lists, and its version counts up with each other one", async () => {
    house = await openTestHouse(await fresh());
    const { integrationsOf: integrations } = house.projects;
    await integrations.put(admin, "default", "maps", { credential: "CANARY-one" });
    expect(await integrations.put(admin, "default", "maps", { credential: "CANARY-one" })).toMatchObject({ version: 1 });
    expect(await integrations.put(admin, "default", "maps", { credential: "CANARY-two" })).toMatchObject({ version: 2 });
    await integrations.put(admin, "default", "abc", { credential: "x" });
    const { items } = await integrations.list("default", "default", page);
    expect(items.map(({ name, version }) => [name, version])).toEqual([
      ["abc", 1],
      ["maps", 2],
    ]);
    await integrations.remove(admin, "default", "maps");
    await expect(integrations.get("default", "default", "maps")).rejects.toMatchObject({ code: "integration_unknown" });
    await expect(integrations.remove(admin, "default", "maps")).rejects.toMatchObject({ code: "integration_unknown" });
    expect((await recorded(house, "integration.*")).map(({ action, details }) => [action, details["name"]])).toEqual([
      ["integration.deleted", "maps"],
      ["integration.created", "abc"],
      ["integration.updated", "maps"],
      ["integration.created", "maps"],
    ]);
    expect(await dumpOf(house)).not.toContain("CANARY");
  });

  test("one of a provider goes with the provider, and that it did is in the record", async () => {
    house = await openTestHouse(await fresh());
    const { projects, providers } = house;
    const { integrationsOf: integrations } = projects;
    const weather = await providers.create(admin, { type: "api_key", name: "weather", apiKey: "CANARY" });
    expect(await integrations.put(admin, "default", "weather", { provider: "weather" })).toMatchObject({
      provider: { id: weather.id, name: "weather", vault: "default" },
      version: 1,
    });
    expect(await integrations.put(admin, "default", "weather", { provider: weather.id })).toMatchObject({ version: 1 });
    await integrations.put(admin, "default", "kept", { credential: "x" });
    await providers.remove(admin, undefined, "weather");
    expect((await integrations.list("default", "default", page)).items.map(({ name }) => name)).toEqual(["kept"]);
    const [row] = await recorded(house, "integration.deleted");
    expect(row?.details).toEqual({ project: "default", name: "weather", reason: "provider_deleted" });
  });

  test("one whose provider is deleted while it is given another source is there afterwards", async () => {
    const address = await fresh();
    house = await openTestHouse(address);
    const { projects, providers, db } = house;
    const { integrationsOf: integrations } = projects;
    const { id } = await providers.create(admin, { type: "api_key", name: "weather", apiKey: "CANARY" });
    await integrations.put(admin, "default", "weather", { provider: "weather" });
    let made: Promise<Integration> | undefined;
    await meeting(
      { db, address },
      {
        // What the removal of a provider does of it, up to its commit.
        lock: async (tx) => {
          await projects.providerRemoved(tx, admin, id);
          return id;
        },
        write: () => Promise.resolve(),
      },
      () => (made = integrations.put(admin, "default", "weather", { credential: "stored" })),
    );
    expect(await integrations.get("default", "default", "weather")).toEqual({ ...(await made), sealedCredential: expect.any(String) });
    expect((await recorded(house, "integration.*")).map(({ action }) => action)).toEqual([
      "integration.created",
      "integration.deleted",
      "integration.created",
    ]);
  });

  test("what a provider cannot give is refused when it is asked for", async () => {
    house = await openTestHouse(await fresh());
    const { projects, providers } = house;
    const { integrationsOf: integrations } = projects;
    await providers.create(admin, { type: "api_key", name: "weather", apiKey: "x" });
    const oauth2 = {
      type: "oauth2",
      clientId: "us",
      clientSecret: "x",
      authorizationEndpoint: "http://127.0.0.1:9/a",
      tokenEndpoint: "http://127.0.0.1:9/t",
    } as const;
    await providers.create(admin, { ...oauth2, name: "calendar", flows: ["USER_FEDERATION"] });
    await expect(integrations.put(admin, "default", "x", { provider: "nobody" })).rejects.toMatchObject({ code: "provider_unknown" });
    await expect(integrations.put(admin, "default", "x", { provider: "weather", vault: "other" })).rejects.toMatchObject({
      code: "provider_unknown",
    });
    await expect(integrations.put(admin, "default", "x", { provider: "weather", scopes: ["a"] })).rejects.toMatchObject({
      code: "invalid_request",
    });
    await expect(integrations.put(admin, "default", "x", { provider: "calendar" })).rejects.toMatchObject({ code: "provider_wrong_type" });
    expect((await integrations.list("default", "default", page)).items).toEqual([]);
  });

  test("a project has so many integrations and no more", async () => {
    house = await openTestHouse(await fresh());
    const { integrationsOf: integrations } = house.projects;
    for (let at = 0; at < 200; at += 1) await integrations.put(admin, "default", `i${at}`, { credential: "x" });
    await expect(integrations.put(admin, "default", "more", { credential: "x" })).rejects.toMatchObject({ code: "invalid_request" });
    await integrations.put(admin, "default", "i0", { credential: "y" });
  });
});
