import type { newResource, resourceChange } from "@legate/contract";
import type { z } from "zod";
import type { Audit } from "../../ground/audit/index.ts";
import { type Db, type Handle, isUniqueViolation, makeCache } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, type Principal, readPage, type Random, Refusal } from "../../ground/kernel/index.ts";
import { type Agents, mayUse } from "../../identity/agents/index.ts";
import type { Client } from "./client.ts";
import { faultOfIdentifier, isPersonal, isReserved, isResourceId, newResourceId, type Resource, type ResourceScope } from "./resource.ts";
import { resourcesTable } from "./resources-table.ts";
import { type Bounds, heeded, impliedBy, noTarget, scopesOf, scopesOfAgent, scopesWithin, type Target } from "./target.ts";

export type NewResource = z.output<typeof newResource>;
export type ResourceChange = z.output<typeof resourceChange>;

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  /** The origin of every issuer of this installation. */
  readonly publicUrl: string;
  /** The issuer URL of a tenant, without a final slash. */
  readonly issuerOf: (tenant: string) => string;
  readonly agents: Pick<Agents, "entriesToIds">;
  /** The ids of registered apps, by id or name. @throws Refusal client_unknown */
  readonly appsToIds: (handle: Handle, tenant: string, entries: readonly string[]) => Promise<readonly string[]>;
}

export type Resources = ReturnType<typeof makeResources>;

/** Resources that are remembered, and tenants whose resources are remembered all together. */
const remembered = 5_000;
const rememberedTenants = 500;
/** Among more than so many, nobody is searched for who names no resource. */
const mostSearched = 200;

/** Where userinfo is, which is a resource of ours: tokens for nobody but OpenID Connect are for it. */
const userinfoOf = (issuer: string): string => `${issuer}/oauth2/userinfo`;

const invalid = (path: string, message: string): Refusal =>
  new Refusal("invalid_request", `The resource cannot be so: \`${path}\` ${message}.`, { issues: [{ path, message }] });

const unknown = (ref: string): Refusal => new Refusal("resource_unknown", `There is no resource ${ref}.`, { resource: ref });

const taken = (): Refusal => new Refusal("resource_exists", "There is already a resource of this name or identifier.");

