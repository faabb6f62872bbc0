import type { Random } from "../../ground/kernel/index.ts";

/** An end user for whom agents act. */
export interface User {
  readonly id: string;
  /** The `iss` of the user's tokens, or the asserting agent's own issuer. */
  readonly issuer: string;
  /** The value of the issuer's subject claim, or the asserted user id. */
  readonly subject: string;
  /** The claim whose value the subject is; undefined where an agent merely asserted it. */
  readonly subjectClaim: string | undefined;
  /** Whether a trusted issuer's token named the user; never both for one row, since the issuers differ. */
  readonly proven: boolean;
  /** `revoked` is final. */
  readonly status: "active" | "suspended" | "revoked";
  /** Raised by one whenever what was handed out before must no longer work. */
  readonly epoch: number;
  readonly createdAt: number;
}

export const newUserId = (random: Random): string => `usr_${random(16).toString("hex")}`;

/** The issuer of the users an agent merely asserts: no trusted issuer's, whose is an http URL, and no other agent's. */
export const assertedIssuer = (agentId: string): string => `urn:legate:asserted:${agentId}`;
