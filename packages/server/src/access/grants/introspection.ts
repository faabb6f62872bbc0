import { Refusal } from "../../ground/kernel/index.ts";
import type { AccessClaims } from "../../identity/tokens/index.ts";
import type { GrantsNeeds } from "./grant.ts";
import { isRefreshToken, type RefreshTokens } from "./refresh-tokens.ts";
import type { Asker } from "./token-request.ts";

interface Needs extends Pick<GrantsNeeds, "clock" | "issuerOf" | "tokens" | "standing" | "clients"> {
  readonly refreshTokens: Pick<RefreshTokens, "find">;
}

/** What is said of a token (RFC 7662 2.2); of one that is dead, unknown or none of the asker's business, no more than that. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true;
      readonly kind: "access" | "refresh";
      readonly scopes: readonly string[];
      readonly clientId: string;
      readonly subject: string;
      readonly audience: string;
      readonly issuer: string;
      /** Milliseconds since 1970. */
      readonly issuedAt: number;
      readonly expiresAt: number;
      readonly jti?: string | undefined;
      /** Agents that act, the one that acts now first. */
      readonly actors: readonly string[];
      readonly thumbprint?: string | undefined;
    };

const inactive: Introspection = { active: false };

/** The agents that stand in `act`: without a user the last of the chain is the subject. */
const actingIn = ({ user, actors }: Pick<AccessClaims, "user" | "actors">): readonly string[] =>
  (user ? actors : actors.slice(0, -1)).map(({ id }) => id);

export const makeIntrospection = ({ clock, issuerOf, tokens, standing, clients, refreshTokens }: Needs) => {
  /** Whether it holds: what says no to a token says so by throwing. */
  const orNone = <T>(read: Promise<T>): Promise<T | undefined> =>
    read.catch((error: unknown) => {
      if (error instanceof Refusal && (error.code === "unauthenticated" || error.code.endsWith("_suspended"))) return undefined;
      throw error;
    });

  const ofAccess = async ({ client, who }: Asker, token: string): Promise<Introspection> => {
    const claims = await orNone(tokens.verify("access", token));
    if (!claims || claims.tenant !== who.tenant) return inactive;
    const isItsOwn = claims.clientId === client.id;
    const isSentToIt = client.agent !== undefined && (await clients.resources.isServer(who.tenant, client.agent, claims.audience));
    if (!isItsOwn && !isSentToIt) return inactive;
    if (!(await orNone(standing.chain(who.tenant, claims)))) return inactive;
    return {
      active: true,
      kind: "access",
      scopes: claims.scopes,
      clientId: claims.clientId,
      subject: claims.subject,
      audience: claims.audience,
      issuer: issuerOf(who.tenant),
      issuedAt: claims.issuedAt,
      expiresAt: claims.expiresAt,
      jti: claims.jti,
      actors: actingIn(claims),
      thumbprint: claims.thumbprint,
    };
  };

  const ofRefresh = async ({ client, who }: Asker, text: string): Promise<Introspection> => {
    const presented = await refreshTokens.find(who.tenant, text);
    if (!presented || presented.family.client !== client.id) return inactive;
    const { token, family } = presented;
    if (token.spentAt !== undefined || token.expiresAt <= clock() || family.status !== "active") return inactive;
    const chain = { user: family.user, actors: family.agent ? [family.agent] : [], tenantEpoch: family.tenantEpoch };
    if (!(await orNone(standing.chain(who.tenant, chain)))) return inactive;
    return {
      active: true,
      kind: "refresh",
      scopes: family.scopes,
      clientId: family.client,
      subject: family.user.id,
      audience: family.resource,
      issuer: issuerOf(who.tenant),
      issuedAt: token.createdAt,
      expiresAt: token.expiresAt,
      actors: actingIn(chain),
      thumbprint: token.dpopThumbprint,
    };
  };

  /** What a token is, for the client that it was issued to and for the resource that it was sent to. @throws Refusal client_unauthenticated */
  return async (asker: Asker, token: string): Promise<Introspection> => {
    // RFC 7662 2.1: whoever tries tokens out has to be somebody.
    if (asker.who.method === "public_client")
      throw new Refusal("client_unauthenticated", "The client is unknown, or did not prove itself.");
    return isRefreshToken(token) ? ofRefresh(asker, token) : ofAccess(asker, token);
  };
};
