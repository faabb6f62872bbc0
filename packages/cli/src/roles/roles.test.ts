import { LegateConnectionError } from "@legate/sdk";
import { describe, expect, test } from "vitest";
import { runHere } from "../world-for-tests.ts";
import { documentText, namesFor, permissionPolicy, trustPolicy } from "./documents.ts";
import { makeAll, type Step } from "./steps.ts";

const realm = { region: "cn-beijing", account: "1234567890123456" };
const workload = (name: string) =>
  `acs:agentidentity:cn-beijing:1234567890123456:workloadidentitydirectory/default/workloadidentity/${name}`;
const providers = (type: string) => `acs:agentidentity:cn-beijing:1234567890123456:tokenvault/default/${type}credentialprovider/*`;

describe("the policies of a role", () => {
  test("trust the one workload that is named", () => {
    expect(trustPolicy(realm, "scout")).toEqual({
      Version: "1",
      Statement: [
        {
          Effect: "Allow",
          Principal: { Service: "workload.agentidentity.aliyuncs.com" },
          Action: ["sts:AssumeRole", "sts:SetContext"],
          Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": workload("scout") } },
        },
      ],
    });
  });

  test("trust every workload of the account where none is named, without a condition", () => {
    expect(trustPolicy(realm, undefined).Statement[0]).not.toHaveProperty("Condition");
  });

  test("permit credentials of every provider of the default vault, on the workload and the providers", () => {
    const statements = (name: string) => [
      { Effect: "Allow", Action: ["agentidentitydata:GetResourceOAuth2Token"], Resource: [workload(name), providers("oauth2")] },
      { Effect: "Allow", Action: ["agentidentitydata:GetResourceAPIKey"], Resource: [workload(name), providers("apikey")] },
    ];
    expect(permissionPolicy(realm, "scout", false)).toEqual({ Version: "1", Statement: statements("scout") });
    expect(permissionPolicy(realm, undefined, false).Statement).toEqual(statements("*"));
  });

  test("are sent byte for byte as the cloud's own command line sends them", () => {
    expect(documentText(trustPolicy(realm, "scout"))).toBe(
      `{"Version": "1", "Statement": [{"Effect": "Allow", "Principal": {"Service": "workload.agentidentity.aliyuncs.com"}, "Action": ["sts:AssumeRole", "sts:SetContext"], "Condition": {"StringEquals": {"sts:RequestContext/agentidentity:WorkloadIdentityArn": "${workload("scout")}"}}}]}`,
    );
    expect(documentText(permissionPolicy(realm, undefined, false))).toBe(
      `{"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["agentidentitydata:GetResourceOAuth2Token"], "Resource": ["${workload("*")}", "${providers("oauth2")}"]}, {"Effect": "Allow", "Action": ["agentidentitydata:GetResourceAPIKey"], "Resource": ["${workload("*")}", "${providers("apikey")}"]}]}`,
    );
  });

  test("permit a gateway's two actions only where one is asked for", () => {
    expect(permissionPolicy(realm, "scout", true).Statement.at(-1)).toEqual({
      Effect: "Allow",
      Action: ["agentidentitydata:SearchAuthorizedActions", "agentidentitydata:EvaluatePolicy"],
      Resource: ["*"],
    });
  });
});

test("a role is called after its workload, else after chance, and its policy after the role", () => {
  const random = (bytes: number) => "ab".repeat(bytes);
  expect(namesFor(undefined, "scout", random)).toMatchObject({
    role: "AgentIdentityRole-scout",
    policy: "AgentIdentityPolicy-AgentIdentityRole-scout",
    roleDescription: "Agent Identity runtime role for scout",
  });
  expect(namesFor(undefined, undefined, random).role).toMatch(/^AgentIdentityRole-[0-9a-f]{8}$/);
  expect(namesFor("mine", "scout", random)).toMatchObject({ role: "mine", policy: "AgentIdentityPolicy-mine" });
});

