import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Refusal } from "../../ground/kernel/index.ts";
import { denyAll, parsePolicy, type PolicyKind, storedPolicy } from "./policy-document.ts";

const workload = "acs:agentidentity:cn-beijing:1234567890123456:workloadidentitydirectory/default/workloadidentity/scout";
const providers = "acs:agentidentity:cn-beijing:1234567890123456:tokenvault/default/oauth2credentialprovider/*";

const allow = (more: object = {}) => ({ Effect: "Allow", Action: "agentidentitydata:*", Resource: "*", ...more });
const trusting = (more: object = {}) => ({
  Effect: "Allow",
  Principal: { Service: "workload.agentidentity.aliyuncs.com" },
  Action: ["sts:AssumeRole", "sts:SetContext"],
  ...more,
});
const written = (...statements: readonly unknown[]) => JSON.stringify({ Version: "1", Statement: statements });

const issuesOf = (text: string, kind: PolicyKind): readonly string[] => {
  try {
    parsePolicy(text, kind, "");
    return [];
  } catch (problem) {
    if (!(problem instanceof Refusal) || problem.code !== "policy_invalid") throw problem;
    return (problem.details["issues"] as { path: string; message: string }[]).map(({ path, message }) => `${path}: ${message}`);
  }
};

describe("a policy document", () => {
  test("as the vendor's command line writes it is understood", () => {
    const trust = trusting({ Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": workload } } });
    const read = { Effect: "Allow", Action: ["agentidentitydata:GetResourceOAuth2Token"], Resource: [workload, providers] };
    expect(issuesOf(written(trust), "trust")).toEqual([]);
    expect(
      issuesOf(written(trusting({ Action: "sts:AssumeRole", Condition: { StringLike: { "acs:SourceArn": `${workload}*` } } })), "trust"),
    ).toEqual([]);
    expect(issuesOf(written(read, allow()), "permission")).toEqual([]);
    expect(issuesOf(written({ ...read, Sid: "Read" }), "session")).toEqual([]);
  });

  test.each<[string, unknown, PolicyKind, string]>([
    ["a list", [], "permission", ": must be a JSON object"],
    ["a text", "x", "permission", ": must be a JSON object"],
    ["no version", { Statement: [allow()] }, "permission", 'Version: must be "1"'],
    ["a version of another cloud", { Version: "2012-10-17", Statement: [allow()] }, "permission", 'Version: must be "1"'],
    ["a version that is a number", { Version: 1, Statement: [allow()] }, "permission", 'Version: must be "1"'],
    ["another element", { Version: "1", Statement: [allow()], Id: "x" }, "permission", "Id: is no element of a policy"],
    ["no statement", { Version: "1", Statement: [] }, "permission", "Statement: must be a list of 1 to 50 statements"],
    [
      "one statement that is no list",
      { Version: "1", Statement: allow() },
      "permission",
      "Statement: must be a list of 1 to 50 statements",
    ],
    [
      "51 statements",
      { Version: "1", Statement: Array.from({ length: 51 }, () => ({})) },
      "permission",
      "Statement: must be a list of 1 to 50",
    ],
    ["a statement that is none", { Version: "1", Statement: [null] }, "permission", "Statement.0: must be an object"],
  ])("is refused with %s", (_what, document, kind, issue) => {
    expect(issuesOf(JSON.stringify(document), kind).join()).toContain(issue);
  });

  test.each<[string, object, PolicyKind, string]>([
    ["no effect", allow({ Effect: undefined }), "permission", "Statement.0.Effect: must be Allow or Deny"],
    ["an effect in small letters", allow({ Effect: "allow" }), "permission", "Statement.0.Effect"],
    ["no action", allow({ Action: undefined }), "permission", "Statement.0.Action: give Action or NotAction"],
    ["both kinds of action", allow({ NotAction: "a:b" }), "permission", "Statement.0.Action: give Action or NotAction"],
    ["an empty list of actions", allow({ Action: [] }), "permission", "Statement.0.Action: must be a text"],
    ["an action that is a number", allow({ Action: [7] }), "permission", "Statement.0.Action.0: must be a text"],
    ["an action without a service", allow({ Action: "GetResourceAPIKey" }), "permission", "Statement.0.Action: must be `service:Action`"],
    ["no resource", allow({ Resource: undefined }), "permission", "Statement.0.Resource: give Resource or NotResource"],
    ["a resource that is no ARN", allow({ Resource: "bucket" }), "permission", "Statement.0.Resource: must be an ARN"],
    ["an ARN of another cloud", allow({ Resource: "arn:aws:s3:::bucket" }), "permission", "Statement.0.Resource: must be an ARN"],
    ["a variable", allow({ Resource: "acs:oss:*:*:${acs:user}/*" }), "permission", "Statement.0.Resource: may not hold a variable"],
    ["a principal", allow({ Principal: { RAM: "*" } }), "permission", "Statement.0.Principal: is no element"],
    [
      "an operator there is not",
      allow({ Condition: { StringMatches: { "acs:CurrentTime": "x" } } }),
      "permission",
      "Condition.StringMatches",
    ],
    [
      "an operator that cannot be told",
      allow({ Condition: { IpAddress: { "acs:SourceIp": "::1" } } }),
      "permission",
      "Condition.IpAddress",
    ],
    [
      "a key that cannot be told",
      allow({ Condition: { StringEquals: { "acs:SourceIp": "::1" } } }),
      "permission",
      "Condition.StringEquals.acs:SourceIp",
    ],
    [
      "a key of trust policies",
      allow({ Condition: { StringEquals: { "acs:SourceArn": "x" } } }),
      "permission",
      "StringEquals.acs:SourceArn",
    ],
    [
      "a date as a text",
      allow({ Condition: { StringEquals: { "acs:CurrentTime": "2026-01-01T00:00:00Z" } } }),
      "permission",
      "is not for StringEquals",
    ],
    ["a date that is none", allow({ Condition: { DateLessThan: { "acs:CurrentTime": "tomorrow" } } }), "permission", "must be a moment"],
    ["a condition without keys", allow({ Condition: { StringEquals: {} } }), "permission", "must be an object of condition keys"],
    ["conditions in a list", allow({ Condition: [] }), "permission", "Statement.0.Condition: must be an object"],
    ["a resource", trusting({ Resource: "*" }), "trust", "Statement.0.Resource: is no element"],
    ["no principal", trusting({ Principal: undefined }), "trust", "Statement.0.Principal: must be an object"],
    ["everybody as a principal", trusting({ Principal: "*" }), "trust", "Statement.0.Principal: must be an object"],
    ["every service", trusting({ Principal: { Service: "*" } }), "trust", "Statement.0.Principal.Service: must be the name"],
    ["a principal there is not", trusting({ Principal: { Everyone: "x" } }), "trust", "Statement.0.Principal.Everyone"],
    ["every account", trusting({ Principal: { RAM: "*" } }), "trust", "Statement.0.Principal.RAM"],
  ])("is refused with %s in a statement", (_what, statement, kind, issue) => {
    expect(issuesOf(written(statement), kind).join()).toContain(issue);
  });

  test.each<[string, string, string]>([
    ["no JSON", "{", ": is not JSON"],
    ["nothing", "", ": is not JSON"],
    ["a name twice", '{"Version":"1","Version":"1","Statement":[]}', ": names a field twice"],
    [
      "an effect twice",
      '{"Version":"1","Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}]}',
      ": names a field twice",
    ],
    ["__proto__", '{"__proto__":{},"Version":"1","Statement":[]}', ": must not name __proto__"],
    ["3,000 levels", `${"[".repeat(3_000)}${"]".repeat(3_000)}`, ": nests deeper than 32"],
    ["too many characters", written(allow({ Sid: "x".repeat(6_200) })), ": has more than 6144 characters"],
  ])("is refused whole with %s", (_what, text, issue) => {
    expect(issuesOf(text, "permission")).toEqual([issue]);
  });

  test("of a session has at most 2,048 characters", () => {
    expect(issuesOf(written(allow({ Sid: "x".repeat(2_000) })), "session")).toEqual([": has more than 2048 characters"]);
  });

  test("never tells values of what is wrong, and names 20 faults at most", () => {
    const secret = "sk-very-secret";
    const many = Array.from({ length: 30 }, () => ({ [secret.slice(3)]: secret, Effect: secret, Action: secret, Resource: secret }));
    const issues = issuesOf(written(...many), "permission");
    expect(issues).toHaveLength(20);
    expect(issues.join()).not.toContain(secret);
  });

  test("of whatever shape is understood or refused, and nothing else happens", () => {
    const names = fc.constantFrom(
      "Version",
      "Statement",
      "Effect",
      "Action",
      "NotAction",
      "Resource",
      "Principal",
      "Condition",
      "StringLike",
      "Service",
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom<unknown>("1", "Allow", "Deny", "*", "sts:AssumeRole", "", null, 7, true),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(names, tie("tree"), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(tree, fc.constantFrom<PolicyKind>("trust", "permission", "session"), (value, kind) => {
        expect(issuesOf(JSON.stringify(value), kind)).toBeInstanceOf(Array);
      }),
      { numRuns: 500 },
    );
  });

  test("that was stored and can no longer be read denies everything", () => {
    expect(storedPolicy("{", "permission")).toBe(denyAll);
  });
});
