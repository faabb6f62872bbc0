import type { Provider, Providers } from "../../../access/providers/index.ts";
import { Refusal } from "../../../ground/kernel/index.ts";

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