describe("what does not hold", () => {
  const env = { LEGATE_URL: "http://127.0.0.1:8700", LEGATE_OPERATOR_KEY: "op_key_of_the_test_0123456789" };
  const me = {
    tenant: "default",
    issuer: "http://127.0.0.1:8700",
    accountId: realm.account,
    region: realm.region,
    caller: { kind: "operator" },
    method: "operator_key",
    now: "2026-11-21T10:00:00.000Z",
  };
  const made = async (...words: string[]) => {
    const { code, requests, stdout } = await runHere(words, { env, fetch: () => Promise.resolve(Response.json(me)) });
    return [code, requests.filter(({ init }) => init?.method === "POST").length, stdout];
  };

  test("is refused before anything of it is made, and shown by no dry run", async () => {
    const create = ["create-workload-identity", "--workload-identity-name"] as const;
    expect(await made(...create, "ab")).toEqual([2, 0, ""]);
    expect(await made(...create, "\u00fcn\u00ef", "--dry-run")).toEqual([2, 0, ""]);
    expect(await made(...create, "scout", "--allowed-resource-oauth2-return-urls", "nowhere")).toEqual([2, 0, ""]);
    expect(await made("create-role", "--role-name", "a b")).toEqual([2, 0, ""]);
  });

  test("an empty workload is not every workload", async () => {
    expect(await made("create-role", "--workload-identity-name", "")).toEqual([2, 0, ""]);
    expect(await made("create-workload-identity", "--workload-identity-name", "")).toEqual([2, 0, ""]);
    const [code, , stdout] = await made(
      "create-workload-identity",
      "--workload-identity-name",
      "scout",
      "--associated-role-arn",
      "",
      "--dry-run",
    );
    expect([code, stdout]).toEqual([0, expect.stringContaining("AgentIdentityRole-scout")]);
  });
});

describe("steps that belong together", () => {
  const told: string[] = [];
  const out = {
    note: (text: string) => void told.push(text),
    warn: (text: string) => void told.push(`! ${text}`),
    progress: () => ({ say: () => undefined, done: () => undefined }),
  };
  const step = (what: string, more: Partial<Step> = {}): Step => ({
    what,
    request: {},
    act: async () => void told.push(`+${what}`),
    undo: async () => void told.push(`-${what}`),
    ...more,
  });
  const run = async (steps: readonly Step[], signal = new AbortController().signal) => {
    told.length = 0;
    await makeAll(steps, out, signal).catch((error: unknown) => told.push(`= ${(error as Error).message}`));
    return told;
  };
  const fails = () => Promise.reject(new Error("no"));

  test("are taken back in turn when one fails, and it is told what was", async () => {
    expect(await run([step("a"), step("b"), step("c", { act: fails })])).toEqual([
      "+a",
      "+b",
      "-b",
      "Taken back: b.",
      "-a",
      "Taken back: a.",
      "= no",
    ]);
  });

  test("leave what was there before, and what could not be taken back is told", async () => {
    const steps = [
      step("a", { act: fails, already: () => Promise.resolve(true) }),
      step("b", { undo: () => Promise.reject(new Error("stuck")) }),
      step("c", { act: fails }),
    ];
    expect(await run(steps)).toEqual(["There already: a.", "+b", "! Could not be taken back: b (stuck).", "= no"]);
  });

  test("are not begun once somebody interrupted, and those before are taken back", async () => {
    const stop = new AbortController();
    const steps = [step("a", { act: async () => stop.abort() }), step("b")];
    expect((await run(steps, stop.signal)).slice(0, 3)).toEqual([
      expect.stringContaining("! It is not known") as string,
      "-a",
      "Taken back: a.",
    ]);
  });

  test("say so where it is not known whether one was made", async () => {
    const lost = () => Promise.reject(new LegateConnectionError("No answer.", "timeout"));
    expect(await run([step("a", { act: lost })])).toEqual([
      expect.stringContaining("not known whether this was made: a") as string,
      "= No answer.",
    ]);
  });
});
