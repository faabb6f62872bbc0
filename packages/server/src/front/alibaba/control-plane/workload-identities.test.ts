import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestIssuer } from "../../../testing/openid.ts";
import { eachStore } from "../../../testing/stores.ts";
import { admin } from "../alibaba-for-tests.ts";
import { aMoment, type OpenControlPlane, openControlPlane } from "./control-plane-for-tests.ts";

eachStore("workload identities", (fresh) => {
  let wire: OpenControlPlane;
  beforeEach(async () => {
    wire = await openControlPlane(await fresh());
  });
  afterEach(() => wire.close());

  const get = async (name: string) => (await wire.ask("GetWorkloadIdentity", { WorkloadIdentityName: name }))["WorkloadIdentity"];
  const arnOf = (name: string) => `${wire.arns}workloadidentitydirectory/default/workloadidentity/${name}`;

  test("are made with a name alone, or with none, as the original SDK makes them", async () => {
    const { WorkloadIdentity: made } = await wire.ask("CreateWorkloadIdentity", {
      WorkloadIdentityName: "scout",
      AllowedResourceOAuth2ReturnURLs: [],
    });
    expect(made).toEqual({
      WorkloadIdentityName: "scout",
      WorkloadIdentityArn: arnOf("scout"),
      SessionBindingEnabled: true,
      AllowedResourceOAuth2ReturnURLs: [],
      AllowedConsentCallbackURLs: [],
      CreateTime: "2026-01-01T00:00:00Z",
      UpdateTime: "2026-01-01T00:00:00Z",
    });
    expect(await wire.house.agents.get("default", "scout")).toMatchObject({ binding: undefined, origin: "operator", roleArn: undefined });
    const { WorkloadIdentity: unnamed } = await wire.ask("CreateWorkloadIdentity");
    expect(unnamed).toMatchObject({ WorkloadIdentityName: expect.stringMatching(/^workload-[0-9a-f]{8}$/) });
    await expect(wire.fault("CreateWorkloadIdentity", { WorkloadIdentityName: "scout" })).resolves.toEqual([
      409,
      "EntityAlreadyExists.WorkloadIdentity",
    ]);
  });

  test("say everything that was said of them, and are agents like any other", async () => {
    const idp = await startTestIssuer();
    await wire.ask("CreateIdentityProvider", { IdentityProviderName: "idp", DiscoveryURL: idp.url, AllowedAudience: ["a"] });
    const said = {
      WorkloadIdentityName: "scout",
      Description: "looks around",
      RoleArn: "acs:ram::1234567890123456:role/elsewhere",
      IdentityProviderName: "idp",
      SessionBindingEnabled: false,
      AllowedResourceOAuth2ReturnURLs: ["http://app.example.test/cb", "https://app.example.test/cb?a=1"],
      AllowedConsentCallbackURLs: ["https://app.example.test/consent"],
      SourceAgentArn: "acs:agentrun:cn-beijing:1:agent/a",
      SourcePlatform: "AgentRun",
    };
    const { WorkloadIdentity: made } = await wire.ask("CreateWorkloadIdentity", said);
    await idp.stop();
    expect(made).toEqual({ ...said, WorkloadIdentityArn: arnOf("scout"), CreateTime: aMoment, UpdateTime: aMoment });
    expect(await get("scout")).toEqual(made);
    const agent = await wire.house.agents.get("default", "scout");
    expect(agent).toMatchObject({
      binding: "none",
      description: "looks around",
      roleArn: said.RoleArn,
      allowedReturnUrls: said.AllowedResourceOAuth2ReturnURLs,
      issuerId: expect.stringMatching(/^iss_/),
    });
  });

  test("change in what is named, and keep the rest; what is empty is taken away", async () => {
    await wire.ask("CreateWorkloadIdentity", {
      WorkloadIdentityName: "scout",
      Description: "d",
      RoleArn: "acs:ram::1:role/r",
      SourcePlatform: "AgentRun",
      AllowedConsentCallbackURLs: ["https://a.example.test/"],
    });
    const before = await get("scout");
    wire.hand.forward(2_000);
    await expect(wire.ask("UpdateWorkloadIdentity", { WorkloadIdentityName: "scout" })).resolves.toEqual({});
    expect(await get("scout")).toEqual({ ...(before as object), UpdateTime: "2026-01-01T00:00:02Z" });
    await wire.ask("UpdateWorkloadIdentity", {
      WorkloadIdentityName: "scout",
      Description: "",
      RoleArn: "",
      SessionBindingEnabled: "false",
      AllowedConsentCallbackURLs: [],
      AllowedResourceOAuth2ReturnURLs: ["http://127.0.0.1:3000/cb"],
    });
    const after = (await get("scout")) as object;
    expect(after).toMatchObject({
      SessionBindingEnabled: false,
      AllowedConsentCallbackURLs: [],
      AllowedResourceOAuth2ReturnURLs: ["http://127.0.0.1:3000/cb"],
      SourcePlatform: "AgentRun",
    });
    expect(after).not.toHaveProperty("Description");
    expect(after).not.toHaveProperty("RoleArn");
    await wire.ask("UpdateWorkloadIdentity", { WorkloadIdentityName: "scout", SessionBindingEnabled: "True" });
    expect(await get("scout")).toMatchObject({ SessionBindingEnabled: true });
  });

  test("that are bound by a login stay so when told to be bound", async () => {
    await wire.house.agents.create(admin, { name: "scout", binding: "login", roleArn: "by-name" });
    expect(await get("scout")).toMatchObject({ SessionBindingEnabled: true, RoleArn: `acs:ram::${wire.account}:role/by-name` });
    await wire.ask("UpdateWorkloadIdentity", { WorkloadIdentityName: "scout", SessionBindingEnabled: "true" });
    await expect(wire.house.agents.get("default", "scout")).resolves.toMatchObject({ binding: "login" });
    await wire.ask("UpdateWorkloadIdentity", { WorkloadIdentityName: "scout", SessionBindingEnabled: "false" });
    await expect(wire.house.agents.get("default", "scout")).resolves.toMatchObject({ binding: "none" });
  });

  test("with CreateRAMRole come with a role of their name, that lets them fetch credentials; both are made or neither", async () => {
    const { WorkloadIdentity: made } = await wire.ask("CreateWorkloadIdentity", { WorkloadIdentityName: "scout", CreateRAMRole: true });
    const roleArn = `acs:ram::${wire.account}:role/scout`;
    expect(made).toMatchObject({ RoleArn: roleArn });
    const role = await wire.house.roles.get("default", "scout");
    expect(role.arn).toBe(roleArn);
    expect(JSON.parse(role.trustPolicy ?? "")).toEqual({
      Version: "1",
      Statement: [
        {
          Effect: "Allow",
          Principal: { Service: "workload.agentidentity.aliyuncs.com" },
          Action: ["sts:AssumeRole", "sts:SetContext"],
          Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": arnOf("scout") } },
        },
      ],
    });
    const vault = `${wire.arns}tokenvault/default/`;
    expect(JSON.parse(role.permissionPolicy ?? "")).toEqual({
      Version: "1",
      Statement: [
        {
          Effect: "Allow",
          Action: ["agentidentitydata:GetResourceOAuth2Token"],
          Resource: [arnOf("scout"), `${vault}oauth2credentialprovider/*`],
        },
        {
          Effect: "Allow",
          Action: ["agentidentitydata:GetResourceAPIKey"],
          Resource: [arnOf("scout"), `${vault}apikeycredentialprovider/*`],
        },
      ],
    });

    // The role's name is taken: no agent.
    await wire.house.roles.create(admin, { name: "walker" });
    await expect(wire.fault("CreateWorkloadIdentity", { WorkloadIdentityName: "walker", CreateRAMRole: true })).resolves.toEqual([
      409,
      "EntityAlreadyExists.Role",
    ]);
    await expect(wire.fault("GetWorkloadIdentity", { WorkloadIdentityName: "walker" })).resolves.toEqual([
      404,
      "EntityNotExists.WorkloadIdentity",
    ]);
    // The agent's name is taken: no role.
    await wire.ask("CreateWorkloadIdentity", { WorkloadIdentityName: "runner" });
    await expect(wire.fault("CreateWorkloadIdentity", { WorkloadIdentityName: "runner", CreateRAMRole: true })).resolves.toEqual([
      409,
      "EntityAlreadyExists.WorkloadIdentity",
    ]);
    await expect(wire.house.roles.get("default", "runner")).rejects.toMatchObject({ code: "role_unknown" });
    await expect(wire.house.agents.count("default")).resolves.toBe(2);
    // A role's name is shorter than an agent's may be.
    await expect(wire.fault("CreateWorkloadIdentity", { WorkloadIdentityName: "a".repeat(65), CreateRAMRole: true })).resolves.toEqual([
      400,
      "InvalidParameter.WorkloadIdentityName",
    ]);
    await expect(wire.house.agents.count("default")).resolves.toBe(2);
    await expect(
      wire.fault("CreateWorkloadIdentity", { WorkloadIdentityName: "both", CreateRAMRole: true, RoleArn: roleArn }),
    ).resolves.toEqual([400, "InvalidParameter.CreateRAMRole"]);
  });

  test("are listed in pages that end, counted, and gone once deleted", async () => {
    const names = ["one", "two", "three", "four", "five"];
    for (const name of names) {
      await wire.ask("CreateWorkloadIdentity", { WorkloadIdentityName: name });
      wire.hand.forward(1);
    }
    const pages = await wire.pages("ListWorkloadIdentities", "WorkloadIdentities", 2);
    expect(pages.map((page) => page.map((item) => (item as { WorkloadIdentityName: string }).WorkloadIdentityName))).toEqual([
      ["five", "four"],
      ["three", "two"],
      ["one"],
    ]);
    const whole = await wire.ask("ListWorkloadIdentities");
    expect(whole).toMatchObject({ MaxResults: 100, TotalCount: 5 });
    expect(whole).not.toHaveProperty("NextToken");
    await expect(wire.ask("DeleteWorkloadIdentity", { WorkloadIdentityName: "two" })).resolves.toEqual({});
    const unknown = [404, "EntityNotExists.WorkloadIdentity"];
    for (const action of ["DeleteWorkloadIdentity", "GetWorkloadIdentity", "UpdateWorkloadIdentity"])
      await expect(wire.fault(action, { WorkloadIdentityName: "two" })).resolves.toEqual(unknown);
    await expect(wire.ask("ListWorkloadIdentities")).resolves.toMatchObject({ TotalCount: 4 });
  });

  test("name identity providers that are there, and return URLs that are URLs", async () => {
    await expect(wire.fault("CreateWorkloadIdentity", { WorkloadIdentityName: "scout", IdentityProviderName: "nobody" })).resolves.toEqual([
      404,
      "EntityNotExists.IdentityProvider",
    ]);
    for (const url of [
      "app.example.test/cb",
      "ftp://app.example.test/",
      "https://u:p@app.example.test/",
      "https://app.example.test/#x",
      "",
    ])
      await expect(wire.fault("CreateWorkloadIdentity", { AllowedResourceOAuth2ReturnURLs: [url] }), url).resolves.toEqual([
        400,
        "InvalidParameter.AllowedResourceOAuth2ReturnURLs",
      ]);
    await expect(wire.house.agents.count("default")).resolves.toBe(0);
  });
});
