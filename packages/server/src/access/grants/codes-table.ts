import type { Handle, Row } from "../../ground/db/index.ts";

/** An authorization code as it is kept: its hash, and what whoever redeems it must fit. */
export interface AuthorizationCode {
  /** SHA-256 of the code, base64url. */
  readonly hash: string;
  /** The grant that its tokens will stand and fall with. */
  readonly grantId: string;
  /** RFC 6749 4.1.3: the token request must repeat it, character for character. */
  readonly redirectUri: string;
  /** RFC 7636 4.3, S256. */
  readonly codeChallenge: string;
  /** RFC 9449 10: the key that must be proven where it is redeemed. */
  readonly dpopThumbprint: string | undefined;
  /** For the ID token (OpenID Connect Core 3.1.2.1). */
  readonly nonce: string | undefined;
  /** When the person logged in; milliseconds since 1970. */
  readonly authTime: number | undefined;
  readonly usedAt: number | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
}

const toCode = (row: Row<"authorization_codes">): AuthorizationCode => ({
  hash: row.hash,
  grantId: row.grant_id,
  redirectUri: row.redirect_uri,
  codeChallenge: row.code_challenge,
  dpopThumbprint: row.dpop_jkt ?? undefined,
  nonce: row.nonce ?? undefined,
  authTime: row.auth_time ?? undefined,
  usedAt: row.used_at ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/** The statements of authorization codes; each takes the tenant first. */
export const codesTable = {
  insert: async (tx: Handle, tenant: string, code: AuthorizationCode): Promise<void> => {
    await tx
      .insertInto("authorization_codes")
      .values({
        tenant_id: tenant,
        hash: code.hash,
        grant_id: code.grantId,
        redirect_uri: code.redirectUri,
        code_challenge: code.codeChallenge,
        dpop_jkt: code.dpopThumbprint ?? null,
        nonce: code.nonce ?? null,
        auth_time: code.authTime ?? null,
        used_at: null,
        created_at: code.createdAt,
        expires_at: code.expiresAt,
      })
      .execute();
  },

  byHash: async (db: Handle, tenant: string, hash: string): Promise<AuthorizationCode | undefined> => {
    const row = await db
      .selectFrom("authorization_codes")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("hash", "=", hash)
      .executeTakeFirst();
    return row && toCode(row);
  },

  /** Uses a code up. Answers false where it was used before, or is not there: of many who try at once, one hears true. */
  use: async (tx: Handle, tenant: string, hash: string, now: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_codes")
      .set({ used_at: now })
      .where("tenant_id", "=", tenant)
      .where("hash", "=", hash)
      .where("used_at", "is", null)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },
};
