/** What an agent on Alibaba Cloud Agent Identity needs in TypeScript, in place of the Python package `agent-identity-python-sdk`: against the cloud or Legate. */
export type { OnAuthUrl } from "../broker.ts";
export type { CallbackHandler, CallbackOptions, CallbackSession } from "../callback.ts";
export { AgentContext, type AgentContextValues } from "../context.ts";
export type { CredentialDecorator } from "../decorators.ts";
export {
  AuthorizationDeniedError,
  AuthorizationExpiredError,
  AuthorizationFailedError,
  AuthorizationRequiredError,
  ConfigurationError,
  ContextError,
  IdentityError,
  LegateApiError as ApiError,
  LegateConnectionError as ConnectionError,
  LegateError,
  PollTimeoutError,
} from "../errors.ts";
export type { PollOptions } from "../poll.ts";
export type { StsCredential } from "../wire.ts";
export type { Actions, AnswerOf, ParamsOf } from "./action.ts";
export { type SigningKey, signedHeaders, type Unsigned } from "./acs3.ts";
export { callbackHandler } from "./callback.ts";
export {
  type AssumeRoleOptions,
  type CreateWorkloadIdentityOptions,
  type GetApiKeyOptions,
  type GetTokenOptions,
  IdentityClient,
  type StsCredentialClientOptions,
} from "./client.ts";
export type { NewWorkloadIdentity, OAuth2ProviderConfig } from "./control-plane.ts";
export type { ChainStep } from "./credentials/chain.ts";
export type { Credential, CredentialSource, Credentials } from "./credentials/credential.ts";
export { requiresAccessToken, requiresApiKey, requiresStsToken, requiresWorkloadAccessToken } from "./decorators.ts";
export type { Interface } from "./interfaces.ts";
export type { RequestOptions } from "./rpc.ts";
export {
  type DefaultCredentialsOptions,
  defaultCredentials,
  type IdentityCacheOptions,
  type IdentityClientOptions,
  type LocalWorkloadOptions,
  type StsOptions,
} from "./settings.ts";
export type { StsCredentialClient } from "./sts-credential-client.ts";
export {
  type AccessTokenOptions,
  type ApiKeyOptions,
  type StsCredentialOptions,
  type WorkloadAccessTokenOptions,
  withAccessToken,
  withApiKey,
  withStsCredential,
  withWorkloadAccessToken,
} from "./wrappers.ts";
