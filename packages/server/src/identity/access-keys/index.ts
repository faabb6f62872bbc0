/** Owns key pairs for signed requests, lasting and temporary, and whether a signature holds. */
export type { AccessKey, KeySession } from "./access-key.ts";
export { type AccessKeys, makeAccessKeys } from "./access-keys.ts";
export { namesTemporaryKey, type SignedRequest } from "./acs3.ts";
export { accessKeySealedColumns } from "./sealed-columns.ts";
export type { Signed } from "./signatures.ts";
