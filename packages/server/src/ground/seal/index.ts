/** Owns envelope encryption of secrets at rest, and the keyed hash that looks keys up. */
export { SealBroken } from "./cipher.ts";
export { type DataKeyRotation, makeDataKeyRotation, type ShownDataKey } from "./data-key-rotation.ts";
export { type Kek, kekFrom, masterKeyFile, masterKeyPath, oldMasterKeyFile, oldMasterKeyPath } from "./kek.ts";
export type { PepperedTable } from "./keys-table.ts";
export { makeMasterKey, type MasterKey, type MasterKeyState, settleMasterKey } from "./master-key.ts";
export type { Tell } from "./needs.ts";
export { openPepper, type Pepper, type Peppered } from "./pepper.ts";
export { makePeppers, type Peppers, type ShownPepper } from "./pepper-rotation.ts";
export { makeSeal, type Seal } from "./seal.ts";
export { type Resealable, sealedColumn, type SealedTable } from "./sealed-column-table.ts";
