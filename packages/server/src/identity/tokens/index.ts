/** Owns every kind of token we mint or accept, and whether what a token names still stands. */
export { type Kind, kinds } from "./kinds.ts";
export { type Epochs, makeStanding, type Standing, type StandingCheck } from "./standing.ts";
export { makeTokens, type Tokens, type WorkloadClaims } from "./tokens.ts";
export { makeWorkloadTokens, type WorkloadToken, type WorkloadTokens } from "./workload-tokens.ts";
