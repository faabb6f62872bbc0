import type { Audit } from "../../ground/audit/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Providers } from "../providers/index.ts";
import type { StaticKey } from "./credential-key.ts";

interface Needs {
  readonly audit: Audit;
  readonly providers: Pick<Providers, "usable" | "apiKey">;
}

/** Answers API keys that providers hold; each reading leaves its row. */
export const makeStatic =
  ({ audit, providers }: Needs) =>
  /** @throws Refusal provider_unknown, provider_wrong_type */
  async (who: Principal, ask: { readonly provider: string; readonly vault?: string | undefined }): Promise<{ readonly apiKey: string }> => {
    const provider = await providers.usable(who, ask.vault, ask.provider);
    if (provider.type !== "api_key") throw new Refusal("provider_wrong_type", "This provider gives OAuth 2 tokens and holds no API key.");
    const key: StaticKey = { kind: "static", tenant: who.tenant, provider: provider.id };
    const apiKey = await providers.apiKey(key.tenant, provider);
    await audit.note(who, "credential.read", { target: provider.id, details: { provider: provider.id, type: "api_key" } });
    return { apiKey };
  };
