import type { Right } from "@legate/contract";
import { decodeJwt, decodeProtectedHeader } from "jose";
import type { Audit } from "../../ground/audit/index.ts";
import { anonymous, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { type Agents, isApiKey } from "../agents/index.ts";
import type { Issuers } from "../issuers/index.ts";
import type { Operators } from "../operators/index.ts";
import { defaultTenant, type Tenants } from "../tenants/index.ts";
import { type Epochs, kinds, type Standing, type StandingCheck, type Tokens } from "../tokens/index.ts";
import type { Users } from "../users/index.ts";

interface Needs {
  readonly audit: Audit;
  /** Hold every caller of every dialect, for all of them are proven here. Without them nobody is limited. */
  readonly limits?: Pick<Limits, "mayGuess" | "guessed" | "take"> | undefined;
  readonly tenants: Pick<Tenants, "isOpen">;
  readonly operators: Pick<Operators, "byKey">;
  readonly agents: Pick<Agents, "holderOf">;
  readonly users: Pick<Users, "proven">;
  readonly issuers: Pick<Issuers, "findByIss" | "verify">;
  readonly tokens: Pick<Tokens, "verify">;
  readonly standing: Pick<StandingCheck, "check">;
}

/** What a request brings as proof, and where from. */
export interface Proof {
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** The tenant that the address names, if it names one; a credential of another is unknown there. */
  readonly tenant?: string | undefined;
  readonly requestId: string;
  readonly address?: string | undefined;
}

export type Authn = ReturnType<typeof makeAuthn>;

const longest = 16_384;

/** One answer for no credential, an unknown one, a wrong one and a dead one. */
const unauthenticated = () => new Refusal("unauthenticated", "Send a live credential as `Authorization: Bearer ...`.");

/** RFC 6750 2.1. */
const bearer = (authorization: string | undefined): string => {
  const [, token] = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? "") ?? [];
  if (token === undefined || token.length > longest) throw unauthenticated();
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

/** The no of a check, if it says no. */
const refusalFrom = (check: () => void): Refusal | undefined => {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
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
const from = (tenant: string, proof: Proof) => {
  if (proof.tenant !== undefined && proof.tenant !== tenant) throw unauthenticated();
  return { tenant, requestId: proof.requestId, ...(proof.address !== undefined && { address: proof.address }) };
};

export const makeAuthn = ({ audit, limits, tenants, operators, agents, users, issuers, tokens, standing }: Needs) => {
  const nobody = (tenant: string, proof: Proof): Principal => anonymous(tenant, proof.requestId, proof.address);

  const refused = (
    who: Principal,
    about: { agent?: string; user?: string | undefined; details: Readonly<Record<string, unknown>> },
  ): Promise<void> => audit.refused(who, "request.refused", about);

  /** The standing of what a live credential names; that a suspended agent still tries is worth remembering. */
  const stand = (tenant: string, proof: Proof, agentId: string, userId: string | undefined, epochs: Epochs): Promise<Standing> =>
    standing.check(tenant, agentId, userId, epochs).catch(async (error: unknown) => {
      if (error instanceof Refusal && error.code !== "unauthenticated") {
        await refused(
          { ...nobody(tenant, proof), caller: { kind: "agent", id: agentId } },
          { agent: agentId, user: userId, details: { reason: error.code } },
        );
      }
      throw error;
    });

  const byAgentKey = async (key: string, proof: Proof): Promise<Principal> => {
    const holder = await agents.holderOf(key);
    if (!holder) throw unauthenticated();
    const place = from(holder.tenant, proof);
    const { agent } = await stand(holder.tenant, proof, holder.agentId, undefined, {});
    return { ...place, caller: { kind: "agent", id: agent.id }, agent, actors: [agent.id], method: "agent_key" };
  };

  const byWorkloadToken = async (token: string, proof: Proof): Promise<Principal> => {
    const claims = await tokens.verify("workload", token);
    const place = from(claims.tenant, proof);
    const { agent, user } = await stand(claims.tenant, proof, claims.agentId, claims.user?.id, {
      agent: claims.agentEpoch,
      user: claims.user?.epoch,
      tenant: claims.tenantEpoch,
    });
    return {
      ...place,
      caller: { kind: "agent", id: agent.id },
      agent,
      ...(user && { user }),
      actors: [agent.id],
      method: "workload_token",
    };
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
    return { ...place, caller: { kind: "operator", id: operator.id, role: operator.role }, actors: [], method: "operator_key" };
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

  /** Remembers that somebody is limited, and says so also where the store cannot be written. */
  const limited = async (who: Principal, refusal: Refusal): Promise<never> => {
    await refused(who, { details: { reason: refusal.code, limit: refusal.details["limit"] } }).catch(() => undefined);
    throw refusal;
  };

  /** Looks at a credential only where its address has not guessed too often, and counts those that are none. */
  const identifyGuarded = async (proof: Proof, rights: readonly Right[]): Promise<Principal> => {
    const { address, authorization } = proof;
    if (!limits || address === undefined) return identify(bearer(authorization), proof, rights);
    const over = refusalFrom(() => limits.mayGuess(address));
    if (over) return limited(nobody(proof.tenant ?? defaultTenant, proof), over);
    try {
      return await identify(bearer(authorization), proof, rights);
    } catch (error) {
      if (error instanceof Refusal && error.code === "unauthenticated") limits.guessed(address, guessOf(authorization));
      throw error;
    }
  };

  return {
    /**
     * Who asks, proven, with one of these rights and within the limits that hold them.
     * @throws Refusal unauthenticated, forbidden, agent_suspended, user_suspended, rate_limited
     */
    prove: async (proof: Proof, rights: readonly Right[]): Promise<Principal> => {
      const who = await identifyGuarded(proof, rights);
      const over = limits && refusalFrom(() => limits.take(who));
      if (over) return limited(who, over);
      if (rightsOf(who).some((right) => rights.includes(right))) return who;
      await refused(who, { details: { reason: "forbidden" } });
      throw new Refusal("forbidden", "This credential may not do that.", { needs: rights });
    },
  };
};
