import { createHmac } from "node:crypto";
import type { Db } from "../db/index.ts";
import type { Clock, Random } from "../kernel/index.ts";
import type { Kek } from "./kek.ts";
import { peppersTable, type WrappedKey } from "./keys-table.ts";

/** A keyed hash and the pepper it was made with. */
export interface Peppered {
  readonly hash: string;
  readonly pepperId: string;
}

/** Hashes keys for look-up: HMAC-SHA-256 with the installation's pepper. Right for keys that are long and random, and for nothing else. */
export interface Pepper {
  /** With the newest pepper. */
  hash(secret: string): Peppered;
  /** With each live pepper, newest first. */
  candidates(secret: string): readonly Peppered[];
  /** What a look-up tries until one is found: the candidates, and the first ones again, for a row may have moved to one while it was looked for. */
  lookups(secret: string): readonly Peppered[];
  /** What a row should hold instead, where it was hashed with an older pepper: it moves when it is next used. */
  moved(secret: string, pepperId: string): Peppered | undefined;
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
  const open = (stored: readonly WrappedKey[]) =>
    stored.map(({ id, kekId, wrapped, createdAt }) => {
      const secret = opened.get(id) ?? kek.unwrap(kekId, pepperIdentity(id), wrapped);
      opened.set(id, secret);
      return { id, createdAt, secret };
    });

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

  let isStale = false;
  let reading: Promise<void> | undefined;
  /** Reads them anew; where the store does not answer, the next use tries again. */
  const refresh = (): void => {
    if (!isStale || reading) return;
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
    candidates,
    lookups: (secret) => {
      const all = candidates(secret);
      return [...all, ...all.slice(0, -1)];
    },
    moved: (secret, pepperId) => {
      const hashing = hashingPepper(live, clock());
      // One that is newer than the pepper in use was hashed by a replica whose clock is ahead: it stays.
      const older = live.findIndex(({ id }) => id === pepperId) > live.findIndex(({ id }) => id === hashing?.id);
      return hashing && older ? hashWith(hashing, secret) : undefined;
    },
  };
};
