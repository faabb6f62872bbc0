import { type Answer, NoAnswer } from "./ask.ts";
import type { ErrorFacts, WorkloadIdentityError } from "./errors.ts";
import { quotable } from "../secrecy.ts";
import { shown } from "./shown.ts";

type Kind = new (message: string, facts: ErrorFacts) => WorkloadIdentityError;

/** The ways to tell of an answer that is no good. */
export interface Teller {
  /** What the server said, as a text may quote it: the server may have quoted us, or said more than anybody reads. */
  readonly said: (value: unknown) => string;
  readonly fault: (Kind: Kind, message: string, facts?: Pick<ErrorFacts, "code" | "detail">) => WorkloadIdentityError;
}

/** Makes errors of an answer. Whatever the server wrote goes through `said` first; `code` and `detail` go through it here. */
export const tellerOf = ({ status, requestId }: Answer, secrets: readonly string[]): Teller => {
  const clean = <T>(value: T): T => (typeof value === "string" ? (quotable(value, secrets) as T & string) : value);
  return {
    said: (value) => clean(shown(value)),
    fault: (Kind, message, { code, detail } = {}) => new Kind(message, { status, requestId, code: clean(code), detail: clean(detail) }),
  };
};

/** Awaits an answer; where there is none, the error begins with `prefix`. */
export const answered = async (asking: Promise<Answer>, Kind: Kind, prefix: string): Promise<Answer> => {
  try {
    return await asking;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new Kind(`${prefix}: ${error.message}`, { code: error.code, cause: error.underneath });
  }
};
