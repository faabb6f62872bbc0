import { type CryptoKey, errors, type JWTPayload, jwtVerify } from "jose";
import { parseStrictObject, Refusal } from "../../ground/kernel/index.ts";

/** What a user token that was refused failed on, and the sentence that says so. */
const reasons = {
  malformed: "it is not a well-formed JSON Web Token",
  algorithm: "its algorithm is not accepted",
  type: "it is another kind of token than an ID token or access token",
  critical: "it asks for an extension that is not understood",
  signature: "its signature does not hold",
  key_unknown: "the issuer publishes no such key",
  issuer: "it is from another issuer",
  audience: "it is for somebody else",
  expired: "it has expired",
  not_yet_valid: "it is not valid yet",
  claim_missing: "a claim is missing that it must have",
  subject: "it does not name its user in a usable way",
} as const;

export type UserTokenReason = keyof typeof reasons;

export const refused = (reason: UserTokenReason): Refusal =>
  new Refusal("user_token_invalid", `The user token was refused: ${reasons[reason]}.`, { reason });

/** A user token that held. */
export interface VerifiedUserToken {
  readonly issuerId: string;
  readonly iss: string;
  /** The value of the issuer's subject claim. */
  readonly subject: string;
  readonly subjectClaim: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly claims: JWTPayload;
}

/** What a token must fit. */
export interface Expected {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly subjectClaim: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The part of a header by which a key is chosen. */
export interface KeyHint {
  readonly alg: string;
  readonly kid?: string;
}

/** RFC 8725 3.1, 3.2: asymmetric signatures only, each bound to its kind of key. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
/** As the contract's token text. */
const mostCharacters = 16_384;
const leewaySeconds = 30;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const alphabet = /^[A-Za-z0-9_-]+$/;

const part = (text: string | undefined): Readonly<Record<string, unknown>> => {
  if (text === undefined || !alphabet.test(text)) throw refused("malformed");
  try {
    return parseStrictObject(decoder.decode(Buffer.from(text, "base64url")));
  } catch {
    throw refused("malformed");
  }
};

/**
 * Reads a token's header and refuses what no key could make good.
 *
 * @throws Refusal user_token_invalid
 */
export const keyHintOf = (token: string): KeyHint => {
  if (token.length > mostCharacters) throw refused("malformed");
  const parts = token.split(".");
  // RFC 7516 3.1: five parts would be an encrypted token.
  if (parts.length !== 3) throw refused("malformed");
  const header = part(parts[0]);
  const claims = part(parts[1]);
  // RFC 7515 4.1.11; `b64` is nothing without it (RFC 7797 3).
  if (Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) throw refused("critical");
  const { alg, kid, typ } = header;
  if (typeof alg !== "string" || !algorithms.includes(alg)) throw refused("algorithm");
  // What decodes base64url may pass over what does not belong there (RFC 7515 2: no padding, no white space).
  if (!alphabet.test(parts[2] ?? "")) throw refused("malformed");
  // RFC 8725 3.11: other kinds of JWT of the same issuer (logout tokens, proofs, assertions, grants) say so in `typ`.
  if (typ !== undefined && (typeof typ !== "string" || !/^(application\/)?(jwt|at\+jwt)$/i.test(typ))) throw refused("type");
  // RFC 8417 2.2: `events` makes it a security event; logout tokens carry it where they have no `typ`.
  if (Object.hasOwn(claims, "events")) throw refused("type");
  if (kid === undefined) return { alg };
  if (typeof kid !== "string") throw refused("malformed");
  return { alg, kid };
};

/**
 * The value of the claim that names the user.
 *
 * @throws Refusal user_token_invalid
 */
export const subjectOf = (claims: Readonly<Record<string, unknown>>, subjectClaim: string): string => {
  if (!Object.hasOwn(claims, subjectClaim)) throw refused("claim_missing");
  const subject = claims[subjectClaim];
  const usable =
    typeof subject === "string" &&
    subject !== "" &&
    subject.isWellFormed() &&
    !subject.includes("\0") &&
    Buffer.byteLength(subject, "utf8") <= 512;
  if (!usable) throw refused("subject");
  return subject;
};

const reasonOf = (problem: unknown): UserTokenReason | undefined => {
  if (problem instanceof errors.JWTExpired) return "expired";
  if (problem instanceof errors.JWTClaimValidationFailed) {
    if (problem.reason === "missing") return "claim_missing";
    if (problem.reason === "invalid") return "malformed";
    return ({ iss: "issuer", aud: "audience", nbf: "not_yet_valid" } as const)[problem.claim] ?? "malformed";
  }
  if (problem instanceof errors.JOSEAlgNotAllowed) return "algorithm";
  if (problem instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (problem instanceof errors.JOSEError) return "malformed";
  // A key that its algorithm forbids, such as RSA of less than 2048 bits (RFC 7518 3.3).
  return problem instanceof TypeError ? "key_unknown" : undefined;
};

/**
 * Verifies signature and claims with the first of the issuer's keys that fits.
 *
 * @throws Refusal user_token_invalid
 */
export const verifyWith = async (
  token: string,
  keys: readonly CryptoKey[],
  expected: Expected,
): Promise<Omit<VerifiedUserToken, "issuerId">> => {
  let reason: UserTokenReason = "key_unknown";
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms,
        issuer: expected.issuer,
        audience: [...expected.audiences],
        requiredClaims: ["iss", "sub", "aud", "exp"],
        clockTolerance: leewaySeconds,
        currentDate: new Date(expected.now),
      });
      const subject = subjectOf(payload, expected.subjectClaim);
      if (expected.subjectClaim !== "sub") subjectOf(payload, "sub");
      const expiresAt = Math.floor((payload.exp ?? 0) * 1000);
      // JSON has numbers that no clock reaches: 1e999 is read as infinity.
      if (!Number.isSafeInteger(expiresAt)) throw refused("malformed");
      return { iss: expected.issuer, subject, subjectClaim: expected.subjectClaim, expiresAt, claims: payload };
    } catch (problem) {
      if (problem instanceof Refusal) throw problem;
      const why = reasonOf(problem);
      if (why === undefined) throw problem;
      if (why !== "signature" && why !== "key_unknown") throw refused(why);
      reason = why;
    }
  }
  throw refused(reason);
};
