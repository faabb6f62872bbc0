import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Minted } from "../../identity/tokens/index.ts";
import { type Found, type Grant, grantInvalid, type GrantsNeeds } from "./grant.ts";
import { makeNarrow } from "./narrow.ts";
import type { Asker, Granted, TokenAnswer, TokenRequest } from "./token-request.ts";

type Needs = Pick<GrantsNeeds, "db" | "audit" | "clock" | "tokens" | "standing" | "clients">;

export type Issue = (asker: Asker, request: TokenRequest) => Promise<TokenAnswer>;

/** Reasons that somebody in the chain may not act now. */
const fallen: ReadonlySet<string> = new Set(["unauthenticated", "agent_suspended", "user_suspended", "agent_unknown"]);

/** What is the server's trouble and nobody's attempt. */
const troubles: ReadonlySet<string> = new Set(["unavailable", "issuer_unavailable", "internal"]);

const nameOfExchange = "urn:ietf:params:oauth:grant-type:token-exchange";

/**
 * The host of the grants: what every token has in common whichever grant it comes by. The grant says what was presented; that the client may use the
 * grant, that everybody concerned may act, how far the token reaches, and that it is in the record before anybody has it, is decided here.
 */
export const makeIssuing = ({ db, audit, clock, tokens, standing, clients }: Needs, grants: readonly Grant[]): Issue => {
  const byName = new Map(grants.map((grant) => [grant.name, grant]));
  const narrow = makeNarrow({ clients });

  const mayUse = ({ client }: Asker, { grantType }: TokenRequest): Grant => {
    const grant = byName.get(grantType);
    if (!grant) throw new Refusal("grant_type_unsupported", "There is no such grant here.");
    if (!client.grantTypes.includes(grantType)) throw new Refusal("client_not_allowed", "The client may not use this grant.");
    return grant;
  };

  /** Everybody that the token will name may act now, in the epoch that was presented. @throws Refusal in the words of what was presented */
  const stand = async (tenant: string, { actors, user, tenantEpoch }: Granted, grantType: string) => {
    try {
      return await standing.chain(tenant, { actors, user, tenantEpoch });
    } catch (error) {
      if (!(error instanceof Refusal) || !fallen.has(error.code)) throw error;
      // RFC 8693 2.2.2: of a token that is exchanged it is said as of a request that is not right.
      throw grantType === nameOfExchange
        ? new Refusal("invalid_request", "The subject_token is unknown, expired, or not this client's to use.")
        : grantInvalid();
    }
  };

  const recordOf = (
    asker: Asker,
    request: TokenRequest,
    { granted }: Found,
    access: Minted,
    reach: { audience: string; scopes: readonly string[] },
  ) => ({
    target: access.jti,
    agent: granted.actors[0]?.id,
    user: granted.user?.id,
    details: {
      grantType: request.grantType,
      client: asker.client.id,
      audience: reach.audience,
      scopes: reach.scopes,
      expiresAt: access.expiresAt,
      ...(granted.actors.length > 1 && { actors: granted.actors.map(({ id }) => id) }),
      ...(granted.grantId !== undefined && { grant: granted.grantId }),
      ...(request.dpopThumbprint !== undefined && { dpop: true }),
    },
  });

  const issue: Issue = async (asker, request) => {
    const { client, who } = asker;
    const { tenant } = who;
    const found = await mayUse(asker, request).find(asker, request);
    const { granted } = found;
    const { tenantEpoch } = await stand(tenant, granted, request.grantType);
    const reach = await narrow(client, granted, { targets: request.targets, scopes: request.scopes, ...found.asked });

    // Signed before it is recorded, and handed out after: nobody waits for a signature while the store is held.
    const access = await tokens.mint("access", tenant, {
      audience: reach.audience,
      clientId: client.id,
      scopes: reach.scopes,
      user: granted.user,
      actors: granted.actors,
      tenantEpoch,
      thumbprint: request.dpopThumbprint,
      grantId: granted.grantId,
      notAfter: granted.notAfter,
      authTime: granted.authTime,
    });
    const id =
      found.login && granted.user && reach.scopes.includes("openid")
        ? await tokens.mint("id", tenant, {
            clientId: client.id,
            subject: granted.user.id,
            authTime: granted.authTime,
            nonce: found.login.nonce,
            accessToken: access.token,
          })
        : undefined;

    const about = recordOf(asker, request, found, access, reach);
    const { settle } = found;
    const settled = settle
      ? await db.write(async (tx) => {
          const outcome = await settle(tx, { expiresAt: access.expiresAt });
          if (!(outcome instanceof Refusal)) await audit.record(tx, who, "token.issued", about);
          return outcome;
        })
      : await audit.note(who, "token.issued", about).then(() => ({ refreshToken: undefined }));
    if (settled instanceof Refusal) throw settled;

    return {
      accessToken: access.token,
      tokenType: request.dpopThumbprint === undefined ? "Bearer" : "DPoP",
      expiresIn: Math.max(0, Math.floor((access.expiresAt - clock()) / 1000)),
      scopes: reach.scopes,
      refreshToken: settled.refreshToken,
      idToken: id?.token,
      issuedTokenType: found.issuedTokenType,
    };
  };

  const refused = async (who: Principal, { grantType }: TokenRequest, refusal: Refusal): Promise<void> => {
    if (troubles.has(refusal.code)) return;
    const { reason } = refusal.details;
    await audit.refused(who, "token.refused", {
      // A name that the caller made up is not written down: there are endlessly many.
      details: {
        reason: refusal.code,
        grantType: byName.has(grantType) ? grantType : "unknown",
        ...(reason !== undefined && { why: reason }),
      },
    });
  };

  return async (asker, request) => {
    try {
      return await issue(asker, request);
    } catch (error) {
      if (error instanceof Refusal) await refused(asker.who, request, error);
      throw error;
    }
  };
};
