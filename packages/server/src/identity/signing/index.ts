/** Owns our signing keys and the key set we publish. */
export { signingSealedColumns } from "./sealed-columns.ts";
export { makeSigning, type Signing } from "./signing.ts";
export type { PublicSigningKey, SigningKey, SigningKeyStatus } from "./signing-key.ts";
