/** Owns connections, static keys and authorization sessions: every credential an agent may be handed, and how a user's consent comes about. */
export { type Connection, type ConnectionFilter, missingScopes } from "./connection.ts";
export { type Connections, makeConnections, type StoredConsent } from "./connections.ts";
export { type ConnectionKey, type CredentialKey, keyText, type UserKey } from "./credential-key.ts";
export type { Consents, Oauth2Answer, Oauth2Ask, Standing } from "./oauth2.ts";
export { makeVault, type Vault } from "./vault.ts";
