import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Context } from "./policy-conditions.ts";
import { denyAll, parsePolicy, type PolicyDocument } from "./policy-document.ts";
import { permits, trusts } from "./policy-evaluation.ts";
import { wildcard } from "./wildcard.ts";

const arn = (path: string) => `acs:agentidentity:cn-beijing:1234567890123456:${path}`;
const scout = arn("workloadidentitydirectory/default/workloadidentity/scout");
const git = arn("tokenvault/default/oauth2credentialprovider/git");
const action = "agentidentitydata:GetResourceOAuth2Token";
const workloadKey = "sts:RequestContext/agentidentity:WorkloadIdentityArn";
const now = Date.UTC(2026, 0, 1);
const context: Context = { now, texts: { [workloadKey]: scout, "acs:SourceArn": scout, "acs:SourceAccount": "1234567890123456" } };

const permission = (...statements: readonly object[]): PolicyDocument =>
  parsePolicy(JSON.stringify({ Version: "1", Statement: statements }), "permission", "");
const allow = (more: object = {}) => ({ Effect: "Allow", Action: "*", Resource: "*", ...more });
const deny = (more: object = {}) => ({ ...allow(more), Effect: "Deny" });
const may = (documents: readonly PolicyDocument[], resources: readonly string[] = [scout, git], what = action) =>
  permits(documents, what, resources, context);

describe("a permission policy", () => {
  test("lets nothing be done where there is none, where none applies, or where nothing is named", () => {
    expect(may([])).toBe(false);
    expect(may([permission(allow({ Action: "agentidentitydata:GetResourceAPIKey" }))])).toBe(false);
    expect(may([permission(allow())], [])).toBe(false);
    expect(may([permission(allow())])).toBe(true);
  });

  test("lets something be done only with every one of the things named", () => {
    const both = permission(allow({ Action: action, Resource: [scout, arn("tokenvault/default/oauth2credentialprovider/*")] }));
    expect(may([both])).toBe(true);
    expect(may([permission(allow({ Resource: scout }))])).toBe(false);
    expect(may([permission(allow({ Resource: git }))])).toBe(false);
    expect(may([permission(allow({ Resource: scout }), allow({ Resource: git }))])).toBe(true);
    expect(may([permission(allow({ Resource: scout })), permission(allow({ Resource: git }))])).toBe(true);
    expect(may([both], [scout, arn("tokenvault/other/oauth2credentialprovider/git")])).toBe(false);
  });

  test("that denies wins, in whichever document and order, and for one of the things", () => {
    expect(may([permission(allow(), deny({ Resource: git }))])).toBe(false);
    expect(may([permission(deny({ Resource: git }), allow())])).toBe(false);
    expect(may([permission(allow()), permission(deny({ Action: "agentidentitydata:*" }))])).toBe(false);
    expect(may([permission(allow()), permission(deny({ Action: "ram:*" }))])).toBe(true);
    expect(may([permission(allow()), denyAll])).toBe(false);
  });

  test("has wildcards in actions, without regard to case, and in resources, with it", () => {
    for (const pattern of [
      "agentidentitydata:Get*",
      "*:GetResourceOAuth2Token",
      "agentidentitydata:GetResource??uth2Token",
      "AGENTIDENTITYDATA:getresourceoauth2token",
    ])
      expect(may([permission(allow({ Action: pattern }))]), pattern).toBe(true);
    for (const pattern of ["agentidentitydata:Get", "agentidentitydata:Get?", "agentidentity:*"])
      expect(may([permission(allow({ Action: pattern }))]), pattern).toBe(false);
    expect(may([permission(allow({ Resource: [scout, git.replace("git", "g?t")] }))])).toBe(true);
    expect(may([permission(allow({ Resource: [scout, git.replace("git", "GIT")] }))])).toBe(false);
  });

  test("may name what it does not mean", () => {
    expect(may([permission({ Effect: "Allow", NotAction: "ram:*", NotResource: arn("tokenvault/secret/*") })])).toBe(true);
    expect(may([permission({ Effect: "Allow", NotAction: "agentidentitydata:*", Resource: "*" })])).toBe(false);
    expect(may([permission({ Effect: "Allow", Action: "*", NotResource: arn("tokenvault/*") })])).toBe(false);
    expect(may([permission(allow(), { Effect: "Deny", NotAction: "agentidentitydata:GetResourceAPIKey", Resource: "*" })])).toBe(false);
  });

  test.each<[object, boolean]>([
    [{ StringEquals: { [workloadKey]: scout } }, true],
    [{ StringEquals: { [workloadKey]: [git, scout] } }, true],
    [{ StringEquals: { [workloadKey]: scout.toUpperCase() } }, false],
    [{ StringEqualsIgnoreCase: { [workloadKey]: scout.toUpperCase() } }, true],
    [{ StringNotEquals: { [workloadKey]: scout } }, false],
    [{ StringNotEquals: { [workloadKey]: [git, scout] } }, false],
    [{ StringNotEquals: { [workloadKey]: git } }, true],
    [{ StringNotEqualsIgnoreCase: { [workloadKey]: scout.toUpperCase() } }, false],
    [{ StringLike: { [workloadKey]: "*/scout" } }, true],
    [{ StringLike: { [workloadKey]: "*/scou" } }, false],
    [{ StringNotLike: { [workloadKey]: "*/scout" } }, false],
    [{ DateLessThan: { "acs:CurrentTime": "2026-01-01T00:00:01Z" } }, true],
    [{ DateLessThan: { "acs:CurrentTime": "2026-01-01T00:00:00Z" } }, false],
    [{ DateLessThanEquals: { "acs:CurrentTime": "2026-01-01T00:00:00Z" } }, true],
    [{ DateGreaterThan: { "acs:CurrentTime": "2026-01-01T00:00:00+00:01" } }, true],
    [{ DateGreaterThanEquals: { "acs:CurrentTime": "2026-01-01T00:00:00Z" } }, true],
    [{ DateEquals: { "acs:CurrentTime": "2026-01-01T00:00:00Z" } }, true],
    [{ DateNotEquals: { "acs:CurrentTime": "2026-01-01T00:00:00Z" } }, false],
    [{ StringLike: { [workloadKey]: "*" }, DateLessThan: { "acs:CurrentTime": "2020-01-01T00:00:00Z" } }, false],
  ])("applies where its conditions hold: %j", (condition, holds) => {
    expect(may([permission(allow({ Condition: condition }))])).toBe(holds);
    expect(may([permission(allow(), deny({ Condition: condition }))])).toBe(!holds);
  });
});

