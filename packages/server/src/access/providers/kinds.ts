import type { ClientAuthMethod, KindName, Provider } from "./provider.ts";

/** What an authorization server does its own way. A quirk hangs on the kind, never on a name or a host. */
export interface Kind {
  /** Where the provider itself documents this. */
  readonly documentation: string;
  /** Brought along, so that nobody need configure them; explicit ones win. */
  readonly issuer?: string;
  readonly authorizationEndpoint?: string;
  readonly tokenEndpoint?: string;
  /** Metadata is the only source of its endpoints. */
  readonly needsDiscovery?: true;
  /** Stands for any value in the issuer that shared metadata names. */
  readonly issuerPlaceholder?: string;
  /** How the client proves itself where the provider's `clientAuth` is left out. */
  readonly clientAuth?: ClientAuthMethod;
  /** The parameter that asks for scopes, and what stands between them. */
  readonly scope: { readonly parameter: "scope" | "user_scope"; readonly separator: " " | "," };
  /** What stands between scopes in a token answer. */
  readonly scopeAnswer: " " | ",";
  /** Added to every authorization request. */
  readonly authorizationParameters: Readonly<Record<string, string>>;
  /** Added where the person must be asked again though a session stands. */
  readonly force: Readonly<Record<string, string>>;
  /** OpenID Connect Core 11: `offline_access` counts only where consent is asked for. */
  readonly offlineNeedsConsent?: true;
  readonly tokenBody: "form" | "json";
  readonly tokenHeaders?: Readonly<Record<string, string>>;
  /** Whether `resource` (RFC 8707) and `audience` may be sent; where not, they are left out. */
  readonly takesTarget: boolean;
  /** Whether a refresh names scopes; otherwise the grant's own are meant (RFC 6749 6). */
  readonly refreshSendsScope: boolean;
  /** Whether a refresh answers a new refresh token in place of the one spent. */
  readonly refreshTokens: "rotate" | "stay" | "unknown";
  /** `maybe`: an answer without `expires_in` is a token that does not expire. */
  readonly expiry: "always" | "maybe";
  /** Errors come with HTTP status 200 and an `error` in the body. */
  readonly errorsWithStatus200: boolean;
  /** The member of a token answer that holds the user's token. */
  readonly userTokenIn?: "authed_user";
  /** Answers name a token type of their own; the token is sent as a bearer token all the same. */
  readonly ownTokenTypes?: true;
  /** It knows no PKCE (RFC 7636): its parameters are not sent. */
  readonly noPkce?: true;
  /** The parameter of the callback that holds the code, where it is not `code`. */
  readonly codeIn?: string;
  /** Its own names for what is sent to the token endpoint, by OAuth's; what has none here is not sent. */
  readonly tokenParameters?: Readonly<Record<string, string>>;
  /** Its own names for what the token endpoint answers, by OAuth's. */
  readonly tokenMembers?: Readonly<Record<string, string>>;
  /** Its own words at a refresh for OAuth's `invalid_grant`. */
  readonly deadGrant: readonly string[];
  /** Its own words for a failure that passes. */
  readonly passing: readonly string[];
}

const plain = {
  scope: { parameter: "scope", separator: " " },
  scopeAnswer: " ",
  authorizationParameters: {},
  force: { prompt: "login" },
  tokenBody: "form",
  takesTarget: true,
  refreshSendsScope: false,
  refreshTokens: "unknown",
  expiry: "maybe",
  errorsWithStatus200: false,
  deadGrant: [],
  passing: [],
} as const;

/** Alibaba Cloud's accounts, in China and elsewhere. */
const alibabaAccounts = {
  clientAuth: "client_secret_post",
  // A refresh token comes only with `offline`.
  authorizationParameters: { access_type: "offline" },
  expiry: "always",
} as const;

