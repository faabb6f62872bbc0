import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import {
  type Clock,
  type Page,
  type PageAsk,
  type Place,
  readPage,
  type Principal,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Provider, Providers } from "../providers/index.ts";
import { integrationsTable } from "./integrations-table.ts";
import { credentialIdentity, type Integration, mostIntegrations, newIntegrationId } from "./project.ts";
import { projectsTable } from "./projects-table.ts";
import { changeOf, invalid, orNothing, unknownProject, untilDone } from "./writing.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly random: Random;
  readonly providers: Pick<Providers, "get" | "hold">;
}

/** Where a credential is to come from: a text that is stored here, or a credential provider by name or id. */
export type IntegrationSource =
  | { readonly credential: string }
  | { readonly provider: string; readonly vault?: string | undefined; readonly scopes?: readonly string[] | undefined };

export const unknownIntegration = (project: string, name: string): Refusal =>
  new Refusal("integration_unknown", `There is no integration ${name} in this project.`, { project, integration: name });

/** @throws Refusal provider_wrong_type, invalid_request */
const checkServes = ({ name, type, flows }: Provider, scopes: readonly string[] | undefined): void => {
  if (type === "api_key" && scopes) throw invalid("An API key has no scopes.", "scopes", "belongs to a provider of type oauth2");
  if (type === "sts")
    throw new Refusal("provider_wrong_type", `The credential provider ${name} gives credentials of more than one part.`, { type });
  if (type === "oauth2" && flows && !flows.includes("M2M"))
    throw new Refusal("provider_wrong_type", `The credential provider ${name} does not serve the flow M2M.`, { flow: "M2M", flows });
};

const sameScopes = (one: readonly string[] | undefined, other: readonly string[] | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

export const makeIntegrations = ({ db, audit, seal, clock, random, providers }: Needs) => {
  const known = async (handle: Handle, tenant: string, project: string): Promise<void> => {
    if (!(await projectsTable.byName(handle, tenant, project))) throw unknownProject(project);
  };

  const isSame = async (
    tenant: string,
    project: string,
    stored: Integration,
    source: IntegrationSource,
    provider: Provider | undefined,
  ) => {
    if ("provider" in source) return stored.provider?.id === provider?.id && sameScopes(stored.scopes, source.scopes);
    if (stored.sealedCredential === undefined) return false;
    return (await orNothing(seal.open(tenant, credentialIdentity(project, stored), stored.sealedCredential))) === source.credential;
  };

  return {
    /**
     * Says where an integration's credential comes from; the same again changes nothing.
     * @throws Refusal project_unknown, provider_unknown, provider_wrong_type; invalid_request where there are too many
     */
    put: async (who: Principal, project: string, name: string, source: IntegrationSource): Promise<Integration> => {
      const { tenant } = who;
      const provider = "provider" in source ? await providers.get(tenant, source.vault, source.provider) : undefined;
      const scopes = "provider" in source ? source.scopes : undefined;
      if (provider) checkServes(provider, scopes);
      return untilDone(async () => {
        const seen = await integrationsTable.byName(db.read, tenant, project, name);
        const same = seen !== undefined && (await isSame(tenant, project, seen, source, provider));
        return db.write(async (tx): Promise<Integration | undefined> => {
          // The provider first, in the order in which its removal takes them.
          if (provider && !(await providers.hold(tx, tenant, provider.id)))
            throw new Refusal("provider_unknown", `There is no credential provider ${provider.name}.`, { provider: provider.name });
          if (!(await projectsTable.lock(tx, tenant, project))) throw unknownProject(project);
          const current = await integrationsTable.byName(tx, tenant, project, name);
          if (current?.id !== seen?.id || current?.version !== seen?.version) return undefined;
          if (current && same) return current;
          const now = clock();
          const place = { id: current?.id ?? newIntegrationId(random), name };
          const integration: Integration = {
            ...place,
            sealedCredential:
              "credential" in source ? await seal.seal(tx, tenant, credentialIdentity(project, place), source.credential) : undefined,
            provider,
            scopes,
            version: (current?.version ?? 0) + 1,
            createdAt: current?.createdAt ?? now,
            updatedAt: now,
          };
          if (current) {
            // Nobody is kept from deleting it meanwhile, with its provider or by itself: then it is made anew.
            if (!(await integrationsTable.update(tx, tenant, project, integration))) return undefined;
          } else {
            if ((await integrationsTable.count(tx, tenant, project)) >= mostIntegrations)
              throw invalid(`A project has at most ${mostIntegrations} integrations.`, "name", "the project is full");
            await integrationsTable.insert(tx, tenant, project, integration);
          }
          const details = { project, name, version: integration.version, ...(provider && { provider: provider.id }) };
          await audit.record(tx, who, current ? "integration.updated" : "integration.created", { target: place.id, details });
          await db.changes.announce(tx, tenant, "project", changeOf(tenant, project));
          return integration;
        });
      });
    },

    /** By name. @throws Refusal project_unknown; invalid_request for an unknown cursor */
    list: async (tenant: string, project: string, ask: PageAsk): Promise<Page<Integration>> => {
      await known(db.read, tenant, project);
      const read = (place: Place | undefined, most: number) => integrationsTable.list(db.read, tenant, project, place?.id ?? "", most);
      return readPage([tenant, "integrations", project], ask, read, ({ name }) => ({ at: 0, id: name }));
    },

    /** @throws Refusal project_unknown, integration_unknown */
    get: async (tenant: string, project: string, name: string): Promise<Integration> => {
      const found = await integrationsTable.byName(db.read, tenant, project, name);
      if (found) return found;
      await known(db.read, tenant, project);
      throw unknownIntegration(project, name);
    },

    /** @throws Refusal project_unknown, integration_unknown */
    remove: (who: Principal, project: string, name: string): Promise<void> =>
      db.write(async (tx) => {
        const { tenant } = who;
        await known(tx, tenant, project);
        const id = await integrationsTable.remove(tx, tenant, project, name);
        if (id === undefined) throw unknownIntegration(project, name);
        await audit.record(tx, who, "integration.deleted", { target: id, details: { project, name } });
        await db.changes.announce(tx, tenant, "project", changeOf(tenant, project));
      }),

    /** A deleted provider's integrations go with it. */
    providerRemoved: async (tx: Handle, who: Principal, providerId: string): Promise<void> => {
      const gone = await integrationsTable.removeOfProvider(tx, who.tenant, providerId);
      for (const { id, project, name } of gone)
        await audit.record(tx, who, "integration.deleted", { target: id, details: { project, name, reason: "provider_deleted" } });
      for (const project of new Set(gone.map((integration) => integration.project)))
        await db.changes.announce(tx, who.tenant, "project", changeOf(who.tenant, project));
    },
  };
};
