import { type Random, Refusal } from "../../ground/kernel/index.ts";

export type LoginClientAuth = "client_secret_basic" | "client_secret_post" | "private_key_jwt" | "none";

/** Legate's own client at an issuer, for binding `login`; its secret stays sealed. */
export interface IssuerLogin {
  readonly clientId: string;
  readonly clientAuth: LoginClientAuth;
  readonly scopes: readonly string[];
}

/** An OpenID issuer whose users' tokens are believed. */
export interface Issuer {
  readonly id: string;
  readonly name: string;
  /** The `iss` of its tokens. */
  readonly issuer: string;
  /** Where its metadata was found. */
  readonly discoveryUrl: string;
  /** A token must name one of these in `aud`. */
  readonly audiences: readonly string[];
  /** The claim that names the user. */
  readonly subjectClaim: string;
  readonly login: IssuerLogin | undefined;
  /** What to register at the issuer as the redirect URI of the `login` client. */
  readonly loginCallbackUrl: string;
  readonly description: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface NewIssuerLogin {
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  readonly clientAuth?: LoginClientAuth | undefined;
  readonly scopes?: readonly string[] | undefined;
}

export interface NewIssuer {
  readonly name: string;
  /** The issuer URL, or that of its metadata. */
  readonly discoveryUrl: string;
  readonly audiences: readonly string[];
  readonly subjectClaim?: string | undefined;
  readonly login?: NewIssuerLogin | undefined;
  readonly description?: string | undefined;
}

/** What is left out stays. */
export interface IssuerChange {
  /** Where its metadata is from now on; it may speak for another issuer. */
  readonly discoveryUrl?: string | undefined;
  /** An empty one is none. */
  readonly description?: string | undefined;
  readonly audiences?: readonly string[] | undefined;
  readonly subjectClaim?: string | undefined;
  /** Null takes it away. The stored secret stays where the client id is the same and no secret is given. */
  readonly login?: NewIssuerLogin | null | undefined;
}

export const newIssuerId = (random: Random): string => `iss_${random(16).toString("hex")}`;

const needsSecret = (auth: LoginClientAuth): boolean => auth === "client_secret_basic" || auth === "client_secret_post";

export const invalid = (path: string, message: string) => new Refusal("invalid_request", message, { issues: [{ path, message }] });

/**
 * Fills in what a `login` leaves out.
 *
 * @param secretStored Whether a secret of this client is stored already.
 * @throws Refusal invalid_request where its parts do not fit together
 */
export const loginFrom = ({ clientId, clientSecret, clientAuth, scopes }: NewIssuerLogin, secretStored: boolean): IssuerLogin => {
  const hasSecret = clientSecret !== undefined || secretStored;
  // OpenID Connect Core 9: client_secret_basic unless something else was agreed.
  const auth = clientAuth ?? (hasSecret ? "client_secret_basic" : "none");
  if (needsSecret(auth) && !hasSecret) throw invalid("login.clientSecret", `${auth} needs a client secret.`);
  if (!needsSecret(auth) && clientSecret !== undefined) throw invalid("login.clientSecret", `${auth} uses no client secret.`);
  // OpenID Connect Core 3.1.2.1: without the scope `openid` there is no ID token, and a login is nothing without one.
  if (scopes !== undefined && !scopes.includes("openid")) throw invalid("login.scopes", "The scopes of a login must contain openid.");
  return { clientId, clientAuth: auth, scopes: scopes ?? ["openid"] };
};

/** Whether the stored secret of a login has a use with this way of authenticating. */
export const keepsSecret = needsSecret;
