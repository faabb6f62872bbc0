import type { Audit } from "../../ground/audit/index.ts";
import { type Db, makeCache } from "../../ground/db/index.ts";
import { type ActingAgent, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { mayUse } from "../../identity/agents/index.ts";
import type { Vault } from "../vault/index.ts";
import { unknownIntegration } from "./integrations.ts";
import { credentialIdentity, defaultLane, type Integration, type Project, type SealedVariable, valueIdentity } from "./project.ts";
import { readingTable } from "./reading-table.ts";
import { changeOf, unknownProject } from "./writing.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly vault: Pick<Vault, "apiKey" | "oauth2">;
}

/** How an agent asks for what its project holds. */
export interface ReadAsk {
  /** The lane it says it runs in; left out, the default set is meant. One that the project does not know means the default set as well. */
  readonly lane?: string | undefined;
  /** The project it believes it belongs to: it must be its own. */
  readonly project?: string | undefined;
}

/** The variables of a set, by name. */
export interface ReadVariables {
  readonly project: string;
  /** Undefined: the default set. */
  readonly lane: string | undefined;
  readonly variables: readonly { readonly name: string; readonly value: string }[];
}

/** A project as it is remembered, with what was lately read of it, sealed as it is stored. */
interface Remembered {
  readonly tenant: string;
  readonly project: Project;
  readonly sets: Map<string, readonly SealedVariable[]>;
  readonly integrations: Map<string, Integration>;
  /** The mark of the tenant's data keys when it was read: what one that has gone sealed may have been sealed anew since. */
  readonly keysMark: number;
  /** Characters of sealed texts that may still be remembered. */
  room: number;
}

/** Projects that are remembered at least, and characters of sealed texts of each at most. */
const remembered = 250;
const roomOfOne = 64 * 1024;
/** Characters of those who may read it; one with more is remembered nowhere. What a short text takes beside its characters counts too. */
const longestEntries = 64 * 1024;
const besideText = 16;

const lengthOfEntries = ({ agents, lanes }: Project): number =>
  [agents, ...lanes.values(), [...lanes.keys()]].flat().reduce((sum, { length }) => sum + length + besideText, 0);

const lengthOf = (variables: readonly SealedVariable[]): number =>
  variables.reduce((sum, { name, sealedValue }) => sum + name.length + sealedValue.length, 0);

const byName = (one: SealedVariable, other: SealedVariable): number => (one.name < other.name ? -1 : 1);

/** Tenants whose data keys changed lately, at most. */
const mostWatched = 10_000;

/** A mark of each tenant's data keys, which is another after every change of them and never the same again. */
const watchKeys = (changes: Db["changes"]) => {
  const marks = new Map<string, number>();
  let counted = 0;
  let others = 0;
  changes.subscribe((change) => {
    if (change && change.kind !== "data_key") return;
    counted += 1;
    if (!change || marks.size >= mostWatched) {
      marks.clear();
      others = counted;
    }
    if (change) marks.set(change.tenant, counted);
  });
  return { markOf: (tenant: string): number => marks.get(tenant) ?? others };
};

