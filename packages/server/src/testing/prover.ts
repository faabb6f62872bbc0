import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from "jose";

/** What a proof says; whatever is left out is as it should be. */
export interface ProofOf {
  readonly method?: string;
  readonly url: string;
  readonly nonce?: string | undefined;
  readonly accessToken?: string | undefined;
  /** Milliseconds since 1970. */
  readonly at?: number;
  /** Added to the header or the claims, or replacing what they say; undefined takes a member out. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A client's key pair, and the proofs of possession it makes (RFC 9449 4.2). */
export const makeProver = async (alg = "ES256", options: { readonly crv?: string; readonly modulusLength?: number } = {}) => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  const jwk = await exportJWK(publicKey);
  const signed = (claims: Readonly<Record<string, unknown>>, header: Readonly<Record<string, unknown>>): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg, ...header } as JWTHeaderParameters).sign(privateKey);
  return {
    alg,
    jwk,
    privateKey,
    thumbprint: await calculateJwkThumbprint(jwk),
    /** Anything else that is signed with the key. */
    signed,
    proof: ({ method = "POST", url, nonce, accessToken, at = Date.now(), header = {}, claims = {} }: ProofOf): Promise<string> =>
      signed(
        {
          jti: randomUUID(),
          htm: method,
          htu: url,
          iat: Math.floor(at / 1000),
          ...(nonce !== undefined && { nonce }),
          ...(accessToken !== undefined && { ath: createHash("sha256").update(accessToken).digest("base64url") }),
          ...claims,
        },
        { typ: "dpop+jwt", jwk, ...header },
      ),
  };
};
export type Prover = Awaited<ReturnType<typeof makeProver>>;
