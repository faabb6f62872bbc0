import type { Random } from "../../ground/kernel/index.ts";
import type { UpstreamTokens } from "../providers/index.ts";
import { type ConnectionKey, keyText } from "./credential-key.ts";

/** What the vault holds under one key, as it may be shown: never the tokens. */
export interface Connection {
  readonly id: string;
  /** The name is absent once the agent is gone. */
  readonly agent: { readonly id: string; readonly name?: string };
  /** Absent where the agent acts on its own account. */
  readonly user?: { readonly id: string; readonly issuer: string; readonly subject: string };
  readonly provider: { readonly id: string; readonly name: string; readonly vault: string };
  readonly state: ConnectionState;
  readonly resource?: string;
  readonly audience?: string;
  readonly requestedScopes: readonly string[];
  readonly grantedScopes: readonly string[];
  /** Milliseconds since 1970; absent where the provider did not say. */
  readonly expiresAt?: number;
  readonly refreshable: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** `needs_consent`: the grant is dead at the provider; `revoked`: an operator ended it. Either way no tokens are left. */
export type ConnectionState = "active" | "needs_consent" | "revoked";

/** One connection as the vault works with it: its key, its version, its tokens as they are sealed. */
export interface Stored {
  readonly id: string;
  readonly key: ConnectionKey;
  readonly state: ConnectionState;
  readonly version: number;
  readonly requestedScopes: readonly string[];
  readonly grantedScopes: readonly string[];
  readonly sealedTokens: string | undefined;
  readonly refreshable: boolean;
  readonly obtainedAt: number | undefined;
  readonly expiresAt: number | undefined;
  readonly leaseUntil: number;
}

/** What is sealed. */
export interface Tokens {
  readonly accessToken: string;
  readonly tokenType: string;
  readonly refreshToken?: string;
}

/** What tokens are stored with. */
export interface Obtained {
  readonly grantedScopes: readonly string[];
  readonly refreshable: boolean;
  readonly obtainedAt: number;
  readonly expiresAt: number | undefined;
}

/** A filter of the list; all that are given must hold. */
export interface ConnectionFilter {
  /** Name or id. */
  readonly agent?: string | undefined;
  readonly user?: string | undefined;
  /** Its id, or its name in vault `default`. */
  readonly provider?: string | undefined;
}

export const newConnectionId = (random: Random): string => `con_${random(16).toString("hex")}`;

/** Where a connection's tokens are sealed to: they open in this row, under this whole key, at this version, and nowhere else. */
export const tokensIdentity = (id: string, key: ConnectionKey, version: number): string =>
  `connections/${id}/${keyText(key)}/tokens/${version}`;

/** @param now When the provider was asked: a token never lives longer than we believe. */
export const obtainedFrom = (tokens: UpstreamTokens, granted: readonly string[], refreshable: boolean, now: number): Obtained => ({
  // RFC 6749 5.1 and 6: scope is left out where it is what was asked for, or what was granted before.
  grantedScopes: tokens.scopes ?? granted,
  refreshable,
  obtainedAt: now,
  // RFC 6749 5.1: expires_in is only recommended. Where it is missing, the life is unknown.
  expiresAt: tokens.expiresIn === undefined ? undefined : now + Math.floor(Math.min(Math.max(tokens.expiresIn, 0), longestLife) * 1000),
});

/** A hundred years in seconds: beyond it a number is no life but a mistake. */
const longestLife = 3_155_760_000;

/** What was asked for and not granted. `offline_access` is granted by a refresh token (OpenID Connect Core 11); few providers name it. */
export const missingScopes = (requested: readonly string[], granted: readonly string[], refreshable: boolean): readonly string[] =>
  [...new Set(requested)].filter((scope) => !granted.includes(scope) && !(refreshable && scope === "offline_access"));

/** Whether its access token still works, as far as anyone told us. */
export const isValid = ({ expiresAt }: Pick<Stored, "expiresAt">, now: number): boolean => expiresAt === undefined || now < expiresAt;

/** As far as the clocks of two replicas may be apart; milliseconds. */
const clockSkew = 60_000;

/** How long a token of an agent's own is served where the provider does not say how long it lives. */
const unknownLife = 5 * 60_000;
const earliestRefresh = 60_000;

/**
 * Whether a new token should be had first, if it can be: ahead of expiry by the smaller of 60 s and a tenth of its life. Of unknown life, a
 * user's token is served as it is (only the user could give another), an agent's own for five minutes (another is a request away). One that was
 * had in the future was had before a clock was set back: nobody knows how long it still lives.
 */
export const isDue = ({ key, obtainedAt, expiresAt }: Pick<Stored, "key" | "obtainedAt" | "expiresAt">, now: number): boolean => {
  if ((key.kind === "agent" || expiresAt !== undefined) && (obtainedAt ?? 0) > now + clockSkew) return true;
  if (expiresAt === undefined) return key.kind === "agent" && now >= (obtainedAt ?? 0) + unknownLife;
  return now >= expiresAt - Math.min(earliestRefresh, (expiresAt - (obtainedAt ?? expiresAt)) / 10);
};
