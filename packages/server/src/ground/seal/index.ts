/** Owns envelope encryption of secrets at rest, and the keyed hash that looks keys up. */
export { SealBroken } from "./cipher.ts";
export { type Kek, kekFrom, masterKeyFile, masterKeyPath } from "./kek.ts";
export { openPepper, type Pepper, type Peppered } from "./pepper.ts";
export { makeSeal, type Seal } from "./seal.ts";
