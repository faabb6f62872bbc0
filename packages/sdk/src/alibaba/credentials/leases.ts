import { ExpiringCache } from "../../cache.ts";
import { requestKey } from "../../cache-key.ts";
import { Flights } from "../../flights.ts";
import type { SigningKey } from "../acs3.ts";
import type { Credential } from "./credential.ts";

/** A key that ends. */
export interface Lease {
  readonly key: SigningKey;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Gives the key that was lent for this, or borrows one: once for all who ask, and again ahead of its end. */
export interface Leases {
  (what: readonly unknown[], signal: AbortSignal | undefined, borrow: (signal: AbortSignal) => Promise<Lease>): Promise<SigningKey>;
  /** Gives up a key that was refused, so that the next who asks borrows another; false for one that was borrowed a moment ago, or never. */
  readonly forget: (key: Credential) => boolean;
}

/** Whoever lends a key that is refused at once will lend no better one a moment later. */
const youngMs = 30_000;

interface Held {
  readonly key: SigningKey;
  readonly since: number;
}

export const makeLeases = (clock: () => number): Leases => {
  const kept = new ExpiringCache<Held>({ entries: 16, clock });
  const flights = new Flights();
  const lend = async (what: readonly unknown[], signal: AbortSignal | undefined, borrow: (signal: AbortSignal) => Promise<Lease>) => {
    const at = await requestKey("lease", what);
    const fresh = kept.fresh(at);
    if (fresh) return fresh.key;
    try {
      return await flights.join(at, signal, async (shared) => {
        const { key, expiresAt } = await borrow(shared);
        const since = clock();
        kept.set(at, { key, since }, expiresAt - since);
        return key;
      });
    } catch (error) {
      // A refresh that fails ahead of time is tried again at the next request.
      const old = signal?.aborted ? undefined : kept.usable(at);
      if (!old) throw error;
      return old.key;
    }
  };
  const forget = ({ accessKeyId, securityToken }: Credential) =>
    kept.dropWhere(
      ({ key, since }) => key.accessKeyId === accessKeyId && key.securityToken === securityToken && clock() - since >= youngMs,
    );
  return Object.assign(lend, { forget });
};
