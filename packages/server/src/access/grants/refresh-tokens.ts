import { createHmac } from "node:crypto";
import type { Db, Handle } from "../../ground/db/index.ts";
import type { Clock, Principal, Random } from "../../ground/kernel/index.ts";
import { hashed, newSecret } from "../vault/index.ts";
import type { Families } from "./families.ts";
import { familiesTable } from "./families-table.ts";
import { type Family, refreshEnd } from "./family.ts";
import { type RefreshToken, refreshTokensTable } from "./refresh-tokens-table.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly families: Pick<Families, "revoke">;
}

export type RefreshTokens = ReturnType<typeof makeRefreshTokens>;

/**
 * For how long a spent refresh token still answers its successor, in milliseconds: whoever lost the answer, or asked twice at once, is no thief
 * (RFC 9700 4.14.2).
 */
export const refreshGrace = 10_000;

const prefix = "rt_";

export const isRefreshToken = (token: string): boolean => token.startsWith(prefix);

/** Only who has the spent token and the store can tell it; within the grace the spent token alone is worth as much. */
const successorOf = (token: string, salt: string): string =>
  `${prefix}${createHmac("sha256", token).update(salt, "ascii").digest("base64url")}`;

/** A refresh token that is known, and its family. */
export interface Presented {
  readonly token: RefreshToken;
  readonly family: Family;
}

/** Refresh tokens: one is used once, and whoever uses a spent one ends its family. */
export const makeRefreshTokens = ({ db, clock, random, families }: Needs) => {
  /** A clock that was set back makes nobody's token young again. */
  const isInGrace = ({ spentAt, successorSalt }: RefreshToken, now: number): boolean =>
    spentAt !== undefined && successorSalt !== undefined && Math.abs(now - spentAt) <= refreshGrace;

  const store = async (tx: Handle, tenant: string, token: string, family: Family, dpopThumbprint: string | undefined): Promise<void> => {
    const now = clock();
    await refreshTokensTable.insert(tx, tenant, {
      hash: hashed(token),
      grantId: family.id,
      dpopThumbprint,
      createdAt: now,
      expiresAt: refreshEnd(family, now),
    });
  };

  return {
    /** The first of a family, in the caller's transaction; the family lives on with it. */
    first: async (tx: Handle, tenant: string, family: Family, dpopThumbprint: string | undefined): Promise<string> => {
      const token = `${prefix}${newSecret(random)}`;
      await store(tx, tenant, token, family, dpopThumbprint);
      return token;
    },

    /** Undefined for a token that nobody has, or whose family is forgotten. */
    find: async (tenant: string, token: string): Promise<Presented | undefined> => {
      if (!isRefreshToken(token)) return undefined;
      const found = await refreshTokensTable.byHash(db.read, tenant, hashed(token));
      const family = found && (await familiesTable.byId(db.read, tenant, found.grantId));
      return found && family && { token: found, family };
    },

    /** Whether it was used, and that so long ago that its owner would know. */
    isReused: (token: RefreshToken): boolean => token.spentAt !== undefined && !isInGrace(token, clock()),

    /**
     * Spends a token in the caller's transaction, and answers its successor. One that was spent a moment ago answers the same one again; one that was
     * spent before that ends its family. Undefined where nothing more comes of it, which must be committed.
     */
    spend: async (tx: Handle, who: Principal, text: string, { token, family }: Presented): Promise<string | undefined> => {
      const { tenant } = who;
      const now = clock();
      // First of all, for whoever revokes the family waits for it too.
      if (!(await familiesTable.slide(tx, tenant, family.id, refreshEnd(family, now), now))) return undefined;
      const salt = newSecret(random);
      if (await refreshTokensTable.spend(tx, tenant, token.hash, salt, now)) {
        const successor = successorOf(text, salt);
        await store(tx, tenant, successor, family, token.dpopThumbprint);
        return successor;
      }
      const spent = await refreshTokensTable.byHash(tx, tenant, token.hash);
      if (spent && isInGrace(spent, now)) return successorOf(text, spent.successorSalt ?? "");
      await families.revoke(tx, who, family.id, "refresh_token_reused");
      return undefined;
    },
  };
};
