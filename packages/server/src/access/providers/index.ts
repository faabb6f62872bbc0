/** Owns credential providers: what gives credentials, who may use it, and the protocol towards it. */
export { UpstreamRefused, UpstreamUnavailable, type UnavailableReason } from "./errors.ts";
export { type Kind, kinds } from "./kinds.ts";
export {
  type ClientAuthMethod,
  type Flow,
  type KindName,
  type NewProvider,
  type Provider,
  type ProviderChange,
  scopesKey,
} from "./provider.ts";
export { makeProviders, type Providers } from "./providers.ts";
export { toProvider } from "./providers-table.ts";
export type { UpstreamTokens } from "./token-answer.ts";
export type { AuthorizationAsk, Callback, ClientCredentialsAsk, ExchangeAsk, RefreshAsk, Upstream } from "./upstream.ts";
