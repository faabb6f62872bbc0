import { webUrl } from "@legate/contract";
import { z } from "zod";
import { endpointsOf, type KindName, type Provider, type ProviderChange } from "../../../access/providers/index.ts";
import { Refusal } from "../../../ground/kernel/index.ts";

/** The vendors whose addresses this server brings along (wire: documented values), and its kinds. */
const kindOfVendor = {
  AliyunOAuth2: "aliyun",
  AlibabaCloudOAuth2: "alibabacloud",
  DingTalkOAuth2: "dingtalk",
  FeiShuOAuth2: "feishu",
} as const satisfies Record<string, KindName>;

type Included = keyof typeof kindOfVendor;

/** The vendor of everything else. */
const custom = "CustomOAuth2";

export const vendor = z.enum([...(Object.keys(kindOfVendor) as [Included, ...Included[]]), custom]);
export type Vendor = z.output<typeof vendor>;

const clientFields = { ClientId: z.string().min(1).max(512), ClientSecret: z.string().min(1).max(4096).optional() };

const metadata = z.strictObject({
  Issuer: webUrl.optional(),
  AuthorizationRequest: z.strictObject({ Endpoint: webUrl.optional() }).optional(),
  TokenRequest: z.strictObject({ Endpoint: webUrl.optional() }).optional(),
  PKCE: z.strictObject({ Enabled: z.boolean().optional() }).optional(),
});
const discovery = z
  .strictObject({ DiscoveryURL: webUrl.optional(), AuthorizationServerMetadata: metadata.optional() })
  .refine(({ DiscoveryURL, AuthorizationServerMetadata }) => (DiscoveryURL === undefined) !== (AuthorizationServerMetadata === undefined), {
    message: "has either a DiscoveryURL or AuthorizationServerMetadata",
  });

const included = z.strictObject({ ...clientFields, AuthorizationEndpoint: webUrl.optional(), TokenEndpoint: webUrl.optional() });
const customised = z.strictObject({ ...clientFields, OAuth2Discovery: discovery.optional() });
const either = { message: "has either an IncludedOAuth2ProviderConfig or a CustomOAuth2ProviderConfig" };
const isOne = (given: { IncludedOAuth2ProviderConfig?: unknown; CustomOAuth2ProviderConfig?: unknown }) =>
  (given.IncludedOAuth2ProviderConfig === undefined) !== (given.CustomOAuth2ProviderConfig === undefined);

/** Of a new provider. */
export const newConfig = z
  .strictObject({
    IncludedOAuth2ProviderConfig: included.optional(),
    CustomOAuth2ProviderConfig: customised.required({ OAuth2Discovery: true }).optional(),
  })
  .refine(isOne, either);

/** Of a change: what is left out stays. */
export const configChange = z
  .strictObject({
    IncludedOAuth2ProviderConfig: included.partial({ ClientId: true }).optional(),
    CustomOAuth2ProviderConfig: customised.partial({ ClientId: true }).optional(),
  })
  .refine(isOne, either);

type Config = z.output<typeof configChange>;

/** What a configuration says of a provider; `undefined` is what it does not say. */
export type Configured = Pick<
  ProviderChange,
  "kind" | "clientId" | "clientSecret" | "discoveryUrl" | "authorizationEndpoint" | "tokenEndpoint" | "issuer" | "pkce"
>;

/** Where the room's fields stand in the parameter. */
export const configFields = Object.fromEntries(
  ["clientId", "clientSecret", "clientAuth", "discoveryUrl", "authorizationEndpoint", "tokenEndpoint", "issuer", "pkce"].map((field) => [
    field,
    "OAuth2ProviderConfig",
  ]),
);

const isIncluded = (name: Vendor): name is Included => name !== custom;

/** Metadata of OpenID Connect, unless its address says that it is OAuth's own (RFC 8414 3). */
const kindAt = (url: string): KindName => (url.includes("/.well-known/oauth-authorization-server") ? "oauth2" : "oidc");

