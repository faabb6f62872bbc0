import type { Answer } from "./ask.ts";
import { OutboundError } from "./errors.ts";
import { tellerOf } from "./fault.ts";
import { ProjectEnvVar, ProjectEnvVars } from "./project-env.ts";
import { parsed, recordOf } from "./shown.ts";

/** How an outbound call is named in texts. */
export interface Naming {
  /** Begins a sentence: `Integration credential`. */
  readonly subject: string;
  /** Stands within one: `integration credential`. */
  readonly object: string;
}
export const credentialNaming: Naming = { subject: "Integration credential", object: "integration credential" };
export const variablesNaming: Naming = { subject: "Project environment variables", object: "project environment variables" };

type Data = Readonly<Record<string, unknown>>;

/** Reads an answer of the outbound endpoint: `take` gets its `data`, and a way to say what is wrong with it. */
const opened = <T>(
  answer: Answer,
  { subject, object }: Naming,
  secrets: readonly string[],
  take: (data: Data, wrong: (words: string) => Error) => T,
): T => {
  const { fault, said } = tellerOf(answer, secrets);
  const body = parsed(answer.text);
  const envelope = recordOf(body);
  const code = envelope?.code;
  const own = typeof code === "string" || typeof code === "number" ? code : undefined;
  const fail = (words: string) => fault(OutboundError, words, { code: own });
  const wrong = (words: string) => fail(`Invalid response format: ${words}`);

  if (answer.status !== 200) {
    const { status } = answer;
    const side = status >= 400 && status < 500 ? "Client" : "Server";
    const msg = envelope && Object.hasOwn(envelope, "msg") ? `: ${said(envelope.msg)}` : "";
    throw fail(`${side} error (${status}): ${subject} request failed with status ${status}${msg}`);
  }
  if (body === undefined) throw fail(`Failed to retrieve ${object}: the answer is not JSON`);
  if (!envelope) throw wrong("expected JSON object");
  // Where the original is, 0 and false are equal.
  if (code !== 0 && code !== false) {
    const msg = Object.hasOwn(envelope, "msg") ? said(envelope.msg) : "Unknown error";
    throw fail(`${subject} API error: code=${said(code)}, msg=${msg}`);
  }
  const data = recordOf(envelope.data);
  if (!data) throw wrong("missing or invalid 'data' field");
  return take(data, wrong);
};

/** @throws OutboundError */
export const credentialOf = (answer: Answer, secrets: readonly string[]): string =>
  opened(answer, credentialNaming, secrets, (data, wrong) => {
    if (!Object.hasOwn(data, "credential")) throw wrong("missing 'credential' field in data");
    if (typeof data.credential !== "string") throw wrong("credential must be a string");
    return data.credential;
  });

/** @throws OutboundError */
export const variablesOf = (answer: Answer, secrets: readonly string[]): ProjectEnvVars =>
  opened(answer, variablesNaming, secrets, ({ secrets: listed }, wrong) => {
    if (!Array.isArray(listed)) throw wrong("missing or invalid 'secrets' field in data");
    const variables = listed.map((given: unknown, at) => {
      const one = recordOf(given);
      if (!one) throw wrong(`secrets[${at}] must be a dict`);
      if (!Object.hasOwn(one, "key") || !Object.hasOwn(one, "value")) throw wrong(`secrets[${at}] must contain 'key' and 'value' keys`);
      const { key, value } = one;
      if (typeof key !== "string" || typeof value !== "string") throw wrong(`secrets[${at}] key and value must be strings`);
      return new ProjectEnvVar(key, value);
    });
    return new ProjectEnvVars(variables);
  });
