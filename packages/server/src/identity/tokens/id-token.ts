import { createHash } from "node:crypto";
import type { JWTPayload } from "jose";

/** What goes into an ID token (OpenID Connect Core 2). */
export interface IdGrant {
  /** The client that gets it, and its only audience. */
  readonly clientId: string;
  /** User id. */
  readonly subject: string;
  /** When the person logged in; milliseconds since 1970. */
  readonly authTime?: number | undefined;
  /** As the client sent it with its authorization request. */
  readonly nonce?: string | undefined;
  /** The access token that is answered together with it. */
  readonly accessToken?: string | undefined;
}

/** OpenID Connect Core 3.1.3.6: the left half of the hash that belongs to the signature's algorithm, ES256. */
const halfHash = (token: string): string => createHash("sha256").update(token, "ascii").digest().subarray(0, 16).toString("base64url");

export const idToken = {
  write: ({ clientId, subject, authTime, nonce, accessToken }: IdGrant): JWTPayload => ({
    aud: clientId,
    sub: subject,
    ...(authTime !== undefined && { auth_time: Math.floor(authTime / 1000) }),
    ...(nonce !== undefined && { nonce }),
    ...(accessToken !== undefined && { at_hash: halfHash(accessToken) }),
  }),
};
