import { operations, type provider as providerWire } from "@legate/contract";
import type { z } from "zod";
import type { Provider, Providers } from "../../access/providers/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import { moment, pageOf } from "./encode.ts";
import { keySetPath } from "./key-set.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly db: Pick<Db, "read">;
  readonly providers: Providers;
  readonly agents: Pick<Agents, "entriesToNames">;
  readonly tenants: Pick<Tenants, "issuerOf">;
}

const defaultVault = "default";

export const serveProviders = (serve: Serve, { db, providers, agents, tenants }: Rooms): void => {
  const encoder =
    (tenant: string) =>
    async (provider: Provider): Promise<z.input<typeof providerWire>> => {
      const oauth2 = provider.type === "oauth2";
      const issuer = tenants.issuerOf(tenant);
      return {
        id: provider.id,
        name: provider.name,
        vault: provider.vault,
        type: provider.type,
        status: provider.status,
        agents: [...(await agents.entriesToNames(db.read, tenant, provider.agents))],
        description: provider.description,
        kind: provider.kind,
        discoveryUrl: provider.discoveryUrl,
        authorizationEndpoint: provider.authorizationEndpoint,
        tokenEndpoint: provider.tokenEndpoint,
        issuer: provider.issuer,
        clientId: provider.clientId,
        clientAuth: provider.clientAuth,
        scopes: oauth2 ? [...provider.scopes] : undefined,
        flows: provider.flows && [...provider.flows],
        callbackUrl: oauth2 ? `${issuer}/callback/${provider.id}` : undefined,
        redirectUri: provider.redirectUri,
        pkce: provider.pkce,
        roleArn: provider.roleArn,
        jwksUrl: oauth2 && provider.clientAuth === "private_key_jwt" ? `${issuer}${keySetPath}` : undefined,
        warnings: provider.warnings.length > 0 ? [...provider.warnings] : undefined,
        createdAt: moment(provider.createdAt),
        updatedAt: moment(provider.updatedAt),
      };
    };

  serve(operations.createProvider, async ({ who, body }) => encoder(who.tenant)(await providers.create(who, body)));
  serve(operations.listProviders, async ({ who, query: { vault = defaultVault, ...ask } }) =>
    pageOf(await providers.list(who.tenant, vault, ask), encoder(who.tenant)),
  );
  serve(operations.getProvider, async ({ who, params, query: { vault = defaultVault } }) =>
    encoder(who.tenant)(await providers.get(who.tenant, vault, params.name)),
  );
  serve(operations.updateProvider, async ({ who, params, query: { vault = defaultVault }, body }) =>
    encoder(who.tenant)(await providers.update(who, vault, params.name, body)),
  );
  serve(operations.suspendProvider, async ({ who, params, query: { vault = defaultVault } }) =>
    encoder(who.tenant)(await providers.suspend(who, vault, params.name)),
  );
  serve(operations.resumeProvider, async ({ who, params, query: { vault = defaultVault } }) =>
    encoder(who.tenant)(await providers.resume(who, vault, params.name)),
  );
  serve(operations.deleteProvider, ({ who, params, query: { vault = defaultVault } }) => providers.remove(who, vault, params.name));
};
