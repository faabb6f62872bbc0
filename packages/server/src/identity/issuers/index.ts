/** Owns the trusted issuers of users' tokens: which they are, their keys, and whether a token of theirs holds. */
export type { DiscoveryDocument } from "./discovery.ts";
export type { Issuer, IssuerChange, IssuerLogin, LoginClientAuth, NewIssuer, NewIssuerLogin } from "./issuer.ts";
export { type Issuers, type LoginClient, makeIssuers } from "./issuers.ts";
export { issuerSealedColumns } from "./sealed-columns.ts";
export type { UserTokenReason, VerifiedUserToken } from "./user-token.ts";
