import { createHash } from "node:crypto";
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { type Db, makeCache } from "../../ground/db/index.ts";
import { type Clock, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Signing } from "../signing/index.ts";
import type { Tenants } from "../tenants/index.ts";
import { kinds } from "./kinds.ts";

interface Needs {
  readonly db: Pick<Db, "changes">;
  readonly signing: Signing;
  readonly tenants: Tenants;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a workload access token says. */
export interface WorkloadClaims {
  readonly tenant: string;
  readonly agentId: string;
  readonly agentEpoch: number;
  readonly user: { readonly id: string; readonly epoch: number } | undefined;
  readonly tenantEpoch: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What goes into a workload access token. */
export interface WorkloadGrant {
  readonly agent: { readonly id: string; readonly epoch: number };
  readonly user?: { readonly id: string; readonly epoch: number; readonly issuer: string; readonly subject: string } | undefined;
  readonly tenantEpoch: number;
}

export type Tokens = ReturnType<typeof makeTokens>;

/** A token as it was found to be; it stands and falls with the key that signed it. */
interface Verified {
  readonly kid: string;
  readonly claims: WorkloadClaims;
}

/** Verified tokens kept at most; the oldest go first. */
const remembered = 20_000;

const dead = () => new Refusal("unauthenticated", "The token is unknown, expired or not for this address.");

const issuerIn = (token: string): string | undefined => {
  try {
    const payload = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) as { iss?: unknown } | null;
    return typeof payload?.iss === "string" ? payload.iss : undefined;
  } catch {
    return undefined;
  }
};

const whole = (value: unknown): value is number => Number.isSafeInteger(value);

const toWorkload = (tenant: string, payload: JWTPayload): WorkloadClaims => {
  const { sub, act, epochs, exp } = payload as JWTPayload & {
    act?: { sub?: unknown };
    epochs?: { agent?: unknown; user?: unknown; tenant?: unknown };
  };
  const agentId = act === undefined ? sub : act.sub;
  if (typeof sub !== "string" || typeof agentId !== "string" || !whole(epochs?.agent) || !whole(epochs.tenant) || !whole(exp)) throw dead();
  const common = { tenant, agentId, agentEpoch: epochs.agent, tenantEpoch: epochs.tenant, expiresAt: exp * 1000 };
  if (act === undefined) return { ...common, user: undefined };
  if (!whole(epochs.user)) throw dead();
  return { ...common, user: { id: sub, epoch: epochs.user } };
};

export const makeTokens = ({ db, signing, tenants, clock, random }: Needs) => {
  /**
   * By hash, so that no token stays in memory. What was verified stays verified until it expires or its key is revoked; epochs are compared at each
   * use.
   */
  const verified = makeCache<Verified>(db.changes, remembered, ({ kid }) => [["signing_key", kid]]);

  const verifyAnew = async (kind: "workload", token: string): Promise<Verified> => {
    const issuer = issuerIn(token);
    const tenant = issuer === undefined ? undefined : tenants.ofIssuer(issuer);
    // Whoever is asked for a key of a tenant makes its first: for a tenant that is none, nobody is asked.
    if (issuer === undefined || tenant === undefined || !(await tenants.isOpen(tenant))) throw dead();
    const { kid } = decodeProtectedHeader(token);
    const key = kid === undefined ? undefined : await signing.keyFor(tenant, kid);
    if (!key) throw dead();
    // RFC 8725 3.1, 3.8, 3.9, 3.11: one algorithm, one key, the issuer, the audience and the type are all demanded.
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ["ES256"],
      typ: kinds[kind].typ,
      issuer,
      audience: kinds[kind].audience(issuer),
      requiredClaims: ["sub", "iat", "exp", "jti"],
      currentDate: new Date(clock()),
    });
    return { kid: key.id, claims: toWorkload(tenant, payload) };
  };

  return {
    /** @returns the token and when it ends, in milliseconds */
    mintWorkload: async (tenant: string, { agent, user, tenantEpoch }: WorkloadGrant): Promise<{ token: string; expiresAt: number }> => {
      const issuer = tenants.issuerOf(tenant);
      const iat = Math.floor(clock() / 1000);
      const exp = iat + kinds.workload.seconds;
      const token = await signing.sign(tenant, kinds.workload.typ, {
        iss: issuer,
        aud: kinds.workload.audience(issuer),
        // RFC 8693 4.1: the user is the subject, the agent that acts stands in `act`.
        ...(user ? { sub: user.id, act: { sub: agent.id }, user_iss: user.issuer, user_sub: user.subject } : { sub: agent.id }),
        epochs: { agent: agent.epoch, tenant: tenantEpoch, ...(user && { user: user.epoch }) },
        iat,
        exp,
        jti: random(16).toString("base64url"),
      });
      return { token, expiresAt: exp * 1000 };
    },

    /**
     * A client assertion by which Legate proves itself to a provider (RFC 7523 2.2 and 3).
     * @param ask `audience`: the authorization server's issuer, or its token endpoint where the issuer is unknown
     */
    clientAssertion: (tenant: string, ask: { readonly clientId: string; readonly audience: string }): Promise<string> => {
      const iat = Math.floor(clock() / 1000);
      return signing.sign(tenant, kinds.client_assertion.typ, {
        iss: ask.clientId,
        sub: ask.clientId,
        aud: ask.audience,
        iat,
        exp: iat + kinds.client_assertion.seconds,
        jti: random(16).toString("base64url"),
      });
    },

    /** @throws Refusal unauthenticated for anything but a live token of this kind, minted here */
    verify: async (kind: "workload", token: string): Promise<WorkloadClaims> => {
      const hash = createHash("sha256").update(kind).update("\0").update(token).digest("base64url");
      try {
        const known = await verified(hash, () => verifyAnew(kind, token));
        if (!known || known.claims.expiresAt <= clock()) throw dead();
        return known.claims;
      } catch (error) {
        if (error instanceof errors.JOSEError || error instanceof TypeError) throw dead();
        throw error;
      }
    },
  };
};
