import { type Paging, reading, writing } from "./action.ts";
import { flag, list, maybe, object, type Shape, text, whole } from "./shape.ts";

const done = object({});
const paged = <F extends Readonly<Record<string, Shape<unknown>>>>(fields: F) =>
  object({ MaxResults: maybe(whole), NextToken: maybe(text), TotalCount: maybe(whole), ...fields });

const workload = object({
  WorkloadIdentityName: text,
  WorkloadIdentityArn: maybe(text),
  Description: maybe(text),
  RoleArn: maybe(text),
  IdentityProviderName: maybe(text),
  AllowedConsentCallbackURLs: maybe(list(text)),
  AllowedResourceOAuth2ReturnURLs: maybe(list(text)),
  SessionBindingEnabled: maybe(flag),
  SourceAgentArn: maybe(text),
  SourcePlatform: maybe(text),
  CreateTime: maybe(text),
  UpdateTime: maybe(text),
});

/** What a workload identity is made with; the service makes up no name. */
export interface NewWorkloadIdentity {
  readonly WorkloadIdentityName: string;
  readonly Description?: string | undefined;
  readonly RoleArn?: string | undefined;
  /** Makes a role named like the workload. */
  readonly CreateRAMRole?: boolean | undefined;
  readonly IdentityProviderName?: string | undefined;
  readonly AllowedConsentCallbackURLs?: readonly string[] | undefined;
  readonly AllowedResourceOAuth2ReturnURLs?: readonly string[] | undefined;
  readonly SessionBindingEnabled?: boolean | undefined;
  readonly SourceAgentArn?: string | undefined;
  readonly SourcePlatform?: string | undefined;
}

interface WorkloadName {
  readonly WorkloadIdentityName: string;
}

const identityProvider = object({
  IdentityProviderName: text,
  IdentityProviderArn: maybe(text),
  AllowedAudience: maybe(list(text)),
  Description: maybe(text),
  DiscoveryURL: maybe(text),
  CreateTime: maybe(text),
  UpdateTime: maybe(text),
});

interface IdentityProviderName {
  readonly IdentityProviderName: string;
}
interface IdentityProviderFields extends IdentityProviderName {
  readonly AllowedAudience?: readonly string[] | undefined;
  readonly Description?: string | undefined;
}

/** How a provider of OAuth 2 tokens is reached. */
export interface OAuth2ProviderConfig {
  readonly CustomOAuth2ProviderConfig?:
    | {
        readonly ClientId?: string | undefined;
        readonly ClientSecret?: string | undefined;
        readonly OAuth2Discovery?:
          | {
              readonly DiscoveryURL?: string | undefined;
              readonly AuthorizationServerMetadata?:
                | {
                    readonly Issuer?: string | undefined;
                    readonly AuthorizationRequest?: { readonly Endpoint: string } | undefined;
                    readonly TokenRequest?: { readonly Endpoint: string } | undefined;
                    readonly PKCE?: { readonly Enabled: boolean } | undefined;
                  }
                | undefined;
            }
          | undefined;
      }
    | undefined;
  readonly IncludedOAuth2ProviderConfig?:
    | {
        readonly ClientId?: string | undefined;
        readonly ClientSecret?: string | undefined;
        readonly AuthorizationEndpoint?: string | undefined;
        readonly TokenEndpoint?: string | undefined;
      }
    | undefined;
}

const endpoint = maybe(object({ Endpoint: maybe(text) }));
// The client's secret is left out even where a server sends it.
const oauth2Config = object({
  CustomOAuth2ProviderConfig: maybe(
    object({
      ClientId: maybe(text),
      OAuth2Discovery: maybe(
        object({
          DiscoveryURL: maybe(text),
          AuthorizationServerMetadata: maybe(
            object({
              Issuer: maybe(text),
              AuthorizationRequest: endpoint,
              TokenRequest: endpoint,
              PKCE: maybe(object({ Enabled: maybe(flag) })),
            }),
          ),
        }),
      ),
    }),
  ),
  IncludedOAuth2ProviderConfig: maybe(object({ ClientId: maybe(text), AuthorizationEndpoint: maybe(text), TokenEndpoint: maybe(text) })),
});
const oauth2Provider = object({
  OAuth2CredentialProviderName: text,
  CredentialProviderArn: maybe(text),
  CredentialProviderVendor: maybe(text),
  CallbackURL: maybe(text),
  Description: maybe(text),
  OAuth2ProviderConfig: maybe(oauth2Config),
  OAuthType: maybe(text),
  SourcePlatform: maybe(text),
  TokenVaultName: maybe(text),
  CreateTime: maybe(text),
  UpdateTime: maybe(text),
});

interface InVault {
  /** `default` unless given. */
  readonly TokenVaultName?: string | undefined;
}
interface OAuth2ProviderName extends InVault {
  readonly OAuth2CredentialProviderName: string;
}
interface OAuth2ProviderFields extends OAuth2ProviderName {
  readonly CallbackURL?: string | undefined;
  readonly Description?: string | undefined;
}

