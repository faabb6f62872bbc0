import { jsonFault, Refusal } from "../../ground/kernel/index.ts";
import { type Condition, conditionIn } from "./policy-conditions.ts";
import { type Issue, type Issues, isObject, makeIssues } from "./policy-issues.ts";

/** What a policy is for: who may take a role on, what a role may do, or what one session of it may do. */
export type PolicyKind = "trust" | "permission" | "session";

/** Patterns of which one must match, or none where `not`. */
export interface Patterns {
  readonly not: boolean;
  readonly patterns: readonly string[];
}

export interface Statement {
  readonly effect: "Allow" | "Deny";
  readonly actions: Patterns;
  /** Of a trust policy none: its resource is the role. */
  readonly resources: Patterns | undefined;
  /** Of a trust policy: the services that it names. Other principals never ask here. */
  readonly services: readonly string[];
  /** All of them must hold. */
  readonly conditions: readonly Condition[];
}

/** A policy document of RAM (Version "1"), understood whole. */
export type PolicyDocument = readonly Statement[];

/** Characters, as RAM has it; of a session's policy fewer. */
const longest: Readonly<Record<PolicyKind, number>> = { trust: 6_144, permission: 6_144, session: 2_048 };
const mostStatements = 50;
const mostEntries = 100;

const actionForm = /^(\*|[A-Za-z0-9*?-]{1,64}:[A-Za-z0-9*?_/-]{1,128})$/;
const resourceForm = /^(\*|acs:[^:]*:[^:]*:[^:]*:.+)$/;
const serviceForm = /^[a-z0-9-]+(\.[a-z0-9-]+)*\.aliyuncs\.com$/;

/** One text or a list of them. */
const entriesIn = (value: unknown, path: string, issues: Issues, fault: (entry: string) => string | undefined): readonly string[] => {
  const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (entries.length === 0 || entries.length > mostEntries) issues.add(path, `must be a text, or a list of 1 to ${mostEntries}`);
  return entries.slice(0, mostEntries).flatMap((entry, at) => {
    const place = Array.isArray(value) ? `${path}.${at}` : path;
    if (typeof entry !== "string") return issues.add(place, "must be a text");
    const wrong = fault(entry);
    return wrong === undefined ? entry : issues.add(place, wrong);
  });
};

const actionFault = (entry: string): string | undefined => (actionForm.test(entry) ? undefined : "must be `service:Action` or `*`");

const resourceFault = (entry: string): string | undefined => {
  if (entry.length > 1_024) return "must have at most 1024 characters";
  if (entry.includes("${")) return "may not hold a variable";
  return resourceForm.test(entry) ? undefined : "must be an ARN (`acs:service:region:account:resource`) or `*`";
};

/** `Action` or `NotAction`, `Resource` or `NotResource`: one of the two. */
const patternsIn = (
  statement: Readonly<Record<string, unknown>>,
  name: "Action" | "Resource",
  path: string,
  issues: Issues,
  fault: (entry: string) => string | undefined,
): Patterns => {
  const not = Object.hasOwn(statement, `Not${name}`);
  if (not === Object.hasOwn(statement, name)) issues.add(`${path}.${name}`, `give ${name} or Not${name}, and one of them`);
  const field = not ? `Not${name}` : name;
  return { not, patterns: Object.hasOwn(statement, field) ? entriesIn(statement[field], `${path}.${field}`, issues, fault) : [] };
};

/** The services among a trust policy's principals. Accounts, roles and identity providers of RAM may be named; none of them asks here. */
const servicesIn = (principal: unknown, path: string, issues: Issues): readonly string[] => {
  if (!isObject(principal) || Object.keys(principal).length === 0)
    return issues.add(path, "must be an object that names who, such as Service");
  let services: readonly string[] = [];
  for (const [kind, named] of Object.entries(principal)) {
    const at = `${path}.${kind}`;
    if (kind === "Service")
      services = entriesIn(named, at, issues, (entry) => (serviceForm.test(entry) ? undefined : "must be the name of a service"));
    else if (kind === "RAM" || kind === "Federated")
      entriesIn(named, at, issues, (entry) =>
        /^acs:ram::\d{1,20}:[^*?]+$/.test(entry) ? undefined : "must be an ARN of RAM without wildcards",
      );
    else issues.add(at, "is no kind of principal that is known here");
  }
  return services;
};

