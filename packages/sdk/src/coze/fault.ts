import { type Answer, NoAnswer } from "./ask.ts";
import type { ErrorFacts, WorkloadIdentityError } from "./errors.ts";
import { withoutSecrets } from "./secrecy.ts";

type Kind = new (message: string, facts: ErrorFacts) => WorkloadIdentityError;

/** Makes an error of a text that may quote the server, which may quote us. */
export const makeFault =
  (secrets: readonly string[]) =>
  (Kind: Kind, message: string, facts: ErrorFacts & { readonly of?: Answer } = {}): WorkloadIdentityError => {
    const clean = <T>(value: T): T => (typeof value === "string" ? (withoutSecrets(value, secrets) as T & string) : value);
    return new Kind(clean(message), {
      status: facts.of?.status,
      requestId: facts.of?.requestId,
      code: clean(facts.code),
      detail: clean(facts.detail),
      cause: facts.cause,
    });
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
