import type { Random } from "../../ground/kernel/index.ts";
import type { Named } from "../../identity/tokens/index.ts";
import type { Client } from "../clients/index.ts";

/**
 * What a person granted a client once: the codes, refresh tokens and access tokens that came of it are one family, and die together. What was
 * exchanged for one of its access tokens belongs to it.
 */
export interface Family {
  /** `gnt_` and 32 hex digits; access tokens carry it. */
  readonly id: string;
  readonly client: string;
  /** As the client was when the person consented. */
  readonly clientVersion: string;
  /** The agent that the client is, if it is one. */
  readonly agent: Named | undefined;
  readonly user: Named;
  readonly tenantEpoch: number;
  /** The audience of its access tokens. */
  readonly resource: string;
  /** Sorted, no repeats: the most that its access tokens ever have. */
  readonly scopes: readonly string[];
  readonly status: "active" | "revoked";
  /** Why it was revoked. */
  readonly reason: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When nothing of it can work any more; each refresh moves it on. */
  readonly expiresAt: number;
}

/** What ended a family. */
export type FamilyEnd =
  | "operator"
  | "client"
  | "code_reused"
  | "refresh_token_reused"
  | "agent_suspended"
  | "agent_removed"
  | "user_suspended"
  | "user_revoked"
  | "client_suspended"
  | "client_removed";

/** Whose families: a client's, by its id; an agent's, which are those of the client that it is; a user's. */
export interface FamiliesOf {
  readonly kind: "client" | "agent" | "user";
  readonly id: string;
}

export const newFamilyId = (random: Random): string => `gnt_${random(16).toString("hex")}`;

/** For how long a refresh token works that nobody uses, in milliseconds; with each use, the next one has as long. */
export const refreshLife = 30 * 24 * 60 * 60_000;

/**
 * Whether a client is given a refresh token for these scopes: one that may use it, and with OpenID Connect only where the person was asked for
 * `offline_access` (OpenID Connect Core 11).
 */
export const givesRefreshToken = ({ grantTypes }: Pick<Client, "grantTypes">, scopes: readonly string[]): boolean =>
  grantTypes.includes("refresh_token") && (scopes.includes("offline_access") || !scopes.includes("openid"));
