import { type CredentialDecorator, decorator } from "../decorators.ts";
import type { StsCredential } from "../wire.ts";
import {
  type AccessTokenOptions,
  type ApiKeyOptions,
  accessTokenKind,
  apiKeyKind,
  type StsCredentialOptions,
  stsCredentialKind,
  type WorkloadAccessTokenOptions,
  workloadAccessTokenKind,
} from "./wrappers.ts";

/** As {@link withAccessToken}, for a method. */
export const requiresAccessToken = <const K extends string = "accessToken">(
  options: AccessTokenOptions<K>,
): CredentialDecorator<K, string> => decorator(accessTokenKind(options));

/** As {@link withApiKey}, for a method. */
export const requiresApiKey = <const K extends string = "apiKey">(options: ApiKeyOptions<K>): CredentialDecorator<K, string> =>
  decorator(apiKeyKind(options));

/** As {@link withStsCredential}, for a method. */
export const requiresStsToken = <const K extends string = "stsCredential">(
  options: StsCredentialOptions<K> = {},
): CredentialDecorator<K, StsCredential> => decorator(stsCredentialKind(options));

/** As {@link withWorkloadAccessToken}, for a method. */
export const requiresWorkloadAccessToken = <const K extends string = "workloadAccessToken">(
  options: WorkloadAccessTokenOptions<K> = {},
): CredentialDecorator<K, string> => decorator(workloadAccessTokenKind(options));
