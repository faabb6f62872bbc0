interface Entry<V> {
  readonly value: V;
  readonly refreshAt: number;
  readonly expiresAt: number;
}

/** Credentials by key, at most `entries` of them: the one unused for longest goes first. */
export class ExpiringCache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #limit: number;
  readonly #clock: () => number;

  constructor(options: { readonly entries: number; readonly clock: () => number }) {
    this.#limit = options.entries;
    this.#clock = options.clock;
  }

  /** A value that need not be refreshed yet. */
  fresh(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry || this.#clock() >= entry.refreshAt) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** A value that has not expired, though it may be due for a refresh. */
  usable(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.#clock() < entry.expiresAt) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  /** Keeps a value for `lifeMs`; it is due for a refresh before that by a tenth of its life, at most a minute. */
  set(key: string, value: V, lifeMs: number): void {
    this.#entries.delete(key);
    if (!(lifeMs > 0) || this.#limit === 0) return;
    const expiresAt = this.#clock() + lifeMs;
    this.#entries.set(key, { value, expiresAt, refreshAt: expiresAt - Math.min(60_000, lifeMs / 10) });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      this.#entries.delete(oldest);
    }
  }

  /** Forgets the key, but only while it still holds this value: another caller may have replaced it meanwhile. */
  drop(key: string, value: V): void {
    if (this.#entries.get(key)?.value === value) this.#entries.delete(key);
  }

  /** Forgets every value of which this holds; answers whether there was one. */
  dropWhere(holds: (value: V) => boolean): boolean {
    const found = [...this.#entries].filter(([, { value }]) => holds(value));
    for (const [key] of found) this.#entries.delete(key);
    return found.length > 0;
  }

  get size(): number {
    return this.#entries.size;
  }
}
