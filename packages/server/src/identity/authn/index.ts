/** Owns the way from a proof to a principal. */
export { type Authn, makeAuthn, type Proof } from "./authn.ts";
