import type { AuthorizationServer, Client } from "oauth4webapi";
import { UpstreamUnavailable } from "./errors.ts";
import { fixedEndpoints, type Kind, kindOf } from "./kinds.ts";
import type { MetadataCache } from "./metadata.ts";
import type { Provider } from "./provider.ts";

/** An authorization server as one call sees it. */
export interface Server {
  readonly kind: Kind;
  readonly as: AuthorizationServer & { readonly token_endpoint: string };
  readonly client: Client;
  readonly issuer: string | undefined;
  readonly clientAuthMethods: readonly string[] | undefined;
}

/** Puts together what is configured, what the kind brings and what metadata says. @throws UpstreamUnavailable where that is not enough */
export const makeServers =
  (metadata: Pick<MetadataCache, "of">) =>
  async (tenant: string, provider: Provider): Promise<Server> => {
    const kind = kindOf(provider);
    const found = await metadata.of(tenant, provider);
    const fixed = fixedEndpoints(provider);
    const token = fixed.token ?? found?.tokenEndpoint;
    if (token === undefined) throw new UpstreamUnavailable("metadata", "The provider's metadata names no token endpoint.");
    const authorization = fixed.authorization ?? found?.authorizationEndpoint;
    const named = fixed.issuer ?? found?.issuer;
    const issuer = kind.issuerPlaceholder !== undefined && named?.includes(kind.issuerPlaceholder) ? undefined : named;
    return {
      kind,
      issuer,
      client: { client_id: provider.clientId ?? "" },
      clientAuthMethods: found?.clientAuthMethods,
      as: {
        // Where no issuer is known the library still wants one; it is compared with nothing then.
        issuer: issuer ?? new URL(token).origin,
        token_endpoint: token,
        ...(authorization !== undefined && { authorization_endpoint: authorization }),
        ...(found?.revocationEndpoint !== undefined && { revocation_endpoint: found.revocationEndpoint }),
        authorization_response_iss_parameter_supported: issuer !== undefined && found?.sendsIssuer === true,
      },
    };
  };