export const makeResources = ({ db, audit, clock, random, publicUrl, issuerOf, agents, appsToIds }: Needs) => {
  // What is announced of a resource names its tenant: who names none is looked for among all of them, also those that are new.
  const cached = makeCache<{ readonly tenant: string; readonly resource: Resource }>(db.changes, remembered, ({ tenant }) => [
    ["resource", tenant],
  ]);
  const cachedTenants = makeCache<{ readonly tenant: string; readonly resources: readonly Resource[] }>(
    db.changes,
    rememberedTenants,
    ({ tenant }) => [["resource", tenant]],
  );

  const cachedDocuments = makeCache<{ readonly tenant: string; readonly letIn: ReadonlySet<string> }>(
    db.changes,
    rememberedTenants,
    ({ tenant }) => [["resource", tenant]],
  );

  /** Whether a resource of the tenant is for the client with this document, or for any client: whomever none lets in is asked for nothing. */
  const letsIn = async (tenant: string, documentId: string): Promise<boolean> => {
    const known = await cachedDocuments(tenant, async () => {
      const entries = (await resourcesTable.listsOfDocuments(db.read, tenant)).flat();
      return { tenant, letIn: new Set(entries.includes("*") ? ["*"] : entries.filter((entry) => entry.startsWith("https://"))) };
    });
    return known !== undefined && (known.letIn.has("*") || known.letIn.has(documentId));
  };

  const find = async (handle: Handle, tenant: string, ref: string): Promise<Resource> => {
    const found = isResourceId(ref) ? await resourcesTable.byId(handle, tenant, ref) : await resourcesTable.byName(handle, tenant, ref);
    if (!found) throw unknown(ref);
    return found;
  };

  const byIdentifier = async (tenant: string, identifier: string): Promise<Resource | undefined> =>
    // A tenant's name has no blank.
    (
      await cached(`${tenant} ${identifier}`, async () => {
        const resource = await resourcesTable.byIdentifier(db.read, tenant, identifier);
        return resource && { tenant, resource };
      })
    )?.resource;

  /** All of a tenant's; undefined where there are too many to search. */
  const allOf = async (tenant: string): Promise<readonly Resource[] | undefined> => {
    const known = await cachedTenants(tenant, async () => ({
      tenant,
      resources: await resourcesTable.list(db.read, tenant, undefined, mostSearched + 1),
    }));
    return known && known.resources.length <= mostSearched ? known.resources : undefined;
  };

  const withIds = async (tx: Handle, tenant: string, scopes: NewResource["scopes"]): Promise<readonly ResourceScope[]> => {
    const written: ResourceScope[] = [];
    for (const [at, { name, description, agents: entries }] of scopes.entries()) {
      if (isReserved(name)) throw invalid(`scopes.${at}.name`, "is a scope of OpenID Connect, which means the same everywhere");
      if (written.some((before) => before.name === name)) throw invalid(`scopes.${at}.name`, "stands twice");
      written.push({ name, description, agents: entries && (await agents.entriesToIds(tx, tenant, entries)) });
    }
    return written;
  };

  return {
    /** @throws Refusal resource_exists, agent_unknown, client_unknown; invalid_request for an identifier or scope that may not be */
    create: async (who: Principal, wanted: NewResource): Promise<Resource> => {
      const fault = faultOfIdentifier(wanted.identifier, publicUrl);
      if (fault !== undefined) throw invalid("identifier", fault);
      if (isResourceId(wanted.name)) throw invalid("name", "may not look like a resource's id");
      return db.write(async (tx) => {
        const now = clock();
        const resource: Resource = {
          id: newResourceId(random),
          identifier: wanted.identifier,
          name: wanted.name,
          agents: await agents.entriesToIds(tx, who.tenant, wanted.agents ?? ["*"]),
          clients: await appsToIds(tx, who.tenant, wanted.clients ?? []),
          servers: await agents.entriesToIds(tx, who.tenant, wanted.servers ?? []),
          scopes: await withIds(tx, who.tenant, wanted.scopes),
          createdAt: now,
          updatedAt: now,
        };
        if (!(await resourcesTable.insert(tx, who.tenant, resource))) throw taken();
        const { id, name, identifier } = resource;
        await audit.record(tx, who, "resource.created", { target: id, details: { name, identifier } });
        await db.changes.announce(tx, who.tenant, "resource", who.tenant);
        return resource;
      });
    },

    /** Oldest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<Resource>> => {
      return readPage(
        [tenant, "resources"],
        ask,
        (place, most) => resourcesTable.list(db.read, tenant, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      );
    },

    /** By name or id. @throws Refusal resource_unknown */
    get: (tenant: string, ref: string): Promise<Resource> => find(db.read, tenant, ref),

    /** The identifier stays as it is: tokens carry it. @throws Refusal resource_unknown, resource_exists, agent_unknown, client_unknown */
    update: async (who: Principal, ref: string, change: ResourceChange): Promise<Resource> => {
      const { tenant } = who;
      if (change.name !== undefined && isResourceId(change.name)) throw invalid("name", "may not look like a resource's id");
      try {
        return await db.write(async (tx) => {
          const current = await resourcesTable.lock(tx, tenant, (await find(tx, tenant, ref)).id);
          if (!current) throw unknown(ref);
          const resource: Resource = {
            ...current,
            name: change.name ?? current.name,
            agents: change.agents ? await agents.entriesToIds(tx, tenant, change.agents) : current.agents,
            clients: change.clients ? await appsToIds(tx, tenant, change.clients) : current.clients,
            servers: change.servers ? await agents.entriesToIds(tx, tenant, change.servers) : current.servers,
            scopes: change.scopes ? await withIds(tx, tenant, change.scopes) : current.scopes,
            updatedAt: clock(),
          };
          await resourcesTable.update(tx, tenant, resource);
          const fields = Object.entries(change).flatMap(([field, value]) => (value === undefined ? [] : field));
          await audit.record(tx, who, "resource.updated", { target: resource.id, details: { name: resource.name, fields } });
          await db.changes.announce(tx, tenant, "resource", tenant);
          return resource;
        });
      } catch (error) {
        if (isUniqueViolation(error)) throw taken();
        throw error;
      }
    },

    /** No more tokens are given for it; those that were given end by themselves. @throws Refusal resource_unknown */
    remove: (who: Principal, ref: string): Promise<void> =>
      db.write(async (tx) => {
        const { id, name, identifier } = await find(tx, who.tenant, ref);
        await resourcesTable.remove(tx, who.tenant, id);
        await audit.record(tx, who, "resource.deleted", { target: id, details: { name, identifier } });
        await db.changes.announce(tx, who.tenant, "resource", who.tenant);
      }),

    /** A deleted agent's or app's entries go with it; a list that is then empty lets nobody in. */
    forget: async (tx: Handle, who: Principal, id: string): Promise<void> => {
      const naming = await resourcesTable.naming(tx, who.tenant, id);
      const without = (entries: readonly string[]) => entries.filter((entry) => entry !== id);
      for (const named of naming) {
        // Read only now that it is held: what others changed meanwhile stays as they left it.
        const resource = await resourcesTable.lock(tx, who.tenant, named);
        if (!resource) continue;
        await resourcesTable.update(tx, who.tenant, {
          ...resource,
          agents: without(resource.agents),
          clients: without(resource.clients),
          servers: without(resource.servers),
          scopes: resource.scopes.map((scope) => ({ ...scope, agents: scope.agents && without(scope.agents) })),
          updatedAt: clock(),
        });
      }
      // Once all rows are written: whoever announces makes others wait.
      if (naming.length > 0) await db.changes.announce(tx, who.tenant, "resource", who.tenant);
    },

    /** Where a token is for, that says no more than who logged in (OpenID Connect Core 5.3). */
    userinfo: (tenant: string): string => userinfoOf(issuerOf(tenant)),

    /**
     * Decides for which audience a token may be, and with which scopes (RFC 8707 2, RFC 6749 3.3). With no target: scopes that are the person's own
     * mean userinfo; others the one resource that has them all.
     * @param targets What was asked for as `resource` or `audience`.
     * @param scopes What was asked for; undefined for all that the client may have there.
     * @throws Refusal target_invalid with `details.reason`, scope_invalid
     */
    target: async (
      client: Client,
      targets: readonly string[],
      wished: readonly string[] | undefined,
      bounds: Bounds = {},
    ): Promise<Target> => {
      const scopes = wished && heeded(wished);
      const { tenant } = client;
      const { ceiling, audiences, person = client.kind !== "agent" } = bounds;
      const [asked, ...more] = new Set(targets);
      if (more.length > 0) throw noTarget("several");
      const [bound, ...others] = audiences ?? [];
      const named = asked ?? (others.length === 0 ? bound : undefined);
      if (named !== undefined && audiences?.includes(named) === false) throw noTarget("outside");
      const userinfo = userinfoOf(issuerOf(tenant));
      const wanted = scopes ?? ceiling ?? [];
      // Nobody asks for it by name; what a person consented to before may be for it.
      const isUserinfo =
        named === undefined ? wanted.length > 0 && wanted.every(isPersonal) && person : named === userinfo && asked === undefined;
      if (isUserinfo && (audiences?.includes(userinfo) ?? true)) {
        // Nobody vouches for what is at a URL: who logged in is told only to those that an operator let in somewhere.
        if (client.kind === "document" && !(await letsIn(tenant, client.id))) throw noTarget("none");
        return { audience: userinfo, scopes: scopesWithin(client, [], scopes ?? wanted, bounds) };
      }
      if (named !== undefined) {
        const resource = faultOfIdentifier(named, publicUrl) === undefined ? await byIdentifier(tenant, named) : undefined;
        const allowed = resource && scopesOf(resource, client);
        if (!resource || !allowed) throw noTarget("unknown");
        return { audience: resource.identifier, scopes: scopesWithin(client, allowed, scopes, bounds) };
      }
      const all = await allOf(tenant);
      if (!all) throw noTarget("ambiguous");
      const among = audiences ? all.filter(({ identifier }) => audiences.includes(identifier)) : all;
      const { resource, allowed } = impliedBy(client, among, wanted);
      return { audience: resource.identifier, scopes: scopesWithin(client, allowed, scopes, bounds) };
    },

    /** The scopes that an agent may have at an audience; undefined where it may not have tokens for it. */
    ceilingOf: async (tenant: string, agent: Parameters<typeof mayUse>[1], audience: string): Promise<readonly string[] | undefined> => {
      const resource = await byIdentifier(tenant, audience);
      return resource && scopesOfAgent(resource, agent);
    },

    /** Whether an agent is the resource that this audience means, and so may introspect and exchange what was sent to it. */
    isServer: async (tenant: string, agent: Parameters<typeof mayUse>[1], audience: string): Promise<boolean> => {
      const resource = await byIdentifier(tenant, audience);
      return resource !== undefined && mayUse(resource.servers, agent);
    },

    /** The resource that an audience means. */
    byIdentifier,

    letsIn,
  };
};