export const kinds: Readonly<Record<KindName, Kind>> = {
  oidc: {
    ...plain,
    documentation: "https://openid.net/specs/openid-connect-core-1_0.html",
    needsDiscovery: true,
    offlineNeedsConsent: true,
  },
  oauth2: { ...plain, documentation: "https://www.rfc-editor.org/rfc/rfc6749" },

  github: {
    ...plain,
    documentation: "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
    authorizationEndpoint: "https://github.com/login/oauth/authorize",
    tokenEndpoint: "https://github.com/login/oauth/access_token",
    clientAuth: "client_secret_post",
    scopeAnswer: ",",
    force: { prompt: "select_account" },
    takesTarget: false,
    // https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
    refreshTokens: "rotate",
    errorsWithStatus200: true,
    deadGrant: ["bad_refresh_token"],
  },

  google: {
    ...plain,
    documentation: "https://developers.google.com/identity/protocols/oauth2/web-server",
    issuer: "https://accounts.google.com",
    authorizationEndpoint: "https://accounts.google.com/o/oauth2/v2/auth",
    tokenEndpoint: "https://oauth2.googleapis.com/token",
    clientAuth: "client_secret_post",
    // A refresh token comes only with `offline`, and only when consent is asked for: without `prompt` a second agent of one user would get none.
    authorizationParameters: { access_type: "offline", prompt: "consent" },
    force: { prompt: "consent select_account" },
    takesTarget: false,
    refreshTokens: "stay",
    expiry: "always",
  },

  microsoft: {
    ...plain,
    documentation: "https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow",
    authorizationEndpoint: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    tokenEndpoint: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    issuerPlaceholder: "{tenantid}",
    clientAuth: "client_secret_post",
    // The v2.0 endpoints refuse `resource` (AADSTS901002, AADSTS9010010): the scopes name the resource, at a refresh too.
    takesTarget: false,
    refreshSendsScope: true,
    refreshTokens: "rotate",
    expiry: "always",
  },

  slack: {
    ...plain,
    documentation: "https://docs.slack.dev/authentication/installing-with-oauth",
    authorizationEndpoint: "https://slack.com/oauth/v2/authorize",
    tokenEndpoint: "https://slack.com/api/oauth.v2.access",
    // https://docs.slack.dev/reference/methods/oauth.v2.access asks for Basic.
    clientAuth: "client_secret_basic",
    // `scope` would ask for a bot's token; what a user may do is asked for apart.
    scope: { parameter: "user_scope", separator: "," },
    scopeAnswer: ",",
    force: {},
    takesTarget: false,
    // https://docs.slack.dev/authentication/using-token-rotation
    refreshTokens: "rotate",
    errorsWithStatus200: true,
    userTokenIn: "authed_user",
    ownTokenTypes: true,
    deadGrant: ["invalid_refresh_token"],
    passing: ["internal_error", "fatal_error", "ratelimited", "request_timeout", "service_unavailable"],
  },

  atlassian: {
    ...plain,
    documentation: "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/",
    authorizationEndpoint: "https://auth.atlassian.com/authorize",
    tokenEndpoint: "https://auth.atlassian.com/oauth/token",
    clientAuth: "client_secret_post",
    authorizationParameters: { audience: "api.atlassian.com", prompt: "consent" },
    force: { prompt: "consent" },
    tokenBody: "json",
    takesTarget: false,
    refreshTokens: "rotate",
    expiry: "always",
  },

  notion: {
    ...plain,
    documentation: "https://developers.notion.com/docs/authorization",
    authorizationEndpoint: "https://api.notion.com/v1/oauth/authorize",
    tokenEndpoint: "https://api.notion.com/v1/oauth/token",
    clientAuth: "client_secret_basic",
    authorizationParameters: { owner: "user" },
    force: {},
    tokenBody: "json",
    // https://developers.notion.com/reference/create-a-token
    tokenHeaders: { "notion-version": "2025-09-03" },
    takesTarget: false,
    // https://developers.notion.com/reference/refresh-a-token
    refreshTokens: "rotate",
  },

  aliyun: {
    ...plain,
    documentation: "https://help.aliyun.com/en/ram/access-alibaba-cloud-apis-from-a-web-application",
    authorizationEndpoint: "https://signin.aliyun.com/oauth2/v1/auth",
    tokenEndpoint: "https://oauth.aliyun.com/v1/token",
    ...alibabaAccounts,
  },

  alibabacloud: {
    ...plain,
    documentation: "https://www.alibabacloud.com/help/en/ram/access-alibaba-cloud-apis-from-a-web-application",
    authorizationEndpoint: "https://signin.alibabacloud.com/oauth2/v1/auth",
    tokenEndpoint: "https://oauth.alibabacloud.com/v1/token",
    ...alibabaAccounts,
  },

  dingtalk: {
    ...plain,
    documentation: "https://open.dingtalk.com/document/orgapp/tutorial-obtaining-user-personal-information",
    authorizationEndpoint: "https://login.dingtalk.com/oauth2/auth",
    // https://help.dingtalk.io/open/development/obtain-user-token
    tokenEndpoint: "https://api.dingtalk.com/v1.0/oauth2/userAccessToken",
    clientAuth: "client_secret_post",
    // It takes `openid` or `openid corpid`, and nothing without a scope.
    authorizationParameters: { scope: "openid", prompt: "consent" },
    force: { prompt: "consent" },
    takesTarget: false,
    noPkce: true,
    codeIn: "authCode",
    tokenBody: "json",
    tokenParameters: {
      client_id: "clientId",
      client_secret: "clientSecret",
      grant_type: "grantType",
      code: "code",
      refresh_token: "refreshToken",
    },
    tokenMembers: {
      access_token: "accessToken",
      refresh_token: "refreshToken",
      expires_in: "expireIn",
      error: "code",
      error_description: "message",
    },
    refreshTokens: "rotate",
    expiry: "always",
  },

  feishu: {
    ...plain,
    documentation: "https://open.feishu.cn/document/common-capabilities/sso/api/obtain-oauth-code",
    authorizationEndpoint: "https://accounts.feishu.cn/open-apis/authen/v1/authorize",
    // https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/authentication-management/access-token/get-user-access-token
    tokenEndpoint: "https://open.feishu.cn/open-apis/authen/v2/oauth/token",
    clientAuth: "client_secret_post",
    force: { prompt: "consent" },
    takesTarget: false,
    tokenBody: "json",
    // https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/authentication-management/access-token/refresh-user-access-token: each is good for once.
    refreshTokens: "rotate",
    expiry: "always",
  },
};

