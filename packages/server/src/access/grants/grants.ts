import { type PageAsk, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { makeAuthorizationCode } from "./authorization-code.ts";
import { clientCredentials } from "./client-credentials.ts";
import type { Families } from "./families.ts";
import type { FamilyFilter } from "./families-table.ts";
import type { FamiliesOf } from "./family.ts";
import type { GrantsNeeds } from "./grant.ts";
import { makeIntrospection } from "./introspection.ts";
import { makeIssuing } from "./issuing.ts";
import { makeJwtBearer } from "./jwt-bearer.ts";
import { makeRefreshToken } from "./refresh-token.ts";
import { isRefreshToken, makeRefreshTokens } from "./refresh-tokens.ts";
import { rememberedConsentsTable } from "./remembered-consents-table.ts";
import type { Revocations } from "./revocations.ts";
import { makeSweeping } from "./sweeping.ts";
import { makeTokenExchange } from "./token-exchange.ts";
import type { Asker } from "./token-request.ts";

export type Grants = ReturnType<typeof makeGrants>;

const forgottenAtOnce = 500;

/** What OAuth clients are granted: tokens by every grant there is, what is said of them, and how they end. */
export const makeGrants = (needs: GrantsNeeds & { readonly families: Families; readonly revocations: Pick<Revocations, "revoke"> }) => {
  const { db, audit, tokens, families, revocations } = needs;
  const refreshTokens = makeRefreshTokens(needs);
  const grants = [
    clientCredentials,
    makeAuthorizationCode({ ...needs, refreshTokens }),
    makeRefreshToken({ ...needs, refreshTokens }),
    makeTokenExchange(needs),
    makeJwtBearer(needs),
  ];

  const revokeRefresh = async ({ client, who }: Asker, token: string): Promise<void> => {
    const presented = await refreshTokens.find(who.tenant, token);
    if (presented?.family.client === client.id) await db.write((tx) => families.revoke(tx, who, presented.family.id, "client"));
  };

  const alive = <C>(verifying: Promise<C>): Promise<C | undefined> =>
    verifying.catch((error: unknown) => {
      if (error instanceof Refusal && error.code === "unauthenticated") return undefined;
      throw error;
    });

  /** An access token of either kind, and what the record says of it. */
  const accessOf = async (token: string) => {
    const claims = await alive(tokens.verify("access", token));
    if (claims) return { claims, agent: claims.actors[0]?.id, user: claims.user?.id, about: { audience: claims.audience } };
    const coze = await alive(tokens.verify("coze_access", token));
    return coze && { claims: coze, agent: coze.agentId, user: undefined, about: { kind: "coze_access" } };
  };

  const revokeAccess = async ({ client, who }: Asker, token: string): Promise<void> => {
    const found = await accessOf(token);
    if (!found || found.claims.tenant !== who.tenant || found.claims.clientId !== client.id) return;
    const { claims, agent, user, about } = found;
    await db.write(async (tx) => {
      if (!(await revocations.revoke(tx, who.tenant, claims))) return;
      await audit.record(tx, who, "token.revoked", { target: claims.jti, agent, user, details: { client: client.id, ...about } });
    });
  };

  return {
    /** The `grant_type` of each grant. */
    grantTypes: grants.map(({ name }) => name) as readonly string[],

    /**
     * An access token by whichever grant is asked for, and whatever comes with it.
     * @throws Refusal grant_type_unsupported, client_not_allowed, invalid_request, grant_invalid, scope_invalid, target_invalid, issuer_unavailable
     */
    token: makeIssuing(needs, grants),

    /** What a token is, for the client that it was issued to and for the resource that it was sent to (RFC 7662); inactive for everybody else. */
    introspect: makeIntrospection({ ...needs, refreshTokens }),

    /**
     * Takes a token of this client's back (RFC 7009): an access token alone, a refresh token with its whole family. What is not its own, or not alive,
     * stays as it is, and nobody is told.
     */
    revoke: (asker: Asker, token: string): Promise<void> =>
      isRefreshToken(token) ? revokeRefresh(asker, token) : revokeAccess(asker, token),

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: (tenant: string, filter: FamilyFilter, ask: PageAsk) => families.list(tenant, filter, ask),

    /** @throws Refusal grant_unknown */
    get: (tenant: string, id: string) => families.get(db.read, tenant, id),

    /** How many of somebody's live, and at most `most` of them. */
    someOf: (tenant: string, of: FamiliesOf, most: number) => families.someOf(tenant, of, most),

    /** Ends a grant with all that came of it; the person is asked before there is another. @throws Refusal grant_unknown */
    remove: (who: Principal, id: string): Promise<void> =>
      db.write(async (tx) => {
        const { client, user, resource } = await families.get(tx, who.tenant, id);
        if (await families.revoke(tx, who, id, "operator")) return;
        await rememberedConsentsTable.forget(tx, who.tenant, { client, user: user.id, resource });
      }),

    /** Forgets what people consented to of a client that nobody uses, some at a time; it may stop before it is through. */
    forgetClient: async (tenant: string, client: string, signal: AbortSignal): Promise<void> => {
      while (!signal.aborted && (await db.write((tx) => rememberedConsentsTable.forgetSomeOf(tx, tenant, client, forgottenAtOnce))));
    },

    sweep: makeSweeping(needs),
  };
};
