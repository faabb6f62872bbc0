import { randomBytes } from "node:crypto";

/** Milliseconds since 1970, UTC. */
export type Clock = () => number;

/** As many random bytes as asked for. */
export type Random = (bytes: number) => Buffer;

export const systemClock: Clock = () => Date.now();
export const systemRandom: Random = (bytes) => randomBytes(bytes);
