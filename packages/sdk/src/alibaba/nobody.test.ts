import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeAlibaba } from "../testing/fake-alibaba.ts";
import { AgentContext, type AgentContextValues, IdentityClient, IdentityError, withApiKey, withStsCredential } from "./index.ts";

let fake: FakeAlibaba;
beforeEach(async () => {
  fake = await FakeAlibaba.start();
});
afterEach(() => fake.stop());

describe("a value that names nobody", () => {
  it.each([null, "", 0, false, {}])(
    "is an error where it is %j, and never the workload alone, though its token is at hand",
    async (value) => {
      const client = new IdentityClient(fake.options);
      const key = withApiKey({ client, provider: "search" }, ({ apiKey }) => apiKey);
      const keys = withStsCredential({ client }, ({ stsCredential }) => stsCredential.accessKeyId);
      await key();
      await keys();
      const before = fake.count();
      for (const name of ["userId", "userToken", "workloadToken"]) {
        const values: AgentContextValues = { [name]: value };
        await expect(AgentContext.run(values, key), name).rejects.toBeInstanceOf(IdentityError);
        await expect(AgentContext.run(values, keys), name).rejects.toBeInstanceOf(IdentityError);
      }
      const user = value as unknown as string;
      await expect(client.getWorkloadAccessToken({ userId: user })).rejects.toBeInstanceOf(IdentityError);
      await expect(client.getWorkloadAccessToken({ userToken: user })).rejects.toBeInstanceOf(IdentityError);
      await expect(client.confirmUserAuth({ sessionUri: "urn:s", userId: user })).rejects.toBeInstanceOf(IdentityError);
      expect(fake.count()).toBe(before);
    },
  );

  it.each([undefined, null, ""])("is no workload access token of the client's own where %j is given for one", async (value) => {
    const client = new IdentityClient(fake.options);
    const workloadAccessToken = value as unknown as string;
    await expect(client.getToken({ credentialProviderName: "drive", workloadAccessToken })).rejects.toBeInstanceOf(IdentityError);
    await expect(client.getApiKey({ credentialProviderName: "search", workloadAccessToken })).rejects.toBeInstanceOf(IdentityError);
    await expect(client.getStsCredentialClient({ workloadAccessToken })).rejects.toBeInstanceOf(IdentityError);
    expect(fake.seen).toEqual([]);
  });
});
