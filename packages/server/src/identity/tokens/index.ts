/** Owns every kind of token we mint or accept, and whether what a token names still stands. */
export type { AccessClaims, AccessGrant, Named } from "./access-token.ts";
export { type CompactJws, readCompactJws } from "./compact-jws.ts";
export type { CozeClaims, CozeGrant } from "./coze-token.ts";
export { type DoorKind, type DoorTokens, makeDoorTokens } from "./door-tokens.ts";
export { type Dpop, type DpopAsk, makeDpop } from "./dpop.ts";
export type { IdGrant } from "./id-token.ts";
export { type AcceptedKind, type Kind, kinds } from "./kinds.ts";
export { proofAlgorithms } from "./proof-key.ts";
export { type Chain, type Epochs, makeStanding, type Standing, type StandingChain, type StandingCheck } from "./standing.ts";
export { type Claims, type Grants, makeTokens, type Minted, type Tokens } from "./tokens.ts";
export type { WorkloadClaims, WorkloadGrant } from "./workload-token.ts";
export { makeWorkloadTokens, type WorkloadToken, type WorkloadTokens } from "./workload-tokens.ts";
