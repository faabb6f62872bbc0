import type { PolicyJson } from "@cedar-policy/cedar-wasm/nodejs";
import { Refusal } from "../../ground/kernel/index.ts";
import type { Cedar, Engine } from "./cedar.ts";
import { deepestExpression, isTooDeep, overload } from "./nesting.ts";

/** What is wrong with a statement, and where: line and column begin at 1, and a column is a character. */
export interface Issue {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** How long a statement may be, in bytes of UTF-8. */
export const longestStatement = 32_768;

/** Issues told at most, and characters of each. */
const mostIssues = 20;
const longestMessage = 500;

type Fault = Extract<ReturnType<Engine["policySetTextToParts"]>, { type: "failure" }>["errors"][number];

const placeAfter = (before: string): Pick<Issue, "line" | "column"> => {
  const lines = before.split("\n");
  return { line: lines.length, column: Array.from(lines.at(-1) ?? "").length + 1 };
};

const whole = (message: string): Issue => ({ line: 1, column: 1, message });

const issueOf = (text: string, { message, help, sourceLocations }: Fault): Issue => {
  const [place] = sourceLocations ?? [];
  const told = [message, place?.label, help].filter((part) => typeof part === "string").join("; ");
  // The engine counts bytes.
  const before = Buffer.from(text)
    .subarray(0, place?.start ?? 0)
    .toString();
  return { ...placeAfter(before), message: Array.from(told).slice(0, longestMessage).join("") };
};

/** @returns what keeps the text from being tried at all */
const untried = (text: string): Issue | undefined => {
  if (Buffer.byteLength(text) > longestStatement) return whole(`is longer than ${longestStatement} bytes`);
  if (!text.isWellFormed() || text.includes("\0")) return whole("is not well-formed text");
  const found = overload(text);
  return found && { ...placeAfter(text.slice(0, found.at)), message: found.message };
};

/** @returns the statement's form, or what is wrong with it */
const tried = (engine: Engine, text: string): PolicyJson | readonly Issue[] => {
  const parts = engine.policySetTextToParts(text);
  if (parts.type === "failure") return parts.errors.map((fault) => issueOf(text, fault));
  if (parts.policy_templates.length > 0) return [whole("is a template: ?principal and ?resource have no meaning here")];
  if (parts.policies.length !== 1) return [whole("holds no statement: a policy is one")];
  const form = engine.policyToJson(text);
  if (form.type === "failure") return form.errors.map((fault) => issueOf(text, fault));
  return isTooDeep(form.json) ? [whole(tooDeep)] : form.json;
};

const tooDeep = `expressions nest deeper than ${deepestExpression}: each operator of a chain counts, so a set with contains() is flatter than many ||`;

/**
 * Reads one Cedar statement that names no slots.
 * @returns its form: effect, scope and conditions
 * @throws Refusal policy_invalid with `details.issues`
 */
export const readStatement = (cedar: Cedar, text: string): PolicyJson => {
  const hopeless = untried(text);
  const read = hopeless ? [hopeless] : (cedar((engine) => tried(engine, text)) ?? [whole(tooDeep)]);
  if (!Array.isArray(read)) return read as PolicyJson;
  const issues = (read as readonly Issue[]).slice(0, mostIssues);
  const [first] = issues;
  const where = first ? `Line ${first.line}, column ${first.column}: ${first.message}` : "It cannot be read";
  throw new Refusal("policy_invalid", `The policy is no Cedar statement. ${where}.`, { issues });
};