/** How agents read what their project holds. Every read leaves one row in the record, without a value. */
export const makeReading = ({ db, audit, seal, vault }: Needs) => {
  const keys = watchKeys(db.changes);
  const cached = makeCache<Remembered>(db.changes, remembered, ({ tenant, project }) => [["project", changeOf(tenant, project.name)]]);

  /** The project of the agent that asks, and whatever `load` had to read to find it. */
  const recall = async <T>(
    who: Principal,
    name: string,
    load: () => Promise<(T & { readonly project: Project }) | undefined>,
  ): Promise<{ readonly known: Remembered; readonly read: T | undefined }> => {
    let read: (T & { readonly project: Project }) | undefined;
    const { tenant } = who;
    const keysMark = keys.markOf(tenant);
    const unread = (project: Project): Remembered => ({
      tenant,
      project,
      sets: new Map(),
      integrations: new Map(),
      keysMark,
      room: roomOfOne,
    });
    const kept = await cached(`${changeOf(tenant, name)}/${keysMark}`, async (): Promise<Remembered | undefined> => {
      read = await load();
      return read && lengthOfEntries(read.project) <= longestEntries ? unread(read.project) : undefined;
    });
    const known = kept ?? (read && unread(read.project));
    if (!known) throw unknownProject(name);
    return { known, read };
  };

  const forbidden = async (who: Principal, project: string, lane: string | undefined): Promise<never> => {
    await audit.refused(who, "request.refused", { details: { reason: "forbidden", project, ...(lane !== undefined && { lane }) } });
    const where = lane === undefined ? `project ${project}` : `lane ${lane} of project ${project}`;
    throw new Refusal("forbidden", `This agent may not read ${where}.`, { project, ...(lane !== undefined && { lane }) });
  };

  /** @throws Refusal forbidden, project_unknown */
  const askerOf = (who: Principal, { project }: ReadAsk): ActingAgent => {
    if (!who.agent) throw new Refusal("forbidden", "Only an agent reads what its project holds.");
    // The same whether there is such a project or not.
    if (project !== undefined && project !== who.agent.project) throw unknownProject(project);
    return who.agent;
  };

  /**
   * The lane whose set is meant, empty for the default one. Naming a lane opens nothing: one that is not known means the default set, and one that
   * is known is read by those whom the project lets into it.
   * @throws Refusal forbidden
   */
  const admit = async (who: Principal, agent: ActingAgent, project: Project, { lane = defaultLane }: ReadAsk): Promise<string> => {
    if (!mayUse(project.agents, agent)) return forbidden(who, project.name, undefined);
    const entries = project.lanes.get(lane);
    if (entries) return mayUse(entries, agent) ? lane : forbidden(who, project.name, lane);
    return project.sets.has(lane) ? lane : defaultLane;
  };

  const isRemembering = ({ tenant, keysMark }: Remembered): boolean => keysMark === keys.markOf(tenant);

  /** What the record tells of a lane: the one that was read, or that one was asked for which is not known; its name is the caller's and stays out. */
  const toldOf = (lane: string, { lane: asked }: ReadAsk): { readonly lane?: string; readonly unknownLane?: true } => {
    if (lane !== defaultLane) return { lane };
    return asked === undefined ? {} : { unknownLane: true };
  };

  return {
    /**
     * The variables of the agent's own project, in the lane it asks for. One read at most.
     * @throws Refusal forbidden, project_unknown
     */
    variables: async (who: Principal, ask: ReadAsk): Promise<ReadVariables> => {
      const agent = askerOf(who, ask);
      const { tenant } = who;
      const load = () => readingTable.withVariables(db.read, tenant, agent.project, ask.lane ?? defaultLane);
      const { known, read } = await recall(who, agent.project, load);
      let lane = await admit(who, agent, known.project, ask);
      let set = isRemembering(known) ? known.sets.get(lane) : undefined;
      if (!set) {
        const fresh = read ?? (await load());
        if (!fresh) throw unknownProject(agent.project);
        // What is remembered of the project may be older than these rows: who reads them is what it says now.
        if (!read) lane = await admit(who, agent, fresh.project, ask);
        set = fresh.variables.filter((variable) => variable.lane === lane).sort(byName);
        const length = lengthOf(set);
        // Who asked at the same time may have kept it already.
        if (isRemembering(known) && !known.sets.has(lane) && length <= known.room) {
          known.room -= length;
          known.sets.set(lane, set);
        }
      }
      const variables: { name: string; value: string }[] = [];
      for (const variable of set)
        variables.push({
          name: variable.name,
          value: await seal.open(tenant, valueIdentity(agent.project, variable), variable.sealedValue),
        });
      const details = { project: agent.project, ...toldOf(lane, ask), count: variables.length };
      await audit.note(who, "variables.read", { target: agent.project, details });
      return { project: agent.project, lane: lane === defaultLane ? undefined : lane, variables };
    },

    /**
     * The credential of an integration of the agent's own project: a stored text, or what the vault gives the agent itself.
     * @throws Refusal forbidden, project_unknown, integration_unknown, and what the vault refuses
     */
    integration: async (who: Principal, name: string, ask: ReadAsk): Promise<string> => {
      const agent = askerOf(who, ask);
      const { tenant } = who;
      const load = () => readingTable.withIntegration(db.read, tenant, agent.project, name);
      const { known, read } = await recall(who, agent.project, load);
      let lane = await admit(who, agent, known.project, ask);
      let integration = isRemembering(known) ? known.integrations.get(name) : undefined;
      if (!integration) {
        const fresh = read ?? (await load());
        if (!fresh) throw unknownProject(agent.project);
        if (!read) lane = await admit(who, agent, fresh.project, ask);
        integration = fresh.integration;
        if (!integration) throw unknownIntegration(agent.project, name);
        const length = integration.sealedCredential?.length ?? 0;
        if (isRemembering(known) && !known.integrations.has(name) && length <= known.room) {
          known.room -= length;
          known.integrations.set(name, integration);
        }
      }
      const about = { project: agent.project, integration: name, ...toldOf(lane, ask) };
      const { provider, scopes, sealedCredential } = integration;
      if (sealedCredential !== undefined) {
        const credential = await seal.open(tenant, credentialIdentity(agent.project, integration), sealedCredential);
        await audit.note(who, "integration.read", { target: integration.id, details: about });
        return credential;
      }
      if (!provider) throw unknownIntegration(agent.project, name);
      // The vault's own row is the one that tells of this read, and says through what it came.
      const through: Principal = { ...who, through: about };
      const from = { provider: provider.name, vault: provider.vault };
      if (provider.type === "api_key") return (await vault.apiKey(through, from)).apiKey;
      const answer = await vault.oauth2(through, { ...from, flow: "M2M", ...(scopes && { scopes: [...scopes] }) });
      if (answer.status !== "ready") throw new Error("An agent's own token waits for no consent.");
      return answer.accessToken;
    },
  };
};
