/** Every kind of token we mint: what its header says, whom it is for, and how long it lives. */
export const kinds = {
  /** What an agent spends at the vault. */
  workload: { typ: "wat+jwt", seconds: 30 * 60, audience: (issuer: string): string => `${issuer}/vault` },
  /** How Legate proves itself to a provider (RFC 7523 2.2); no door of ours accepts it. */
  client_assertion: { typ: "JWT", seconds: 60, audience: undefined },
} as const;

export type Kind = keyof typeof kinds;
/** A kind that some door of ours accepts. */
export type AcceptedKind = "workload";
