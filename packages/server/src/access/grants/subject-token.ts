import { Refusal } from "../../ground/kernel/index.ts";
import { kinds, type Named, readCompactJws } from "../../identity/tokens/index.ts";
import { agentOf, type GrantsNeeds, leavesTo } from "./grant.ts";
import type { Asker, Granted, TokenRequest } from "./token-request.ts";

type Needs = Pick<GrantsNeeds, "issuerOf" | "users" | "issuers" | "standing" | "tokens" | "clients">;

/** RFC 8693 3. */
export const tokenTypes = {
  accessToken: "urn:ietf:params:oauth:token-type:access_token",
  jwt: "urn:ietf:params:oauth:token-type:jwt",
  idToken: "urn:ietf:params:oauth:token-type:id_token",
} as const;

/** What is presented: our own token for an audience, our own token of an agent's identity, or a token of the agent's trusted issuer. */
type Presented = "access" | "workload" | "user";

const presentedBy: Readonly<Record<string, readonly Presented[]>> = {
  [tokenTypes.accessToken]: ["access", "workload", "user"],
  [tokenTypes.jwt]: ["access", "workload", "user"],
  [tokenTypes.idToken]: ["user"],
};

/** The parameters that bring a token. */
type Presentable = "subject_token" | "actor_token";

/** RFC 8693 2.2.2: whatever is the matter with a token that was presented, it is said in one way. */
const tokenInvalid = (name: Presentable): Refusal =>
  new Refusal("invalid_request", `The ${name} is unknown, expired, or not this client's to use.`);

export const makeSubjectTokens = ({ issuerOf, users, issuers, standing, tokens, clients }: Needs) => {
  const kindOf = (tenant: string, token: string): Presented | undefined => {
    const jws = readCompactJws(token);
    if (jws?.payload["iss"] !== issuerOf(tenant)) return "user";
    if (jws.header["typ"] === kinds.workload.typ) return "workload";
    return jws.header["typ"] === kinds.access.typ ? "access" : undefined;
  };

  const accessSubject = async ({ client, who }: Asker, token: string, request: TokenRequest): Promise<Granted | undefined> => {
    const agent = agentOf(client);
    const claims = await tokens.verify("access", token);
    if (claims.tenant !== who.tenant) return undefined;
    const isOwn = claims.clientId === client.id;
    const isPassedOn = await clients.resources.isServer(who.tenant, agent, claims.audience);
    if (!isOwn && !isPassedOn) return undefined;
    // RFC 9449 6: what is bound to a key does not come loose in the hands that were to hold it; a resource that passes it on has no such key.
    if (!isPassedOn && claims.thumbprint !== undefined && claims.thumbprint !== request.dpopThumbprint) return undefined;
    return {
      user: claims.user,
      actors: claims.actors,
      ceiling: claims.scopes,
      // Who got it may have less of it, at the same place; only the place that it was sent to carries it on.
      audiences: isPassedOn ? undefined : [claims.audience],
      isConsented: isOwn && !isPassedOn && claims.grantId !== undefined,
      notAfter: claims.expiresAt,
      grantId: claims.grantId,
      tenantEpoch: claims.tenantEpoch,
      authTime: claims.authTime,
    };
  };

  const workloadSubject = async ({ client, who }: Asker, token: string): Promise<Granted | undefined> => {
    const claims = await tokens.verify("workload", token);
    if (claims.tenant !== who.tenant || claims.agentId !== client.id) return undefined;
    return {
      user: claims.user,
      actors: [{ id: claims.agentId, epoch: claims.agentEpoch }],
      ceiling: undefined,
      audiences: undefined,
      notAfter: claims.expiresAt,
      grantId: undefined,
      tenantEpoch: claims.tenantEpoch,
    };
  };

  const userSubject = async ({ client, who }: Asker, actor: Named, token: string): Promise<Granted | undefined> => {
    const { issuerId } = await standing.actor(who.tenant, client.id);
    if (issuerId === undefined) return undefined;
    const { claims, iss, subject, subjectClaim, expiresAt } = await issuers.verify(who.tenant, issuerId, token);
    if (!leavesTo(claims, actor.id, issuerOf(who.tenant))) return undefined;
    const { id, epoch } = await users.proven(who, iss, subject, subjectClaim);
    return { user: { id, epoch }, actors: [], ceiling: undefined, audiences: undefined, notAfter: expiresAt, grantId: undefined };
  };

  /** A no of whoever verifies a token is a no to the request. */
  const orInvalid = async <T>(name: Presentable, read: Promise<T | undefined>): Promise<T> => {
    const found = await read.catch((error: unknown) => {
      if (error instanceof Refusal && (error.code === "unauthenticated" || error.code === "user_token_invalid")) return undefined;
      throw error;
    });
    if (found === undefined) throw tokenInvalid(name);
    return found;
  };

  const demandType = (name: Presentable, token: string, type: string, tenant: string): Presented => {
    const allowed = Object.hasOwn(presentedBy, type) ? presentedBy[type] : undefined;
    if (!allowed) throw new Refusal("invalid_request", `No token of this ${name}_type is accepted here.`);
    const kind = kindOf(tenant, token);
    if (kind === undefined || !allowed.includes(kind)) throw tokenInvalid(name);
    return kind;
  };

  return {
    /**
     * Whom a subject token is about, and how far it reaches, before the actor joins those who act.
     * @param actor The agent that is to act, which a user's token may name (RFC 8693 4.4): the one that is shown, or else the asker.
     * @throws Refusal invalid_request for whatever is the matter with it; issuer_unavailable
     */
    subjectOf: (asker: Asker, actor: Named, token: string, type: string, request: TokenRequest): Promise<Granted> => {
      const kind = demandType("subject_token", token, type, asker.who.tenant);
      const read = {
        access: () => accessSubject(asker, token, request),
        workload: () => workloadSubject(asker, token),
        user: () => userSubject(asker, actor, token),
      };
      return orInvalid("subject_token", read[kind]());
    },

    /**
     * The agent that an actor token is about: an agent alone, by a token that it got itself. Its workload token may be presented by another agent, for
     * whoever has it may act as the agent anyway; an access token only by the agent itself, for every resource that it is sent to has it too.
     * @throws Refusal invalid_request
     */
    actorOf: (asker: Asker, token: string, type: string): Promise<Named & { readonly notAfter: number; readonly tenantEpoch: number }> => {
      const { tenant } = asker.who;
      const kind = demandType("actor_token", token, type, tenant);
      const read = async () => {
        if (kind === "workload") {
          const {
            agentId: id,
            agentEpoch: epoch,
            user,
            expiresAt: notAfter,
            tenantEpoch,
            ...claims
          } = await tokens.verify("workload", token);
          return claims.tenant === tenant && user === undefined ? { id, epoch, notAfter, tenantEpoch } : undefined;
        }
        if (kind !== "access") return undefined;
        const { user, actors, clientId, expiresAt: notAfter, tenantEpoch, ...claims } = await tokens.verify("access", token);
        const [actor, ...more] = actors;
        const isItself =
          actor !== undefined && more.length === 0 && user === undefined && clientId === actor.id && actor.id === asker.client.id;
        return isItself && claims.tenant === tenant ? { notAfter, tenantEpoch, ...actor } : undefined;
      };
      return orInvalid("actor_token", read());
    },
  };
};
