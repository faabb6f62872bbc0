import { createHash } from "node:crypto";
import { errors, type JWTPayload, jwtVerify } from "jose";
import { type Db, makeCache } from "../../ground/db/index.ts";
import { type Clock, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Signing } from "../signing/index.ts";
import type { Tenants } from "../tenants/index.ts";
import { type AccessClaims, type AccessGrant, accessToken } from "./access-token.ts";
import { type Envelope, isText, isWhole } from "./codec.ts";
import { readCompactJws } from "./compact-jws.ts";
import { type CozeClaims, type CozeGrant, cozeToken } from "./coze-token.ts";
import { type IdGrant, idToken } from "./id-token.ts";
import { type AcceptedKind, isOfOtherKind, kinds } from "./kinds.ts";
import { type WebIdentityGrant, webIdentityToken } from "./web-identity-token.ts";
import { type WorkloadClaims, type WorkloadGrant, workloadToken } from "./workload-token.ts";

interface Needs {
  readonly db: Pick<Db, "changes">;
  readonly signing: Signing;
  readonly tenants: Tenants;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether an access token, of either kind, was taken back before its end, by itself or with the grant it came from. */
  readonly isRevoked: (tenant: string, token: { readonly jti: string; readonly grantId?: string | undefined }) => Promise<boolean>;
}

/** What goes into each kind of token that names us as its issuer. */
export interface Grants {
  readonly workload: WorkloadGrant;
  readonly access: AccessGrant;
  readonly id: IdGrant;
  readonly web_identity: WebIdentityGrant;
  readonly coze_id: CozeGrant;
  readonly coze_access: CozeGrant;
}

/** What each kind of token says that a door of ours accepts. */
export interface Claims {
  readonly workload: WorkloadClaims;
  readonly access: AccessClaims;
  readonly coze_id: CozeClaims;
  readonly coze_access: CozeClaims;
}

/** A token as it was made. */
export interface Minted {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly jti: string;
}

export type Tokens = ReturnType<typeof makeTokens>;

const writers: { readonly [K in keyof Grants]: (grant: Grants[K]) => JWTPayload } = {
  workload: workloadToken.write,
  access: accessToken.write,
  id: idToken.write,
  web_identity: webIdentityToken.write,
  coze_id: cozeToken.write,
  coze_access: cozeToken.write,
};

/** Verified tokens of one kind kept at most; the oldest go first. */
const remembered = 20_000;

const dead = () => new Refusal("unauthenticated", "The token is unknown, expired or not for this address.");

/** A token as it was found to be; it stands and falls with the key that signed it. */
interface Verified<C> {
  readonly kid: string;
  readonly claims: C;
}

/** What verifies tokens of one kind. */
interface Verifier<C> {
  readonly verify: (token: string) => Promise<C>;
  readonly isKnown: (token: string) => Promise<boolean>;
}

const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64url");

