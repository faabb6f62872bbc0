import type { Right } from "@legate/contract";
import { decodeJwt, decodeProtectedHeader } from "jose";
import type { Audit } from "../../ground/audit/index.ts";
import { anonymous, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { type AccessKeys, namesTemporaryKey } from "../access-keys/index.ts";
import { type Agents, isApiKey } from "../agents/index.ts";
import type { Issuers } from "../issuers/index.ts";
import type { Operators } from "../operators/index.ts";
import { defaultTenant, type Tenants } from "../tenants/index.ts";
import { type DoorKind, type Dpop, type Epochs, kinds, type Standing, type StandingCheck, type Tokens } from "../tokens/index.ts";
import type { Users } from "../users/index.ts";
import { accessTokenIn, type AccessProof, makeByAccessToken, noAccess } from "./by-access-token.ts";
import { type DoorProof, makeByDoorToken, noDoor } from "./by-door-token.ts";
import { makeBySignature, maySpend, noKey, type RightsOf, type SignedProof } from "./by-signature.ts";
import { makeGuard, type Source } from "./guard.ts";

interface Needs {
  readonly audit: Audit;
  /** Hold every caller of every dialect, for all of them are proven here. Without them nobody is limited. */
  readonly limits?: Pick<Limits, "isShutOut" | "mayGuess" | "guessed" | "take" | "takeUnproven"> | undefined;
  readonly accessKeys: Pick<AccessKeys, "signer" | "isKey" | "use" | "isKnown">;
  /** What a role permits: the roles of agents are another room's. */
  readonly rightsOf: RightsOf;
  readonly tenants: Pick<Tenants, "isOpen">;
  readonly operators: Pick<Operators, "byKey" | "isKeyKnown">;
  readonly agents: Pick<Agents, "holderOf" | "isKeyKnown">;
  readonly users: Pick<Users, "proven">;
  readonly issuers: Pick<Issuers, "findByIss" | "verify">;
  readonly tokens: Pick<Tokens, "verify" | "isKnown">;
  readonly standing: Pick<StandingCheck, "check" | "chain">;
  readonly dpop: Pick<Dpop, "check">;
}

/** What a request brings as proof, and where from. */
export interface Proof extends Source {
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
}

export type Authn = ReturnType<typeof makeAuthn>;

const longest = 16_384;

/** One answer for no credential, an unknown one, a wrong one and a dead one. */
const unauthenticated = () => new Refusal("unauthenticated", "Send a live credential as `Authorization: Bearer ...`.");

/** RFC 6750 2.1. */
const textIn = (authorization: string | undefined): string | undefined => {
  const [, token] = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? "") ?? [];
  return token === undefined || token.length > longest ? undefined : token;
};

const bearer = (authorization: string | undefined): string => {
  const token = textIn(authorization);
  if (token === undefined) throw unauthenticated();
  return token;
};

/** The `typ` of a compact JWS, empty where it has none; undefined where the text is no JWS at all, as an operator key with dots in it. */
const jwtType = (text: string): string | undefined => {
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/.test(text)) return undefined;
  try {
    return decodeProtectedHeader(text).typ?.toLowerCase() ?? "";
  } catch {
    return undefined;
  }
};

/** What a credential that proved nothing was: keys are guessed, tokens mostly expire. */
const guessOf = (authorization: string | undefined): "key" | "token" => {
  const [, text] = /^Bearer +(\S+)/i.exec(authorization ?? "") ?? [];
  return text !== undefined && (isApiKey(text) || jwtType(text) === undefined) ? "key" : "token";
};

const issuerIn = (jwt: string): string => {
  try {
    const { iss } = decodeJwt(jwt);
    // Nothing else could be an issuer, and no store takes text that is not well-formed.
    if (typeof iss === "string" && iss.isWellFormed() && !iss.includes("\0")) return iss;
  } catch {
    // A token that does not parse is answered as any other dead one.
  }
  throw unauthenticated();
};

/** Which rights a principal's way in stands for. */
const rightsOf = (who: Principal): readonly Right[] => {
  switch (who.method) {
    case "operator_key":
      if (who.caller.kind !== "operator") return ["anyone"];
      return who.caller.role === "admin" && who.tenant === defaultTenant ? ["installation-admin", "admin"] : [who.caller.role];
    case "agent_key":
      return ["agent"];
    // The native wire takes no signed request: whoever does says by itself who may ask.
    case "access_key":
    case "temporary_key":
    case "workload_token":
      return ["workload-token"];
    case "user_token":
      return ["user-token"];
    case "client_secret":
    case "client_assertion":
    case "public_client":
    case "access_token":
    case "none":
      return ["anyone"];
  }
};

