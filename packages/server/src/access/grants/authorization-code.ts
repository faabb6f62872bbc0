import type { Handle } from "../../ground/db/index.ts";
import { challengeOf, hashed, isSame } from "../vault/index.ts";
import { codesTable } from "./codes-table.ts";
import type { Families } from "./families.ts";
import { familiesTable } from "./families-table.ts";
import { givesRefreshToken, refreshEnd } from "./family.ts";
import { type Grant, grantInvalid, type GrantsNeeds, optional, required } from "./grant.ts";
import type { RefreshTokens } from "./refresh-tokens.ts";
import type { Asker } from "./token-request.ts";

interface Needs extends Pick<GrantsNeeds, "db" | "clock"> {
  readonly families: Pick<Families, "revoke">;
  readonly refreshTokens: Pick<RefreshTokens, "first">;
}

/** RFC 6749 4.1.3, RFC 7636 4.6: what a person's browser brought back, redeemed once. */
export const makeAuthorizationCode = ({ db, clock, families, refreshTokens }: Needs): Grant => {
  /** RFC 6749 4.1.2: whoever brings a code twice has shown that it is in two hands, so all that it gave ends. */
  const reused = (tx: Handle, { who }: Asker, grantId: string) => families.revoke(tx, who, grantId, "code_reused");

  return {
    name: "authorization_code",
    find: async (asker, request) => {
      const { client, who } = asker;
      const hash = hashed(required(request, "code"));
      const code = await codesTable.byHash(db.read, who.tenant, hash);
      const family = code && (await familiesTable.byId(db.read, who.tenant, code.grantId));
      if (!code || !family || family.client !== client.id) throw grantInvalid();
      if (code.usedAt !== undefined) {
        await db.write((tx) => reused(tx, asker, family.id));
        throw grantInvalid();
      }
      if (clock() >= code.expiresAt || family.status !== "active" || family.clientVersion !== client.version) throw grantInvalid();

      const redirectUri = optional(request, "redirect_uri");
      // RFC 6749 4.1.3: the same again. Who has only one and left it out then, may leave it out now.
      const isSameUri = redirectUri === undefined ? client.redirectUris.length === 1 : redirectUri === code.redirectUri;
      const verifier = optional(request, "code_verifier");
      // RFC 7636 4.1 and 4.6. A code without a challenge is never given, so a verifier is never one too many.
      const isProven =
        verifier !== undefined && /^[A-Za-z0-9._~-]{43,128}$/.test(verifier) && isSame(challengeOf(verifier), code.codeChallenge);
      // RFC 9449 10.
      const isBound = code.dpopThumbprint === undefined || code.dpopThumbprint === request.dpopThumbprint;
      if (!isSameUri || !isProven || !isBound) throw grantInvalid();

      return {
        granted: {
          user: family.user,
          actors: family.agent ? [family.agent] : [],
          ceiling: family.scopes,
          isConsented: true,
          audiences: [family.resource],
          notAfter: undefined,
          grantId: family.id,
          tenantEpoch: family.tenantEpoch,
          authTime: code.authTime,
        },
        // RFC 6749 4.1.3 has no `scope` here: what the person consented to is what is given.
        asked: { scopes: undefined },
        login: { nonce: code.nonce },
        settle: async (tx, issued) => {
          if (!(await codesTable.use(tx, who.tenant, hash, clock()))) {
            await reused(tx, asker, family.id);
            return grantInvalid();
          }
          const goesOn = givesRefreshToken(client, family.scopes);
          const end = goesOn ? refreshEnd(family, clock()) : issued.expiresAt;
          if (!(await familiesTable.slide(tx, who.tenant, family.id, end, clock()))) return grantInvalid();
          if (!goesOn) return {};
          // RFC 9449 5: a confidential client proves itself, a public one the key.
          return { refreshToken: await refreshTokens.first(tx, who.tenant, family, client.agent ? undefined : request.dpopThumbprint) };
        },
      };
    },
  };
};
