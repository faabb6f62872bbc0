import { type Issues, isObject } from "./policy-issues.ts";
import { wildcard } from "./wildcard.ts";

/** What conditions may ask about: texts by condition key, and the time. */
export interface Context {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly texts: Readonly<Partial<Record<TextKey, string>>>;
}

/** The agent that asks, as the trust policies of Agent Identity name it. */
const workloadKey = "sts:RequestContext/agentidentity:WorkloadIdentityArn";
const textKeys = [workloadKey, "acs:SourceArn", "acs:SourceAccount"] as const;
const timeKey = "acs:CurrentTime";
export type TextKey = (typeof textKeys)[number];

/** One operator on one key; it holds where one of the values matches, or none of them where `not`. */
export type Condition =
  | { readonly key: TextKey; readonly not: boolean; readonly matches: (text: string) => boolean }
  | { readonly key: typeof timeKey; readonly not: boolean; readonly matches: (now: number) => boolean };

const same = (value: string, text: string): boolean => value === text;
const alike = (value: string, text: string): boolean => value.toLowerCase() === text.toLowerCase();

const textOperators: ReadonlyMap<string, { readonly not: boolean; readonly match: (value: string, text: string) => boolean }> = new Map([
  ["StringEquals", { not: false, match: same }],
  ["StringNotEquals", { not: true, match: same }],
  ["StringEqualsIgnoreCase", { not: false, match: alike }],
  ["StringNotEqualsIgnoreCase", { not: true, match: alike }],
  ["StringLike", { not: false, match: wildcard }],
  ["StringNotLike", { not: true, match: wildcard }],
]);

const timeOperators: ReadonlyMap<string, { readonly not: boolean; readonly match: (value: number, now: number) => boolean }> = new Map([
  ["DateEquals", { not: false, match: (value, now) => now === value }],
  ["DateNotEquals", { not: true, match: (value, now) => now === value }],
  ["DateLessThan", { not: false, match: (value, now) => now < value }],
  ["DateLessThanEquals", { not: false, match: (value, now) => now <= value }],
  ["DateGreaterThan", { not: false, match: (value, now) => now > value }],
  ["DateGreaterThanEquals", { not: false, match: (value, now) => now >= value }],
]);

const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;
const mostValues = 100;

const isTextKey = (key: string): key is TextKey => (textKeys as readonly string[]).includes(key);

const textsIn = (value: unknown, path: string, issues: Issues): readonly string[] => {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (values.length === 0 || values.length > mostValues) return issues.add(path, `must be a text, or a list of 1 to ${mostValues}`);
  return values.flatMap((each) => {
    if (typeof each !== "string") return issues.add(path, "must be a text or a list of texts");
    // A variable that stays as it is would compare with itself.
    return each.includes("${") ? issues.add(path, "may not hold a variable") : each;
  });
};

const onText = (operator: string, key: TextKey, values: readonly string[]): readonly Condition[] => {
  const found = textOperators.get(operator);
  return found ? [{ key, not: found.not, matches: (text) => values.some((value) => found.match(value, text)) }] : [];
};

const onTime = (operator: string, values: readonly string[], path: string, issues: Issues): readonly Condition[] => {
  const found = timeOperators.get(operator);
  const moments = values.map((value) => (moment.test(value) ? Date.parse(value) : Number.NaN));
  if (moments.some(Number.isNaN)) return issues.add(path, "must be a moment as ISO 8601 writes it");
  return found ? [{ key: timeKey, not: found.not, matches: (now) => moments.some((value) => found.match(value, now)) }] : [];
};

/**
 * The conditions of a statement. An operator or key that cannot be told here is refused: passed over, it would let in whom it keeps out.
 * @param ofTrust Whether the keys of a trust policy are known as well
 */
export const conditionIn = (given: unknown, path: string, ofTrust: boolean, issues: Issues): readonly Condition[] => {
  if (!isObject(given)) return issues.add(path, "must be an object");
  const keys = [workloadKey, timeKey, ...(ofTrust ? textKeys : [])];
  return Object.entries(given).flatMap(([operator, tests]): readonly Condition[] => {
    const at = `${path}.${operator}`;
    const onTexts = textOperators.has(operator);
    if (!onTexts && !timeOperators.has(operator)) return issues.add(at, "is no operator that is known here");
    if (!isObject(tests) || Object.keys(tests).length === 0) return issues.add(at, "must be an object of condition keys");
    return Object.entries(tests).flatMap(([key, value]): readonly Condition[] => {
      const place = `${at}.${key}`;
      if (!keys.includes(key)) return issues.add(place, "is no condition key that is known here");
      if (onTexts !== isTextKey(key)) return issues.add(place, `is not for ${operator}`);
      const values = textsIn(value, place, issues);
      return isTextKey(key) ? onText(operator, key, values) : onTime(operator, values, place, issues);
    });
  });
};

/** Whether a condition holds. A key that is not there holds for no condition that wants it, and for every one that wants it otherwise. */
export const holds = (condition: Condition, { now, texts }: Context): boolean => {
  if (condition.key === timeKey) return condition.matches(now) !== condition.not;
  const text = texts[condition.key];
  return text === undefined ? condition.not : condition.matches(text) !== condition.not;
};
