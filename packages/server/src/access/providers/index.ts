/** Owns credential providers: what gives credentials, who may use it, and the protocol towards it. */
export type { AuthorizationAsk, Callback, ClientCredentialsAsk, ExchangeAsk, RefreshAsk, RevocationAsk } from "./asks.ts";
export { clientAuthOf } from "./client-auth.ts";
export { fixedEndpoints as endpointsOf } from "./kinds.ts";
export { type UnavailableReason, UpstreamRefused, UpstreamUnavailable } from "./errors.ts";
export {
  type ClientAuthMethod,
  type Flow,
  type KindName,
  type NewProvider,
  type Provider,
  type ProviderChange,
  scopesKey,
} from "./provider.ts";
export { makeProviders, type Providers, suspended } from "./providers.ts";
export { providerSealedColumns } from "./sealed-columns.ts";
export type { UpstreamTokens } from "./token-answer.ts";
export type { Upstream } from "./upstream.ts";
export { defaultVault, type TokenVault, type TokenVaultFields } from "./vault.ts";
export { makeVaults, type Vaults } from "./vaults.ts";
