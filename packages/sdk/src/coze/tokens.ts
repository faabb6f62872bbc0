import { Flights } from "../flights.ts";
import { WorkloadIdentityError } from "./errors.ts";

/** A token as it was handed out. */
export interface Minted {
  readonly token: string;
  /** How long it lives; undefined where nobody said. */
  readonly lifeMs: number | undefined;
}

/** The two requests that make an access token. */
export interface Flow {
  readonly idToken: (signal: AbortSignal) => Promise<Minted>;
  readonly accessToken: (idToken: string, signal: AbortSignal) => Promise<Minted>;
  /** Hears why a refresh ahead of time failed; nobody waits for that one. */
  readonly late: (error: unknown) => void;
}

interface Kept {
  readonly token: string;
  refreshAt: number;
  readonly usableUntil: number;
}

const longestLifeMs = 366 * 24 * 3_600_000;
const minuteMs = 60_000;

/** A token is used until a minute before its end, or a tenth of its life where that is less, and renewed ahead of that by as much again. */
const keep = ({ token, lifeMs = 0 }: Minted, askedAt: number): Kept | undefined => {
  const life = Math.min(lifeMs, longestLifeMs);
  if (!(life > 0)) return undefined;
  const usable = life - Math.min(minuteMs, life / 10);
  return { token, usableUntil: askedAt + usable, refreshAt: askedAt + usable - Math.min(minuteMs, usable / 10) };
};

const wasRefused = (error: unknown): boolean =>
  error instanceof WorkloadIdentityError && error.status !== undefined && error.status < 500 && error.status !== 429;

/** The tokens of one identity: an access token at a time, fetched once for all who ask meanwhile. */
export class IdentityTokens {
  readonly #clock: () => number;
  readonly #flights = new Flights();
  #idToken: Kept | undefined;
  #accessToken: Kept | undefined;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  async get(flow: Flow, signal: AbortSignal | undefined): Promise<string> {
    signal?.throwIfAborted();
    const kept = this.#accessToken;
    const now = this.#clock();
    if (!kept || now >= kept.usableUntil) return this.#flights.join("access", signal, (shared) => this.#load(flow, shared));
    if (now >= kept.refreshAt) {
      // After a failure, the next try is a while away: nobody is in need yet.
      kept.refreshAt = now + (kept.usableUntil - now) / 4;
      this.#flights.join("access", undefined, (shared) => this.#load(flow, shared)).catch(flow.late);
    }
    return kept.token;
  }

  /** Forgets a token that was refused, and the ID token it came of, unless another has taken its place meanwhile. */
  drop(accessToken: string): void {
    if (this.#accessToken?.token !== accessToken) return;
    this.#accessToken = undefined;
    this.#idToken = undefined;
  }

  async #load(flow: Flow, signal: AbortSignal): Promise<string> {
    const kept = this.#idToken;
    if (kept && this.#clock() < kept.usableUntil) {
      try {
        return await this.#exchange(flow, kept.token, signal);
      } catch (error) {
        if (!wasRefused(error)) throw error;
      }
    }
    const askedAt = this.#clock();
    const minted = await flow.idToken(signal);
    this.#idToken = keep(minted, askedAt);
    return this.#exchange(flow, minted.token, signal);
  }

  async #exchange(flow: Flow, idToken: string, signal: AbortSignal): Promise<string> {
    const askedAt = this.#clock();
    try {
      const minted = await flow.accessToken(idToken, signal);
      this.#accessToken = keep(minted, askedAt);
      return minted.token;
    } catch (error) {
      if (wasRefused(error) && this.#idToken?.token === idToken) this.#idToken = undefined;
      throw error;
    }
  }
}

const mostIdentities = 1000;

/** Identities by key, at most a thousand: the one unused for longest goes first. */
export class IdentityStore {
  readonly #identities = new Map<string, IdentityTokens>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  of(key: string): IdentityTokens {
    const tokens = this.#identities.get(key) ?? new IdentityTokens(this.#clock);
    this.#identities.delete(key);
    this.#identities.set(key, tokens);
    for (const oldest of this.#identities.keys()) {
      if (this.#identities.size <= mostIdentities) break;
      this.#identities.delete(oldest);
    }
    return tokens;
  }

  /** Forgets an identity's tokens; those that are being fetched just now will be kept nowhere. */
  clear(key: string): void {
    this.#identities.delete(key);
  }

  get size(): number {
    return this.#identities.size;
  }
}

const stores = new WeakMap<() => number, IdentityStore>();

/** The process's one store; a clock of one's own has a store of its own. */
export const storeFor = (clock: () => number): IdentityStore => {
  const store = stores.get(clock) ?? new IdentityStore(clock);
  stores.set(clock, store);
  return store;
};
