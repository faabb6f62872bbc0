import type { Answer } from "./ask.ts";
import { SkillEnvAPIError } from "./errors.ts";
import { tellerOf } from "./fault.ts";
import { parsed, recordOf } from "./shown.ts";

/** Variables by name. */
export type SkillVariables = Readonly<Record<string, string>>;

type Fields = Readonly<Record<string, unknown>>;

/** Whether Python would take it for true: what is empty counts as absent. */
const isFilled = (value: unknown): boolean =>
  typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);

const stringMap = (value: unknown): SkillVariables | undefined => {
  const map = recordOf(value);
  return map && Object.values(map).every((one) => typeof one === "string") ? (map as SkillVariables) : undefined;
};

/** The variables, wherever of the places that the platform has used they stand. */
const found = (payload: Fields): SkillVariables | undefined => {
  const data = Object.hasOwn(payload, "data") ? recordOf(payload.data) : payload;
  if (!data) return undefined;
  const map = [data.envs, data.env].find(isFilled) ?? data.variables;
  return stringMap(map ?? data);
};

/** As Python's `json.dumps` writes it, which the original's text is made of; the values of variables are left out. */
const dumped = (value: unknown, hidden: SkillVariables | undefined): string => {
  if (value === hidden && hidden) return dumped(Object.fromEntries(Object.keys(hidden).map((name) => [name, "[hidden]"])), undefined);
  if (Array.isArray(value)) return `[${value.map((one) => dumped(one, hidden)).join(", ")}]`;
  const record = recordOf(value);
  if (!record) return JSON.stringify(value);
  const fields = Object.entries(record).map(([name, one]) => `${JSON.stringify(name)}: ${dumped(one, hidden)}`);
  return `{${fields.join(", ")}}`;
};

/**
 * Reads the endpoint's answer; undefined where it holds no variables.
 *
 * @throws SkillEnvAPIError for an error code in it
 */
export const skillVariablesOf = (answer: Answer, secrets: readonly string[]): SkillVariables | undefined => {
  if (answer.status !== 200) return undefined;
  const payload = recordOf(parsed(answer.text));
  if (!payload) return undefined;
  const base = recordOf(payload.BaseResp);
  const code = base && Object.hasOwn(base, "StatusCode") ? base.StatusCode : 0;
  if (code === 0 || code === "0" || code === false) return found(payload);
  const own = typeof code === "string" || typeof code === "number" ? code : undefined;
  const { fault, said } = tellerOf(answer, secrets);
  throw fault(SkillEnvAPIError, `GetSkillEnvs error: ${said(dumped(payload, found(payload)))}`, { code: own });
};
