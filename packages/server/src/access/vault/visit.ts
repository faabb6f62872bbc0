import { createHash, timingSafeEqual } from "node:crypto";
import type { Random } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Session } from "./session.ts";

/** One opening of a consent's URL in one browser. */
export interface Visit {
  /** Hash of the secret in the browser's cookie. */
  readonly id: string;
  readonly session: string;
  /** page: our consent page was shown; login: at the user's issuer; provider: at the provider. */
  readonly stage: "page" | "login" | "provider";
  /** Hash of the `state` under way; empty at stage page. */
  readonly stateHash: string;
  readonly sealedSecrets: string;
  readonly createdAt: number;
}

/** What a visit keeps sealed. */
export interface VisitSecrets {
  /** The consent page's form token. */
  readonly form?: string;
  /** PKCE verifier of the request under way. */
  readonly verifier?: string;
  /** Nonce of the login under way. */
  readonly nonce?: string;
}

/** The cookie that ties a browser to its visit: HttpOnly, SameSite=Lax (the callback comes from another site), Path=/. */
export interface VisitCookie {
  readonly name: string;
  readonly value: string;
  /** Seconds. */
  readonly maxAge: number;
  readonly secure: boolean;
}

/** A browser's cookies by name. */
export type Cookies = (name: string) => string | undefined;

/** One cookie a session: a second visit in the same browser replaces it, and the newest visit is the one that counts. */
export const cookieName = (session: string, secure: boolean): string => `${secure ? "__Host-" : ""}legate_${session.slice(0, 16)}`;

export const newSecret = (random: Random): string => random(32).toString("base64url");

export const hashed = (secret: string): string => createHash("sha256").update(secret, "utf8").digest("base64url");

/** In constant time. */
export const isSame = (one: string, other: string): boolean =>
  timingSafeEqual(createHash("sha256").update(one, "utf8").digest(), createHash("sha256").update(other, "utf8").digest());

/** RFC 7636 4.2, S256. */
export const challengeOf = (verifier: string): string => createHash("sha256").update(verifier, "ascii").digest("base64url");

export const secretsIdentity = (visitId: string): string => `authorization_visits/${visitId}/secrets`;

export const cookieFor = (session: Session, value: string, secure: boolean, now: number): VisitCookie => ({
  name: cookieName(session.id, secure),
  value,
  maxAge: Math.max(1, Math.ceil((session.expiresAt - now) / 1000)),
  secure,
});

/** What a visit keeps; nothing once its session is used up. */
export const openSecrets = async (seal: Seal, tenant: string, { id, sealedSecrets }: Visit): Promise<VisitSecrets> =>
  sealedSecrets === "" ? {} : (JSON.parse(await seal.open(tenant, secretsIdentity(id), sealedSecrets)) as VisitSecrets);
