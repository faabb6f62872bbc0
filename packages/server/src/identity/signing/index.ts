/** Owns our signing keys and the key set we publish. */
export { makeSigning, type Signing } from "./signing.ts";