export const makeTokens = ({ db, signing, tenants, clock, random, isRevoked }: Needs) => {
  const newJti = () => random(16).toString("base64url");

  /** Signature, type, issuer, audience and time. */
  const verifyAnew = async <C>(
    kind: AcceptedKind,
    token: string,
    read: (envelope: Envelope, payload: Readonly<Record<string, unknown>>) => C | undefined,
  ): Promise<Verified<C>> => {
    const jws = readCompactJws(token);
    const issuer = jws?.payload["iss"];
    const tenant = isText(issuer) ? tenants.ofIssuer(issuer) : undefined;
    // Whoever is asked for a key of a tenant makes its first: for a tenant that is none, nobody is asked.
    if (!jws || !isText(issuer) || tenant === undefined || !(await tenants.isOpen(tenant))) throw dead();
    const { typ, audience } = kinds[kind];
    const { kid } = jws.header;
    // RFC 8725 3.1, 3.8, 3.9, 3.11: one algorithm, one key of ours, the issuer, the audience and the type are all demanded. `jwk`, `jku`, `x5c` and
    // `x5u` name other keys, and nobody looks at them (RFC 8725 3.10).
    const key = isText(kid) && jws.header["typ"] === typ ? await signing.keyFor(tenant, kid) : undefined;
    if (!key) throw dead();
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ["ES256"],
      issuer,
      ...(audience && { audience: audience(issuer) }),
      requiredClaims: ["sub", "aud", "iat", "exp", "jti"],
      currentDate: new Date(clock()),
    });
    const { iat, exp, jti, aud } = payload;
    if (!isWhole(iat) || !isWhole(exp) || !isText(jti) || !isText(aud)) throw dead();
    if (kind === "access" && isOfOtherKind(issuer, aud)) throw dead();
    const claims = read({ tenant, jti, issuedAt: iat * 1000, expiresAt: exp * 1000 }, payload);
    if (!claims) throw dead();
    return { kid: key.id, claims };
  };

  const verifierOf = <C extends Envelope>(
    kind: AcceptedKind,
    read: (envelope: Envelope, payload: Readonly<Record<string, unknown>>) => C | undefined,
  ): Verifier<C> => {
    /**
     * By hash, so that no token stays in memory. What was verified stays verified until it expires or its key is revoked; epochs are compared at each
     * use.
     */
    const verified = makeCache<Verified<C>>(db.changes, remembered, ({ kid }) => [["signing_key", kid]]);
    return {
      isKnown: async (token) => (await verified(hashOf(token), () => Promise.resolve(undefined))) !== undefined,
      verify: async (token) => {
        try {
          const known = await verified(hashOf(token), () => verifyAnew(kind, token, read));
          if (!known || known.claims.expiresAt <= clock()) throw dead();
          return known.claims;
        } catch (error) {
          if (error instanceof errors.JOSEError || error instanceof TypeError) throw dead();
          throw error;
        }
      },
    };
  };

  /** For a kind whose tokens are taken back one by one. */
  const standing = <C extends Envelope>(signed: Verifier<C>): Verifier<C> => ({
    ...signed,
    verify: async (token) => {
      const claims = await signed.verify(token);
      if (await isRevoked(claims.tenant, claims)) throw dead();
      return claims;
    },
  });

  const verifiers: { readonly [K in AcceptedKind]: Verifier<Claims[K]> } = {
    workload: verifierOf("workload", workloadToken.read),
    access: standing(verifierOf("access", accessToken.read)),
    coze_id: verifierOf("coze_id", cozeToken.read),
    coze_access: standing(verifierOf("coze_access", cozeToken.read)),
  };

  return {
    /**
     * Makes a token of a kind. Whoever asks has made sure that what it names may act, and read the epochs that go into it then.
     * @param grant `notAfter`: it ends no later than this, however long its kind lives; milliseconds since 1970
     * @throws Refusal target_invalid for an access token, or one for a cloud, whose audience is another kind's; grant_invalid where `notAfter` is over
     */
    mint: async <K extends keyof Grants>(
      kind: K,
      tenant: string,
      grant: Grants[K] & { readonly notAfter?: number | undefined },
    ): Promise<Minted> => {
      const issuer = tenants.issuerOf(tenant);
      const { typ, seconds, audience } = kinds[kind];
      const iat = Math.floor(clock() / 1000);
      const exp = grant.notAfter === undefined ? iat + seconds : Math.min(iat + seconds, Math.floor(grant.notAfter / 1000));
      if (exp <= iat) throw new Refusal("grant_invalid", "What the token was asked for with has ended.");
      const jti = newJti();
      const claims = writers[kind](grant);
      if ((kind === "access" || kind === "web_identity") && isOfOtherKind(issuer, String(claims.aud)))
        throw new Refusal("target_invalid", "No such token is for this audience.");
      const token = await signing.sign(tenant, typ, { iss: issuer, ...(audience && { aud: audience(issuer) }), ...claims, iat, exp, jti });
      return { token, expiresAt: exp * 1000, jti };
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
        jti: newJti(),
      });
    },

    /**
     * What a live token of a kind says: its signature, type, issuer, audience and time hold, and it was not taken back. The audience of `access` is the
     * door's to check, and whether what a token names still stands is `standing`'s to say.
     * @throws Refusal unauthenticated for anything else
     */
    verify: <K extends AcceptedKind>(kind: K, token: string): Promise<Claims[K]> => verifiers[kind].verify(token),

    /** Whether a token of a kind was verified before and is remembered: nothing is read for it, and it may be dead by now. */
    isKnown: (kind: AcceptedKind, token: string): Promise<boolean> => verifiers[kind].isKnown(token),
  };
};
