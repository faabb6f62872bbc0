import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeAlibaba, refusal } from "../testing/fake-alibaba.ts";
import { IdentityClient, withApiKey, withStsCredential, withWorkloadAccessToken } from "./index.ts";

let fake: FakeAlibaba;
let time: { now: number };
let client: IdentityClient;
beforeEach(async () => {
  fake = await FakeAlibaba.start();
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
  fake.clock = () => time.now;
  client = new IdentityClient({ ...fake.options, clock: () => time.now });
});
afterEach(() => fake.stop());

const borrowed = () => fake.count("AssumeRoleForWorkloadIdentity");
const apiKey = () => withApiKey({ client, provider: "search" }, ({ apiKey: key }) => key)();
const keys = () => withStsCredential({ client }, ({ stsCredential }) => stsCredential.accessKeyId)();
const token = (fresh?: boolean) => withWorkloadAccessToken({ client, fresh }, ({ workloadAccessToken }) => workloadAccessToken)();

describe("what was taken back", () => {
  it("is not given on as keys of the role, once a call has learnt that their workload token is dead", async () => {
    const before = await keys();
    await apiKey();
    fake.workloadTokens.clear();
    await apiKey();
    expect(await keys()).not.toBe(before);
  });

  it("is not given on as keys of the role for longer than ten minutes, nor by their client", async () => {
    fake.workloadTokenLife = 36_000;
    const sts = await client.getStsCredentialClient({ workloadAccessToken: await token() });
    const before = [await keys(), await sts.getAccessKeyId()];
    time.now += 500_000;
    expect([await keys(), await sts.getAccessKeyId()]).toEqual(before);
    time.now += 100_000;
    const after = [await keys(), await sts.getAccessKeyId()];
    expect([after[0] === before[0], after[1] === before[1]]).toEqual([false, false]);
  });

  it("is passed by with `fresh` where the workload token is wanted, and what comes is kept for the others", async () => {
    const before = await token();
    expect(await token()).toBe(before);
    const after = await token(true);
    expect(after).not.toBe(before);
    expect(await token()).toBe(after);
    fake.on("GetWorkloadAccessToken", () => refusal(503, "ServiceUnavailable"));
    fake.on("GetWorkloadAccessToken", () => refusal(403, "NoPermission"));
    await expect(token(true)).rejects.toMatchObject({ code: "NoPermission" });
  });
});

describe("a role that was changed", () => {
  it("is what it is now: keys that it no longer lets in are borrowed again, once", async () => {
    await apiKey();
    let allowed = 2;
    fake.on("GetResourceAPIKey", ({ signer }) =>
      Number(/\d+/.exec(signer ?? "")?.[0]) > allowed ? undefined : refusal(403, "NoPermission"),
    );
    allowed = Number(/\d+/.exec(fake.seen.at(-1)?.signer ?? "")?.[0]);
    time.now += 30_000;
    expect(await apiKey()).toBe("key/mail/-/role/search/-");
    expect(borrowed()).toBe(2);
  });

  it("that lets nobody in is not asked about at each call", async () => {
    await apiKey();
    fake.on("GetResourceAPIKey", () => refusal(403, "NoPermission"));
    time.now += 30_000;
    for (let calls = 0; calls < 10; calls += 1) await expect(apiKey()).rejects.toMatchObject({ code: "NoPermission" });
    expect([borrowed(), fake.count("GetResourceAPIKey")]).toEqual([2, 12]);
  });

  it("bites within ten minutes, whoever asks", async () => {
    fake.workloadTokenLife = 36_000;
    await apiKey();
    time.now += 500_000;
    await apiKey();
    expect(borrowed()).toBe(1);
    time.now += 100_000;
    await apiKey();
    expect(borrowed()).toBe(2);
  });
});