const discovered = ({ DiscoveryURL, AuthorizationServerMetadata }: z.output<typeof discovery>): Configured =>
  DiscoveryURL === undefined
    ? {
        kind: "oauth2",
        discoveryUrl: null,
        authorizationEndpoint: AuthorizationServerMetadata?.AuthorizationRequest?.Endpoint,
        tokenEndpoint: AuthorizationServerMetadata?.TokenRequest?.Endpoint,
        issuer: AuthorizationServerMetadata?.Issuer,
        pkce: AuthorizationServerMetadata?.PKCE?.Enabled,
      }
    : {
        kind: kindAt(DiscoveryURL),
        discoveryUrl: DiscoveryURL,
        authorizationEndpoint: null,
        tokenEndpoint: null,
        issuer: null,
        pkce: null,
      };

const wrongPart = (name: Vendor, part: string) => {
  const message = `${name} takes ${part}.`;
  return new Refusal("invalid_request", message, { issues: [{ parameter: "OAuth2ProviderConfig", message }] });
};

/** @throws Refusal invalid_request where the configuration is for another vendor */
export const configured = (name: Vendor, config: Config): Configured => {
  const { IncludedOAuth2ProviderConfig: brought, CustomOAuth2ProviderConfig: own } = config;
  if (isIncluded(name)) {
    if (!brought) throw wrongPart(name, "an IncludedOAuth2ProviderConfig");
    return {
      kind: kindOfVendor[name],
      clientId: brought.ClientId,
      clientSecret: brought.ClientSecret,
      authorizationEndpoint: brought.AuthorizationEndpoint,
      tokenEndpoint: brought.TokenEndpoint,
    };
  }
  if (!own) throw wrongPart(name, "a CustomOAuth2ProviderConfig");
  return { clientId: own.ClientId, clientSecret: own.ClientSecret, ...(own.OAuth2Discovery && discovered(own.OAuth2Discovery)) };
};

/** What another vendor's provider no longer has unless its configuration says so. */
export const cleared: Configured = { discoveryUrl: null, authorizationEndpoint: null, tokenEndpoint: null, issuer: null, pkce: null };

/**
 * What a configuration says beyond what a provider has, as {@link configOf} shows it. Whoever writes back what was read changes nothing by it: the
 * addresses that the kind brings stay the kind's, and the kind stays.
 */
export const beyond = (current: Provider, said: Configured): Configured => {
  const { authorization, token, issuer } = endpointsOf(current);
  const { kind, discoveryUrl, authorizationEndpoint, tokenEndpoint, issuer: by, pkce, ...client } = said;
  const same = (given: string | null | undefined, has: string | undefined) => given === undefined || (given ?? undefined) === has;
  const sameServer =
    same(discoveryUrl, current.discoveryUrl) &&
    // With a discovery document no address is shown, and none can be said.
    (discoveryUrl || (same(authorizationEndpoint, authorization) && same(tokenEndpoint, token) && same(by, issuer)));
  const server = sameServer ? {} : { kind, discoveryUrl, authorizationEndpoint, tokenEndpoint, issuer: by };
  return { ...client, ...server, pkce: pkce === (current.pkce ?? true) || (sameServer && pkce === null) ? undefined : pkce };
};

/** The vendor of a provider; every kind that this wire does not know is a custom one. */
export const vendorOf = ({ kind }: Provider): Vendor =>
  (Object.keys(kindOfVendor) as Included[]).find((name) => kindOfVendor[name] === kind) ?? custom;

/** A provider's configuration, with the addresses that its kind brings. The client secret never comes back, masked or otherwise. */
export const configOf = (provider: Provider): object => {
  const { clientId: ClientId, discoveryUrl: DiscoveryURL } = provider;
  const { authorization, token, issuer } = endpointsOf(provider);
  if (isIncluded(vendorOf(provider)))
    return { IncludedOAuth2ProviderConfig: { ClientId, AuthorizationEndpoint: authorization, TokenEndpoint: token } };
  const AuthorizationServerMetadata = {
    Issuer: issuer,
    AuthorizationRequest: authorization === undefined ? undefined : { Endpoint: authorization },
    TokenRequest: token === undefined ? undefined : { Endpoint: token },
    PKCE: { Enabled: provider.pkce ?? true },
  };
  const OAuth2Discovery = DiscoveryURL === undefined ? { AuthorizationServerMetadata } : { DiscoveryURL };
  return { CustomOAuth2ProviderConfig: { ClientId, OAuth2Discovery } };
};
