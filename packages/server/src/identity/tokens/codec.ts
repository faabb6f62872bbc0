import type { JWTPayload } from "jose";

/** What every token of ours says, verified. */
export interface Envelope {
  readonly tenant: string;
  readonly jti: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** How a kind of token says what it says. */
export interface Codec<Grant, Claims> {
  /** The claims beside those that every kind has. */
  readonly write: (grant: Grant) => JWTPayload;
  /** Undefined where the claims are not those of this kind, whoever signed them. */
  readonly read: (envelope: Envelope, payload: Readonly<Record<string, unknown>>) => Claims | undefined;
}

export const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
export const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
export const isTextIfAny = (value: unknown): value is string | undefined => value === undefined || isText(value);

/** A member of a claim that is an object; undefined where it is none. */
export const member = (claim: unknown, name: string): unknown =>
  typeof claim === "object" && claim !== null && Object.hasOwn(claim, name) ? (claim as Record<string, unknown>)[name] : undefined;
