import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startTestIssuer, type TestIssuer } from "../../../testing/openid.ts";
import { eachStore } from "../../../testing/stores.ts";
import { aMoment, type OpenControlPlane, openControlPlane } from "./control-plane-for-tests.ts";

eachStore("identity providers", (fresh) => {
  let wire: OpenControlPlane;
  let idp: TestIssuer;
  let other: TestIssuer;
  beforeAll(async () => {
    [idp, other] = [await startTestIssuer(), await startTestIssuer()];
  });
  afterAll(async () => {
    await idp.stop();
    await other.stop();
  });
  beforeEach(async () => {
    wire = await openControlPlane(await fresh());
  });
  afterEach(() => wire.close());

  const get = async (name: string) => (await wire.ask("GetIdentityProvider", { IdentityProviderName: name }))["IdentityProvider"];
  const at = (issuer: TestIssuer) => `${issuer.url}/.well-known/openid-configuration`;
  const make = (more: object = {}) =>
    wire.ask("CreateIdentityProvider", { IdentityProviderName: "idp", DiscoveryURL: at(idp), AllowedAudience: ["a", "b"], ...more });

  test("are made by their discovery document, changed, and deleted", async () => {
    const { IdentityProvider: made } = await make({ Description: "whose users" });
    expect(made).toEqual({
      IdentityProviderName: "idp",
      IdentityProviderArn: `${wire.arns}identityprovider/idp`,
      Description: "whose users",
      DiscoveryURL: at(idp),
      AllowedAudience: ["a", "b"],
      CreateTime: aMoment,
      UpdateTime: aMoment,
    });
    expect(await get("idp")).toEqual(made);
    wire.hand.forward(1_000);
    await expect(wire.ask("UpdateIdentityProvider", { IdentityProviderName: "idp", AllowedAudience: ["c"] })).resolves.toEqual({});
    expect(await get("idp")).toEqual({ ...(made as object), AllowedAudience: ["c"], UpdateTime: "2026-01-01T00:00:01Z" });
    await wire.ask("UpdateIdentityProvider", { IdentityProviderName: "idp", DiscoveryURL: at(other), Description: "" });
    const changed = (await get("idp")) as object;
    expect(changed).toMatchObject({ DiscoveryURL: at(other), AllowedAudience: ["c"] });
    expect(changed).not.toHaveProperty("Description");
    await expect(wire.house.issuers.get("default", "idp")).resolves.toMatchObject({ issuer: other.url });
    await expect(wire.ask("DeleteIdentityProvider", { IdentityProviderName: "idp" })).resolves.toEqual({});
    for (const action of ["DeleteIdentityProvider", "GetIdentityProvider", "UpdateIdentityProvider"])
      await expect(wire.fault(action, { IdentityProviderName: "idp" })).resolves.toEqual([404, "EntityNotExists.IdentityProvider"]);
  });

  test("stay while a workload identity trusts them", async () => {
    await make();
    await wire.ask("CreateWorkloadIdentity", { WorkloadIdentityName: "scout", IdentityProviderName: "idp" });
    await expect(wire.fault("DeleteIdentityProvider", { IdentityProviderName: "idp" })).resolves.toEqual([
      409,
      "DeleteConflict.IdentityProvider",
    ]);
    await wire.ask("UpdateWorkloadIdentity", { WorkloadIdentityName: "scout", IdentityProviderName: "" });
    await expect(wire.ask("DeleteIdentityProvider", { IdentityProviderName: "idp" })).resolves.toEqual({});
  });

  test("are there once by name and by issuer, and only where a document is found that speaks for its address", async () => {
    await make();
    const taken = [409, "EntityAlreadyExists.IdentityProvider"];
    const named = (IdentityProviderName: string, DiscoveryURL: string) => ({ IdentityProviderName, DiscoveryURL });
    await expect(wire.fault("CreateIdentityProvider", named("idp", at(other)))).resolves.toEqual(taken);
    await expect(wire.fault("CreateIdentityProvider", named("two", idp.url))).resolves.toEqual(taken);
    await wire.ask("CreateIdentityProvider", named("two", at(other)));
    await expect(wire.fault("UpdateIdentityProvider", named("two", idp.url))).resolves.toEqual(taken);
    await expect(wire.fault("CreateIdentityProvider", named("three", "http://127.0.0.1:1/"))).resolves.toEqual([
      400,
      "InvalidOAuthDiscoveryURL",
    ]);
    await expect(wire.fault("CreateIdentityProvider", named("three", "http://192.0.2.1/"))).resolves.toEqual([
      400,
      "InvalidParameter.DiscoveryURL",
    ]);
    await expect(wire.ask("ListIdentityProviders")).resolves.toMatchObject({ TotalCount: 2 });
  });

  test("are listed in pages that end", async () => {
    await make();
    wire.hand.forward(1);
    await make({ IdentityProviderName: "two", DiscoveryURL: at(other) });
    const pages = await wire.pages("ListIdentityProviders", "IdentityProviders", 1);
    expect(pages.map((page) => page.map((item) => (item as { IdentityProviderName: string }).IdentityProviderName))).toEqual([
      ["two"],
      ["idp"],
    ]);
    await expect(wire.ask("ListIdentityProviders")).resolves.toMatchObject({ MaxResults: 100, TotalCount: 2 });
  });
});