/** Where a request comes from, in the tenant of its credential. @throws Refusal unauthenticated where the address names another tenant */
const from = (tenant: string, proof: Source) => {
  if (proof.tenant !== undefined && proof.tenant !== tenant) throw unauthenticated();
  return { tenant, requestId: proof.requestId, ...(proof.address !== undefined && { address: proof.address }) };
};

export const makeAuthn = (needs: Needs) => {
  const { audit, limits, accessKeys, rightsOf: permitted, tenants, operators, agents, users, issuers, tokens, standing, dpop } = needs;
  const guard = makeGuard({ audit, limits });
  const nobody = (tenant: string, source: Source): Principal => anonymous(tenant, source.requestId, source.address);

  /** What a check of somebody's standing says; that somebody suspended still tries is worth remembering. */
  const recorded = <S>(tenant: string, source: Source, named: { agent: string | undefined; user: string | undefined }, check: Promise<S>) =>
    check.catch(async (error: unknown): Promise<never> => {
      if (error instanceof Refusal && error.code !== "unauthenticated") {
        const { agent, user } = named;
        const who = nobody(tenant, source);
        await audit.refused(agent === undefined ? who : { ...who, caller: { kind: "agent", id: agent } }, "request.refused", {
          ...(agent !== undefined && { agent }),
          user,
          details: { reason: error.code },
        });
      }
      throw error;
    });

  const stand = (tenant: string, source: Source, agent: string, user: string | undefined, epochs: Epochs): Promise<Standing> =>
    recorded(tenant, source, { agent, user }, standing.check(tenant, agent, user, epochs));

  const byAccessToken = makeByAccessToken({
    tokens,
    dpop,
    stand: (tenant, source, chain) =>
      recorded(tenant, source, { agent: chain.actors[0]?.id, user: chain.user?.id }, standing.chain(tenant, chain)),
  });

  const byDoorToken = makeByDoorToken({ tokens, stand });

  const bySignature = makeBySignature({ accessKeys, rightsOf: permitted, stand });

  const byAgentKey = async (key: string, proof: Proof): Promise<Principal> => {
    const holder = await agents.holderOf(key);
    if (!holder) throw unauthenticated();
    const place = from(holder.tenant, proof);
    const { agent } = await stand(holder.tenant, proof, holder.agentId, undefined, {});
    return { caller: { kind: "agent", id: agent.id }, agent, actors: [agent.id], method: "agent_key", ...place };
  };

  const byWorkloadToken = async (token: string, proof: Source): Promise<Principal> => {
    const claims = await tokens.verify("workload", token);
    const place = from(claims.tenant, proof);
    const { agent, user } = await stand(claims.tenant, proof, claims.agentId, claims.user?.id, {
      agent: claims.agentEpoch,
      user: claims.user?.epoch,
      tenant: claims.tenantEpoch,
    });
    return {
      caller: { kind: "agent", id: agent.id },
      agent,
      ...(user && { user }),
      actors: [agent.id],
      method: "workload_token",
      ...place,
    };
  };

  const workloadOf = (token: string, source: Source): Promise<Principal> => {
    if (token.length > longest) throw unauthenticated();
    return byWorkloadToken(token, source);
  };

  const byUserToken = async (token: string, proof: Proof): Promise<Principal> => {
    // Issuers are each tenant's own affair, so the token cannot tell the tenant: the address does.
    const tenant = proof.tenant ?? defaultTenant;
    if (!(await tenants.isOpen(tenant))) throw unauthenticated();
    const issuer = await issuers.findByIss(tenant, issuerIn(token));
    if (!issuer) throw unauthenticated();
    const proven = await issuers.verify(tenant, issuer.id, token).catch((error: unknown) => {
      throw error instanceof Refusal && error.code === "user_token_invalid" ? unauthenticated() : error;
    });
    const who = nobody(tenant, proof);
    const user = await users.proven(who, proven.iss, proven.subject, proven.subjectClaim);
    if (user.status !== "active") throw new Refusal("user_suspended", "The user is suspended.");
    return { ...who, caller: { kind: "user", id: user.id }, user: { id: user.id, epoch: user.epoch }, method: "user_token" };
  };

  const byOperatorKey = async (key: string, proof: Proof): Promise<Principal> => {
    const operator = await operators.byKey(key);
    if (!operator) throw unauthenticated();
    const place = from(operator.tenant, proof);
    return { caller: { kind: "operator", id: operator.id, role: operator.role }, actors: [], method: "operator_key", ...place };
  };

  const identify = (token: string, proof: Proof, rights: readonly Right[]): Promise<Principal> => {
    if (isApiKey(token)) return byAgentKey(token, proof);
    const type = jwtType(token);
    if (type === undefined) return byOperatorKey(token, proof);
    if (type === kinds.workload.typ) return byWorkloadToken(token, proof);
    // A user's token is looked at only where one may be used: elsewhere it is a credential we do not know.
    if (!rights.includes("user-token")) throw unauthenticated();
    return byUserToken(token, proof);
  };

  /** By memory alone, whether somebody was proven by this lately. */
  const isKnown = async (text: string | undefined): Promise<boolean> => {
    if (text === undefined) return false;
    if (isApiKey(text)) return agents.isKeyKnown(text);
    const type = jwtType(text);
    if (type === undefined) return operators.isKeyKnown(text);
    return type === kinds.workload.typ && tokens.isKnown("workload", text);
  };

  return {
    /**
     * Who asks, proven, with one of these rights and within the limits that hold them.
     * @throws Refusal unauthenticated, forbidden, agent_suspended, user_suspended, rate_limited
     */
    prove: async (proof: Proof, rights: readonly Right[]): Promise<Principal> => {
      const { authorization } = proof;
      const { who } = await guard(proof, async () => ({ who: await identify(bearer(authorization), proof, rights) }), {
        presents: guessOf(authorization),
        isKnown: () => isKnown(textIn(authorization)),
        refusal: unauthenticated,
      });
      if (rightsOf(who).some((right) => rights.includes(right))) return who;
      await audit.refused(who, "request.refused", { details: { reason: "forbidden" } });
      throw new Refusal("forbidden", "This credential may not do that.", { needs: rights });
    },

    /**
     * Who asks with an access token at a door of ours that takes them: `Bearer`, or `DPoP` and a proof where the token is bound to a key (RFC 9449 7).
     * What its scopes let it do is the door's to say.
     * @param audienceOf The door's own audience, in the tenant of the token.
     * @throws Refusal unauthenticated, dpop_invalid, dpop_nonce_required, agent_suspended, user_suspended, rate_limited
     */
    proveAccess: async (proof: AccessProof, audienceOf: (tenant: string) => string): Promise<Principal> => {
      const { who } = await guard(proof, async () => ({ who: await byAccessToken(proof, audienceOf) }), {
        presents: "token",
        isKnown: async () => tokens.isKnown("access", accessTokenIn(proof.authorization) ?? ""),
        refusal: noAccess,
      });
      return who;
    },

    /**
     * Which agent asks with a token of a kind that agents get for themselves, at the door that takes it.
     * @throws Refusal unauthenticated, agent_suspended, rate_limited
     */
    proveDoor: async (proof: DoorProof, kind: DoorKind): Promise<Principal> => {
      const { who } = await guard(proof, async () => ({ who: await byDoorToken(proof, kind) }), {
        presents: "token",
        isKnown: async () => proof.token !== undefined && tokens.isKnown(kind, proof.token),
        refusal: noDoor,
      });
      return who;
    },

    /**
     * Whose access key signed a request, within the limits that hold them. No request is taken twice: it counts as used once everything else held.
     * @throws Refusal unauthenticated, access_key_unknown, signature_mismatch, request_time_skewed, security_token_invalid, nonce_used, agent_suspended,
     * user_suspended, rate_limited
     */
    proveSigned: async (proof: SignedProof): Promise<Principal> => {
      const { who, signed } = await guard(proof, () => bySignature(proof), {
        presents: namesTemporaryKey(proof) ? "token" : "key",
        // Whoever merely has a wrong clock guesses nothing, nor does whoever goes on with a temporary key that has ended: such keys mostly end so.
        costs: ({ code }) =>
          code === "request_time_skewed" || (code === "access_key_unknown" && namesTemporaryKey(proof)) ? "token" : "key",
        isKnown: () => accessKeys.isKnown(proof),
        refusal: noKey,
      });
      await accessKeys.use(who, signed);
      return who;
    },

    /**
     * Which agent asks, for whom, with a workload access token and nothing else.
     * @throws Refusal unauthenticated, agent_suspended, user_suspended, rate_limited
     */
    proveWorkload: async ({ token, ...source }: Source & { readonly token: string }): Promise<Principal> => {
      const { who } = await guard(source, async () => ({ who: await workloadOf(token, source) }), {
        presents: "token",
        isKnown: () => tokens.isKnown("workload", token),
        refusal: unauthenticated,
      });
      return who;
    },

    /**
     * For whom a workload access token is that somebody spends in a signed request. Who asked is counted already.
     * @throws Refusal unauthenticated, also for a token of another agent or user than the caller may spend; agent_suspended, user_suspended
     */
    spend: async (who: Principal, token: string): Promise<Principal> => {
      const spent = await workloadOf(token, { tenant: who.tenant, requestId: who.requestId, address: who.address });
      if (maySpend(who, spent)) return spent;
      await audit.refused(who, "request.refused", { details: { reason: "workload_token_of_another" } });
      throw unauthenticated();
    },

    /** The limits and the record for a proof that another room looks at: an OAuth client's. */
    guard,
  };
};
