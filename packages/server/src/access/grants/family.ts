import { createHash } from "node:crypto";
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
  /** Where the client is a registered app: what it was suspended or resumed since is dead. */
  readonly clientEpoch: number | undefined;
  /** The agent that the client is, if it is one. */
  readonly agent: Named | undefined;
  readonly user: Named;
  readonly tenantEpoch: number;
  /** The audience of its access tokens. */
  readonly resource: string;
  /** Sorted, no repeats: the most that its access tokens ever have. */
  readonly scopes: readonly string[];
  /** Also revoked where its client, agent, user or tenant was stopped since, which nobody wrote to its row. */
  readonly status: "active" | "revoked";
  /** Why it was revoked. */
  readonly reason: FamilyEnd | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When nothing of it can work any more; each refresh moves it on, until {@link endOfLife}. */
  readonly expiresAt: number;
}

/** What ends one family alone. */
export type FamilyRevoked = "operator" | "client" | "code_reused" | "refresh_token_reused" | "superseded";

/**
 * What ended a family: what was said of it alone, or that somebody whom it names was stopped. The latter stands in no family's row, however many
 * there are: each carries the epochs in which it began, and is over once one of them has moved on.
 */
export type FamilyEnd =
  | FamilyRevoked
  | "agent_suspended"
  | "agent_removed"
  | "user_suspended"
  | "user_revoked"
  | "client_suspended"
  | "client_removed"
  | "tenant_suspended";

/** Whose families: an agent's, which are those of the client that it is; a user's. */
export interface FamiliesOf {
  readonly kind: "agent" | "user";
  readonly id: string;
}

/** Client and resource as one key: either may be too long for an index. */
export const placeHashOf = ({ client, resource }: Pick<Family, "client" | "resource">): string =>
  createHash("sha256")
    .update(JSON.stringify([client, resource]))
    .digest("base64url");

/** Families of one user that live at once for one client and resource: a login more ends the oldest. */
export const mostLiving = 20;

export const newFamilyId = (random: Random): string => `gnt_${random(16).toString("hex")}`;

/** For how long a refresh token works that nobody uses, in milliseconds; with each use, the next one has as long. */
export const refreshLife = 30 * 24 * 60 * 60_000;

/** For how long a family lives that is refreshed again and again, in milliseconds: then the person logs in anew. */
export const familyLife = 180 * 24 * 60 * 60_000;

/** When a family is over however often it is refreshed. */
export const endOfLife = ({ createdAt }: Pick<Family, "createdAt">): number => createdAt + familyLife;

/** When a refresh token ends that is given now. */
export const refreshEnd = (family: Pick<Family, "createdAt">, now: number): number => Math.min(now + refreshLife, endOfLife(family));

/**
 * Whether a client is given a refresh token for these scopes: one that may use it, and with OpenID Connect only where the person was asked for
 * `offline_access` (OpenID Connect Core 11).
 */
export const givesRefreshToken = ({ grantTypes }: Pick<Client, "grantTypes">, scopes: readonly string[]): boolean =>
  grantTypes.includes("refresh_token") && (scopes.includes("offline_access") || !scopes.includes("openid"));
