import { createHash } from "node:crypto";
import type { ActingAgent } from "../../ground/kernel/index.ts";
import type { Agent } from "../../identity/agents/index.ts";
import type { Client } from "./client.ts";
import { faultOfRedirectUri } from "./redirect-uri.ts";

/** What an agent may do as a client (RFC 6749 4.4, 4.1, 6; RFC 8693 2.1; RFC 7523 2.1). */
const grantTypesOfAgents = [
  "client_credentials",
  "authorization_code",
  "refresh_token",
  "urn:ietf:params:oauth:grant-type:token-exchange",
  "urn:ietf:params:oauth:grant-type:jwt-bearer",
] as const;

/** An agent as the client that it is. Of its return URLs those count that may be redirect URIs. */
export const clientOfAgent = (tenant: string, { title, allowedReturnUrls, issuerId, ...agent }: Agent): Client => {
  const name = title ?? agent.name;
  const redirectUris = allowedReturnUrls.filter((url) => faultOfRedirectUri(url) === undefined);
  const { id, labels, origin, project, epoch } = agent;
  const acting: ActingAgent = { id, name: agent.name, labels, origin, project, epoch };
  return {
    tenant,
    id,
    kind: "agent",
    name,
    redirectUris,
    grantTypes: grantTypesOfAgents,
    scopes: undefined,
    agent: acting,
    issuerId,
    version: createHash("sha256")
      .update(JSON.stringify([name, redirectUris]))
      .digest("base64url"),
  };
};
