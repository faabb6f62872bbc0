import { beforeEach, afterEach, describe, expect, test } from "vitest";
import type { Change } from "../../ground/db/index.ts";
import { adminOf, eachStore, type Ground, handClock, openGround } from "../../testing/stores.ts";
import { mostGateways, mostPolicies, mostSets } from "./policy.ts";
import { makePolicies, type Policies } from "./policies.ts";

const acme = adminOf("acme");
const globex = adminOf("globex");
const page = { limit: 50 };
const permit = "permit(principal, action, resource);";
const forbid = "// nobody\nforbid(principal, action, resource);";
const one = { gateway: "acs:apig:cn-beijing:1234567890123456:gateway/gw-1", type: "AIGateway" } as const;
const two = { gateway: "acs:apig:cn-beijing:1234567890123456:gateway/gw-2", type: "AIGateway" } as const;

const coded = (code: string, details?: object): unknown =>
  expect.objectContaining({ code, ...(details && { details: expect.objectContaining(details) as unknown }) });

eachStore("policy sets", (fresh) => {
  const hand = handClock();
  let ground: Ground;
  let policies: Policies;

  beforeEach(async () => {
    ground = await openGround(await fresh(), hand.clock);
    policies = makePolicies(ground);
  });
  afterEach(() => ground.db.close());

  const recorded = async (tenant = "acme") =>
    (await ground.audit.list(tenant, {}, { limit: 100 })).items
      .map(({ action, target, details }) => ({ action, target, ...details }))
      .reverse();

  /** What the caches of every replica are told while something is done. */
  const announced = async (doing: () => Promise<unknown>): Promise<readonly (Change | undefined)[]> => {
    const heard: (Change | undefined)[] = [];
    ground.db.changes.subscribe((change) => heard.push(change));
    await doing();
    return heard;
  };

  const rows = async () => ({
    sets: await ground.db.read.selectFrom("policy_sets").selectAll().execute(),
    policies: await ground.db.read.selectFrom("policies").selectAll().execute(),
    gateways: await ground.db.read.selectFrom("gateway_policies").selectAll().execute(),
    counters: await ground.db.read.selectFrom("counters").selectAll().where("count", "<>", 0).execute(),
  });

  describe("a set", () => {
    test("is kept as it was made, and its name is taken once in a tenant and free in another", async () => {
      const made = await policies.sets.create(acme, "prod", {
        description: "what agents may do",
        foreign: { alibaba: { SourcePlatform: "console" } },
      });
      expect(await policies.sets.get("acme", "prod")).toEqual(made);
      expect(made).toMatchObject({
        id: expect.stringMatching(/^pset_[0-9a-f]{32}$/) as string,
        foreign: { alibaba: { SourcePlatform: "console" } },
      });
      await expect(policies.sets.create(acme, "prod")).rejects.toEqual(coded("policy_set_exists", { name: "prod" }));
      await policies.sets.create(globex, "prod");
      await expect(policies.sets.get("acme", "Prod")).rejects.toEqual(coded("policy_set_unknown"));
      expect([await policies.sets.count("acme"), await policies.sets.count("globex"), await policies.sets.count("nobody")]).toEqual([
        1, 1, 0,
      ]);
    });

    test("changes where something is said of it, and nowhere else", async () => {
      const made = await policies.sets.create(acme, "prod", {
        description: "one",
        foreign: { alibaba: { SourcePlatform: "x" }, other: { y: 1 } },
      });
      hand.forward(1000);
      const changed = await policies.sets.update(acme, "prod", { foreign: { alibaba: {} } });
      expect(changed).toEqual({ ...made, foreign: { alibaba: {}, other: { y: 1 } }, updatedAt: made.updatedAt + 1000 });
      expect(await policies.sets.update(acme, "prod", { description: "" })).toMatchObject({ description: undefined });
      expect(await policies.sets.get("acme", "prod")).toEqual({ ...changed, description: undefined });
      await expect(policies.sets.update(globex, "prod", {})).rejects.toEqual(coded("policy_set_unknown"));
    });

    test("goes with its policies, and not while a gateway asks it", async () => {
      await policies.sets.create(acme, "prod");
      await policies.create(acme, "prod", "all", { cedar: permit });
      await policies.gateways.attach(acme, "prod", { ...one, mode: "enforce" });
      await expect(policies.sets.remove(acme, "prod")).rejects.toEqual(coded("policy_set_in_use"));
      expect(await policies.get("acme", "prod", "all")).toMatchObject({ cedar: permit });
      await policies.gateways.detach(acme, "prod", one);
      await expect(policies.sets.remove(globex, "prod")).rejects.toEqual(coded("policy_set_unknown"));
      await policies.sets.remove(acme, "prod");
      expect(await rows()).toEqual({ sets: [], policies: [], gateways: [], counters: [] });
      const before = (await recorded()).at(-1);
      expect(before).toMatchObject({ action: "policy_set.deleted", name: "prod" });
      await policies.sets.create(acme, "prod");
      expect(await policies.count("acme", "prod")).toBe(0);
    });

    test("is listed oldest first, page by page", async () => {
      for (const name of ["c", "a", "b"]) {
        await policies.sets.create(acme, name);
        hand.forward(1);
      }
      const first = await policies.sets.list("acme", { limit: 2 });
      expect(first.items.map(({ name }) => name)).toEqual(["c", "a"]);
      const rest = await policies.sets.list("acme", { limit: 2, cursor: first.nextCursor });
      expect([rest.items.map(({ name }) => name), rest.nextCursor]).toEqual([["b"], undefined]);
      expect((await policies.sets.list("globex", page)).items).toEqual([]);
      await expect(policies.sets.list("acme", { limit: 2, cursor: "x" })).rejects.toEqual(coded("invalid_request"));
    });

    test("is made while there is room for one", async () => {
      const full = { tenant_id: "acme", name: "policy_sets", count: mostSets - 1 };
      await ground.db.write((tx) => tx.insertInto("counters").values(full).execute());
      const both = await Promise.allSettled([policies.sets.create(acme, "one"), policies.sets.create(acme, "two")]);
      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      expect(both.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "too_many", details: { limit: 1_000 } } });
      expect([(await policies.sets.list("acme", page)).items.length, await policies.sets.count("acme")]).toEqual([1, mostSets]);
    });
  });

  describe("a policy", () => {
    beforeEach(async () => {
      await policies.sets.create(acme, "prod");
      await policies.sets.create(acme, "test");
    });

    test("is kept word for word, and its name is taken once in a set", async () => {
      const cedar = '// größer 🙂\n@id("a")\npermit (principal, action, resource)\r\n  when { context.input.q == "日本\\n" };\n\n// end';
      const made = await policies.create(acme, "prod", "all", { cedar, description: "every\nbody" });
      expect(await policies.get("acme", "prod", "all")).toEqual(made);
      expect(made).toMatchObject({ cedar, version: 1, description: "every\nbody" });
      await expect(policies.create(acme, "prod", "all", { cedar: permit })).rejects.toEqual(
        coded("policy_exists", { set: "prod", name: "all" }),
      );
      await policies.create(acme, "test", "all", { cedar: permit });
      await expect(policies.create(acme, "none", "all", { cedar: permit })).rejects.toEqual(coded("policy_set_unknown"));
      await expect(policies.create(globex, "prod", "all", { cedar: permit })).rejects.toEqual(coded("policy_set_unknown"));
      await expect(policies.get("acme", "prod", "All")).rejects.toEqual(coded("policy_unknown"));
      await expect(policies.get("globex", "prod", "all")).rejects.toEqual(coded("policy_set_unknown"));
      expect([await policies.count("acme", "prod"), await policies.count("acme", "test")]).toEqual([1, 1]);
      await expect(policies.count("globex", "prod")).rejects.toEqual(coded("policy_set_unknown"));
    });

    test("that is no Cedar statement is neither made nor changed to, and leaves no trace", async () => {
      await policies.create(acme, "prod", "all", { cedar: permit });
      const [stored, record] = [await rows(), await recorded()];
      for (const cedar of [
        "permit",
        permit + permit,
        "",
        `// ${"x".repeat(40_000)}`,
        `${permit}\0`,
        "permit(principal == ?principal, action, resource);",
      ]) {
        await expect(policies.create(acme, "prod", "bad", { cedar })).rejects.toEqual(coded("policy_invalid"));
        await expect(policies.update(acme, "prod", "all", { cedar, description: "no" })).rejects.toEqual(coded("policy_invalid"));
      }
      expect([await rows(), await recorded()]).toEqual([stored, record]);
    });

    test("has a new version where its statement changes, and only there", async () => {
      const made = await policies.create(acme, "prod", "all", { cedar: permit, description: "one" });
      hand.forward(1000);
      const changed = await policies.update(acme, "prod", "all", { cedar: forbid });
      expect(changed).toEqual({ ...made, cedar: forbid, version: 2, updatedAt: made.updatedAt + 1000 });
      expect(await policies.update(acme, "prod", "all", { cedar: forbid, description: "" })).toMatchObject({
        version: 2,
        description: undefined,
      });
      expect(await policies.get("acme", "prod", "all")).toEqual({ ...changed, description: undefined });
      await expect(policies.update(acme, "prod", "none", { cedar: permit })).rejects.toEqual(coded("policy_unknown"));
      await expect(policies.update(globex, "prod", "all", { cedar: permit })).rejects.toEqual(coded("policy_set_unknown"));
    });

    test("goes alone", async () => {
      for (const name of ["a", "b"]) await policies.create(acme, "prod", name, { cedar: permit });
      await expect(policies.remove(globex, "prod", "a")).rejects.toEqual(coded("policy_set_unknown"));
      await policies.remove(acme, "prod", "a");
      await expect(policies.remove(acme, "prod", "a")).rejects.toEqual(coded("policy_unknown"));
      expect([(await policies.list("acme", "prod", page)).items.map(({ name }) => name), await policies.count("acme", "prod")]).toEqual([
        ["b"],
        1,
      ]);
    });

    test("is listed with those of its set, oldest first, page by page", async () => {
      for (const name of ["c", "a", "b"]) {
        await policies.create(acme, "prod", name, { cedar: permit });
        hand.forward(1);
      }
      await policies.create(acme, "test", "d", { cedar: permit });
      const first = await policies.list("acme", "prod", { limit: 2 });
      expect(first.items.map(({ name }) => name)).toEqual(["c", "a"]);
      const rest = await policies.list("acme", "prod", { limit: 2, cursor: first.nextCursor });
      expect([rest.items.map(({ name }) => name), rest.nextCursor]).toEqual([["b"], undefined]);
      await expect(policies.list("acme", "none", page)).rejects.toEqual(coded("policy_set_unknown"));
    });

    test("is made while its set has room for one", async () => {
      const { id } = await policies.sets.get("acme", "prod");
      const full = { tenant_id: "acme", name: `policies/${id}`, count: mostPolicies - 1 };
      await ground.db.write((tx) => tx.insertInto("counters").values(full).execute());
      const both = await Promise.allSettled(["one", "two"].map((name) => policies.create(acme, "prod", name, { cedar: permit })));
      expect(both.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "too_many", details: { limit: 1_000 } } });
      expect([(await policies.list("acme", "prod", page)).items.length, await policies.count("acme", "prod")]).toEqual([1, mostPolicies]);
      await policies.create(acme, "test", "one", { cedar: permit });
    });

    test("made at the moment when its set goes is refused, or keeps nobody from it", async () => {
      const [made, gone] = await Promise.allSettled([
        policies.create(acme, "prod", "all", { cedar: permit }),
        policies.sets.remove(acme, "prod"),
      ]);
      expect(gone.status).toBe("fulfilled");
      if (made.status === "rejected") expect(made.reason).toEqual(coded("policy_set_unknown"));
      expect((await rows()).policies).toEqual([]);
    });
  });

  describe("a gateway", () => {
    beforeEach(async () => {
      await policies.sets.create(acme, "prod");
      await policies.sets.create(acme, "test");
      await policies.sets.create(globex, "prod");
    });

    test("is decided for by one set at most", async () => {
      await expect(policies.gateways.config("acme", one)).rejects.toEqual(coded("gateway_unknown"));
      await policies.gateways.attach(acme, "prod", { ...one, mode: "log_only" });
      expect(await policies.gateways.config("acme", one)).toEqual({ set: "prod", mode: "log_only" });
      await expect(policies.gateways.attach(acme, "test", { ...one, mode: "enforce" })).rejects.toEqual(coded("policy_set_in_use"));
      await expect(policies.gateways.attach(acme, "none", { ...two, mode: "enforce" })).rejects.toEqual(coded("policy_set_unknown"));
      expect(await policies.gateways.config("acme", one)).toEqual({ set: "prod", mode: "log_only" });
      await expect(policies.gateways.config("globex", one)).rejects.toEqual(coded("gateway_unknown"));
      await policies.gateways.attach(globex, "prod", { ...one, mode: "enforce" });
      expect(await policies.gateways.config("acme", one)).toEqual({ set: "prod", mode: "log_only" });
    });

    test("that two sets are attached to at once has one of them", async () => {
      const both = await Promise.allSettled(
        ["prod", "test"].map((set) => policies.gateways.attach(acme, set, { ...one, mode: "enforce" })),
      );
      expect(both.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "policy_set_in_use" } });
      const { set } = await policies.gateways.config("acme", one);
      const counts = await Promise.all(["prod", "test"].map((name) => policies.gateways.count("acme", name, "AIGateway")));
      expect(counts).toEqual(set === "prod" ? [1, 0] : [0, 1]);
    });

    test("has the mode that was said last, and the same again changes nothing", async () => {
      const first = await policies.gateways.attach(acme, "prod", { ...one, mode: "log_only" });
      const count = (await recorded()).length;
      expect(await policies.gateways.attach(acme, "prod", { ...one, mode: "log_only" })).toEqual(first);
      expect(await policies.gateways.setConfig(acme, one, "log_only")).toEqual({ set: "prod", mode: "log_only" });
      expect((await recorded()).length).toBe(count);
      expect(await policies.gateways.setConfig(acme, one, "enforce")).toEqual({ set: "prod", mode: "enforce" });
      expect(await policies.gateways.config("acme", one)).toEqual({ set: "prod", mode: "enforce" });
      expect(await policies.gateways.attach(acme, "prod", { ...one, mode: "log_only" })).toMatchObject({ id: first.id, mode: "log_only" });
      expect(await policies.gateways.count("acme", "prod", "AIGateway")).toBe(1);
      await expect(policies.gateways.setConfig(acme, two, "enforce")).rejects.toEqual(coded("gateway_unknown"));
      await expect(policies.gateways.setConfig(globex, one, "enforce")).rejects.toEqual(coded("gateway_unknown"));
    });

    test("is of the type that it was attached as", async () => {
      await policies.gateways.attach(acme, "prod", { ...one, mode: "enforce" });
      const other = { ...one, type: "AgentRunMCP" } as const;
      await expect(policies.gateways.config("acme", other)).rejects.toEqual(coded("gateway_unknown"));
      await expect(policies.gateways.setConfig(acme, other, "log_only")).rejects.toEqual(coded("gateway_unknown"));
      await expect(policies.gateways.detach(acme, "prod", other)).rejects.toEqual(coded("gateway_unknown"));
      await expect(policies.gateways.attach(acme, "prod", { ...other, mode: "enforce" })).rejects.toEqual(coded("policy_set_in_use"));
      expect(await policies.gateways.config("acme", one)).toEqual({ set: "prod", mode: "enforce" });
    });

    test("is let go by the set that decides, and by no other", async () => {
      await policies.gateways.attach(acme, "prod", { ...one, mode: "enforce" });
      await expect(policies.gateways.detach(acme, "test", one)).rejects.toEqual(coded("gateway_unknown"));
      await expect(policies.gateways.detach(globex, "prod", one)).rejects.toEqual(coded("gateway_unknown"));
      await policies.gateways.detach(acme, "prod", one);
      await expect(policies.gateways.detach(acme, "prod", one)).rejects.toEqual(coded("gateway_unknown"));
      await policies.gateways.attach(acme, "test", { ...one, mode: "enforce" });
      expect(await policies.gateways.config("acme", one)).toEqual({ set: "test", mode: "enforce" });
    });

    test("is listed with those of its set and type, page by page", async () => {
      const runtime = { gateway: "acs:agentrun:cn-beijing:1234567890123456:tools/t", type: "AgentRunMCP", mode: "enforce" } as const;
      for (const gateway of [two, one, runtime]) {
        await policies.gateways.attach(acme, "prod", { mode: "enforce", ...gateway });
        hand.forward(1);
      }
      const first = await policies.gateways.attachedTo("acme", "prod", "AIGateway", { limit: 1 });
      const rest = await policies.gateways.attachedTo("acme", "prod", "AIGateway", { limit: 1, cursor: first.nextCursor });
      expect([...first.items, ...rest.items].map(({ gateway }) => gateway)).toEqual([two.gateway, one.gateway]);
      expect(rest.nextCursor).toBeUndefined();
      expect((await policies.gateways.attachedTo("acme", "prod", "AgentRunMCP", page)).items).toMatchObject([runtime]);
      expect(
        await Promise.all((["AIGateway", "AgentRunMCP"] as const).map((type) => policies.gateways.count("acme", "prod", type))),
      ).toEqual([2, 1]);
      expect((await policies.gateways.attachedTo("acme", "test", "AIGateway", page)).items).toEqual([]);
      await expect(policies.gateways.attachedTo("acme", "none", "AIGateway", page)).rejects.toEqual(coded("policy_set_unknown"));
    });

    test("is attached while the set has room for one", async () => {
      const { id } = await policies.sets.get("acme", "prod");
      const full = { tenant_id: "acme", name: `gateways/${id}/AIGateway`, count: mostGateways };
      await ground.db.write((tx) => tx.insertInto("counters").values(full).execute());
      await expect(policies.gateways.attach(acme, "prod", { ...one, mode: "enforce" })).rejects.toEqual(coded("too_many"));
      expect((await rows()).gateways).toEqual([]);
    });
  });

  test("every change is told to every replica, and written in the record", async () => {
    const { id } = await policies.sets.create(acme, "prod");
    const policy = await policies.create(acme, "prod", "all", { cedar: permit });
    const steps: readonly (() => Promise<unknown>)[] = [
      () => policies.update(acme, "prod", "all", { cedar: forbid }),
      () => policies.gateways.attach(acme, "prod", { ...one, mode: "log_only" }),
      () => policies.gateways.setConfig(acme, one, "enforce"),
      () => policies.gateways.detach(acme, "prod", one),
      () => policies.sets.update(acme, "prod", { description: "new" }),
      () => policies.remove(acme, "prod", "all"),
      () => policies.sets.remove(acme, "prod"),
    ];
    for (const step of steps) expect(await announced(step)).toContainEqual({ tenant: "acme", kind: "policy_set", target: id });
    const about = { gateway: one.gateway, type: "AIGateway", set: "prod" };
    expect(await recorded()).toEqual([
      { action: "policy_set.created", target: id, name: "prod" },
      { action: "policy.created", target: policy.id, name: "all", set: "prod", version: 1 },
      { action: "policy.updated", target: policy.id, name: "all", set: "prod", version: 2 },
      { action: "policy_set.attached", target: id, ...about, mode: "log_only" },
      { action: "policy_set.mode_changed", target: id, ...about, mode: "enforce" },
      { action: "policy_set.detached", target: id, ...about, mode: "enforce" },
      { action: "policy_set.updated", target: id, name: "prod" },
      { action: "policy.deleted", target: policy.id, name: "all", set: "prod" },
      { action: "policy_set.deleted", target: id, name: "prod" },
    ]);
  });
});
