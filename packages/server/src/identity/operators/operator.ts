import type { OperatorRole } from "../../ground/kernel/index.ts";

/** A person or script that runs Legate. */
export interface Operator {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly role: OperatorRole;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
}

/** The first operator: who holds the admin key. */
export const firstOperator = { id: "op_admin", name: "admin" } as const;

/** What an operator key may look like: 32 to 256 printable characters without space. */
export const isOperatorKey = (text: string): boolean => /^[\x21-\x7e]{32,256}$/.test(text);
