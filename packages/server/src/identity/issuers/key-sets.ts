import { type CryptoKey, createLocalJWKSet, errors, type JWK } from "jose";
import type { Egress } from "../../ground/egress/index.ts";
import { type Clock, makeRecent, Refusal } from "../../ground/kernel/index.ts";
import { type DiscoveryDocument, discover, fetchJson } from "./discovery.ts";
import { type KeyHint, refused } from "./user-token.ts";

interface Needs {
  readonly egress: Egress;
  readonly clock: Clock;
  /** Issuers of which something is known at least. */
  readonly remembered?: number;
}

/** Which issuer's keys: `id` is unique, `discoveryUrl` where its metadata is. */
export interface KeyOwner {
  readonly id: string;
  readonly issuer: string;
  readonly discoveryUrl: string;
}

/** Milliseconds: how long what was fetched is believed without asking again. */
const fresh = 10 * 60_000;
/** How long keys serve while the issuer is down. */
const stale = 24 * 60 * 60_000;
/** How far apart two fetches are that unknown keys ask for, and two attempts during an outage where old keys serve. */
const pause = 30_000;
/** The same where nothing can serve yet. */
const shortPause = 2_000;

/** What is known of one issuer. */
interface Known {
  readonly owner: KeyOwner;
  metadata?: { readonly document: DiscoveryDocument; readonly at: number };
  keys?: { readonly find: ReturnType<typeof createLocalJWKSet>; readonly at: number };
  /** When a fetch was last begun. */
  triedAt: number;
  lastFailed: boolean;
  pending?: Promise<void> | undefined;
}

/** Only kinds of key with a public half: by a shared secret anyone who reads the set could sign. jose refuses a key whose private half stands there. */
const usable = (key: unknown): key is JWK => {
  if (typeof key !== "object" || key === null) return false;
  const { kty } = key as JWK;
  return kty === "RSA" || kty === "EC" || kty === "OKP";
};

export type KeySets = ReturnType<typeof makeKeySets>;

/** The metadata and keys of issuers, fetched when needed, kept fresh, and kept through an outage, unless many others are asked for meanwhile. */
export const makeKeySets = ({ egress, clock, remembered = 1_000 }: Needs) => {
  const known = makeRecent<Known>(remembered);

  const knownOf = (owner: KeyOwner): Known => {
    const found = known.get(owner.id);
    // Where the entry names another issuer or address by now, the keys of the former sign nothing.
    if (found?.owner.issuer === owner.issuer && found.owner.discoveryUrl === owner.discoveryUrl) return found;
    const fresh: Known = { owner, triedAt: Number.NEGATIVE_INFINITY, lastFailed: false };
    known.set(owner.id, fresh);
    return fresh;
  };

  const discovered = async (of: Known, owner: KeyOwner): Promise<DiscoveryDocument> => {
    if (of.metadata && clock() - of.metadata.at < fresh) return of.metadata.document;
    try {
      const { document } = await discover(egress, owner.discoveryUrl);
      if (document.issuer !== owner.issuer) throw new Refusal("issuer_unavailable", "The issuer's metadata now names another issuer.");
      of.metadata = { document, at: clock() };
    } catch (problem) {
      if (!of.metadata || !(problem instanceof Refusal)) throw problem;
    }
    return of.metadata.document;
  };

  const fetchKeys = async (of: Known, owner: KeyOwner): Promise<void> => {
    of.triedAt = clock();
    try {
      const { jwks_uri: url } = await discovered(of, owner);
      const { keys } = await fetchJson(egress, url, 5_000);
      if (!Array.isArray(keys)) throw new Refusal("issuer_unavailable", "The issuer's key set holds no keys.", { reason: "metadata" });
      of.keys = { find: createLocalJWKSet({ keys: keys.filter(usable).slice(0, 100) }), at: clock() };
      of.lastFailed = false;
    } catch (problem) {
      of.lastFailed = true;
      // What jose throws for a set it cannot read is the issuer's fault, like no answer at all.
      if (!(problem instanceof Refusal) && !(problem instanceof errors.JOSEError)) throw problem;
    }
  };

  /** One fetch at a time per issuer; whoever comes meanwhile waits for it. */
  const refresh = (of: Known, owner: KeyOwner): Promise<void> => {
    of.pending ??= fetchKeys(of, owner).finally(() => {
      of.pending = undefined;
    });
    return of.pending;
  };

  const find = async (of: Known, hint: KeyHint): Promise<readonly CryptoKey[]> => {
    if (!of.keys) return [];
    try {
      return [await of.keys.find({ ...hint })];
    } catch (problem) {
      if (!(problem instanceof errors.JWKSMultipleMatchingKeys)) return [];
      const keys: CryptoKey[] = [];
      for await (const key of problem) keys.push(key);
      return keys;
    }
  };

  return {
    /**
     * The keys a token may be signed with: those of its key id and algorithm.
     *
     * @throws Refusal issuer_unavailable without any keys to go by, user_token_invalid (key_unknown) where none fits
     */
    keysFor: async (owner: KeyOwner, hint: KeyHint): Promise<readonly CryptoKey[]> => {
      const of = knownOf(owner);
      const age = () => (of.keys ? clock() - of.keys.at : Number.POSITIVE_INFINITY);
      const serves = age() < stale;
      const wait = serves ? pause : shortPause;
      if (of.pending ? !serves : age() >= fresh && (!of.lastFailed || clock() - of.triedAt >= wait)) await refresh(of, owner);
      if (age() >= stale) {
        throw new Refusal("issuer_unavailable", "The trusted issuer cannot be reached, and no keys of it are known.", {
          issuer: owner.issuer,
        });
      }
      const keys = await find(of, hint);
      if (keys.length > 0) return keys;
      // A key that is not known may be a new one. Anyone can name a key that does not exist, so that this is not asked often.
      if (of.pending || clock() - of.triedAt >= pause) await refresh(of, owner);
      const again = await find(of, hint);
      if (again.length === 0) throw refused("key_unknown");
      return again;
    },

    /**
     * What the issuer says of itself, not older than ten minutes unless it cannot be reached.
     *
     * @throws Refusal issuer_unavailable
     */
    metadataOf: async (owner: KeyOwner): Promise<DiscoveryDocument> => {
      try {
        return await discovered(knownOf(owner), owner);
      } catch (problem) {
        if (!(problem instanceof Refusal) || problem.code === "issuer_unavailable") throw problem;
        throw new Refusal("issuer_unavailable", problem.message, problem.details);
      }
    },

    /** What was just seen of an issuer that is written. */
    learn: (owner: KeyOwner, document: DiscoveryDocument): void => {
      knownOf(owner).metadata = { document, at: clock() };
    },

    forget: (id: string): void => {
      known.delete(id);
    },
  };
};