export const kindOf = (provider: Pick<Provider, "kind">): Kind => kinds[provider.kind ?? "oauth2"];

/** Whether PKCE parameters are sent: as it is set, else unless the kind knows none. */
export const sendsPkce = (provider: Pick<Provider, "kind" | "pkce">): boolean => provider.pkce ?? kindOf(provider).noPkce !== true;

/** The addresses that need no metadata: those configured; else the kind's, whole, and only where no other server is named. */
export const fixedEndpoints = (
  provider: Provider,
): { readonly issuer?: string | undefined; readonly authorization?: string | undefined; readonly token?: string | undefined } => {
  const { discoveryUrl, authorizationEndpoint, tokenEndpoint } = provider;
  const named = discoveryUrl !== undefined || authorizationEndpoint !== undefined || tokenEndpoint !== undefined;
  const brought = named ? undefined : kindOf(provider);
  return {
    issuer: provider.issuer ?? brought?.issuer,
    authorization: authorizationEndpoint ?? brought?.authorizationEndpoint,
    token: tokenEndpoint ?? brought?.tokenEndpoint,
  };
};

/** Whom the client is registered with, and as whom, at the addresses that are in use, whoever brings them: by parts. */
const boundTo = (provider: Provider) => {
  const { issuer, authorization, token } = fixedEndpoints(provider);
  return {
    discovery: provider.discoveryUrl ?? null,
    authorization: authorization ?? null,
    token: token ?? null,
    issuer: issuer ?? null,
    client: provider.clientId ?? null,
  };
};

/** Tokens and codes had under one binding are never shown to another. */
export const bindingOf = (provider: Provider): string => {
  const { discovery, authorization, token, issuer, client } = boundTo(provider);
  return JSON.stringify([discovery, authorization, token, issuer, client]);
};

/** Who learns the client's secret; where a browser is sent learns none. */
export const secretBindingOf = (provider: Provider): string => {
  const { discovery, token, issuer, client } = boundTo(provider);
  return JSON.stringify([discovery, token, issuer, client]);
};
