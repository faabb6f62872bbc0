import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeAlibaba, refusal } from "../testing/fake-alibaba.ts";
import { IdentityClient, type IdentityClientOptions, withAccessToken, withApiKey } from "./index.ts";

let fake: FakeAlibaba;
let time: { now: number };
beforeEach(async () => {
  fake = await FakeAlibaba.start();
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
  fake.clock = () => time.now;
});
afterEach(() => fake.stop());

const clientWith = (options: IdentityClientOptions = {}) =>
  new IdentityClient({ ...fake.options, clock: () => time.now, retries: 0, ...options });
const apiKeyOf = (client: IdentityClient) => withApiKey({ client, provider: "search" }, ({ apiKey }) => apiKey);
const tokenOf = (client: IdentityClient) => withAccessToken({ client, provider: "drive" }, ({ accessToken }) => accessToken);

describe("the caller's own key", () => {
  it("keeps apart what is kept: what one key was given, another asks for itself", async () => {
    fake.keys.set("ak_2", { secret: "another secret" });
    let credentials = { accessKeyId: "ak_1", accessKeySecret: "secret-of-ak_1" };
    const client = clientWith({ credentials: () => credentials });
    await tokenOf(client)();
    credentials = { accessKeyId: "ak_2", accessKeySecret: "another secret" };
    await tokenOf(client)();
    expect(fake.seen.filter(({ action }) => action === "GetWorkloadAccessToken").map(({ signer }) => signer)).toEqual(["ak_1", "ak_2"]);
    expect(fake.count("GetResourceOAuth2Token")).toBe(2);
  });

  it("is in no error, though the server says its secret and its token back", async () => {
    const credentials = { accessKeyId: "ak_3", accessKeySecret: "canary-secret", securityToken: "canary-token" };
    fake.keys.set("ak_3", { secret: "canary-secret", securityToken: "canary-token" });
    fake.on("GetWorkloadAccessToken", () => refusal(400, "Echo", "of canary-secret with canary-token", { "x-acs-request-id": "r" }));
    const error: unknown = await apiKeyOf(clientWith({ credentials }))().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "Echo", message: expect.stringContaining("[hidden]") as string });
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain("canary");
  });
});

describe("the role's key", () => {
  it("is borrowed once for all wrappers that need it at the same time", async () => {
    const client = clientWith();
    await Promise.all([apiKeyOf(client)(), tokenOf(client)(), apiKeyOf(client)()]);
    expect(fake.count("AssumeRoleForWorkloadIdentity")).toBe(1);
  });

  it("serves while the server that lends it is away, until its end and no longer; a refusal ends it at once", async () => {
    [fake.workloadTokenLife, fake.roleKeyLife] = [36_000, 400];
    const key = apiKeyOf(clientWith());
    await key();
    time.now += 370_000;
    fake.on("AssumeRoleForWorkloadIdentity", () => refusal(503, "ServiceUnavailable"));
    expect(await key()).toBe("key/mail/-/role/search/-");
    fake.on("AssumeRoleForWorkloadIdentity", () => refusal(403, "NoPermission"));
    await expect(key()).rejects.toMatchObject({ code: "NoPermission" });
    fake.on("AssumeRoleForWorkloadIdentity", () => refusal(503, "ServiceUnavailable"));
    time.now += 30_000;
    const before = fake.count("GetResourceAPIKey");
    await expect(key()).rejects.toMatchObject({ code: "ServiceUnavailable" });
    expect(fake.count("GetResourceAPIKey")).toBe(before);
  });
});
