import type { OperatorRole, Random } from "../../ground/kernel/index.ts";

/** A person or script that runs Legate. */
export interface Operator {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly role: OperatorRole;
  /** The first characters of the key; undefined where somebody chose the key, whose beginning may tell too much. */
  readonly hint: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  /** Within a minute. */
  readonly lastUsedAt: number | undefined;
}

/** The first operator: who holds the admin key. */
export const firstOperator = { id: "op_admin", name: "admin" } as const;

export const newOperatorId = (random: Random): string => `opr_${random(12).toString("hex")}`;

/** `op_` and 64 random hex digits. */
export const newOperatorKey = (random: Random): string => `op_${random(32).toString("hex")}`;

/** Whether a key has the form of those that are made here, which nobody could guess. */
export const isMadeKey = (key: string): boolean => /^op_[0-9a-f]{64}$/.test(key);

/** What a list shows to tell keys apart, of a key made here. */
export const hintOf = (key: string): string => key.slice(0, 9);

/** What an operator key may look like: 32 to 256 printable characters without space. */
export const isOperatorKey = (text: string): boolean => /^[\x21-\x7e]{32,256}$/.test(text);
