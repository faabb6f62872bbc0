import { createHash, timingSafeEqual } from "node:crypto";
import { compactVerify } from "jose";
import { type Clock, Refusal } from "../../ground/kernel/index.ts";
import type { Replay } from "../../ground/replay/index.ts";
import type { Pepper } from "../../ground/seal/index.ts";
import { isText } from "./codec.ts";
import { readCompactJws } from "./compact-jws.ts";
import { proofKeyOf } from "./proof-key.ts";

interface Needs {
  readonly clock: Clock;
  readonly replay: Pick<Replay, "useNow">;
  /** What nonces are made with: every replica has it, and it changes without a break. */
  readonly pepper: Pick<Pepper, "hash" | "candidates">;
}

/** A proof of possession, and what it came with. */
export interface DpopAsk {
  readonly tenant: string;
  /** The `DPoP` header. Two of them are joined by a comma on their way here, and so are none. */
  readonly proof: string;
  readonly method: string;
  /** The request's address as its sender wrote it; query and fragment do not count. */
  readonly url: string;
  /** The access token that stands beside it, where one does. */
  readonly accessToken?: string | undefined;
}

export type Dpop = ReturnType<typeof makeDpop>;

/** What a proof that was refused failed on, and the sentence that says so. */
const reasons = {
  malformed: "it is not a well-formed signed token",
  type: "its type is not dpop+jwt",
  key: "its header holds no public key that fits its algorithm",
  signature: "its signature does not hold",
  method: "it was made for another method",
  url: "it was made for another address",
  time: "it was not made within the last minute",
  id: "it has no usable id",
  token: "it was made for another access token",
  replayed: "it has been used before",
} as const;

const refused = (reason: keyof typeof reasons): Refusal =>
  new Refusal("dpop_invalid", `The DPoP proof was refused: ${reasons[reason]}.`, { reason });

/** How far from now a proof may say it was made, in milliseconds (RFC 9449 11.1). */
const within = 60_000;

/**
 * A nonce is good for this time and the one after it. Every proof holds one, at the token endpoint and wherever an access token is shown (RFC 9449 8
 * and 9 leave it to us): else whoever gets hold of a client for a moment can have it sign proofs that are good for later, for their times are its own
 * to choose. It costs a client that has none yet one request more, which RFC 9449 8 has it make by itself.
 */
const slot = 120_000;

const mostOfId = 256;

/** RFC 9449 4.3, step 9: scheme, authority and path; names and ports that mean the same are the same (RFC 3986 6.2.2, 6.2.3). */
const placeOf = (url: string): string | undefined => {
  const at = URL.canParse(url) ? new URL(url) : undefined;
  if (!at || !["http:", "https:"].includes(at.protocol) || at.username !== "" || at.password !== "") return undefined;
  return at.origin + at.pathname;
};

const equal = (one: Buffer, other: Buffer): boolean => one.length === other.length && timingSafeEqual(one, other);

/** Checks proofs of possession (RFC 9449), and hands out the nonces in them. */
export const makeDpop = ({ clock, replay, pepper }: Needs) => {
  const textOf = (tenant: string, at: number): string => `dpop nonce\0${tenant}\0${Math.floor(at / slot)}`;

  const nonce = (tenant: string): string => pepper.hash(textOf(tenant, clock())).hash;

  const isNonce = (tenant: string, text: string): boolean => {
    const given = Buffer.from(text, "utf8");
    const now = clock();
    return [now, now - slot].some((at) => pepper.candidates(textOf(tenant, at)).some(({ hash }) => equal(Buffer.from(hash), given)));
  };

  return {
    /** The nonce that proofs of a tenant's clients hold from now on: for the `DPoP-Nonce` header (RFC 9449 8.2). Every replica answers the same. */
    nonce,

    /**
     * Checks a proof (RFC 9449 4.3), and that it is used for the first time on any replica.
     * @returns the thumbprint of the key that its sender has
     * @throws Refusal dpop_invalid with `details.reason`; dpop_nonce_required with `details.nonce`
     */
    check: async ({ tenant, proof, method, url, accessToken }: DpopAsk): Promise<{ readonly thumbprint: string }> => {
      const jws = readCompactJws(proof);
      if (!jws) throw refused("malformed");
      const { alg, typ, jwk } = jws.header;
      const { jti, htm, htu, iat, ath, nonce: given } = jws.payload;
      if (typ !== "dpop+jwt") throw refused("type");
      const known = isText(alg) ? await proofKeyOf(alg, jwk) : undefined;
      if (!known || !isText(alg)) throw refused("key");
      // Whatever the reader of signatures says, it read what was sent.
      const holds = await compactVerify(proof, known.key, { algorithms: [alg] }).catch(() => undefined);
      if (!holds) throw refused("signature");
      // RFC 9110 9.1: methods are compared letter for letter.
      if (htm !== method) throw refused("method");
      const place = isText(htu) ? placeOf(htu) : undefined;
      if (place === undefined || place !== placeOf(url)) throw refused("url");
      if (accessToken !== undefined && ath !== createHash("sha256").update(accessToken).digest("base64url")) throw refused("token");
      if (!isText(jti) || jti.length > mostOfId || !jti.isWellFormed()) throw refused("id");
      if (!isText(given) || !isNonce(tenant, given))
        throw new Refusal("dpop_nonce_required", "Make the DPoP proof anew, with this nonce.", { nonce: nonce(tenant) });
      if (typeof iat !== "number" || !(Math.abs(clock() - iat * 1000) <= within)) throw refused("time");
      const { thumbprint } = known;
      if (!(await replay.useNow(tenant, `dpop:${thumbprint}`, jti, Math.ceil(iat * 1000) + within))) throw refused("replayed");
      return { thumbprint };
    },
  };
};