const fieldsOf: Readonly<Record<PolicyKind, readonly string[]>> = {
  trust: ["Sid", "Effect", "Principal", "Action", "NotAction", "Condition"],
  permission: ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"],
  session: ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"],
};

const statementIn = (value: unknown, path: string, kind: PolicyKind, issues: Issues): Statement | readonly never[] => {
  if (!isObject(value)) return issues.add(path, "must be an object");
  for (const field of Object.keys(value))
    if (!fieldsOf[kind].includes(field)) issues.add(`${path}.${field}`, "is no element of such a statement");
  const { Sid: sid, Effect: effect, Principal: principal, Condition: condition = {} } = value;
  if (sid !== undefined && typeof sid !== "string") issues.add(`${path}.Sid`, "must be a text");
  if (effect !== "Allow" && effect !== "Deny") issues.add(`${path}.Effect`, "must be Allow or Deny");
  return {
    effect: effect === "Allow" ? "Allow" : "Deny",
    actions: patternsIn(value, "Action", path, issues, actionFault),
    resources: kind === "trust" ? undefined : patternsIn(value, "Resource", path, issues, resourceFault),
    services: kind === "trust" ? servicesIn(principal, `${path}.Principal`, issues) : [],
    conditions: conditionIn(condition, `${path}.Condition`, kind === "trust", issues),
  };
};

const invalid = (kind: PolicyKind, issues: readonly Issue[], field: string): Refusal => {
  const placed = issues.map(({ path, message }) => ({ path: [field, path].filter((part) => part !== "").join("."), message }));
  const [{ path, message } = { path: "", message: "cannot be read" }] = issues;
  return new Refusal("policy_invalid", `The ${kind} policy does not parse: ${path === "" ? "it" : path} ${message}.`, { issues: placed });
};

const readDocument = (text: string, kind: PolicyKind, issues: Issues): PolicyDocument => {
  const fault = text.length > longest[kind] ? `has more than ${longest[kind]} characters` : jsonFault(text);
  if (fault !== undefined) return issues.add("", fault);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return issues.add("", "is not JSON");
  }
  if (!isObject(document)) return issues.add("", "must be a JSON object");
  for (const field of Object.keys(document))
    if (field !== "Version" && field !== "Statement") issues.add(field, "is no element of a policy");
  if (document["Version"] !== "1") issues.add("Version", 'must be "1"');
  const statements = document["Statement"];
  if (!Array.isArray(statements) || statements.length === 0 || statements.length > mostStatements)
    return issues.add("Statement", `must be a list of 1 to ${mostStatements} statements`);
  return statements.flatMap((statement, at) => statementIn(statement, `Statement.${at}`, kind, issues));
};

/**
 * Reads a policy document of RAM. What is not understood whole is refused, so that no part of a policy is ever passed over.
 * @param field What the caller calls it; the issues' paths begin with it
 * @throws Refusal policy_invalid, whose `details.issues` say where and why
 */
export const parsePolicy = (text: string, kind: PolicyKind, field: string): PolicyDocument => {
  const issues = makeIssues();
  const document = readDocument(text, kind, issues);
  if (issues.found.length > 0) throw invalid(kind, issues.found, field);
  return document;
};

/** What stands in for a stored document that can no longer be read: nobody may do anything. */
export const denyAll: PolicyDocument = [
  {
    effect: "Deny",
    actions: { not: false, patterns: ["*"] },
    resources: { not: false, patterns: ["*"] },
    services: [],
    conditions: [],
  },
];

/** As {@link parsePolicy}, for what was checked when it was stored. */
export const storedPolicy = (text: string, kind: PolicyKind): PolicyDocument => {
  try {
    return parsePolicy(text, kind, "");
  } catch (problem) {
    if (problem instanceof Refusal) return denyAll;
    throw problem;
  }
};
