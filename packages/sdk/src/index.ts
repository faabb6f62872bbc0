/** What an agent needs of Legate in TypeScript: a client of the native wire, and wrappers that hand a function its credential. */
export type { AccessTokenRequest, ApiKeyRequest, OnAuthUrl } from "./broker.ts";
export type { Asked, Call, CallOptions } from "./call.ts";
export {
  type CallbackHandler,
  type CallbackOptions,
  type CallbackOutcome,
  type CallbackSession,
  callbackHandler,
  type NodeRequest,
  type NodeResponse,
} from "./callback.ts";
export { LegateClient } from "./client.ts";
export { AgentContext, type AgentContextValues } from "./context.ts";
export {
  type CredentialDecorator,
  requiresAccessToken,
  requiresApiKey,
  requiresStsToken,
  requiresWorkloadAccessToken,
} from "./decorators.ts";
export { type Environment, readEnvironment } from "./environment.ts";
export {
  type ApiErrorCode,
  AuthorizationDeniedError,
  AuthorizationExpiredError,
  AuthorizationFailedError,
  AuthorizationRequiredError,
  ConfigurationError,
  ContextError,
  IdentityError,
  LegateApiError,
  LegateConnectionError,
  LegateError,
  PollTimeoutError,
} from "./errors.ts";
export type { Given, Outcome, Wanting } from "./inject.ts";
export type { PollOptions } from "./poll.ts";
export type { CacheOptions, LegateClientOptions, LocalAgentOptions } from "./settings.ts";
export type {
  AccessToken,
  Agent,
  AgentKey,
  AnswerOf,
  AuditEvent,
  BodyOf,
  Connection,
  Flow,
  Issuer,
  NewAgent,
  NewProvider,
  NewRole,
  PendingConsent,
  Provider,
  QueryOf,
  Role,
  StsCredential,
  User,
  WorkloadToken,
} from "./wire.ts";
export {
  type AccessTokenOptions,
  type ApiKeyOptions,
  type StsCredentialOptions,
  type WorkloadTokenOptions,
  withAccessToken,
  withApiKey,
  withStsCredential,
  withWorkloadToken,
} from "./wrappers.ts";
