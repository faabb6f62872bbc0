import { calculateJwkThumbprint, type CryptoKey, importJWK, type JWK } from "jose";

/** The key types and curves of each algorithm that a proof may be signed with: asymmetric ones only (RFC 9449 4.2, RFC 8725 3.1). */
const fits: Readonly<Record<string, { readonly kty: "EC" | "OKP" | "RSA"; readonly crv?: string }>> = {
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  ES512: { kty: "EC", crv: "P-521" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
  // RFC 9864: the same under the name that says which curve.
  Ed25519: { kty: "OKP", crv: "Ed25519" },
  RS256: { kty: "RSA" },
  RS384: { kty: "RSA" },
  RS512: { kty: "RSA" },
  PS256: { kty: "RSA" },
  PS384: { kty: "RSA" },
  PS512: { kty: "RSA" },
};

/** As our metadata lists them (RFC 9449 5.1). */
export const proofAlgorithms: readonly string[] = Object.keys(fits);

/** RFC 7518 6: what makes a public key of each type, beside `kty`. */
const members = { EC: ["crv", "x", "y"], OKP: ["crv", "x"], RSA: ["n", "e"] } as const;
/** RFC 7518 6.2.2, 6.3.2, 6.4: what no key that is shown to others has. */
const privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** Characters of base64url. An RSA key of 2048 to 4096 bits; a public exponent of four bytes: larger ones only cost time. */
const modulus = { least: 342, most: 683 };
const mostOfExponent = 6;

/** A key that came with what it signed. */
export interface ProofKey {
  readonly key: CryptoKey | Uint8Array;
  /** RFC 7638, of SHA-256. */
  readonly thumbprint: string;
}

/** The public key in a proof's header, for its algorithm; undefined for anything that is none, or that should have stayed with its owner. */
export const proofKeyOf = async (alg: string, given: unknown): Promise<ProofKey | undefined> => {
  const fit = Object.hasOwn(fits, alg) ? fits[alg] : undefined;
  if (!fit || typeof given !== "object" || given === null) return undefined;
  const jwk = given as Readonly<Record<string, unknown>>;
  if (jwk["kty"] !== fit.kty || (fit.crv !== undefined && jwk["crv"] !== fit.crv)) return undefined;
  if (privateMembers.some((name) => Object.hasOwn(jwk, name))) return undefined;
  const bare: Record<string, string> = { kty: fit.kty };
  for (const name of members[fit.kty]) {
    const value = jwk[name];
    if (typeof value !== "string" || (name !== "crv" && !/^[A-Za-z0-9_-]+$/.test(value))) return undefined;
    bare[name] = value;
  }
  const { n = "", e = "" } = bare;
  if (fit.kty === "RSA" && (n.length < modulus.least || n.length > modulus.most || e.length > mostOfExponent)) return undefined;
  try {
    return { key: await importJWK(bare as JWK, alg), thumbprint: await calculateJwkThumbprint(bare as JWK) };
  } catch {
    // A point that is not on its curve, a number that is none: whatever the reader of keys says, it read what was sent.
    return undefined;
  }
};
