import type { Handle } from "./tables.ts";

/** What a change may be about. */
export type ChangeKind =
  | "tenant"
  | "operator"
  | "agent"
  | "agent_key"
  | "client_secret"
  | "client_key"
  | "access_key"
  | "role"
  | "policy_set"
  | "client"
  | "resource"
  | "user"
  | "issuer"
  | "provider"
  | "project"
  | "signing_key"
  | "data_key"
  | "pepper"
  | "oauth_grant"
  | "access_token";

/** Something that caches may hold is no longer as it was. */
export interface Change {
  readonly tenant: string;
  readonly kind: ChangeKind;
  /** Its id. */
  readonly target: string;
}

/** How every replica learns what the others changed, in the order in which it was committed. */
export interface Changes {
  /**
   * Tells every replica, this one included, once the transaction is committed. What a unit announces is written when all else of it is: on PostgreSQL
   * whoever writes it makes others who do so wait until it commits, and must itself wait for nothing more.
   */
  announce(tx: Handle, tenant: string, kind: ChangeKind, target: string): Promise<void>;
  /**
   * Hears every change: those of this process before the write is answered, others' within a second. `undefined` means that anything may have
   * changed unheard.
   */
  subscribe(listener: (change: Change | undefined) => void): void;
  /** Whether everything that was committed two seconds ago has been heard. While it is not, nothing may be answered from memory. */
  isCurrent(): boolean;
  /** Forgets what every replica has long heard. */
  prune(): Promise<void>;
}

/** Who listens, and what units have announced that are not committed yet. */
export const makeHearing = () => {
  const listeners: ((change: Change | undefined) => void)[] = [];
  const announced = new WeakMap<Handle, Change[]>();

  return {
    subscribe: (listener: (change: Change | undefined) => void): void => {
      listeners.push(listener);
    },
    /** Keeps a change until the unit's transaction is committed. */
    note: (tx: Handle, change: Change): void => {
      const changes = announced.get(tx);
      if (!changes) throw new Error("A change is announced in the transaction that makes it.");
      changes.push(change);
    },
    /**
     * Runs a unit and gathers what it announces, to be delivered after its commit.
     * @param publish Writes what was announced, last of all in the unit's transaction.
     */
    gather: async <T>(
      tx: Handle,
      unit: (tx: Handle) => Promise<T>,
      publish?: (tx: Handle, changes: readonly Change[]) => Promise<void>,
    ): Promise<{ readonly value: T; readonly changes: readonly Change[] }> => {
      const changes: Change[] = [];
      announced.set(tx, changes);
      try {
        const value = await unit(tx);
        if (changes.length > 0) await publish?.(tx, changes);
        return { value, changes };
      } finally {
        announced.delete(tx);
      }
    },
    deliver: (change: Change | undefined): void => {
      for (const listener of listeners) listener(change);
    },
  };
};
export type Hearing = ReturnType<typeof makeHearing>;

/** What both stores do alike. */
export const hearingParts = (hearing: Hearing): Pick<Changes, "announce" | "subscribe"> => ({
  announce: (tx, tenant, kind, target) => {
    hearing.note(tx, { tenant, kind, target });
    return Promise.resolve();
  },
  subscribe: hearing.subscribe,
});

/** The feed of a store that one process has to itself: what this process announces is all there is. */
export const ownChanges = (hearing: Hearing): Changes => ({
  ...hearingParts(hearing),
  isCurrent: () => true,
  prune: () => Promise.resolve(),
});
