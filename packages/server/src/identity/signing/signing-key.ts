import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from "node:crypto";
import type { Random } from "../../ground/kernel/index.ts";

/** A signing key. It is published from the moment it is made, signs from `signsFrom` until its successor does, and is published until `expiresAt`. */
export interface SigningKey {
  /** The `kid`. */
  readonly id: string;
  readonly publicJwk: JsonWebKey;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly signsFrom: number;
  readonly expiresAt: number;
}

/**
 * published: in the key set, and not the one that signs (its time is to come, or past); signing: the one that signs; retired: gone from the key
 * set, which ended what it had signed; revoked: the same, and not to be believed.
 */
export type SigningKeyStatus = "published" | "signing" | "retired" | "revoked";

/** Any signing key there ever was, as it may be shown. */
export interface PublicSigningKey {
  /** The `kid`. */
  readonly id: string;
  readonly alg: "ES256";
  readonly status: SigningKeyStatus;
  readonly publicJwk: JsonWebKey;
  readonly createdAt: number;
  readonly signsFrom: number;
  /** When it leaves the key set, or left it; absent while it has no successor. */
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
}

const minute = 60 * 1000;
const day = 24 * 60 * minute;

/** How long a key signs. */
export const signsFor = 30 * day;
/** How long before it signs a key is published, so that every cached key set has it in time. */
export const publishedBefore = day;
/** The same for one that is made by hand: twice as long as our answers tell others to keep the key set. */
export const publishedBeforeByHand = 10 * minute;
/** How long a key stays published after its successor signs: longer than any token it signed lives. */
export const publishedAfter = day;
/** When a key that has no successor yet would leave the key set. */
export const withoutSuccessor = 3650 * day;
/** How long after it left the key set a key's private half is kept: a clock may be set back by as much. */
export const erasedAfter = 60 * minute;

/** Begins with a letter: a command line takes what begins with `-` for an option. */
export const newKeyId = (random: Random): string => {
  const bytes = Buffer.from(random(12));
  bytes.writeUInt8(bytes.readUInt8(0) & 0x7f, 0);
  return bytes.toString("base64url");
};

/** A fresh P-256 pair as JSON Web Keys. */
export const generateKey = (): { readonly publicJwk: JsonWebKey; readonly privateJwk: JsonWebKey } => {
  // Taken out as DER and read in again: Node 20 exports a JWK under a lock that the work of generating the key takes when it is collected. Where the
  // collector runs amid the export, the thread waits for itself for ever.
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "der" },
  });
  return {
    publicJwk: createPublicKey({ key: publicKey, type: "spki", format: "der" }).export({ format: "jwk" }),
    privateJwk: createPrivateKey({ key: privateKey, type: "pkcs8", format: "der" }).export({ format: "jwk" }),
  };
};

export const privateKeyOf = (jwk: JsonWebKey): KeyObject => createPrivateKey({ key: jwk, format: "jwk" });
export const publicKeyOf = (jwk: JsonWebKey): KeyObject => createPublicKey({ key: jwk, format: "jwk" });

/** Where a private half is sealed to. */
export const privateIdentity = (id: string): string => `signing_keys/${id}/private_jwk`;
