import { operations, type resource as resourceWire } from "@legate/contract";
import type { z } from "zod";
import type { Clients, Resource } from "../../access/clients/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly db: Pick<Db, "read">;
  readonly clients: Pick<Clients, "apps" | "resources">;
  readonly agents: Pick<Agents, "entriesToNames">;
}

export const serveResources = (serve: Serve, { db, clients: { apps, resources }, agents }: Rooms): void => {
  /** Agents and apps are known by id; this wire tells their names. */
  const encoder = (tenant: string) => {
    const named = async (entries: readonly string[]) => [...(await agents.entriesToNames(db.read, tenant, entries))];
    return async (resource: Resource): Promise<z.input<typeof resourceWire>> => ({
      id: resource.id,
      name: resource.name,
      identifier: resource.identifier,
      agents: await named(resource.agents),
      clients: [...(await apps.entriesToNames(db.read, tenant, resource.clients))],
      servers: await named(resource.servers),
      scopes: await Promise.all(
        resource.scopes.map(async ({ agents: kept, ...scope }) => ({ ...scope, agents: kept && (await named(kept)) })),
      ),
      createdAt: moment(resource.createdAt),
      updatedAt: moment(resource.updatedAt),
    });
  };

  serve(operations.createResource, async ({ who, body }) => encoder(who.tenant)(await resources.create(who, body)));
  serve(operations.listResources, async ({ who, query }) => pageOf(await resources.list(who.tenant, query), encoder(who.tenant)));
  serve(operations.getResource, async ({ who, params }) => encoder(who.tenant)(await resources.get(who.tenant, params.name)));
  serve(operations.updateResource, async ({ who, params, body }) => encoder(who.tenant)(await resources.update(who, params.name, body)));
  serve(operations.deleteResource, ({ who, params }) => resources.remove(who, params.name));
};
