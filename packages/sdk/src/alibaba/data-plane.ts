import { reading, writing } from "./action.ts";
import { maybe, numeral, object, secret, text } from "./shape.ts";

const claims = object({ Audiences: maybe(text), Issuer: maybe(text), JTI: maybe(text), Subject: maybe(text) });
const user = object({ JwtClaims: maybe(claims), UserId: maybe(text) });
const workloadToken = object({ WorkloadAccessToken: secret, WorkloadIdentityArn: maybe(text), UserContext: maybe(user) });

/** Temporary keys, as this wire and the cloud's STS write them. */
export const credentials = object({ AccessKeyId: secret, AccessKeySecret: secret, SecurityToken: secret, Expiration: secret });

/** What {@link dataPlane} is asked for a token with. */
export interface ResourceOAuth2TokenParams {
  readonly ResourceCredentialProviderName: string;
  readonly WorkloadAccessToken: string;
  readonly Audience?: string | undefined;
  readonly CustomParameters?: Readonly<Record<string, string>> | undefined;
  readonly CustomState?: string | undefined;
  readonly ForceAuthentication?: boolean | undefined;
  readonly OAuth2Flow?: string | undefined;
  readonly ResourceOAuth2ReturnURL?: string | undefined;
  readonly Scopes?: readonly string[] | undefined;
  readonly SessionURI?: string | undefined;
  readonly TokenVaultName?: string | undefined;
}

/** What an agent asks while it works. */
export const dataPlane = {
  GetWorkloadAccessToken: reading<{ readonly WorkloadIdentityName: string }>()(workloadToken),
  GetWorkloadAccessTokenForJWT: reading<{ readonly WorkloadIdentityName: string; readonly UserToken: string }>()(workloadToken, {
    secrets: ["UserToken"],
  }),
  GetWorkloadAccessTokenForUserId: reading<{ readonly WorkloadIdentityName: string; readonly UserId: string }>()(workloadToken),
  AssumeRoleForWorkloadIdentity: reading<{
    readonly WorkloadAccessToken: string;
    readonly RoleSessionName: string;
    readonly DurationSeconds?: number | undefined;
    readonly Policy?: string | undefined;
  }>()(
    object({
      Credentials: credentials,
      AssumedRoleUser: maybe(object({ Arn: maybe(text), AssumedRoleId: maybe(text) })),
      WorkloadContextInfo: maybe(object({ UserContext: maybe(user), WorkloadIdentityArn: maybe(text) })),
    }),
    { anonymous: true, secrets: ["WorkloadAccessToken"] },
  ),
  GetResourceAPIKey: reading<{
    readonly ResourceCredentialProviderName: string;
    readonly WorkloadAccessToken: string;
    readonly TokenVaultName?: string | undefined;
  }>()(object({ APIKey: secret }), { secrets: ["WorkloadAccessToken"] }),
  GetResourceOAuth2Token: reading<ResourceOAuth2TokenParams>()(
    object({
      AccessToken: maybe(text),
      AuthorizationURL: maybe(text),
      ExpiresIn: maybe(numeral),
      SessionStatus: maybe(text),
      SessionURI: maybe(text),
    }),
    { secrets: ["WorkloadAccessToken", "CustomState"] },
  ),
  CompleteResourceTokenAuth: writing<{
    readonly SessionURI: string;
    readonly UserIdentifier: { readonly UserId: string } | { readonly UserJWT: string };
  }>()(object({}), { secrets: ["UserIdentifier"] }),
} as const;