const apiKeyProvider = object({
  APIKeyCredentialProviderName: text,
  CredentialProviderArn: maybe(text),
  Description: maybe(text),
  SourcePlatform: maybe(text),
  TokenVaultName: maybe(text),
  CreateTime: maybe(text),
  UpdateTime: maybe(text),
});

interface ApiKeyProviderName extends InVault {
  readonly APIKeyCredentialProviderName: string;
}
interface ApiKeyProviderFields extends ApiKeyProviderName {
  readonly Description?: string | undefined;
}

const vault = object({
  TokenVaultName: text,
  TokenVaultArn: maybe(text),
  Description: maybe(text),
  EncryptionConfig: maybe(object({ KeyType: maybe(text), KmsKeyArn: maybe(text) })),
  RoleArn: maybe(text),
  CreateTime: maybe(text),
  UpdateTime: maybe(text),
});

interface VaultName {
  readonly TokenVaultName: string;
}
interface VaultFields extends VaultName {
  readonly Description?: string | undefined;
  readonly RoleArn?: string | undefined;
}

/** What an operator registers: workload identities, identity providers, credential providers, token vaults. */
export const registry = {
  CreateWorkloadIdentity: writing<NewWorkloadIdentity>()(object({ WorkloadIdentity: workload })),
  GetWorkloadIdentity: reading<WorkloadName>()(object({ WorkloadIdentity: workload })),
  ListWorkloadIdentities: reading<Paging>()(paged({ WorkloadIdentities: list(workload) })),
  UpdateWorkloadIdentity: writing<Omit<NewWorkloadIdentity, "CreateRAMRole" | "SourceAgentArn" | "SourcePlatform">>()(done),
  DeleteWorkloadIdentity: writing<WorkloadName>()(done),

  CreateIdentityProvider: writing<IdentityProviderFields & { readonly DiscoveryURL: string }>()(
    object({ IdentityProvider: identityProvider }),
  ),
  GetIdentityProvider: reading<IdentityProviderName>()(object({ IdentityProvider: identityProvider })),
  ListIdentityProviders: reading<Paging>()(paged({ IdentityProviders: list(identityProvider) })),
  UpdateIdentityProvider: writing<IdentityProviderFields & { readonly DiscoveryURL?: string | undefined }>()(done),
  DeleteIdentityProvider: writing<IdentityProviderName>()(done),

  CreateOAuth2CredentialProvider: writing<
    OAuth2ProviderFields & {
      readonly CredentialProviderVendor: string;
      readonly OAuth2ProviderConfig: OAuth2ProviderConfig;
      readonly OAuthType?: string | undefined;
    }
  >()(object({ OAuth2CredentialProvider: oauth2Provider }), { secrets: ["OAuth2ProviderConfig"] }),
  GetOAuth2CredentialProvider: reading<OAuth2ProviderName>()(object({ OAuth2CredentialProvider: oauth2Provider })),
  ListOAuth2CredentialProviders: reading<Paging & InVault>()(paged({ OAuth2CredentialProviders: list(oauth2Provider) })),
  UpdateOAuth2CredentialProvider: writing<
    OAuth2ProviderFields & {
      readonly CredentialProviderVendor?: string | undefined;
      readonly OAuth2ProviderConfig?: OAuth2ProviderConfig | undefined;
    }
  >()(done, { secrets: ["OAuth2ProviderConfig"] }),
  DeleteOAuth2CredentialProvider: writing<OAuth2ProviderName>()(done),

  CreateAPIKeyCredentialProvider: writing<ApiKeyProviderFields & { readonly APIKey: string }>()(
    object({ APIKeyCredentialProvider: apiKeyProvider }),
    { secrets: ["APIKey"] },
  ),
  GetAPIKeyCredentialProvider: reading<ApiKeyProviderName>()(object({ APIKeyCredentialProvider: apiKeyProvider })),
  ListAPIKeyCredentialProviders: reading<Paging & InVault>()(paged({ APIKeyCredentialProviders: list(apiKeyProvider) })),
  UpdateAPIKeyCredentialProvider: writing<ApiKeyProviderFields & { readonly APIKey?: string | undefined }>()(done, {
    secrets: ["APIKey"],
  }),
  DeleteAPIKeyCredentialProvider: writing<ApiKeyProviderName>()(done),

  CreateTokenVault: writing<
    VaultFields & {
      readonly EncryptionConfig?: { readonly KeyType?: string | undefined; readonly KmsKeyArn?: string | undefined } | undefined;
    }
  >()(object({ TokenVault: vault })),
  GetTokenVault: reading<VaultName>()(object({ TokenVault: vault })),
  ListTokenVaults: reading<Paging>()(paged({ TokenVaults: list(vault) })),
  UpdateTokenVault: writing<VaultFields>()(done),
  DeleteTokenVault: writing<VaultName>()(done),
} as const;
