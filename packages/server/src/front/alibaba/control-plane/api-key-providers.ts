import { thingName } from "@legate/contract";
import { z } from "zod";
import { defaultVault, type Provider } from "../../../access/providers/index.ts";
import type { Arns } from "../../../access/roles/index.ts";
import { moment } from "../moment.ts";
import { type Naming, type Operation, operation, readers, writers } from "../operation.ts";
import { text, textOrEmpty } from "../params.ts";
import { done, listing } from "./lists.ts";
import { type ProviderRooms, providerOf, providersIn } from "./provider-of.ts";

/** The key itself never comes back, masked or otherwise. */
const created = (provider: Provider, arns: Arns) => ({
  APIKeyCredentialProviderName: provider.name,
  CredentialProviderArn: arns.apiKeyProvider(provider.vault, provider.name),
  TokenVaultName: provider.vault,
  Description: provider.description,
  CreateTime: moment(provider.createdAt),
});

const encoded = (provider: Provider, arns: Arns) => ({ ...created(provider, arns), UpdateTime: moment(provider.updatedAt) });

const vault = text(128).default(defaultVault);
const key = text(8192);
const named = { APIKeyCredentialProviderName: text(128), TokenVaultName: vault };
const naming: Naming = {
  provider: "APIKeyCredentialProvider",
  fields: { name: "APIKeyCredentialProviderName", apiKey: "APIKey", cursor: "NextToken" },
};

/** API-key credential providers, as this wire names them. */
export const apiKeyProviders = (rooms: ProviderRooms): readonly Operation[] => {
  const { providers } = rooms;
  const find = (tenant: string, { APIKeyCredentialProviderName, TokenVaultName }: { readonly [K in keyof typeof named]: string }) =>
    providerOf(providers, tenant, TokenVaultName, APIKeyCredentialProviderName, "api_key");

  return [
    operation({
      version: "2025-09-01",
      action: "CreateAPIKeyCredentialProvider",
      callers: writers,
      params: z.strictObject({
        APIKeyCredentialProviderName: thingName,
        TokenVaultName: vault,
        APIKey: key,
        Description: textOrEmpty(2000).optional(),
      }),
      naming,
      act: async ({ who, params, arns }) => {
        const wanted = {
          type: "api_key" as const,
          name: params.APIKeyCredentialProviderName,
          vault: params.TokenVaultName,
          apiKey: params.APIKey,
          description: params.Description,
        };
        return { APIKeyCredentialProvider: created(await providers.create(who, wanted, { vaultMustBe: true }), arns) };
      },
    }),

    operation({
      version: "2025-09-01",
      action: "GetAPIKeyCredentialProvider",
      callers: readers,
      params: z.strictObject(named),
      naming,
      act: async ({ who, params, arns }) => ({ APIKeyCredentialProvider: encoded(await find(who.tenant, params), arns) }),
    }),

    operation({
      version: "2025-09-01",
      action: "ListAPIKeyCredentialProviders",
      callers: readers,
      params: z.strictObject({ ...listing.params, TokenVaultName: vault }),
      naming,
      act: ({ who, params, arns }) =>
        providersIn(rooms, who.tenant, params, "api_key", "APIKeyCredentialProviders", (provider) => encoded(provider, arns)),
    }),

    operation({
      version: "2025-09-01",
      action: "UpdateAPIKeyCredentialProvider",
      callers: writers,
      params: z.strictObject({ ...named, APIKey: key.optional(), Description: textOrEmpty(2000).optional() }),
      naming,
      act: async ({ who, params }) => {
        const { id } = await find(who.tenant, params);
        return done(providers.update(who, params.TokenVaultName, id, { apiKey: params.APIKey, description: params.Description }));
      },
    }),

    operation({
      version: "2025-09-01",
      action: "DeleteAPIKeyCredentialProvider",
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
