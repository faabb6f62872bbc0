import { type Db, type Handle, makeCache, type Tag } from "../../ground/db/index.ts";
import { familiesTable } from "./families-table.ts";
import { revokedTokensTable } from "./revoked-tokens-table.ts";

/** What of an access token says whether it was taken back. */
export interface Revocable {
  readonly jti: string;
  readonly grantId?: string | undefined;
}

interface Known {
  readonly isRevoked: boolean;
  readonly jti: string;
  /** Ids whose revocation may be this token's: its grant's, and those of its client, agent and user. */
  readonly hangsOn: readonly string[];
}

export type Revocations = ReturnType<typeof makeRevocations>;

/** Tokens that are remembered at most. */
const remembered = 20_000;

/** Which access tokens were taken back before their end: by themselves, or with the grant they came from. Two reads at most, and none for a token that is known. */
export const makeRevocations = ({ db }: { readonly db: Db }) => {
  const cached = makeCache<Known>(db.changes, remembered, ({ jti, hangsOn }): readonly Tag[] => [
    ["access_token", jti],
    ...hangsOn.map((id): Tag => ["oauth_grant", id]),
  ]);

  const read = async (tenant: string, { jti, grantId }: Revocable): Promise<Known> => {
    if (await revokedTokensTable.has(db.read, tenant, jti)) return { isRevoked: true, jti, hangsOn: [] };
    if (grantId === undefined) return { isRevoked: false, jti, hangsOn: [] };
    const family = await familiesTable.stateOf(db.read, tenant, grantId);
    // A family that was forgotten has nothing alive.
    if (!family) return { isRevoked: true, jti, hangsOn: [grantId] };
    const { client, agent, user } = family;
    return { isRevoked: !family.isActive, jti, hangsOn: [...new Set([grantId, client, user, ...(agent === undefined ? [] : [agent])])] };
  };

  return {
    /** Whether an access token was taken back, by itself or with its grant; heard of on every replica within two seconds. */
    isRevoked: async (tenant: string, token: Revocable): Promise<boolean> => {
      const known = await cached(`${tenant}/${token.jti}`, () => read(tenant, token));
      return known?.isRevoked ?? true;
    },

    /** Takes one token back. Answers false where it was taken back before. */
    revoke: async (tx: Handle, tenant: string, { jti, expiresAt }: { jti: string; expiresAt: number }): Promise<boolean> => {
      if (!(await revokedTokensTable.insert(tx, tenant, jti, expiresAt))) return false;
      await db.changes.announce(tx, tenant, "access_token", jti);
      return true;
    },
  };
};
