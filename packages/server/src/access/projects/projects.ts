import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, readPage, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { type Agents, defaultProject } from "../../identity/agents/index.ts";
import type { Providers } from "../providers/index.ts";
import type { Vault } from "../vault/index.ts";
import { makeIntegrations } from "./integrations.ts";
import { mostProjects, type Project } from "./project.ts";
import { projectsTable } from "./projects-table.ts";
import { makeReading } from "./reading.ts";
import { makeVariables } from "./variables.ts";
import { changeOf, invalid, unknownProject, untilDone } from "./writing.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly random: Random;
  readonly agents: Pick<Agents, "entriesToIds" | "anyInProject">;
  readonly providers: Pick<Providers, "get" | "hold">;
  readonly vault: Pick<Vault, "apiKey" | "oauth2">;
}

/** What a project is made or changed to; what is left out stays as it is. */
export interface ProjectFields {
  /** An empty one is none. */
  readonly description?: string | undefined;
  /** Agents by name or id, `label:...` or `*`; a new project begins with `*`. */
  readonly agents?: readonly string[] | undefined;
  /** The same by lane; a new project begins with none. */
  readonly lanes?: Readonly<Record<string, readonly string[]>> | undefined;
}

export type Projects = ReturnType<typeof makeProjects>;

const everyone: readonly string[] = ["*"];

const fieldsOf = ({ description, agents, lanes }: Project) => ({
  description: description ?? null,
  agents: [...agents],
  lanes: [...lanes].sort(([one], [other]) => (one < other ? -1 : 1)),
});

/** The names of those fields that differ. */
const differing = (one: Project, other: Project): readonly string[] => {
  const [ours, theirs] = [fieldsOf(one), fieldsOf(other)];
  return (["description", "agents", "lanes"] as const).filter((field) => JSON.stringify(ours[field]) !== JSON.stringify(theirs[field]));
};

export const makeProjects = (needs: Needs) => {
  const { db, audit, clock, agents } = needs;
  const integrations = makeIntegrations(needs);

  const blank = (name: string): Project => ({
    name,
    description: undefined,
    agents: everyone,
    lanes: new Map(),
    sets: new Map(),
    version: 1,
    createdAt: clock(),
    updatedAt: clock(),
  });

  /** The fields that are given, and no others. @throws Refusal agent_unknown */
  const namedBy = async (tx: Handle, tenant: string, { description, agents: entries, lanes }: ProjectFields): Promise<Partial<Project>> => {
    const ids = new Map<string, readonly string[]>();
    for (const [lane, each] of Object.entries(lanes ?? {})) ids.set(lane, await agents.entriesToIds(tx, tenant, each));
    return {
      ...(description !== undefined && { description: description === "" ? undefined : description }),
      ...(entries && { agents: await agents.entriesToIds(tx, tenant, entries) }),
      ...(lanes && { lanes: ids }),
    };
  };

  /** Answers undefined where another one was made of this name meanwhile. @throws Refusal invalid_request */
  const make = async (tx: Handle, who: Principal, fresh: Project): Promise<Project | undefined> => {
    const { tenant } = who;
    const { name } = fresh;
    // Every tenant keeps this one: whoever makes projects makes them one after the other, so that they are counted right.
    await projectsTable.lock(tx, tenant, defaultProject);
    if (!(await projectsTable.insert(tx, tenant, fresh))) return undefined;
    if ((await projectsTable.count(tx, tenant)) > mostProjects)
      throw invalid(`A tenant has at most ${mostProjects} projects.`, "project", "the tenant has as many already");
    await audit.record(tx, who, "project.created", { target: name, details: { agents: fresh.agents, lanes: [...fresh.lanes.keys()] } });
    await db.changes.announce(tx, tenant, "project", changeOf(tenant, name));
    return fresh;
  };

  return {
    ...makeReading(needs),
    variablesOf: makeVariables(needs),
    integrationsOf: integrations,
    providerRemoved: integrations.providerRemoved,

    /** Gives a new tenant its project `default`. */
    makeDefault: async (tx: Handle, tenant: string): Promise<void> => {
      await projectsTable.insert(tx, tenant, blank(defaultProject));
    },

    /** Whether there is such a project; nobody deletes it until the transaction ends. */
    hold: async (tx: Handle, tenant: string, name: string): Promise<boolean> => (await projectsTable.lock(tx, tenant, name)) !== undefined,

    /**
     * Makes a project, or changes one: what is left out stays as it is. The same again changes nothing.
     * @throws Refusal agent_unknown; invalid_request where there are too many
     */
    put: (who: Principal, name: string, wanted: ProjectFields): Promise<Project> =>
      untilDone(() =>
        db.write(async (tx) => {
          const { tenant } = who;
          const named = await namedBy(tx, tenant, wanted);
          const current = await projectsTable.lock(tx, tenant, name);
          if (!current) return make(tx, who, { ...blank(name), ...named });
          const next: Project = { ...current, ...named, version: current.version + 1, updatedAt: clock() };
          const fields = differing(current, next);
          if (fields.length === 0) return current;
          await projectsTable.update(tx, tenant, next);
          await audit.record(tx, who, "project.updated", { target: name, details: { fields } });
          await db.changes.announce(tx, tenant, "project", changeOf(tenant, name));
          return next;
        }),
      ),

    /** Oldest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<Project>> => {
      return readPage(
        [tenant, "projects"],
        ask,
        (place, most) => projectsTable.list(db.read, tenant, place, most),
        ({ createdAt, name }) => ({ at: createdAt, id: name }),
      );
    },

    /** @throws Refusal project_unknown */
    get: async (tenant: string, name: string): Promise<Project> => {
      const found = await projectsTable.byName(db.read, tenant, name);
      if (!found) throw unknownProject(name);
      return found;
    },

    /** With its variables and integrations. @throws Refusal project_unknown; project_in_use where agents belong to it, and for `default` */
    remove: (who: Principal, name: string): Promise<void> =>
      db.write(async (tx) => {
        const { tenant } = who;
        if (!(await projectsTable.lock(tx, tenant, name))) throw unknownProject(name);
        if (name === defaultProject) throw new Refusal("project_in_use", "Every tenant keeps its project default.", { project: name });
        if (await agents.anyInProject(tx, tenant, name))
          throw new Refusal("project_in_use", `Agents belong to project ${name}: give them another one first.`, { project: name });
        await projectsTable.remove(tx, tenant, name);
        await audit.record(tx, who, "project.deleted", { target: name });
        await db.changes.announce(tx, tenant, "project", changeOf(tenant, name));
      }),

    /** A deleted agent's entries go with it; a list that is then empty lets nobody in. */
    agentRemoved: async (tx: Handle, who: Principal, agentId: string): Promise<void> => {
      const naming = await projectsTable.naming(tx, who.tenant, agentId);
      const without = (entries: readonly string[]) => entries.filter((entry) => entry !== agentId);
      for (const name of naming) {
        const project = await projectsTable.lock(tx, who.tenant, name);
        if (!project) continue;
        const lanes = new Map([...project.lanes].map(([lane, entries]) => [lane, without(entries)]));
        const next: Project = { ...project, agents: without(project.agents), lanes, version: project.version + 1, updatedAt: clock() };
        await projectsTable.update(tx, who.tenant, next);
      }
      for (const name of naming) await db.changes.announce(tx, who.tenant, "project", changeOf(who.tenant, name));
    },
  };
};
