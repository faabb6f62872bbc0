import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { AccessClaims, Chain, Dpop, StandingChain, Tokens } from "../tokens/index.ts";
import type { Source } from "./guard.ts";

interface Needs {
  readonly tokens: Pick<Tokens, "verify">;
  readonly dpop: Pick<Dpop, "check">;
  /** The standing of everybody that a token names; that somebody suspended still tries is worth remembering. */
  readonly stand: (tenant: string, source: Source, chain: Chain) => Promise<StandingChain>;
}

/** What a request to a door of ours brings that takes access tokens. */
export interface AccessProof extends Source {
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** The `DPoP` header. */
  readonly dpop?: string | undefined;
  readonly method: string;
  /** The request's address as its sender wrote it. */
  readonly url: string;
}

/** One answer for a token that is missing, unknown, dead, for another door, or sent in a way it may not be sent. */
export const noAccess = (): Refusal => new Refusal("unauthenticated", "Send a live access token for this address.");

const longest = 16_384;

/** RFC 6750 2.1, RFC 9449 7.1. */
const presented = (authorization: string | undefined): { readonly scheme: "bearer" | "dpop"; readonly token: string } | undefined => {
  const [, scheme = "", token] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? "") ?? [];
  if (token === undefined || token.length > longest) return undefined;
  return { scheme: scheme.toLowerCase() === "dpop" ? "dpop" : "bearer", token };
};

/** The token of an `Authorization` header, whatever it is worth. */
export const accessTokenIn = (authorization: string | undefined): string | undefined => presented(authorization)?.token;

export const makeByAccessToken = ({ tokens, dpop, stand }: Needs) => {
  /** RFC 9449 7.1 and 7.2: a token that is bound to a key comes as `DPoP` with a proof of that key, and no other token does. */
  const demandKey = async (claims: AccessClaims, token: string, scheme: "bearer" | "dpop", proof: AccessProof): Promise<void> => {
    if ((claims.thumbprint !== undefined) !== (scheme === "dpop")) throw noAccess();
    if (claims.thumbprint === undefined) return;
    if (proof.dpop === undefined) throw new Refusal("dpop_invalid", "This access token needs a DPoP proof.", { reason: "missing" });
    const { tenant } = claims;
    const { thumbprint } = await dpop.check({ tenant, proof: proof.dpop, method: proof.method, url: proof.url, accessToken: token });
    if (thumbprint !== claims.thumbprint)
      throw new Refusal("dpop_invalid", "The DPoP proof was made with another key than the access token is bound to.", {
        reason: "other_key",
      });
  };

  /** @throws Refusal unauthenticated, dpop_invalid, dpop_nonce_required, agent_suspended, user_suspended */
  return async (proof: AccessProof, audienceOf: (tenant: string) => string): Promise<Principal> => {
    const shown = presented(proof.authorization);
    if (!shown) throw noAccess();
    const { scheme, token } = shown;
    const claims = await tokens.verify("access", token).catch((error: unknown) => {
      throw error instanceof Refusal && error.code === "unauthenticated" ? noAccess() : error;
    });
    const { tenant, clientId, scopes, actors } = claims;
    // Before its key is asked for: whoever holds a token for somewhere else need not learn more.
    if (claims.audience !== audienceOf(tenant) || (proof.tenant !== undefined && proof.tenant !== tenant)) throw noAccess();
    await demandKey(claims, token, scheme, proof);
    const { agent, user } = await stand(tenant, proof, claims);
    return {
      tenant,
      caller: agent ? { kind: "agent", id: agent.id } : { kind: "client", id: clientId },
      ...(agent && { agent }),
      ...(user && { user }),
      actors: actors.map(({ id }) => id),
      scopes,
      method: "access_token",
      requestId: proof.requestId,
      ...(proof.address !== undefined && { address: proof.address }),
    };
  };
};
