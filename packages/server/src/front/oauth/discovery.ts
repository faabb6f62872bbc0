import type { FastifyInstance } from "fastify";
import { type Grants, prompts } from "../../access/grants/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import { proofAlgorithms } from "../../identity/tokens/index.ts";
import { tenantOf } from "../http/index.ts";
import { paths } from "./paths.ts";

/** The rooms that discovery tells of. */
export interface DiscoveryRooms {
  readonly grants: Pick<Grants, "grantTypes">;
  readonly tenants: Pick<Tenants, "issuerOf">;
}

/** How clients that have a secret or a key prove themselves. */
const confidential = ["client_secret_basic", "client_secret_post", "private_key_jwt"] as const;
/** What client assertions may be signed with. */
const assertionAlgorithms = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"] as const;

/** What a client can know of the server before it asks (RFC 8414 2, OpenID Connect Discovery 3). */
export const metadataOf = (issuer: string, grantTypes: readonly string[]) => ({
  issuer,
  authorization_endpoint: `${issuer}${paths.authorize}`,
  token_endpoint: `${issuer}${paths.token}`,
  introspection_endpoint: `${issuer}${paths.introspect}`,
  revocation_endpoint: `${issuer}${paths.revoke}`,
  userinfo_endpoint: `${issuer}${paths.userinfo}`,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  response_types_supported: ["code"],
  response_modes_supported: ["query"],
  grant_types_supported: grantTypes,
  // RFC 8414 2: without it, clients must take it that there is no PKCE.
  code_challenge_methods_supported: ["S256"],
  token_endpoint_auth_methods_supported: [...confidential, "none"],
  token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
  // RFC 7662 2.1: a client that anybody can claim to be asks nothing.
  introspection_endpoint_auth_methods_supported: confidential,
  introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
  revocation_endpoint_auth_methods_supported: [...confidential, "none"],
  revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
  // What resources define beside these is for those to know who may use them.
  scopes_supported: ["openid", "offline_access"],
  // Initiating User Registration via OpenID Connect 3. `none` is understood, and never comes to anything: no login is kept here.
  prompt_values_supported: prompts.filter((prompt) => prompt !== "none"),
  subject_types_supported: ["public"],
  id_token_signing_alg_values_supported: ["ES256"],
  claims_supported: ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce"],
  // RFC 9207 3.
  authorization_response_iss_parameter_supported: true,
  client_id_metadata_document_supported: true,
  dpop_signing_alg_values_supported: proofAlgorithms,
  // OpenID Connect Discovery 3: left out, the last of them would mean yes.
  claims_parameter_supported: false,
  request_parameter_supported: false,
  request_uri_parameter_supported: false,
});

/**
 * Adds the metadata documents. Both say the same, each at three addresses: that of the default tenant, and for another tenant the form of RFC 8414 3.1
 * (`/.well-known/.../t/acme`) and that of OpenID Connect Discovery 4 (`/t/acme/.well-known/...`).
 */
export const serveDiscovery = (app: FastifyInstance, { grants, tenants }: DiscoveryRooms): void => {
  for (const name of ["oauth-authorization-server", "openid-configuration"]) {
    app.get(`/.well-known/${name}`, { config: { operation: "oauthMetadata" } }, (request, reply) =>
      reply.header("cache-control", "public, max-age=300").send(metadataOf(tenants.issuerOf(tenantOf(request)), grants.grantTypes)),
    );
  }
};
