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

const day = 24 * 60 * 60 * 1000;

/** How long a key signs. */
export const signsFor = 30 * day;
/** How long before it signs a key is published, so that every cached key set has it in time. */
export const publishedBefore = day;
/** How long a key stays published after its successor signs: longer than any token it signed lives. */
export const publishedAfter = day;
/** When a key that has no successor yet would leave the key set. */
export const withoutSuccessor = 3650 * day;

export const newKeyId = (random: Random): string => random(12).toString("base64url");

/** A fresh P-256 pair as JSON Web Keys. */
export const generateKey = (): { readonly publicJwk: JsonWebKey; readonly privateJwk: JsonWebKey } => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { publicJwk: publicKey.export({ format: "jwk" }), privateJwk: privateKey.export({ format: "jwk" }) };
};

export const privateKeyOf = (jwk: JsonWebKey): KeyObject => createPrivateKey({ key: jwk, format: "jwk" });
export const publicKeyOf = (jwk: JsonWebKey): KeyObject => createPublicKey({ key: jwk, format: "jwk" });
