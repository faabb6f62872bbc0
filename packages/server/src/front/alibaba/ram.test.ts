import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { answered, faultOf, openAlibaba, type OpenAlibaba, type Params, type TestKey, type WireError } from "./alibaba-for-tests.ts";

const began = "2026-01-01T00:00:00Z";
const later = "2026-01-01T00:00:05Z";

/** As the original command line writes them. */
const trust = (workload: string) =>
  JSON.stringify({
    Version: "1",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "workload.agentidentity.aliyuncs.com" },
        Action: ["sts:AssumeRole", "sts:SetContext"],
        Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": workload } },
      },
    ],
  });
const permission = (workload: string) =>
  JSON.stringify({
    Version: "1",
    Statement: [
      {
        Effect: "Allow",
        Action: ["agentidentitydata:GetResourceAPIKey"],
        Resource: [workload, "acs:agentidentity:*:*:tokenvault/default/apikeycredentialprovider/*"],
      },
    ],
  });

eachStore("RAM's calls on the Alibaba Cloud wire", (fresh) => {
  let wire: OpenAlibaba;
  let key: TestKey;
  let account: string;
  let workload: string;

  beforeAll(async () => {
    wire = await openAlibaba(await fresh());
    key = await wire.adminKey();
    account = (await wire.house.tenants.get("default")).accountId;
    workload = `acs:agentidentity:cn-beijing:${account}:workloadidentitydirectory/default/workloadidentity/scout`;
  });
  afterAll(() => wire.close());
  beforeEach(async () => {
    const admin = adminOf("default");
    for (const { name } of (await wire.house.roles.list("default", { limit: 500 })).items)
      await wire.house.roles.remove(admin, name, { detaching: true });
    await wire.house.agents.remove(admin, "scout").catch(() => undefined);
    await wire.house.roles.policies.remove(admin, "AgentIdentityPolicy-R").catch(() => undefined);
    wire.hand.set(Date.parse(began));
  });

  // All of it stands in the query, and the body is empty.
  const call = (action: string, inQuery: Params = {}, by = key) => wire.call(action, { version: "2015-05-01", key: by, inQuery });
  const said = async (action: string, params: Params = {}) => answered(await call(action, params));
  const fault = async (action: string, params: Params = {}, by = key) => faultOf(await call(action, params, by));

  const role = () => ({
    RoleName: "AgentIdentityRole-R",
    AssumeRolePolicyDocument: trust(workload),
    Description: "Agent Identity runtime role for scout",
  });
  const policy = () => ({
    PolicyName: "AgentIdentityPolicy-R",
    PolicyDocument: permission(workload),
    Description: "Agent Identity policy for R",
  });
  const attachment = { RoleName: "AgentIdentityRole-R", PolicyName: "AgentIdentityPolicy-R", PolicyType: "Custom" };

  test("a role is made, read, listed, changed and deleted", async () => {
    const { RoleName, Description, AssumeRolePolicyDocument } = role();
    const made = {
      RoleId: expect.stringMatching(/^rol_[0-9a-f]{32}$/) as string,
      RoleName,
      Arn: `acs:ram::${account}:role/${RoleName}`,
      Description,
      MaxSessionDuration: 43_200,
      CreateDate: began,
      UpdateDate: began,
    };
    expect(await said("CreateRole", role())).toEqual({ Role: { ...made, AssumeRolePolicyDocument } });
    expect(await fault("CreateRole", role())).toEqual([409, "EntityAlreadyExists.Role"]);
    wire.hand.forward(5000);
    const changed = { ...made, Description: "new", UpdateDate: later };
    const NewAssumeRolePolicyDocument = trust(`${workload}2`);
    const full = { Role: { ...changed, AssumeRolePolicyDocument: NewAssumeRolePolicyDocument } };
    expect(await said("UpdateRole", { RoleName, NewDescription: "new", NewAssumeRolePolicyDocument })).toEqual(full);
    expect(await said("GetRole", { RoleName })).toEqual(full);
    expect(await said("ListRoles")).toEqual({ Roles: { Role: [changed] }, IsTruncated: false });
    expect(await said("DeleteRole", { RoleName })).toEqual({});
    expect(await fault("DeleteRole", { RoleName })).toEqual([404, "EntityNotExist.Role"]);
    expect(await fault("GetRole", { RoleName })).toEqual([404, "EntityNotExist.Role"]);
    expect(await said("ListRoles")).toEqual({ Roles: { Role: [] }, IsTruncated: false });
  });

  test("a new role lets in whom its trust policy names, and nobody may do anything with it until a policy is attached", async () => {
    await said("CreateRole", role());
    await said("CreatePolicy", policy());
    expect(await wire.house.roles.get("default", "AgentIdentityRole-R")).toMatchObject({ agents: ["*"], permissionPolicy: undefined });
    const agent = await wire.house.agents.create(adminOf("default"), { name: "scout" });
    const resource = `acs:agentidentity:cn-beijing:${account}:tokenvault/default/apikeycredentialprovider/mail`;
    const may = async () =>
      (await wire.house.roles.rightsOf("default", { roleArn: `acs:ram::${account}:role/AgentIdentityRole-R`, agent }))(
        "agentidentitydata:GetResourceAPIKey",
        [workload, resource],
      );
    expect(await may()).toBe(false);
    await said("AttachPolicyToRole", attachment);
    expect(await may()).toBe(true);
    await said("DetachPolicyFromRole", attachment);
    expect(await may()).toBe(false);
  });

  test("a policy is made, read, attached, shown, detached and deleted", async () => {
    const { PolicyName, PolicyDocument, Description } = policy();
    await said("CreateRole", role());
    const made = { PolicyName, PolicyType: "Custom", Description, DefaultVersion: "v1", CreateDate: began };
    expect(await said("CreatePolicy", policy())).toEqual({ Policy: made });
    expect(await fault("CreatePolicy", policy())).toEqual([409, "EntityAlreadyExists.Policy"]);
    expect(await said("GetPolicy", { PolicyName, PolicyType: "Custom" })).toEqual({
      Policy: { ...made, UpdateDate: began },
      DefaultPolicyVersion: { VersionId: "v1", IsDefaultVersion: true, PolicyDocument, CreateDate: began },
    });
    expect(await said("ListPoliciesForRole", { RoleName: role().RoleName })).toEqual({ Policies: { Policy: [] } });
    wire.hand.forward(5000);
    expect(await said("AttachPolicyToRole", attachment)).toEqual({});
    expect(await fault("AttachPolicyToRole", attachment)).toEqual([409, "EntityAlreadyExists.Role.Policy"]);
    const { CreateDate: _, ...attached } = made;
    expect(await said("ListPoliciesForRole", { RoleName: role().RoleName })).toEqual({
      Policies: { Policy: [{ ...attached, AttachDate: later }] },
    });
    expect(await fault("DeletePolicy", { PolicyName })).toEqual([409, "DeleteConflict.Policy.Role"]);
    expect(await fault("DeleteRole", { RoleName: role().RoleName })).toEqual([409, "DeleteConflict.Role.Policy"]);
    expect(await said("DetachPolicyFromRole", attachment)).toEqual({});
    expect(await fault("DetachPolicyFromRole", attachment)).toEqual([404, "EntityNotExist.Role.Policy"]);
    expect(await said("DeletePolicy", { PolicyName, CascadingDelete: true })).toEqual({});
    expect(await fault("DeletePolicy", { PolicyName })).toEqual([404, "EntityNotExist.Policy"]);
    expect(await fault("GetPolicy", { PolicyName, PolicyType: "Custom" })).toEqual([404, "EntityNotExist.Policy"]);
  });

  test("the system's own policies can be attached, and neither made nor deleted", async () => {
    await said("CreateRole", role());
    const system = { PolicyName: "AliyunAgentIdentityDataFullAccess", PolicyType: "System" };
    expect(await said("GetPolicy", system)).toMatchObject({ Policy: system });
    expect(await said("AttachPolicyToRole", { RoleName: role().RoleName, ...system })).toEqual({});
    expect(await said("ListPoliciesForRole", { RoleName: role().RoleName })).toMatchObject({ Policies: { Policy: [system] } });
    expect(await fault("DeletePolicy", { PolicyName: system.PolicyName })).toEqual([404, "EntityNotExist.Policy"]);
    expect(await fault("GetPolicy", { ...system, PolicyType: "Custom" })).toEqual([404, "EntityNotExist.Policy"]);
  });

  test("roles are listed page by page", async () => {
    for (const RoleName of ["c", "a", "b"]) {
      await said("CreateRole", { ...role(), RoleName });
      wire.hand.forward(1);
    }
    const first = await said("ListRoles", { MaxItems: 2 });
    expect(first).toMatchObject({ IsTruncated: true, Roles: { Role: [{ RoleName: "c" }, { RoleName: "a" }] } });
    const rest = await said("ListRoles", { MaxItems: 2, Marker: first["Marker"] });
    expect(rest).toMatchObject({ IsTruncated: false, Roles: { Role: [{ RoleName: "b" }] } });
    expect(rest).not.toHaveProperty("Marker");
  });

  describe("a document that is no policy", () => {
    test.each([
      "{",
      "{}",
      "[]",
      '"permit"',
      '{"Version":"1","Statement":[]}',
      '{"Version":"2","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
      '{"Version":"1","Statement":[{"Effect":"Perhaps","Action":"*","Resource":"*"}]}',
      '{"Version":"1","Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
      '{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Guess":{"acs:SourceIp":"::1"}}}]}',
      `{"Version":"1","Statement":${"[".repeat(5000)}${"]".repeat(5000)}}`,
    ])("is refused before anything is made: %s", async (document) => {
      for (const [action, params] of [
        ["CreateRole", { ...role(), AssumeRolePolicyDocument: document }],
        ["CreatePolicy", { ...policy(), PolicyDocument: document }],
      ] as const)
        expect(await fault(action, params), action).toEqual([400, "MalformedPolicyDocument"]);
      expect(await fault("GetRole", { RoleName: role().RoleName })).toEqual([404, "EntityNotExist.Role"]);
      expect(await fault("GetPolicy", { PolicyName: policy().PolicyName, PolicyType: "Custom" })).toEqual([404, "EntityNotExist.Policy"]);
    });

    test("is not changed to", async () => {
      await said("CreateRole", role());
      const change = { RoleName: role().RoleName, NewAssumeRolePolicyDocument: "{}", NewDescription: "new" };
      expect(await fault("UpdateRole", change)).toEqual([400, "MalformedPolicyDocument"]);
      expect(await said("GetRole", { RoleName: role().RoleName })).toMatchObject({ Role: { Description: role().Description } });
    });
  });

  test.each([
    ["CreateRole", { AssumeRolePolicyDocument: "{}" }, "MissingParameter.RoleName"],
    ["CreateRole", { RoleName: "r" }, "MissingParameter.AssumeRolePolicyDocument"],
    ["CreateRole", { RoleName: "a b", AssumeRolePolicyDocument: trust("x") }, "InvalidParameter.RoleName"],
    ["CreateRole", { RoleName: "x".repeat(65), AssumeRolePolicyDocument: trust("x") }, "InvalidParameter.RoleName"],
    ["CreateRole", { RoleName: "r", AssumeRolePolicyDocument: trust("x"), Description: "x".repeat(1025) }, "InvalidParameter.Description"],
    // Roles here have no longest session of their own: who counts on one is told.
    [
      "CreateRole",
      { RoleName: "r", AssumeRolePolicyDocument: trust("x"), MaxSessionDuration: 3600 },
      "InvalidParameter.MaxSessionDuration",
    ],
    ["GetRole", {}, "MissingParameter.RoleName"],
    ["UpdateRole", { NewDescription: "x" }, "MissingParameter.RoleName"],
    ["ListRoles", { MaxItems: 0 }, "InvalidParameter.MaxItems"],
    ["ListRoles", { Marker: "x" }, "InvalidParameter.Marker"],
    ["DeleteRole", { RoleName: "" }, "InvalidParameter.RoleName"],
    ["CreatePolicy", { PolicyName: "p" }, "MissingParameter.PolicyDocument"],
    ["CreatePolicy", { PolicyName: "p q", PolicyDocument: permission("x") }, "InvalidParameter.PolicyName"],
    ["GetPolicy", { PolicyName: "p" }, "MissingParameter.PolicyType"],
    ["GetPolicy", { PolicyName: "p", PolicyType: "Own" }, "InvalidParameter.PolicyType"],
    ["DeletePolicy", { PolicyName: "p", CascadingDelete: "perhaps" }, "InvalidParameter.CascadingDelete"],
    ["AttachPolicyToRole", { RoleName: "r", PolicyName: "p" }, "MissingParameter.PolicyType"],
    ["DetachPolicyFromRole", { PolicyName: "p", PolicyType: "Custom" }, "MissingParameter.RoleName"],
    ["ListPoliciesForRole", { RoleName: "r", Extra: "x" }, "InvalidParameter.Extra"],
  ])("a request that does not parse is refused by its name: %s %o", async (action, params, code) => {
    expect(await fault(action, params)).toEqual([400, code]);
  });

  test("of what is not there nothing is done, and the answer says where it was looked for", async () => {
    for (const [action, params] of [
      ["AttachPolicyToRole", attachment],
      ["DetachPolicyFromRole", attachment],
      ["ListPoliciesForRole", { RoleName: attachment.RoleName }],
      ["UpdateRole", { RoleName: attachment.RoleName, NewDescription: "x" }],
    ] as const) {
      const answer = await call(action, params);
      expect(faultOf(answer), action).toEqual([404, "EntityNotExist.Role"]);
      expect(answer.json<WireError>().Message).toContain(`account ${account}`);
    }
    await said("CreateRole", role());
    expect(await fault("AttachPolicyToRole", attachment)).toEqual([404, "EntityNotExist.Policy"]);
  });

  test("agents' keys have no say in roles, nor a look at them", async () => {
    const { name } = await wire.house.agents.create(adminOf("default"), { name: "scout" });
    const agent = await wire.agentKey(name);
    for (const action of ["CreateRole", "GetRole", "ListRoles", "CreatePolicy", "AttachPolicyToRole", "DeleteRole"])
      expect(await fault(action, { ...role(), ...policy(), ...attachment }, agent), action).toEqual([403, "NoPermission"]);
  });
});
