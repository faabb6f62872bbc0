import { ExpiringCache } from "../../cache.ts";
import { requestKey } from "../../cache-key.ts";
import { Flights } from "../../flights.ts";
import type { SigningKey } from "../acs3.ts";

/** A key that ends. */
export interface Lease {
  readonly key: SigningKey;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Gives the key that was lent for this, or borrows one: once for all who ask, and again ahead of its end. */
export type Leases = (
  what: readonly unknown[],
  signal: AbortSignal | undefined,
  borrow: (signal: AbortSignal) => Promise<Lease>,
) => Promise<SigningKey>;

export const makeLeases = (clock: () => number): Leases => {
  const kept = new ExpiringCache<SigningKey>({ entries: 16, clock });
  const flights = new Flights();
  return async (what, signal, borrow) => {
    const at = await requestKey("lease", what);
    const fresh = kept.fresh(at);
    if (fresh) return fresh;
    try {
      return await flights.join(at, signal, async (shared) => {
        const { key, expiresAt } = await borrow(shared);
        kept.set(at, key, expiresAt - clock());
        return key;
      });
    } catch (error) {
      // A refresh that fails ahead of time is tried again at the next request.
      const old = signal?.aborted ? undefined : kept.usable(at);
      if (!old) throw error;
      return old;
    }
  };
};
