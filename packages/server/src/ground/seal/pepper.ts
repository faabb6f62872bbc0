import { createHmac } from "node:crypto";
import type { Db } from "../db/index.ts";
import type { Clock, Random } from "../kernel/index.ts";
import { SealBroken } from "./cipher.ts";
import type { Kek } from "./kek.ts";
import { keysTable } from "./keys-table.ts";

/** A keyed hash and the pepper it was made with. */
export interface Peppered {
  readonly hash: string;
  readonly pepperId: string;
}

/** Hashes keys for look-up: HMAC-SHA-256 with the installation's pepper. Right for keys that are long and random, and for nothing else. */
export interface Pepper {
  /** With the newest pepper. */
  hash(secret: string): Peppered;
  /** With each live pepper, newest first: what a look-up tries. */
  candidates(secret: string): readonly Peppered[];
}

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
  readonly clock: Clock;
  readonly random: Random;
}

const identityOf = (id: string) => `peppers/${id}`;

/**
 * Reads the peppers, and makes the first one where there is none.
 * @throws SealBroken when the master key is not the one they are wrapped with
 */
export const openPepper = async ({ db, kek, clock, random }: Needs): Promise<Pepper> => {
  const stored = await db.write(async (tx) => {
    const known = await keysTable.peppers(tx);
    if (known.length > 0) return known;
    // Two replicas starting at once may both come here: the fixed id lets one win and the other read.
    const first = { id: "pepper_1", kekId: kek.id, wrapped: kek.wrap(identityOf("pepper_1"), random(32)) };
    await keysTable.insertPepperOnce(tx, first, clock());
    return keysTable.peppers(tx);
  });
  const live = stored.map((key) => {
    if (key.kekId !== kek.id) throw new SealBroken("The store was sealed with another master key than the one given.");
    return { id: key.id, secret: kek.unwrap(identityOf(key.id), key.wrapped) };
  });
  const hashWith = (pepper: { id: string; secret: Buffer }, secret: string): Peppered => ({
    hash: createHmac("sha256", pepper.secret).update(secret, "utf8").digest("base64url"),
    pepperId: pepper.id,
  });
  const [newest] = live;
  if (!newest) throw new Error("There is no pepper.");
  return {
    hash: (secret) => hashWith(newest, secret),
    candidates: (secret) => live.map((pepper) => hashWith(pepper, secret)),
  };
};
