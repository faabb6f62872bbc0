import type { Provider, Providers, Vaults } from "../../../access/providers/index.ts";
import { Refusal } from "../../../ground/kernel/index.ts";
import { listed } from "./lists.ts";

export interface ProviderRooms {
  readonly db: { readonly read: Parameters<Vaults["require"]>[0] };
  readonly providers: Pick<Providers, "create" | "get" | "list" | "count" | "update" | "remove" | "callbackUrl">;
  readonly tokenVaults: Pick<Vaults, "require">;
}

/** A provider of one type: the kinds are apart on this wire, so that one of another kind is not there. @throws Refusal provider_unknown */
export const providerOf = async (
  providers: Pick<Providers, "get">,
  tenant: string,
  vault: string,
  name: string,
  type: Provider["type"],
): Promise<Provider> => {
  const provider = await providers.get(tenant, vault, name);
  if (provider.type === type) return provider;
  throw new Refusal("provider_unknown", `There is no credential provider ${name} of this kind in vault ${vault}.`, {
    provider: name,
    vault,
  });
};

/** A page of the providers of one type in a vault, which has to be there. @throws Refusal vault_unknown */
export const providersIn = async (
  { db, providers, tokenVaults }: ProviderRooms,
  tenant: string,
  params: Parameters<typeof listed>[1] & { readonly TokenVaultName: string },
  type: Provider["type"],
  name: string,
  encode: (provider: Provider) => object,
): Promise<object> => {
  const { TokenVaultName: vault } = params;
  await tokenVaults.require(db.read, tenant, vault);
  return listed(name, params, {
    page: (ask) => providers.list(tenant, vault, ask, type),
    count: () => providers.count(tenant, type, vault),
    encode,
  });
};
