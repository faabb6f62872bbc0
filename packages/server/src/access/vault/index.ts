/** Owns connections, static keys and authorization sessions: every credential an agent may be handed, and how a user's consent comes about. */
export { type Connection, type ConnectionFilter, tokensIdentity } from "./connection.ts";
export { type Connections, makeConnections, sealable, type StoredConsent } from "./connections.ts";
export type { ConnectionKey, CredentialKey, Of, UserKey } from "./credential-key.ts";
export type { Consents, Oauth2Answer, Oauth2Ask } from "./oauth2.ts";
export type { Completed, CompleteAsk } from "./complete.ts";
export type { ConsentView, Step } from "./consent.ts";
export { type LoggedIn, type Login, LoginFailed, makeLogin } from "./login.ts";
export { vaultSealedColumns } from "./sealed-columns.ts";
export { type BeginAsk, makeSessions, type Progress, type Sessions } from "./sessions.ts";
export type { SessionsNeeds } from "./sessions-needs.ts";
export { challengeOf, type Cookies, hashed, isSame, newSecret, type VisitCookie } from "./visit.ts";
export { makeVault, type Vault } from "./vault.ts";
