import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { adminOf, eachStore } from "../../../testing/stores.ts";
import {
  answered,
  controlPlane,
  faultOf,
  openAlibaba,
  type OpenAlibaba,
  type Params,
  type TestKey,
  type WireError,
} from "../alibaba-for-tests.ts";

const permit = 'permit(principal, action == AIGateway::Action::"mcp-servers.mail.send", resource);';
const cedar = (statement: string) => ({ Cedar: { Statement: statement } });
const began = "2026-01-01T00:00:00Z";
const later = "2026-01-01T00:00:05Z";

eachStore("policy sets on the Alibaba Cloud wire", (fresh) => {
  let wire: OpenAlibaba;
  let key: TestKey;
  let arn: string;
  let gateway: string;

  beforeAll(async () => {
    wire = await openAlibaba(await fresh());
    key = await wire.adminKey();
    const { accountId } = await wire.house.tenants.get("default");
    arn = `acs:agentidentity:cn-beijing:${accountId}:policyset`;
    gateway = `acs:apig:cn-beijing:${accountId}:gateway/gw-1`;
  });
  afterAll(() => wire.close());

  const call = (action: string, params: Params = {}, by = key) => wire.call(action, { version: controlPlane, key: by, params });
  const said = async (action: string, params: Params = {}) => answered(await call(action, params));
  const fault = async (action: string, params: Params = {}, by = key) => faultOf(await call(action, params, by));

  beforeEach(async () => {
    for (const { name } of (await wire.house.policies.sets.list("default", { limit: 500 })).items) {
      for (const type of ["AIGateway", "AgentRunMCP"] as const)
        for (const there of (await wire.house.policies.gateways.attachedTo("default", name, type, { limit: 500 })).items)
          await wire.house.policies.gateways.detach(adminOf("default"), name, there);
      await wire.house.policies.sets.remove(adminOf("default"), name);
    }
    wire.hand.set(Date.parse(began));
  });

  test("a set is made, read, listed, changed and deleted", async () => {
    const fields = { PolicySetName: "prod", Description: "größer", SourcePlatform: "console" };
    const made = { ...fields, PolicySetArn: `${arn}/prod`, CreateTime: began };
    expect(await said("CreatePolicySet", fields)).toEqual({ PolicySet: made });
    expect(await said("CreatePolicySet", { PolicySetName: "bare" })).toEqual({
      PolicySet: { PolicySetName: "bare", PolicySetArn: `${arn}/bare`, CreateTime: began },
    });
    expect(await fault("CreatePolicySet", { PolicySetName: "prod" })).toEqual([409, "EntityAlreadyExists.PolicySet"]);
    wire.hand.forward(5000);
    expect(await said("UpdatePolicySet", { PolicySetName: "prod", Description: "" })).toEqual({});
    const { Description: _, ...left } = made;
    expect(await said("GetPolicySet", { PolicySetName: "prod" })).toEqual({ PolicySet: { ...left, UpdateTime: later } });
    expect(await said("DeletePolicySet", { PolicySetName: "bare" })).toEqual({});
    expect(await fault("DeletePolicySet", { PolicySetName: "bare" })).toEqual([404, "EntityNotExists.PolicySet"]);
    expect(await said("ListPolicySets")).toEqual({ MaxResults: 100, TotalCount: 1, PolicySets: [{ ...left, UpdateTime: later }] });
  });

  test("a policy is made, read, listed, changed and deleted, word for word", async () => {
    await said("CreatePolicySet", { PolicySetName: "prod" });
    const statement = '// 例え 🙂 &=+%\n@id("x")\r\npermit(principal, action, resource) when { context.input.q like "a*b\\"" };';
    const fields = { PolicySetName: "prod", PolicyName: "all", Description: "d", Definition: cedar(statement) };
    const made = { ...fields, PolicyArn: `${arn}/prod/policy/all`, CreateTime: began };
    expect(await said("CreatePolicy", fields)).toEqual({ Policy: made });
    expect(await fault("CreatePolicy", { ...fields, Definition: cedar(permit) })).toEqual([409, "EntityAlreadyExists.Policy"]);
    wire.hand.forward(5000);
    expect(await said("UpdatePolicy", { PolicySetName: "prod", PolicyName: "all", Definition: cedar(permit) })).toEqual({});
    const changed = { ...made, Definition: cedar(permit), UpdateTime: later };
    expect(await said("GetPolicy", { PolicySetName: "prod", PolicyName: "all" })).toEqual({ Policy: changed });
    expect(await said("ListPolicies", { PolicySetName: "prod" })).toEqual({ MaxResults: 100, TotalCount: 1, Policies: [changed] });
    expect(await said("DeletePolicy", { PolicySetName: "prod", PolicyName: "all" })).toEqual({});
    expect(await fault("GetPolicy", { PolicySetName: "prod", PolicyName: "all" })).toEqual([404, "EntityNotExists.Policy"]);
    expect(await said("ListPolicies", { PolicySetName: "prod" })).toEqual({ MaxResults: 100, TotalCount: 0, Policies: [] });
  });

  test("a gateway has one set, in the mode that was said last", async () => {
    for (const PolicySetName of ["prod", "test"]) await said("CreatePolicySet", { PolicySetName });
    const config = { GatewayArn: gateway };
    expect(await fault("GetGatewayPolicyConfig", config)).toEqual([404, "EntityNotExists.Gateway"]);
    expect(await said("AttachPolicySetToGateway", { ...config, PolicySetName: "prod", EnforcementMode: "LOG_ONLY" })).toEqual({});
    const other = { ...config, PolicySetName: "test", EnforcementMode: "ENFORCE" };
    expect(await fault("AttachPolicySetToGateway", other)).toEqual([409, "EntityAlreadyExists.Gateway.PolicySet"]);
    const enforced = { GatewayPolicyConfig: { EnforcementMode: "ENFORCE", PolicySetArn: `${arn}/prod` } };
    expect(await said("UpdateGatewayPolicyConfig", { ...config, EnforcementMode: "ENFORCE" })).toEqual(enforced);
    expect(await said("GetGatewayPolicyConfig", { ...config, GatewayType: "AIGateway" })).toEqual(enforced);
    expect(await fault("GetGatewayPolicyConfig", { ...config, GatewayType: "AgentRunMCP" })).toEqual([404, "EntityNotExists.Gateway"]);
    const attached = {
      ...config,
      GatewayType: "AIGateway",
      AttachedPolicySetName: "prod",
      EnforcementMode: "ENFORCE",
      AttachedTime: began,
    };
    expect(await said("ListPolicySetAttachedGateways", { PolicySetName: "prod" })).toEqual({
      MaxResults: 100,
      TotalCount: 1,
      AttachedGateways: [attached],
    });
    expect(await said("ListPolicySetAttachedGateways", { PolicySetName: "prod", GatewayType: "AgentRunMCP" })).toEqual({
      MaxResults: 100,
      TotalCount: 0,
      AttachedGateways: [],
    });
    expect(await fault("DeletePolicySet", { PolicySetName: "prod" })).toEqual([409, "DeleteConflict.PolicySet.Gateway"]);
    expect(await fault("DetachPolicySetFromGateway", { ...config, PolicySetName: "test" })).toEqual([404, "EntityNotExists.Gateway"]);
    expect(await said("DetachPolicySetFromGateway", { ...config, PolicySetName: "prod" })).toEqual({});
    expect(await said("DeletePolicySet", { PolicySetName: "prod" })).toEqual({});
  });

  test("lists go page by page, and the last page has no NextToken", async () => {
    const names = ["c", "a", "b"];
    const gateways = names.map((name) => `acs:agentrun:cn-beijing:1:tools/${name}`);
    await said("CreatePolicySet", { PolicySetName: "prod" });
    for (const [at, name] of names.entries()) {
      wire.hand.forward(1000);
      await said("CreatePolicySet", { PolicySetName: `prod-${name}` });
      await said("CreatePolicy", { PolicySetName: "prod", PolicyName: name, Definition: cedar(permit) });
      const where = { GatewayArn: gateways[at], GatewayType: "AgentRunMCP" };
      await said("AttachPolicySetToGateway", { ...where, PolicySetName: "prod", EnforcementMode: "ENFORCE" });
    }
    const lists = [
      ["ListPolicySets", "PolicySets", "PolicySetName", ["prod", ...names.map((name) => `prod-${name}`)], {}],
      ["ListPolicies", "Policies", "PolicyName", names, { PolicySetName: "prod" }],
      ["ListPolicySetAttachedGateways", "AttachedGateways", "GatewayArn", gateways, { PolicySetName: "prod", GatewayType: "AgentRunMCP" }],
    ] as const;
    const tokens: (readonly [string, string])[] = [];
    for (const [action, list, field, expected, more] of lists) {
      const found: unknown[] = [];
      let NextToken: unknown;
      do {
        const page: Record<string, unknown> = await said(action, { ...more, MaxResults: 2, NextToken });
        expect([page["MaxResults"], page["TotalCount"]], action).toEqual([2, expected.length]);
        found.push(...(page[list] as Record<string, unknown>[]).map((item) => item[field]));
        NextToken = page["NextToken"];
        if (typeof NextToken === "string") tokens.push([action, NextToken]);
        expect(found.length < expected.length).toBe("NextToken" in page);
      } while (NextToken !== undefined);
      expect(found).toEqual(expected);
      expect(await fault(action, { ...more, NextToken: "x" })).toEqual([400, "InvalidParameter.NextToken"]);
      expect(await fault(action, { ...more, MaxResults: 0 })).toEqual([400, "InvalidParameter.MaxResults"]);
    }
    const refused = [400, "InvalidParameter.NextToken"];
    for (const [from, NextToken] of tokens) {
      for (const [action, , , , more] of lists)
        if (action !== from) expect(await fault(action, { ...more, NextToken }), `${from} in ${action}`).toEqual(refused);
    }
    const [, NextToken] = tokens.find(([from]) => from === "ListPolicies") ?? [];
    expect(await fault("ListPolicies", { PolicySetName: "prod-a", NextToken })).toEqual(refused);
  });

  describe("what is no Cedar statement", () => {
    beforeEach(() => said("CreatePolicySet", { PolicySetName: "prod" }));
    const policy = { PolicySetName: "prod", PolicyName: "all" };

    test.each([
      ["two statements", permit + permit, "Line 1, column 164: holds more than one statement"],
      ["nothing", "", "holds no statement"],
      ["a template", "permit(principal == ?principal, action, resource);", "is a template"],
      ["a fault", `${permit}\n}`, "Line 2, column 1: unexpected }"],
      ["100 KB", `${permit}//${"x".repeat(100_000)}`, "is longer than 32768 bytes"],
      [
        "deep nesting",
        `permit(principal, action, resource) when { ${"(".repeat(9_000)}true${")".repeat(9_000)} };`,
        "Line 1, column 75: brackets nest",
      ],
      ["a chain", `permit(principal, action, resource) when { 0${" + 1".repeat(5_000)} > 1 };`, "expressions nest deeper than 64"],
    ])("is refused and leaves what was: %s", async (_, statement, message) => {
      await said("CreatePolicy", { ...policy, Definition: cedar(permit) });
      for (const answer of [
        await call("CreatePolicy", { ...policy, PolicyName: "new", Definition: cedar(statement) }),
        await call("UpdatePolicy", { ...policy, Definition: cedar(statement), Description: "new" }),
      ]) {
        expect(faultOf(answer)).toEqual([400, "InvalidParameter.Definition"]);
        expect(answer.json<WireError>().Message).toContain(message);
      }
      expect(await said("ListPolicies", { PolicySetName: "prod" })).toMatchObject({
        TotalCount: 1,
        Policies: [{ Definition: cedar(permit), UpdateTime: began }],
      });
    });

    test.each([
      ["{", "is not JSON"],
      ['"permit"', "Definition"],
      ["{}", "Cedar"],
      ['{"Cedar":{}}', "Cedar.Statement"],
      ['{"Cedar":{"Statement":1}}', "Cedar.Statement"],
      ['{"Cedar":{"Statement":"permit(principal, action, resource);","Version":"1"}}', "Cedar"],
      ['{"Cedar":{"Statement":"permit(principal, action, resource);"},"Rego":{}}', "Definition"],
      ['{"Cedar":{"Statement":"permit(principal, action, resource);","Statement":"x"}}', "twice"],
      ['{"Cedar":{"Statement":"permit(principal, action, resource); // \\u0000"}}', "Definition"],
      ['{"Cedar":{"Statement":"permit(principal, action, resource); // \\ud800"}}', "Definition"],
      ['{"__proto__":{"Cedar":{"Statement":"permit(principal, action, resource);"}}}', "__proto__"],
      ["", "is empty"],
    ])("or no definition of one is refused: %s", async (Definition, message) => {
      const answer = await call("CreatePolicy", { ...policy, Definition });
      expect(faultOf(answer)).toEqual([400, "InvalidParameter.Definition"]);
      expect(answer.json<WireError>().Message).toContain(message);
      expect(await said("ListPolicies", { PolicySetName: "prod" })).toMatchObject({ TotalCount: 0 });
    });
  });

  test.each([
    ["CreatePolicySet", {}, "MissingParameter.PolicySetName"],
    ["CreatePolicySet", { PolicySetName: "" }, "InvalidParameter.PolicySetName"],
    ["CreatePolicySet", { PolicySetName: "a/b" }, "InvalidParameter.PolicySetName"],
    ["CreatePolicySet", { PolicySetName: "x".repeat(129) }, "InvalidParameter.PolicySetName"],
    ["CreatePolicySet", { PolicySetName: "a", Description: "x".repeat(2001) }, "InvalidParameter.Description"],
    ["CreatePolicySet", { PolicySetName: "a", SourcePlatform: "" }, "InvalidParameter.SourcePlatform"],
    ["CreatePolicySet", { PolicySetName: "a", Name: "b" }, "InvalidParameter.Name"],
    ["GetPolicySet", {}, "MissingParameter.PolicySetName"],
    ["UpdatePolicySet", { PolicySetName: "a", SourcePlatform: "b" }, "InvalidParameter.SourcePlatform"],
    ["DeletePolicySet", {}, "MissingParameter.PolicySetName"],
    ["ListPolicySets", { MaxResults: 1001 }, "InvalidParameter.MaxResults"],
    ["CreatePolicy", { PolicySetName: "a", PolicyName: "b" }, "MissingParameter.Definition"],
    ["CreatePolicy", { PolicySetName: "a", PolicyName: "b c", Definition: cedar(permit) }, "InvalidParameter.PolicyName"],
    ["GetPolicy", { PolicySetName: "a" }, "MissingParameter.PolicyName"],
    ["UpdatePolicy", { PolicyName: "a" }, "MissingParameter.PolicySetName"],
    ["DeletePolicy", { PolicySetName: "a" }, "MissingParameter.PolicyName"],
    ["ListPolicies", {}, "MissingParameter.PolicySetName"],
    ["AttachPolicySetToGateway", { PolicySetName: "a", GatewayArn: "acs:apig:x:1:gateway/g" }, "MissingParameter.EnforcementMode"],
    ["AttachPolicySetToGateway", { PolicySetName: "a", GatewayArn: "gw-1", EnforcementMode: "ENFORCE" }, "InvalidParameter.GatewayArn"],
    [
      "AttachPolicySetToGateway",
      { PolicySetName: "a", GatewayArn: "acs:apig:x:1:a b", EnforcementMode: "ENFORCE" },
      "InvalidParameter.GatewayArn",
    ],
    [
      "AttachPolicySetToGateway",
      { PolicySetName: "a", GatewayArn: "acs:apig:x:1:g", EnforcementMode: "enforce" },
      "InvalidParameter.EnforcementMode",
    ],
    ["DetachPolicySetFromGateway", { PolicySetName: "a" }, "MissingParameter.GatewayArn"],
    ["GetGatewayPolicyConfig", { GatewayArn: "acs:apig:x:1:g", GatewayType: "Other" }, "InvalidParameter.GatewayType"],
    ["UpdateGatewayPolicyConfig", { GatewayArn: "acs:apig:x:1:g" }, "MissingParameter.EnforcementMode"],
    ["ListPolicySetAttachedGateways", { PolicySetName: "a", GatewayArn: "b" }, "InvalidParameter.GatewayArn"],
  ])("a request that does not parse is refused by its name: %s %o", async (action, params, code) => {
    expect(await fault(action, params)).toEqual([400, code]);
  });

  test.each([
    ["GetPolicySet", {}],
    ["UpdatePolicySet", {}],
    ["DeletePolicySet", {}],
    ["CreatePolicy", { PolicyName: "a", Definition: cedar(permit) }],
    ["GetPolicy", { PolicyName: "a" }],
    ["UpdatePolicy", { PolicyName: "a" }],
    ["DeletePolicy", { PolicyName: "a" }],
    ["ListPolicies", {}],
    ["AttachPolicySetToGateway", { GatewayArn: "acs:apig:x:1:g", EnforcementMode: "ENFORCE" }],
    ["DetachPolicySetFromGateway", { GatewayArn: "acs:apig:x:1:g" }],
    ["ListPolicySetAttachedGateways", {}],
  ])("of a set that is not there nothing is done: %s", async (action, params) => {
    const answer = await call(action, { PolicySetName: "none", ...params });
    expect(faultOf(answer)).toEqual([404, "EntityNotExists.PolicySet"]);
    expect(answer.json<WireError>().Message).toContain("It was looked for in account ");
  });

  test("agents' keys have no say in policies, nor a look at them", async () => {
    await said("CreatePolicySet", { PolicySetName: "prod" });
    const { name } = await wire.house.agents.create(adminOf("default"), { name: `scout-${key.accessKeyId.slice(3, 9)}` });
    const agent = await wire.agentKey(name);
    for (const action of [
      "CreatePolicySet",
      "GetPolicySet",
      "ListPolicySets",
      "CreatePolicy",
      "AttachPolicySetToGateway",
      "DeletePolicySet",
    ])
      expect(await fault(action, { PolicySetName: "prod" }, agent), action).toEqual([403, "NoPermission"]);
    await wire.house.agents.remove(adminOf("default"), name);
  });
});
