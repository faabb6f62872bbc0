import { makeOpenApi } from "@legate/contract";
import type { FastifyInstance } from "fastify";
import type { Projects } from "../../access/projects/index.ts";
import type { Clients } from "../../access/clients/index.ts";
import type { Grants } from "../../access/grants/index.ts";
import type { Providers, Vaults } from "../../access/providers/index.ts";
import type { Roles } from "../../access/roles/index.ts";
import type { Connections, Sessions, Vault } from "../../access/vault/index.ts";
import type { Audit, Chain } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import { anonymous, type Clock } from "../../ground/kernel/index.ts";
import type { DataKeyRotation, MasterKey, Peppers } from "../../ground/seal/index.ts";
import type { AccessKeys } from "../../identity/access-keys/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Authn } from "../../identity/authn/index.ts";
import type { Issuers } from "../../identity/issuers/index.ts";
import type { Signing } from "../../identity/signing/index.ts";
import type { Operators } from "../../identity/operators/index.ts";
import { defaultTenant, type Tenants } from "../../identity/tenants/index.ts";
import type { WorkloadTokens } from "../../identity/tokens/index.ts";
import type { Users } from "../../identity/users/index.ts";
import { addressOf, prefixOf, readJson, tenantOf } from "../http/index.ts";
import { serveAccessKeys } from "./access-keys.ts";
import { serveAgents } from "./agents.ts";
import { serveAuditEvents } from "./audit-events.ts";
import { serveClients } from "./clients.ts";
import { serveConnections } from "./connections.ts";
import { serveCredentials } from "./credentials.ts";
import { serveDocs } from "./docs.ts";
import { answerErrors, errors } from "./errors.ts";
import { serveGrants } from "./grants.ts";
import { serveImpact } from "./impact.ts";
import { serveIssuers } from "./issuers.ts";
import { serveKeys } from "./keys.ts";
import { serveKeySet } from "./key-set.ts";
import { serveOperators } from "./operators.ts";
import { serveProjects } from "./projects.ts";
import { serveProviders } from "./providers.ts";
import { serveResources } from "./resources.ts";
import { serveRoles } from "./roles.ts";
import { type Prove, prefix, serveOn } from "./serve.ts";
import { serveTenants } from "./tenants.ts";
import { serveTokenVaults } from "./token-vaults.ts";
import { serveUsers } from "./users.ts";
import { serveWhoami } from "./whoami.ts";
import { serveWorkloadTokens } from "./workload-tokens.ts";

/** The rooms this wire speaks for. */
export interface NativeRooms {
  readonly db: Pick<Db, "read">;
  readonly authn: Authn;
  readonly agents: Agents;
  readonly accessKeys: AccessKeys;
  readonly users: Users;
  readonly issuers: Issuers;
  readonly providers: Providers;
  readonly projects: Projects;
  readonly roles: Roles;
  readonly vault: Vault;
  readonly connections: Connections;
  readonly clients: Clients;
  readonly grants: Pick<Grants, "list" | "get" | "remove" | "someOf">;
  readonly sessions: Pick<Sessions, "complete" | "someOf" | "someAtIssuer">;
  readonly workloadTokens: WorkloadTokens;
  readonly audit: Audit;
  readonly chain: Chain;
  readonly signing: Signing;
  readonly dataKeys: DataKeyRotation;
  readonly masterKey: MasterKey;
  readonly peppers: Peppers;
  readonly tenants: Tenants;
  readonly operators: Operators;
  readonly tokenVaults: Vaults;
  readonly region: string;
  readonly clock: Clock;
}

/** This wire as an OpenAPI document, for a server at this origin. Its version is the document's, not the server's. */
export const openApiOf = (serverUrl: string): object => makeOpenApi({ serverUrl, version: "1", statuses: errors });

const proveWith =
  (authn: Authn): Prove =>
  (request, rights) => {
    const address = addressOf(request);
    return rights.includes("anyone")
      ? Promise.resolve(anonymous(tenantOf(request), request.id, address))
      : authn.prove({ tenant: prefixOf(request), requestId: request.id, address, authorization: request.headers.authorization }, rights);
  };

/** Adds this wire to the server: `/v1` with its own parser and errors, its reference, and the key set. */
export const serveNative = async (app: FastifyInstance, rooms: NativeRooms): Promise<void> => {
  serveDocs(app);
  serveKeySet(app, rooms.signing);
  await app.register(
    (scope, _options, done) => {
      readJson(scope);
      answerErrors(scope);
      // What is not found below /v1 is said as /v1 says it: http refuses, this scope encodes.
      scope.setNotFoundHandler(() => undefined);

      // Made when it is first asked for: most servers never are.
      let document: string | undefined;
      scope.get("/openapi.json", { config: { operation: "openapi", ofInstallation: true } }, (_request, reply) => {
        document ??= JSON.stringify(openApiOf(rooms.tenants.issuerOf(defaultTenant)));
        return reply.type("application/json; charset=utf-8").send(document);
      });

      const serve = serveOn(scope, proveWith(rooms.authn));
      serveTenants(serve, rooms.tenants);
      serveOperators(serve, rooms.operators);
      serveAgents(serve, rooms);
      serveAccessKeys(serve, rooms.accessKeys);
      serveUsers(serve, rooms.users);
      serveIssuers(serve, rooms.issuers);
      serveProviders(serve, rooms);
      serveTokenVaults(serve, rooms);
      serveClients(serve, rooms);
      serveResources(serve, rooms);
      serveProjects(serve, rooms);
      serveRoles(serve, rooms);
      serveWorkloadTokens(serve, rooms.workloadTokens);
      serveCredentials(serve, rooms);
      serveConnections(serve, rooms.vault);
      serveGrants(serve, rooms.grants);
      serveImpact(serve, rooms);
      serveKeys(serve, rooms);
      serveAuditEvents(serve, rooms);
      serveWhoami(serve, rooms);
      done();
    },
    { prefix },
  );
};
