import { describe, expect, it } from "vitest";
import { readEnvironment } from "./environment.ts";

describe("the environment", () => {
  it("is read by Legate's names, which win over the seed's", () => {
    const seed = {
      AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME: "seed-name",
      AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN: "seed-token",
      AGENT_IDENTITY_REGION_ID: "cn-hangzhou",
      AGENT_IDENTITY_USE_STS: "True",
    };
    expect(readEnvironment(seed)).toEqual({
      ...{ url: undefined, agent: "seed-name", agentKey: undefined, operatorKey: undefined, workloadToken: "seed-token" },
      ...{ region: "cn-hangzhou", useSts: true },
    });
    const ours = {
      LEGATE_URL: "http://x",
      LEGATE_AGENT: "a",
      LEGATE_AGENT_KEY: "sk",
      LEGATE_OPERATOR_KEY: "op",
      LEGATE_WORKLOAD_TOKEN: "wat",
    };
    expect(readEnvironment({ ...seed, ...ours })).toMatchObject({
      ...{ url: "http://x", agent: "a", agentKey: "sk", operatorKey: "op", workloadToken: "wat" },
    });
    expect(readEnvironment({ ...seed, LEGATE_AGENT: " ", LEGATE_WORKLOAD_TOKEN: "" })).toMatchObject({
      ...{ agent: "seed-name", workloadToken: "seed-token" },
    });
  });

  it.each([
    ...(["true", "True", "TRUE", "1", "yes", "on", " true "] as const).map((text) => [text, true] as const),
    ...(["false", "False", "0", "no", "off", ""] as const).map((text) => [text, false] as const),
  ])("reads the switch %j as %s", (text, meant) => {
    expect(readEnvironment({ AGENT_IDENTITY_USE_STS: text }).useSts).toBe(meant);
  });

  it("refuses a switch that is neither on nor off, without repeating it", () => {
    expect(() => readEnvironment({ AGENT_IDENTITY_USE_STS: "maybe" })).toThrow(/^AGENT_IDENTITY_USE_STS must be true or false\.$/);
  });
});
