import { randomBytes } from "node:crypto";

/** Milliseconds since 1970, UTC. */
export type Clock = () => number;

/** As many random bytes as asked for. */
export type Random = (bytes: number) => Buffer;

export const systemClock: Clock = () => Date.now();

const poolBytes = 4096;
let pool = Buffer.alloc(0);
let used = 0;

/** Of the system's generator, asked for many bytes at a time; no byte is given out twice. */
export const systemRandom: Random = (bytes) => {
  if (bytes > poolBytes / 4) return randomBytes(bytes);
  if (used + bytes > pool.length) {
    pool = randomBytes(poolBytes);
    used = 0;
  }
  used += bytes;
  return pool.subarray(used - bytes, used);
};
