import { createPublicKey } from "node:crypto";
import { compactVerify, errors } from "jose";
import { algorithmsOf, type ClientKey } from "../../identity/agents/index.ts";
import { readCompactJws } from "../../identity/tokens/index.ts";

/** What an assertion must fit. */
export interface Expected {
  /** The issuer of the client's tenant: rfc7523bis 2 lets an assertion be for it alone, so that nobody it was sent to can send it on. */
  readonly issuer: string;
  readonly keys: readonly ClientKey[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** An assertion that held, but for having been used before. */
export interface Asserted {
  readonly keyId: string;
  readonly jti: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What an assertion failed on, for the record. */
export type AssertionFault =
  | "malformed"
  | "type"
  | "subject"
  | "audience"
  | "expired"
  | "too_long"
  | "not_yet_valid"
  | "jti"
  | "key"
  | "signature";

/** Seconds: how far the clocks may be apart, and how long an assertion may live. */
const leeway = 30;
/** Libraries give theirs up to an hour. It is used once, so that a long life lets nobody use it again. */
const longestLife = 60 * 60;

/** rfc7523bis 3: its own type, or the general one, or none. */
const types = [undefined, "jwt", "client-authentication+jwt"];

const isMoment = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

/** The client that an assertion says it is from, if it can be read at all. */
export const subjectOf = (assertion: string): string | undefined => {
  const sub = readCompactJws(assertion)?.payload["sub"];
  return typeof sub === "string" ? sub : undefined;
};

const faultOfClaims = (claims: Readonly<Record<string, unknown>>, expected: Expected): AssertionFault | undefined => {
  const { iss, sub, aud, exp, nbf, iat, jti } = claims;
  const now = expected.now / 1000;
  if (typeof sub !== "string" || iss !== sub) return "subject";
  // One audience, also where it stands in a list: with two, the other one could bring it here.
  const audience: unknown = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (audience !== expected.issuer) return "audience";
  if (!isMoment(exp) || exp <= now - leeway) return "expired";
  if (exp > now + longestLife + leeway) return "too_long";
  for (const moment of [nbf, iat]) if (moment !== undefined && (!isMoment(moment) || moment > now + leeway)) return "not_yet_valid";
  return typeof jti === "string" && jti !== "" ? undefined : "jti";
};

const holds = async (assertion: string, { publicJwk }: ClientKey, alg: string): Promise<boolean> => {
  try {
    await compactVerify(assertion, createPublicKey({ key: publicJwk, format: "jwk" }), { algorithms: [alg] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return false;
    throw error;
  }
};

/**
 * Checks an assertion by which a client proves itself (RFC 7523 3), but for whether it was used before.
 * @returns what it failed on, for the record and not for the client
 */
export const checkAssertion = async (assertion: string, expected: Expected): Promise<Asserted | AssertionFault> => {
  const read = readCompactJws(assertion);
  if (!read) return "malformed";
  const { header, payload } = read;
  const { alg, kid, typ } = header;
  if (typ !== undefined && typeof typ !== "string") return "type";
  if (!types.includes(typ?.toLowerCase().replace(/^application\//, ""))) return "type";
  const fault = faultOfClaims(payload, expected);
  if (fault) return fault;
  // RFC 8725 3.1: the key says what it signs with. What the header offers as a key (`jwk`, `jku`, `x5c`) is not looked at.
  const fitting = expected.keys.filter(
    (key) => (kid === undefined || kid === key.kid) && typeof alg === "string" && algorithmsOf(key.publicJwk).includes(alg),
  );
  if (fitting.length === 0) return "key";
  for (const key of fitting) {
    if (!(await holds(assertion, key, String(alg)))) continue;
    return { keyId: key.id, jti: String(payload["jti"]), expiresAt: Math.ceil(Number(payload["exp"]) * 1000) };
  }
  return "signature";
};
