import { thingName, webUrl } from "@legate/contract";
import { z } from "zod";
import { defaultVault, type Flow, type Provider } from "../../../access/providers/index.ts";
import type { Arns } from "../../../access/roles/index.ts";
import { moment } from "../moment.ts";
import { type Naming, type Operation, operation, readers, writers } from "../operation.ts";
import { json, text, textOrEmpty } from "../params.ts";
import { done, listing } from "./lists.ts";
import { beyond, cleared, configChange, configFields, configOf, configured, newConfig, vendor, vendorOf } from "./oauth2-config.ts";
import { type ProviderRooms, providerOf, providersIn } from "./provider-of.ts";

/** The words of `OAuthType` that say which flow a provider serves; others are kept and say nothing here (wire: values unknown). */
const flows: ReadonlyMap<string, Flow> = new Map([
  ["USER_FEDERATION", "USER_FEDERATION"],
  ["M2M", "M2M"],
]);

const oauthTypeOf = ({ foreign, flows: served }: Provider): string | undefined => {
  const said = foreign["alibaba"]?.["OAuthType"];
  if (typeof said === "string") return said;
  return served?.length === 1 && served[0] !== undefined && flows.has(served[0]) ? served[0] : undefined;
};

const vault = text(128).default(defaultVault);
const named = { OAuth2CredentialProviderName: text(128), TokenVaultName: vault };
const naming: Naming = {
  provider: "OAuth2CredentialProvider",
  fields: { name: "OAuth2CredentialProviderName", redirectUri: "CallbackURL", cursor: "NextToken", ...configFields },
};

/** OAuth2 credential providers, as this wire names them. */
export const oauth2Providers = (rooms: ProviderRooms): readonly Operation[] => {
  const { providers } = rooms;
  const callbackOf = (tenant: string, { id, redirectUri }: Provider) => redirectUri ?? providers.callbackUrl(tenant, id);

  const encoder = (tenant: string, arns: Arns) => (provider: Provider) => ({
    OAuth2CredentialProviderName: provider.name,
    CredentialProviderArn: arns.oauth2Provider(provider.vault, provider.name),
    CredentialProviderVendor: vendorOf(provider),
    TokenVaultName: provider.vault,
    Description: provider.description,
    OAuth2ProviderConfig: configOf(provider),
    OAuthType: oauthTypeOf(provider),
    CallbackURL: callbackOf(tenant, provider),
    CreateTime: moment(provider.createdAt),
    UpdateTime: moment(provider.updatedAt),
  });

  const find = (tenant: string, { OAuth2CredentialProviderName, TokenVaultName }: { readonly [K in keyof typeof named]: string }) =>
    providerOf(providers, tenant, TokenVaultName, OAuth2CredentialProviderName, "oauth2");

  return [
    operation({
      version: "2025-09-01",
      action: "CreateOAuth2CredentialProvider",
      callers: writers,
      params: z.strictObject({
        OAuth2CredentialProviderName: thingName,
        TokenVaultName: vault,
        CredentialProviderVendor: vendor,
        OAuth2ProviderConfig: json(newConfig),
        OAuthType: text(64).optional(),
        CallbackURL: webUrl.optional(),
        Description: textOrEmpty(2000).optional(),
      }),
      naming,
      act: async ({ who, params, arns }) => {
        const { OAuthType } = params;
        const flow = flows.get(OAuthType ?? "");
        const { clientId = "", clientSecret, ...said } = configured(params.CredentialProviderVendor, params.OAuth2ProviderConfig);
        const orLeftOut = <T>(value: T | null | undefined): T | undefined => value ?? undefined;
        const provider = await providers.create(
          who,
          {
            type: "oauth2",
            name: params.OAuth2CredentialProviderName,
            vault: params.TokenVaultName,
            kind: said.kind,
            discoveryUrl: orLeftOut(said.discoveryUrl),
            authorizationEndpoint: orLeftOut(said.authorizationEndpoint),
            tokenEndpoint: orLeftOut(said.tokenEndpoint),
            issuer: orLeftOut(said.issuer),
            pkce: orLeftOut(said.pkce),
            clientId,
            clientSecret: orLeftOut(clientSecret),
            // A client without a secret is a public one, which proves itself by PKCE alone.
            clientAuth: clientSecret === undefined ? "none" : undefined,
            flows: flow && [flow],
            redirectUri: params.CallbackURL,
            description: params.Description,
            foreign: OAuthType === undefined ? undefined : { alibaba: { OAuthType } },
          },
          { vaultMustBe: true },
        );
        return { OAuth2CredentialProvider: encoder(who.tenant, arns)(provider) };
      },
    }),

    operation({
      version: "2025-09-01",
      action: "GetOAuth2CredentialProvider",
      callers: readers,
      params: z.strictObject(named),
      naming,
      act: async ({ who, params, arns }) => ({
        OAuth2CredentialProvider: encoder(who.tenant, arns)(await find(who.tenant, params)),
      }),
    }),

    operation({
      version: "2025-09-01",
      action: "ListOAuth2CredentialProviders",
      callers: readers,
      params: z.strictObject({ ...listing.params, TokenVaultName: vault }),
      naming,
      act: ({ who, params, arns }) =>
        providersIn(rooms, who.tenant, params, "oauth2", "OAuth2CredentialProviders", encoder(who.tenant, arns)),
    }),

    operation({
      version: "2025-09-01",
      action: "UpdateOAuth2CredentialProvider",
      callers: writers,
      params: z.strictObject({
        ...named,
        CredentialProviderVendor: vendor.optional(),
        OAuth2ProviderConfig: json(configChange).optional(),
        CallbackURL: z.union([z.literal(""), webUrl]).optional(),
        Description: textOrEmpty(2000).optional(),
      }),
      naming,
      act: async ({ who, params }) => {
        const current = await find(who.tenant, params);
        const before = vendorOf(current);
        const { CredentialProviderVendor: after = before, OAuth2ProviderConfig: config, CallbackURL } = params;
        const asked = after !== before || config ? configured(after, config ?? {}) : {};
        const said = after === before ? beyond(current, asked) : asked;
        const redirectUri = CallbackURL === callbackOf(who.tenant, current) ? undefined : CallbackURL;
        // A secret makes a public client one that proves itself by it.
        const proves = said.clientSecret !== undefined && current.clientAuth === "none";
        const change = {
          ...(after !== before && cleared),
          ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
          clientAuth: proves ? null : undefined,
          redirectUri: redirectUri === "" ? null : redirectUri,
          description: params.Description,
        };
        return done(providers.update(who, params.TokenVaultName, current.id, change));
      },
    }),

    operation({
      version: "2025-09-01",
      action: "DeleteOAuth2CredentialProvider",
      callers: writers,
      params: z.strictObject(named),
      naming,
      act: async ({ who, params }) => {
        const { id } = await find(who.tenant, params);
        return done(providers.remove(who, params.TokenVaultName, id));
      },
    }),
  ];
};
