import type { Handle, Row } from "../../ground/db/index.ts";

/** A refresh token as it is kept. */
export interface RefreshToken {
  /** SHA-256 of the token, base64url. */
  readonly hash: string;
  readonly grantId: string;
  /** RFC 9449 5: the key that must be proven with it; public clients only. */
  readonly dpopThumbprint: string | undefined;
  /** When it was used; whoever uses it again is late, or not its owner. */
  readonly spentAt: number | undefined;
  /** Makes the next one of this one. Gone once the spent one answers nothing any more. */
  readonly successorSalt: string | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
}

const toToken = (row: Row<"refresh_tokens">): RefreshToken => ({
  hash: row.hash,
  grantId: row.grant_id,
  dpopThumbprint: row.dpop_jkt ?? undefined,
  spentAt: row.spent_at ?? undefined,
  successorSalt: row.successor_salt ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/** The statements of refresh tokens; each takes the tenant first but those that forget. */
export const refreshTokensTable = {
  insert: async (tx: Handle, tenant: string, token: Omit<RefreshToken, "spentAt" | "successorSalt">): Promise<void> => {
    await tx
      .insertInto("refresh_tokens")
      .values({
        tenant_id: tenant,
        hash: token.hash,
        grant_id: token.grantId,
        dpop_jkt: token.dpopThumbprint ?? null,
        spent_at: null,
        successor_salt: null,
        created_at: token.createdAt,
        expires_at: token.expiresAt,
      })
      .execute();
  },

  byHash: async (db: Handle, tenant: string, hash: string): Promise<RefreshToken | undefined> => {
    const row = await db
      .selectFrom("refresh_tokens")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("hash", "=", hash)
      .executeTakeFirst();
    return row && toToken(row);
  },

  /** Spends a token. Answers false where it was spent before, or is not there: of many who try at once, one hears true. */
  spend: async (tx: Handle, tenant: string, hash: string, successorSalt: string, now: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("refresh_tokens")
      .set({ spent_at: now, successor_salt: successorSalt })
      .where("tenant_id", "=", tenant)
      .where("hash", "=", hash)
      .where("spent_at", "is", null)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },

  /** Whether something was spent before this moment, and still tells its successor. */
  anySalted: async (db: Handle, before: number): Promise<boolean> =>
    (await db
      .selectFrom("refresh_tokens")
      .select("hash")
      .where("successor_salt", "is not", null)
      .where("spent_at", "<", before)
      .limit(1)
      .executeTakeFirst()) !== undefined,

  /** Answers how many tell no successor any more, `most` at most. */
  forgetSalts: async (tx: Handle, before: number, most: number): Promise<number> => {
    const rows = await tx
      .selectFrom("refresh_tokens")
      .select(["tenant_id", "hash"])
      .where("successor_salt", "is not", null)
      .where("spent_at", "<", before)
      .orderBy("spent_at")
      .limit(most)
      .execute();
    for (const { tenant_id, hash } of rows)
      await tx
        .updateTable("refresh_tokens")
        .set({ successor_salt: null })
        .where("tenant_id", "=", tenant_id)
        .where("hash", "=", hash)
        .execute();
    return rows.length;
  },
};
