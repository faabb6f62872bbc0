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
  /** What a change may make it otherwise: of the token, of its family, and of whom that names. */
  readonly tags: readonly Tag[];
}

export type Revocations = ReturnType<typeof makeRevocations>;

/** Tokens that are remembered at most. */
const remembered = 20_000;

/**
 * Which access tokens were taken back before their end: by themselves, or with the family they came from. Two reads at most, and none for a token that
 * is known.
 */
export const makeRevocations = ({ db }: { readonly db: Db }) => {
  const cached = makeCache<Known>(db.changes, remembered, ({ tags }) => tags);

  const read = async (tenant: string, { jti, grantId }: Revocable): Promise<Known> => {
    const itself: Tag = ["access_token", jti];
    if (await revokedTokensTable.has(db.read, tenant, jti)) return { isRevoked: true, tags: [itself] };
    if (grantId === undefined) return { isRevoked: false, tags: [itself] };
    const family = await familiesTable.byId(db.read, tenant, grantId);
    const tags: Tag[] = [itself, ["oauth_grant", grantId]];
    // A family that was forgotten has nothing alive.
    if (!family) return { isRevoked: true, tags };
    const { client, clientEpoch, agent, user, status } = family;
    tags.push(["tenant", tenant], ["user", user.id]);
    if (agent) tags.push(["agent", agent.id]);
    if (clientEpoch !== undefined) tags.push(["client", client]);
    return { isRevoked: status !== "active", tags };
  };

  return {
    /** Whether an access token was taken back, by itself or with its family; heard of on every replica within two seconds. */
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
