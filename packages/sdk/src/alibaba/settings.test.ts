import { afterEach, describe, expect, it, vi } from "vitest";
import { unsignedJwt } from "../testing/fake-legate.ts";
import {
  AgentContext,
  type AgentContextValues,
  ConfigurationError,
  type IdentityClientOptions,
  IdentityError,
  withWorkloadAccessToken,
} from "./index.ts";
import { settingsFrom } from "./settings.ts";

afterEach(() => vi.unstubAllEnvs());

const given = unsignedJwt({ user_iss: "i", user_sub: "alice" });
const environment = (variables: Record<string, string>) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(`AGENT_IDENTITY_${name}`, value);
};
const tokenWith = (options: IdentityClientOptions) => settingsFrom(options).workloadAccessToken;
const credentials = { accessKeyId: "a", accessKeySecret: "canary" };

describe("the environment's workload access token goes where the environment says", () => {
  it.each([
    [{}, {}],
    [{}, { region: "cn-beijing" }],
    [{ REGION_ID: "eu-central-1" }, {}],
    [{ REGION_ID: "eu-central-1" }, { region: "eu-central-1" }],
    [{ ENDPOINT: "https://legate.example.com" }, { endpoint: "https://legate.example.com/" }],
    [{ ENDPOINT: "https://legate.example.com" }, { region: "eu-central-1" }],
    [{ DATA_ENDPOINT: "https://d" }, { controlEndpoint: "https://c" }],
  ])("with %j to a client of %j", (variables, options) => {
    environment({ ...variables, WORKLOAD_ACCESS_TOKEN: given });
    expect(tokenWith(options)).toBe(given);
    expect(tokenWith({ ...options, credentials })).toBe(given);
  });

  it.each([
    [{}, { region: "eu-central-1" }],
    [{ REGION_ID: "cn-hangzhou" }, { region: "eu-central-1" }],
    [{ REGION_ID: "cn-hangzhou" }, { region: "cn-beijing" }],
    [{}, { endpoint: "https://legate.example.com" }],
    [{ ENDPOINT: "https://legate.example.com" }, { dataEndpoint: "https://elsewhere" }],
  ])("with %j never to a client of %j, which must say who it is instead", (variables, options) => {
    environment({ ...variables, WORKLOAD_ACCESS_TOKEN: given });
    expect(() => tokenWith(options)).toThrow(ConfigurationError);
    expect(() => tokenWith(options)).toThrow(/AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN.*`credentials`/s);
    expect(() => tokenWith(options)).not.toThrow(given);
    expect(tokenWith({ ...options, credentials })).toBeUndefined();
    expect(tokenWith({ ...options, workloadAccessToken: "mine" })).toBe("mine");
  });
});

describe("the environment's workload access token beside a user in the context", () => {
  const tokenFor = (values: AgentContextValues) =>
    AgentContext.run(
      values,
      withWorkloadAccessToken({ client: { credentials } }, ({ workloadAccessToken }) => workloadAccessToken),
    );

  it("is used where it names that user, and nothing is asked where it does not, or where nobody can tell", async () => {
    environment({ WORKLOAD_ACCESS_TOKEN: given });
    expect(await tokenFor({ userId: "alice" })).toBe(given);
    expect(await tokenFor({ userToken: unsignedJwt({ iss: "i", sub: "alice" }) })).toBe(given);
    await expect(tokenFor({ userId: "bob" })).rejects.toBeInstanceOf(IdentityError);
    environment({ WORKLOAD_ACCESS_TOKEN: "opaque" });
    await expect(tokenFor({ userId: "alice" })).rejects.toBeInstanceOf(IdentityError);
    expect(await tokenFor({})).toBe("opaque");
  });
});

describe("an endpoint of the environment's that is none", () => {
  it("harms nobody who says another, and is refused by whoever would use it", () => {
    environment({ ENDPOINT: "ftp://canary" });
    expect(settingsFrom({ endpoint: "https://legate.example.com" }).endpoints.data).toBe("https://legate.example.com");
    expect(() => settingsFrom({})).toThrow(ConfigurationError);
    environment({ WORKLOAD_ACCESS_TOKEN: given });
    expect(() => settingsFrom({ endpoint: "https://legate.example.com" })).toThrow(/AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN/);
    expect(tokenWith({ endpoint: "https://legate.example.com", credentials })).toBeUndefined();
    expect(tokenWith({ endpoint: "https://legate.example.com", workloadAccessToken: "mine" })).toBe("mine");
  });

  it("of a region is no matter where an endpoint stands beside it", () => {
    environment({ REGION_ID: "no region", WORKLOAD_ACCESS_TOKEN: given });
    expect(tokenWith({ endpoint: "https://legate.example.com", region: "cn-beijing", credentials })).toBeUndefined();
  });
});
