import type { Code } from "@legate/contract";

/** A no that the caller may see. Anything else that is thrown is our fault and becomes a 500 without details. */
export class Refusal extends Error {
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;

  /** @param details What a program may want to know; it reaches the caller, so it never holds a secret. */
  constructor(code: Code, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = "Refusal";
    this.code = code;
    this.details = details;
  }
}
