import type { Families } from "./families.ts";
import { endOfLife } from "./family.ts";
import { type Grant, grantInvalid, type GrantsNeeds, required } from "./grant.ts";
import type { RefreshTokens } from "./refresh-tokens.ts";

interface Needs extends Pick<GrantsNeeds, "db" | "clock"> {
  readonly families: Pick<Families, "revoke">;
  readonly refreshTokens: Pick<RefreshTokens, "find" | "isReused" | "spend">;
}

/** RFC 6749 6, RFC 9700 4.14.2: a refresh token is spent, and the next one comes with the access token. */
export const makeRefreshToken = ({ db, clock, families, refreshTokens }: Needs): Grant => ({
  name: "refresh_token",
  find: async ({ client, who }, request) => {
    const text = required(request, "refresh_token");
    const presented = await refreshTokens.find(who.tenant, text);
    if (!presented || presented.family.client !== client.id) throw grantInvalid();
    const { token, family } = presented;
    if (family.status !== "active") throw grantInvalid();
    if (refreshTokens.isReused(token)) {
      await db.write((tx) => families.revoke(tx, who, family.id, "refresh_token_reused"));
      throw grantInvalid();
    }
    if (clock() >= token.expiresAt || clock() >= endOfLife(family)) throw grantInvalid();
    // RFC 9449 5: only whoever has the key that it was bound to.
    if (token.dpopThumbprint !== undefined && token.dpopThumbprint !== request.dpopThumbprint) throw grantInvalid();
    return {
      granted: {
        user: family.user,
        actors: family.agent ? [family.agent] : [],
        ceiling: family.scopes,
        audiences: [family.resource],
        isConsented: true,
        notAfter: endOfLife(family),
        grantId: family.id,
        tenantEpoch: family.tenantEpoch,
      },
      settle: async (tx) => {
        const successor = await refreshTokens.spend(tx, who, text, presented);
        return successor === undefined ? grantInvalid() : { refreshToken: successor };
      },
    };
  },
});
