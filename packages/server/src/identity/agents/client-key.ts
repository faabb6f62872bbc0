import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { type Random, Refusal } from "../../ground/kernel/index.ts";

/** A public key by which an agent proves itself as an OAuth client (RFC 7523 2.2). */
export interface ClientKey {
  readonly id: string;
  /** As its owner names it; else its thumbprint (RFC 7638). */
  readonly kid: string;
  /** What makes it a key, with `kid` and, where it was given, `alg`: nothing else of what was sent is kept. */
  readonly publicJwk: JsonWebKey;
  readonly description: string | undefined;
  readonly createdAt: number;
  /** Within a minute. */
  readonly lastUsedAt: number | undefined;
}

export const newClientKeyId = (random: Random): string => `ckey_${random(12).toString("hex")}`;

/** RFC 7518 6.2.2, 6.3.2, 6.4.1: what makes a key private or shared. */
const secretMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/** RFC 7518 3.1, RFC 8037 3.1, RFC 9864 2.2: what each kind of key signs with. */
const rsaAlgorithms = ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
const curves: Readonly<Record<string, { readonly kty: "EC" | "OKP"; readonly algorithms: readonly string[] }>> = {
  "P-256": { kty: "EC", algorithms: ["ES256"] },
  "P-384": { kty: "EC", algorithms: ["ES384"] },
  "P-521": { kty: "EC", algorithms: ["ES512"] },
  Ed25519: { kty: "OKP", algorithms: ["EdDSA", "Ed25519"] },
};
/** Of RSA: less is broken (RFC 7518 3.3), and more would let a few callers keep the processor busy. */
const rsaBits = { least: 2048, most: 8192 };

/** RFC 7638 3.2: what a thumbprint is made of, in this order. */
const required = { EC: ["crv", "kty", "x", "y"], OKP: ["crv", "kty", "x"], RSA: ["e", "kty", "n"] } as const;

const unfit = (message: string, member?: string): Refusal => {
  const path = member === undefined ? "jwk" : `jwk.${member}`;
  return new Refusal("invalid_request", `The key cannot be used: ${message}.`, { issues: [{ path, message }] });
};

const curveOf = (crv: unknown) => (typeof crv === "string" && Object.hasOwn(curves, crv) ? curves[crv] : undefined);

/** What a public key of ours signs with: its own `alg` where it names one, else whatever its kind can. */
export const algorithmsOf = ({ kty, crv, alg }: JsonWebKey): readonly string[] => {
  if (typeof alg === "string") return [alg];
  return kty === "RSA" ? rsaAlgorithms : (curveOf(crv)?.algorithms ?? []);
};

const importKey = (jwk: JsonWebKey): KeyObject => {
  try {
    // Refuses points that are not on their curve.
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    throw unfit("its numbers make no key of its kind");
  }
};

/**
 * The public key that a JSON Web Key is, with its `kid`.
 * @throws Refusal invalid_request for a private or shared key, for one that is weak, and for what is none. No value of it is repeated.
 */
export const publicKeyFrom = (jwk: Readonly<Record<string, unknown>>): { readonly kid: string; readonly publicJwk: JsonWebKey } => {
  const secret = secretMembers.find((member) => Object.hasOwn(jwk, member));
  if (secret !== undefined) throw unfit("it holds a private or shared key, which only its owner may have. Make another pair", secret);
  const { kty, crv, kid, alg, use } = jwk;
  if (kty !== "EC" && kty !== "OKP" && kty !== "RSA") throw unfit("it must be EC, OKP or RSA", "kty");
  if (kty !== "RSA" && curveOf(crv)?.kty !== kty) throw unfit("it must be on P-256, P-384, P-521 or Ed25519", "crv");
  if (use !== undefined && use !== "sig") throw unfit("it is not for signatures", "use");
  const bare: JsonWebKey = { kty };
  for (const member of required[kty]) {
    const value = jwk[member];
    if (typeof value !== "string" || value === "") throw unfit("it must be text", member);
    bare[member] = value;
  }
  if (alg !== undefined && (typeof alg !== "string" || !algorithmsOf(bare).includes(alg)))
    throw unfit("its kind of key does not sign so", "alg");
  if (kid !== undefined && (typeof kid !== "string" || kid === "" || kid.length > 256))
    throw unfit("it must be 1 to 256 characters", "kid");
  const key = importKey(bare);
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (kty === "RSA") {
    const bits = modulusLength ?? 0;
    if (bits < rsaBits.least || bits > rsaBits.most) throw unfit(`it must have ${rsaBits.least} to ${rsaBits.most} bits`, "n");
    if ((publicExponent ?? 0n) < 3n || (publicExponent ?? 0n) % 2n === 0n) throw unfit("it must be odd and at least 3", "e");
  }
  // As this store writes it: there are other ways to write the same numbers.
  const exported = key.export({ format: "jwk" });
  const ordered = Object.fromEntries(required[kty].map((member) => [member, exported[member]]));
  const named = kid ?? createHash("sha256").update(JSON.stringify(ordered)).digest("base64url");
  return { kid: named, publicJwk: { ...ordered, kid: named, ...(alg !== undefined && { alg }) } };
};
