import type { JWTPayload } from "jose";
import { type Codec, type Envelope, isText, isTextIfAny, isWhole, member } from "./codec.ts";

/** Somebody, and the epoch in which the token holds for them. */
export interface Named {
  readonly id: string;
  readonly epoch: number;
}

/** What goes into an access token (RFC 9068 2.2). */
export interface AccessGrant {
  readonly audience: string;
  /** The client that gets it. */
  readonly clientId: string;
  /** Sorted, no repeats. */
  readonly scopes: readonly string[];
  /** Whom it is about; an agent alone where it is left out. */
  readonly user?: Named | undefined;
  /** Agents that act, the one that acts now first (RFC 8693 4.1); without a user the last one is the subject and stands not in `act`. */
  readonly actors: readonly Named[];
  readonly tenantEpoch: number;
  /** RFC 9449 6.1: only whoever has this key may use it. */
  readonly thumbprint?: string | undefined;
  /** The grant it stands and falls with. */
  readonly grantId?: string | undefined;
  /** Ends no later than this, however long its kind lives; milliseconds since 1970. */
  readonly notAfter?: number | undefined;
  /** When the person logged in; milliseconds since 1970. */
  readonly authTime?: number | undefined;
}

/** What an access token of ours says, verified. */
export interface AccessClaims extends Omit<AccessGrant, "notAfter">, Envelope {
  /** User id, or agent id. */
  readonly subject: string;
}

/** RFC 8693 4.1: who acts now stands outermost, who acted before within. */
const nested = ([outermost, ...before]: readonly Named[]): { readonly act?: JWTPayload } =>
  outermost ? { act: { sub: outermost.id, ...nested(before) } } : {};

/** The agents in `act`, outermost first; undefined where it is no chain of them. The shape of our JSON bounds its depth. */
const chainIn = (act: unknown): readonly string[] | undefined => {
  if (act === undefined) return [];
  const sub = member(act, "sub");
  const before = chainIn(member(act, "act"));
  return isText(sub) && before ? [sub, ...before] : undefined;
};

export const accessToken: Codec<AccessGrant, AccessClaims> = {
  write: ({ audience, clientId, scopes, user, actors, tenantEpoch, thumbprint, grantId, authTime }) => {
    const subject = user ?? actors.at(-1);
    if (!subject) throw new Error("An access token is about somebody.");
    return {
      aud: audience,
      sub: subject.id,
      client_id: clientId,
      // RFC 9068 2.2.3; without scopes the claim is left out, for it may not be empty (RFC 6749 3.3).
      ...(scopes.length > 0 && { scope: scopes.join(" ") }),
      ...nested(user ? actors : actors.slice(0, -1)),
      ...(thumbprint !== undefined && { cnf: { jkt: thumbprint } }),
      ...(authTime !== undefined && { auth_time: Math.floor(authTime / 1000) }),
      ...(grantId !== undefined && { gid: grantId }),
      // As the chain of actors: who acts now first, the subject last where it is an agent.
      epochs: { tenant: tenantEpoch, agents: actors.map(({ epoch }) => epoch), ...(user && { user: user.epoch }) },
    };
  },

  read: (envelope, payload) => {
    const { aud, sub, client_id: clientId, scope, auth_time: authTime, gid } = payload;
    const chain = chainIn(payload["act"]);
    const thumbprint = member(payload["cnf"], "jkt");
    const tenantEpoch = member(payload["epochs"], "tenant");
    const userEpoch = member(payload["epochs"], "user");
    const agentEpochs = member(payload["epochs"], "agents");
    if (!isText(aud) || !isText(sub) || !isText(clientId) || !isTextIfAny(scope) || !isTextIfAny(gid) || !chain) return undefined;
    // A key that cannot be read would be a limit that is passed over.
    if (!isTextIfAny(thumbprint) || (payload["cnf"] !== undefined && thumbprint === undefined)) return undefined;
    if (authTime !== undefined && !isWhole(authTime)) return undefined;
    if (!isWhole(tenantEpoch) || (userEpoch !== undefined && !isWhole(userEpoch)) || !Array.isArray(agentEpochs)) return undefined;
    const ids = userEpoch === undefined ? [...chain, sub] : chain;
    if (agentEpochs.length !== ids.length || !agentEpochs.every(isWhole)) return undefined;
    return {
      audience: aud,
      subject: sub,
      clientId,
      scopes: scope === undefined ? [] : scope.split(" "),
      user: userEpoch === undefined ? undefined : { id: sub, epoch: userEpoch },
      actors: agentEpochs.map((epoch, n) => ({ id: ids[n] ?? "", epoch })),
      tenantEpoch,
      thumbprint,
      grantId: gid,
      authTime: authTime === undefined ? undefined : authTime * 1000,
      ...envelope,
    };
  },
};
