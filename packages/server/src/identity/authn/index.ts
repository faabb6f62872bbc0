/** Owns the way from a proof to a principal. */
export type { AccessProof } from "./by-access-token.ts";
export type { DoorProof } from "./by-door-token.ts";
export { type Authn, makeAuthn, type Proof } from "./authn.ts";
export type { RightsOf, SignedProof } from "./by-signature.ts";
export type { Guard, Source, Unknown } from "./guard.ts";
