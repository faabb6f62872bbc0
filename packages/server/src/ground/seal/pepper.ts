import { createHmac } from "node:crypto";
import type { Db, Handle } from "../db/index.ts";
import type { Clock, Random } from "../kernel/index.ts";
import type { Kek } from "./kek.ts";
import { SealBroken } from "./cipher.ts";
import { peppersTable, type WrappedKey } from "./keys-table.ts";

/** A keyed hash and the pepper it was made with. */
export interface Peppered {
  readonly hash: string;
  readonly pepperId: string;
}

/** Hashes keys for look-up: HMAC-SHA-256 with the installation's pepper. Right for keys that are long and random, and for nothing else. */
export interface Pepper {
  /** With the newest pepper that this process has heard of: for what is not stored. */
  hash(secret: string): Peppered;
  /** With the newest pepper that there is, for what the transaction stores: it is there at least as long as that needs it. */
  hashToStore(tx: Handle, secret: string): Promise<Peppered>;
  /** With each live pepper, newest first. */
  candidates(secret: string): readonly Peppered[];
  /** What a look-up tries until one is found: the candidates, and the first ones again, for a row may have moved to one while it was looked for. */
  lookups(secret: string): Promise<readonly Peppered[]>;
  /** The pepper that a row should move to when it is next used, where it was hashed with an older one. */
  movesTo(pepperId: string): string | undefined;
}

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
  readonly clock: Clock;
  readonly random: Random;
}

/** Where a pepper is wrapped to. */
export const pepperIdentity = (id: string): string => `peppers/${id}`;

/** How long a pepper is only tried, before anything is hashed with it: every replica has heard of it by then. */
export const triedFirst = 10_000;

/** The pepper that hashes now: the newest that has been tried long enough. */
export const hashingPepper = <P extends { readonly createdAt: number }>(newestFirst: readonly P[], now: number): P | undefined =>
  newestFirst.find(({ createdAt }) => createdAt + triedFirst <= now) ?? newestFirst.at(-1);

/**
 * Reads the peppers, and makes the first one where there is none; from then on hears of others.
 * @throws SealBroken when the master key is not the one they are wrapped with
 */
export const openPepper = async ({ db, kek, clock, random }: Needs): Promise<Pepper> => {
  const opened = new Map<string, Buffer>();
  const openOne = ({ id, kekId, wrapped, createdAt }: WrappedKey) => {
    const secret = opened.get(id) ?? kek.unwrap(kekId, pepperIdentity(id), wrapped);
    opened.set(id, secret);
    return { id, createdAt, secret };
  };
  /** Those that are stored no more are forgotten. */
  const open = (stored: readonly WrappedKey[]) => {
    const ids = new Set(stored.map(({ id }) => id));
    for (const id of opened.keys()) if (!ids.has(id)) opened.delete(id);
    return stored.map(openOne);
  };
  const opens = (stored: WrappedKey): boolean => {
    try {
      openOne(stored);
      return true;
    } catch (error) {
      if (!(error instanceof SealBroken)) throw error;
      return false;
    }
  };

  let live = open(
    await db.write(async (tx) => {
      const known = await peppersTable.all(tx);
      if (known.length > 0) return known;
      // Two replicas starting at once may both come here: the fixed id lets one win and the other read.
      const first = { id: "pepper_1", kekId: kek.id, wrapped: kek.wrap(pepperIdentity("pepper_1"), random(32)), createdAt: clock() };
      await peppersTable.insertOnce(tx, first);
      return peppersTable.all(tx);
    }),
  );

  /** Read once more at first use: what came between the reading above and the hearing below is in neither. */
  let isStale = true;
  let reading: Promise<void> | undefined;
  /** Reads them anew where there may be others; where the store does not answer, the next use tries again. */
  const refresh = (): void => {
    // While changes cannot be heard, nobody knows.
    if (reading || (!isStale && db.changes.isCurrent())) return;
    isStale = false;
    reading = peppersTable
      .all(db.read)
      .then((stored) => {
        if (stored.length > 0) live = open(stored);
      })
      // Also where one does not open, for this replica's master key is a former one: those that are known go on.
      .catch(() => {
        isStale = true;
      })
      .finally(() => {
        reading = undefined;
      });
  };
  db.changes.subscribe((change) => {
    if (change && change.kind !== "pepper") return;
    isStale = true;
    refresh();
  });

  const hashWith = (pepper: { readonly id: string; readonly secret: Buffer }, secret: string): Peppered => ({
    hash: createHmac("sha256", pepper.secret).update(secret, "utf8").digest("base64url"),
    pepperId: pepper.id,
  });
  const hash = (secret: string): Peppered => {
    refresh();
    const pepper = hashingPepper(live, clock());
    if (!pepper) throw new Error("There is no pepper.");
    return hashWith(pepper, secret);
  };

  const candidates = (secret: string): readonly Peppered[] => {
    refresh();
    return live.map((pepper) => hashWith(pepper, secret));
  };

  return {
    hash,
    hashToStore: async (tx, secret) => {
      // One that this replica's master key does not open is left to the others.
      const hashing = hashingPepper((await peppersTable.allHeld(tx)).filter(opens), clock());
      if (!hashing) throw new SealBroken("There is no pepper that opens.");
      return hashWith(openOne(hashing), secret);
    },
    candidates,
    lookups: async (secret) => {
      refresh();
      if (!db.changes.isCurrent()) await reading;
      const all = live.map((pepper) => hashWith(pepper, secret));
      return [...all, ...all.slice(0, -1)];
    },
    movesTo: (pepperId) => {
      const hashing = hashingPepper(live, clock())?.id;
      // One that is newer than the pepper in use was hashed by a replica whose clock is ahead: it stays.
      const isOlder = live.findIndex(({ id }) => id === pepperId) > live.findIndex(({ id }) => id === hashing);
      return isOlder ? hashing : undefined;
    },
  };
};
