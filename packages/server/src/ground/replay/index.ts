/** Owns what may be used once: nonces, token ids, codes. */
export { makeReplay, type Replay } from "./replay.ts";
