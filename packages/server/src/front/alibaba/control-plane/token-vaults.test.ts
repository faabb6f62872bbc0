import { afterEach, beforeEach, expect, test } from "vitest";
import { eachStore } from "../../../testing/stores.ts";
import { aMoment, type OpenControlPlane, openControlPlane } from "./control-plane-for-tests.ts";

eachStore("token vaults on the Alibaba Cloud wire", (fresh) => {
  let wire: OpenControlPlane;
  beforeEach(async () => {
    wire = await openControlPlane(await fresh());
  });
  afterEach(() => wire.close());

  const get = async (name: string) => (await wire.ask("GetTokenVault", { TokenVaultName: name }))["TokenVault"];

  test("are made, read, changed and deleted; what is said of keys and roles comes back as it was said", async () => {
    const said = {
      TokenVaultName: "team",
      Description: "the team's",
      EncryptionConfig: { KeyType: "CUSTOMER_MANAGED_KEY", KmsKeyArn: "acs:kms:cn-beijing:1:key/k" },
      RoleArn: "acs:ram::1:role/kms",
    };
    const { TokenVault: made } = await wire.ask("CreateTokenVault", said);
    expect(made).toEqual({ ...said, TokenVaultArn: `${wire.arns}tokenvault/team`, CreateTime: aMoment });
    expect(await get("team")).toEqual({ ...(made as object), UpdateTime: aMoment });
    wire.hand.forward(1_000);
    await expect(wire.ask("UpdateTokenVault", { TokenVaultName: "team", RoleArn: "acs:ram::1:role/other" })).resolves.toEqual({});
    expect(await get("team")).toEqual({ ...(made as object), RoleArn: "acs:ram::1:role/other", UpdateTime: "2026-01-01T00:00:01Z" });
    await wire.ask("UpdateTokenVault", { TokenVaultName: "team", RoleArn: "", Description: "" });
    expect(await get("team")).toEqual({
      TokenVaultName: "team",
      TokenVaultArn: `${wire.arns}tokenvault/team`,
      EncryptionConfig: said.EncryptionConfig,
      CreateTime: aMoment,
      UpdateTime: aMoment,
    });
    await expect(wire.fault("CreateTokenVault", { TokenVaultName: "team" })).resolves.toEqual([409, "EntityAlreadyExists.TokenVault"]);
    await expect(wire.ask("DeleteTokenVault", { TokenVaultName: "team" })).resolves.toEqual({});
    for (const action of ["DeleteTokenVault", "GetTokenVault", "UpdateTokenVault"])
      await expect(wire.fault(action, { TokenVaultName: "team" })).resolves.toEqual([404, "EntityNotExists.TokenVault"]);
  });

  test("the default is always there, and stays; one with providers in it stays too", async () => {
    expect(await get("default")).toEqual({
      TokenVaultName: "default",
      TokenVaultArn: `${wire.arns}tokenvault/default`,
      EncryptionConfig: { KeyType: "SERVICE_MANAGED_KEY" },
      CreateTime: "2026-01-01T00:00:00Z",
      UpdateTime: "2026-01-01T00:00:00Z",
    });
    const inUse = [409, "DeleteConflict.TokenVault"];
    await expect(wire.fault("DeleteTokenVault", { TokenVaultName: "default" })).resolves.toEqual(inUse);
    await wire.ask("UpdateTokenVault", { TokenVaultName: "default", Description: "what there is" });
    expect(await get("default")).toMatchObject({ Description: "what there is", CreateTime: "2026-01-01T00:00:00Z" });
    await wire.ask("CreateTokenVault", { TokenVaultName: "team" });
    await wire.ask("CreateAPIKeyCredentialProvider", { APIKeyCredentialProviderName: "weather", TokenVaultName: "team", APIKey: "k" });
    await expect(wire.fault("DeleteTokenVault", { TokenVaultName: "team" })).resolves.toEqual(inUse);
  });

  test("are listed in pages that end, the default first", async () => {
    for (const name of ["one", "two", "three"]) {
      await wire.ask("CreateTokenVault", { TokenVaultName: name });
      wire.hand.forward(1);
    }
    const pages = await wire.pages("ListTokenVaults", "TokenVaults", 2);
    expect(pages.map((page) => page.map((item) => (item as { TokenVaultName: string }).TokenVaultName))).toEqual([
      ["default", "one"],
      ["two", "three"],
    ]);
    await expect(wire.ask("ListTokenVaults")).resolves.toMatchObject({ MaxResults: 100, TotalCount: 4 });
  });

  test("a key of one's own has an ARN, and no other has", async () => {
    for (const EncryptionConfig of [
      { KeyType: "CUSTOMER_MANAGED_KEY" },
      { KeyType: "SERVICE_MANAGED_KEY", KmsKeyArn: "acs:kms:cn-beijing:1:key/k" },
      { KeyType: "NONE" },
      { KmsKeyArn: "acs:kms:cn-beijing:1:key/k" },
      {},
    ])
      await expect(wire.fault("CreateTokenVault", { TokenVaultName: "team", EncryptionConfig })).resolves.toEqual([
        400,
        "InvalidParameter.EncryptionConfig",
      ]);
    await expect(wire.ask("ListTokenVaults")).resolves.toMatchObject({ TotalCount: 1 });
  });
});