describe("a trust policy", () => {
  const trust = (...statements: readonly object[]) =>
    trusts(parsePolicy(JSON.stringify({ Version: "1", Statement: statements }), "trust", ""), context);
  const service = "workload.agentidentity.aliyuncs.com";
  const letting = (more: object = {}) => ({ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole", ...more });

  test("lets in whom it names, by service, action and condition", () => {
    expect(trust(letting())).toBe(true);
    expect(trust(letting({ Principal: { Service: ["ecs.aliyuncs.com", service] } }))).toBe(true);
    expect(trust(letting({ Action: ["sts:AssumeRole", "sts:SetContext"] }))).toBe(true);
    expect(trust(letting({ Condition: { StringEquals: { [workloadKey]: scout } } }))).toBe(true);
    expect(trust(letting({ Condition: { StringEquals: { "acs:SourceArn": scout, "acs:SourceAccount": "1234567890123456" } } }))).toBe(true);
    expect(trust(letting({ Principal: { Service: "ecs.aliyuncs.com" } }))).toBe(false);
    expect(trust(letting({ Principal: { RAM: ["acs:ram::1234567890123456:root"] } }))).toBe(false);
    expect(trust(letting({ Action: "sts:SetContext" }))).toBe(false);
    expect(trust(letting({ Condition: { StringEquals: { [workloadKey]: `${scout}2` } } }))).toBe(false);
  });

  test("that denies wins", () => {
    const not = { Effect: "Deny", Principal: { Service: service }, Action: "sts:*" };
    expect(trust(letting(), not)).toBe(false);
    expect(trust(not, letting())).toBe(false);
    expect(trust(letting(), { ...not, Condition: { StringNotLike: { [workloadKey]: "*/scout" } } })).toBe(true);
  });

  test("that denies either of what taking a role on does, lets nobody in", () => {
    for (const Action of ["sts:AssumeRole", "sts:SetContext", "STS:set*", "*"])
      expect(trust(letting({ Action: ["sts:AssumeRole", "sts:SetContext"] }), { ...letting({ Action }), Effect: "Deny" }), Action).toBe(
        false,
      );
    expect(trust(letting(), { ...letting({ NotAction: "sts:AssumeRole", Action: undefined }), Effect: "Deny" })).toBe(false);
    expect(trust(letting(), { ...letting({ Action: "sts:TagSession" }), Effect: "Deny" })).toBe(true);
  });
});

describe("a wildcard", () => {
  test("means what its regular expression means", () => {
    const part = fc.string({ unit: fc.constantFrom("a", "b", "*", "?", ".", ":"), maxLength: 12 });
    fc.assert(
      fc.property(part, part, (pattern, text) => {
        const expression = pattern.replaceAll(/[.:]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
        expect(wildcard(pattern, text)).toBe(new RegExp(`^${expression}$`, "s").test(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test("made to be slow is not", () => {
    expect(wildcard(`${"*a".repeat(500)}b`, "a".repeat(1_000))).toBe(false);
  });
});
