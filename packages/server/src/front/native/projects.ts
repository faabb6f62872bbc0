import {
  type integration as integrationWire,
  operations,
  type project as projectWire,
  type variable as variableWire,
} from "@legate/contract";
import type { z } from "zod";
import type { Integration, IntegrationSource, Project, Projects, Variable } from "../../access/projects/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly db: Pick<Db, "read">;
  readonly projects: Pick<Projects, "put" | "list" | "get" | "remove" | "variablesOf" | "integrationsOf" | "variables">;
  readonly agents: Pick<Agents, "entriesToNames">;
}

/** The default set's lane has no name on this wire. */
const laneOf = (lane: string): string | undefined => (lane === "" ? undefined : lane);

const encodeVariable = ({ name, lane, version, createdAt, updatedAt }: Variable): z.input<typeof variableWire> => ({
  name,
  lane: laneOf(lane),
  version,
  createdAt: moment(createdAt),
  updatedAt: moment(updatedAt),
});

const encodeIntegration = (integration: Integration): z.input<typeof integrationWire> => ({
  name: integration.name,
  provider: integration.provider?.name,
  vault: integration.provider?.vault,
  scopes: integration.scopes && [...integration.scopes],
  version: integration.version,
  createdAt: moment(integration.createdAt),
  updatedAt: moment(integration.updatedAt),
});

/** One of the two is there: the wire's own schema says so. */
const sourceOf = ({ credential, provider, vault, scopes }: z.output<typeof operations.putIntegration.body>): IntegrationSource =>
  credential === undefined ? { provider: provider ?? "", vault, scopes } : { credential };

export const serveProjects = (serve: Serve, { db, projects, agents }: Rooms): void => {
  const { variablesOf: variables, integrationsOf: integrations } = projects;
  const encoder =
    (tenant: string) =>
    async (project: Project): Promise<z.input<typeof projectWire>> => {
      const named = async (entries: readonly string[]) => [...(await agents.entriesToNames(db.read, tenant, entries))];
      const lanes: [string, string[]][] = [];
      for (const [lane, entries] of project.lanes) lanes.push([lane, await named(entries)]);
      return {
        name: project.name,
        description: project.description,
        agents: await named(project.agents),
        lanes: Object.fromEntries(lanes),
        sets: [...project.sets].map(([lane, { count }]) => ({ lane: laneOf(lane), variables: count })),
        version: project.version,
        createdAt: moment(project.createdAt),
        updatedAt: moment(project.updatedAt),
      };
    };

  serve(operations.putProject, async ({ who, params, body }) => encoder(who.tenant)(await projects.put(who, params.project, body)));
  serve(operations.listProjects, async ({ who, query }) => pageOf(await projects.list(who.tenant, query), encoder(who.tenant)));
  serve(operations.getProject, async ({ who, params }) => encoder(who.tenant)(await projects.get(who.tenant, params.project)));
  serve(operations.deleteProject, ({ who, params }) => projects.remove(who, params.project));

  serve(operations.importVariables, ({ who, params, body }) => variables.importFile(who, params.project, body));
  serve(operations.putVariable, async ({ who, params, body }) =>
    encodeVariable(await variables.put(who, params.project, params.key, body)),
  );
  serve(operations.listVariables, async ({ who, params, query: { lane, ...ask } }) =>
    pageOf(await variables.list(who.tenant, params.project, lane, ask), encodeVariable),
  );
  serve(operations.getVariable, async ({ who, params, query }) =>
    encodeVariable(await variables.get(who.tenant, params.project, params.key, query.lane)),
  );
  serve(operations.deleteVariable, ({ who, params, query }) => variables.remove(who, params.project, params.key, query.lane));

  serve(operations.putIntegration, async ({ who, params, body }) =>
    encodeIntegration(await integrations.put(who, params.project, params.name, sourceOf(body))),
  );
  serve(operations.listIntegrations, async ({ who, params, query }) =>
    pageOf(await integrations.list(who.tenant, params.project, query), encodeIntegration),
  );
  serve(operations.getIntegration, async ({ who, params }) =>
    encodeIntegration(await integrations.get(who.tenant, params.project, params.name)),
  );
  serve(operations.deleteIntegration, ({ who, params }) => integrations.remove(who, params.project, params.name));

  serve(operations.readVariables, async ({ who, body }) => {
    const { project, lane, variables: read } = await projects.variables(who, body);
    return { project, lane, variables: read.map(({ name, value }) => ({ name, value })) };
  });
};
