import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle, isUniqueViolation } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, readPage, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Pepper } from "../../ground/seal/index.ts";
import { type Agent, type AgentFields, defaultProject, newAgentId, newAgentName } from "./agent.ts";
import { agentKeysTable, makeAgentKeys } from "./agent-keys.ts";
import { agentsTable } from "./agents-table.ts";
import { clientKeysTable } from "./client-keys-table.ts";
import { makeClientKeys } from "./client-keys.ts";
import { clientSecretsTable, makeClientSecrets } from "./client-secrets.ts";
import { namesAgent } from "./may-use.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly pepper: Pepper;
  readonly clock: Clock;
  readonly random: Random;
  /** The id of a trusted issuer; nobody removes it until the transaction ends. @throws Refusal issuer_unknown */
  readonly holdIssuer: (tx: Handle, tenant: string, nameOrId: string) => Promise<string>;
  /** Whether there is such a project; nobody deletes it until the transaction ends. */
  readonly holdProject: (tx: Handle, tenant: string, project: string) => Promise<boolean>;
  /** Ends what is under way for an agent that is suspended. */
  readonly onSuspended: (tx: Handle, who: Principal, agentId: string) => Promise<void>;
  /** Erases what rooms above hold for an agent that is revoked or deleted. */
  readonly onRemoved: (tx: Handle, who: Principal, agentId: string) => Promise<void>;
}

export type Agents = ReturnType<typeof makeAgents>;

const unknown = (ref: string) => new Refusal("agent_unknown", `There is no agent ${ref}.`);
const taken = (name: string) => new Refusal("agent_exists", `There is already an agent named ${name}.`, { name });
const revoked = () => new Refusal("agent_revoked", "The agent is revoked, which is final.");

/** What a field becomes: left out stays, null empties. */
const changed = <T>(change: T | null | undefined, current: T | undefined): T | undefined =>
  change === undefined ? current : (change ?? undefined);

export const makeAgents = (needs: Needs) => {
  const { db, audit, clock, random, holdIssuer, holdProject, onSuspended, onRemoved } = needs;

  const living = async (handle: Handle, tenant: string, ref: string): Promise<Agent> => {
    const agent = await agentsTable.byRef(handle, tenant, ref);
    if (!agent) throw unknown(ref);
    return agent;
  };

  const forgetKeys = async (tx: Handle, tenant: string, id: string): Promise<void> => {
    for (const table of [agentKeysTable, clientSecretsTable, clientKeysTable]) await table.removeAll(tx, tenant, id);
  };

  const setStatus = (who: Principal, ref: string, status: Agent["status"], action: string): Promise<Agent> =>
    db.write(async (tx) => {
      const { id } = await living(tx, who.tenant, ref);
      const agent = await agentsTable.setStatus(tx, who.tenant, id, status, clock());
      if (!agent) throw revoked();
      if (status === "suspended") await onSuspended(tx, who, id);
      if (status === "revoked") {
        await forgetKeys(tx, who.tenant, id);
        await onRemoved(tx, who, id);
      }
      await audit.record(tx, who, action, { target: id, agent: id });
      await db.changes.announce(tx, who.tenant, "agent", id);
      return agent;
    });

  /** The id of the issuer that fields name, if they name one. @throws Refusal issuer_unknown */
  const issuerIn = async (tx: Handle, tenant: string, { issuer }: AgentFields): Promise<string | null | undefined> =>
    typeof issuer === "string" ? holdIssuer(tx, tenant, issuer) : issuer;

  /** @throws Refusal project_unknown */
  const checkProject = async (tx: Handle, tenant: string, { project }: AgentFields): Promise<void> => {
    if (project === undefined || project === null || project === defaultProject) return;
    if (!(await holdProject(tx, tenant, project))) throw new Refusal("project_unknown", `There is no project ${project}.`, { project });
  };

  const withFields = (agent: Agent, fields: AgentFields, issuer: string | null | undefined): Agent => ({
    ...agent,
    title: changed(fields.title, agent.title),
    description: changed(fields.description, agent.description),
    ownerEmail: changed(fields.ownerEmail, agent.ownerEmail),
    permissions: fields.permissions ?? agent.permissions,
    allowedReturnUrls: fields.allowedReturnUrls ?? agent.allowedReturnUrls,
    issuerId: changed(issuer, agent.issuerId),
    roleArn: changed(fields.roleArn, agent.roleArn),
    binding: changed(fields.binding, agent.binding),
    assertedUsers: fields.assertedUsers ?? agent.assertedUsers,
    tier: changed(fields.tier, agent.tier),
    project: fields.project === undefined ? agent.project : (fields.project ?? defaultProject),
    labels: fields.labels ?? agent.labels,
    foreign: { ...agent.foreign, ...fields.foreign },
  });

  return {
    ...makeAgentKeys(needs),
    ...makeClientSecrets(needs),
    ...makeClientKeys(needs),

    /** A name for an agent to whom nobody gives one. */
    newName: (): string => newAgentName(random),

    /**
     * @param also Done in the same transaction: where it fails, there is no agent
     * @throws Refusal agent_exists, issuer_unknown, project_unknown
     */
    create: async (
      who: Principal,
      wanted: { readonly name: string } & AgentFields,
      also?: (tx: Handle, agent: Agent) => Promise<void>,
    ): Promise<Agent> => {
      const now = clock();
      const blank: Agent = {
        id: newAgentId(random),
        name: wanted.name,
        title: undefined,
        description: undefined,
        ownerEmail: undefined,
        status: "active",
        origin: "operator",
        permissions: [],
        allowedReturnUrls: [],
        issuerId: undefined,
        roleArn: undefined,
        binding: undefined,
        assertedUsers: true,
        tier: undefined,
        project: defaultProject,
        labels: {},
        foreign: {},
        epoch: 0,
        roleEpoch: 0,
        createdAt: now,
        updatedAt: now,
      };
      return db.write(async (tx) => {
        const fresh = withFields(blank, wanted, await issuerIn(tx, who.tenant, wanted));
        await checkProject(tx, who.tenant, wanted);
        const agent = await agentsTable.insert(tx, who.tenant, fresh);
        if (!agent) throw taken(wanted.name);
        await audit.record(tx, who, "agent.created", { target: agent.id, agent: agent.id, details: { name: agent.name } });
        await also?.(tx, agent);
        await counters.add(tx, who.tenant, "agents", 1);
        return agent;
      });
    },

    /** @throws Refusal agent_unknown */
    get: (tenant: string, ref: string): Promise<Agent> => living(db.read, tenant, ref),

    /** A living agent, by its id. */
    byId: (handle: Handle, tenant: string, id: string): Promise<Agent | undefined> => agentsTable.byRef(handle, tenant, id),

    /** Whose agent an id names, and how it stands, also one that was deleted: ids are never reused. */
    whose: (id: string) => agentsTable.whose(db.read, id),

    /** As `byId`; nobody suspends, revokes or deletes the agent until the transaction ends. */
    hold: (tx: Handle, tenant: string, id: string): Promise<Agent | undefined> => agentsTable.lock(tx, tenant, id),

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<Agent>> => {
      return readPage(
        [tenant, "agents"],
        ask,
        (place, most) => agentsTable.list(db.read, tenant, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      );
    },

    /** How many living agents a tenant has. */
    count: (tenant: string): Promise<number> => counters.read(db.read, tenant, "agents"),

    /** @throws Refusal agent_unknown, agent_exists, issuer_unknown, project_unknown, agent_revoked */
    update: async (who: Principal, ref: string, change: { readonly name?: string | undefined } & AgentFields): Promise<Agent> => {
      const { id } = await living(db.read, who.tenant, ref);
      try {
        return await db.write(async (tx) => {
          const current = await agentsTable.lock(tx, who.tenant, id);
          if (!current) throw unknown(ref);
          if (current.status === "revoked") throw revoked();
          const issuer = await issuerIn(tx, who.tenant, change);
          await checkProject(tx, who.tenant, change);
          const next = { ...withFields(current, change, issuer), name: change.name ?? current.name, updatedAt: clock() };
          const roleEpoch = next.roleArn === current.roleArn ? current.roleEpoch : current.roleEpoch + 1;
          const agent = await agentsTable.update(tx, who.tenant, { ...next, roleEpoch });
          const fields = Object.keys(change).filter((field) => change[field as keyof typeof change] !== undefined);
          await audit.record(tx, who, "agent.updated", { target: id, agent: id, details: { fields } });
          await db.changes.announce(tx, who.tenant, "agent", id);
          return agent;
        });
      } catch (error) {
        if (isUniqueViolation(error)) throw taken(change.name ?? ref);
        throw error;
      }
    },

    /** Leaves a tombstone: the id stays known to audit, the name is free. @throws Refusal agent_unknown */
    remove: (who: Principal, ref: string): Promise<void> =>
      db.write(async (tx) => {
        const { id, name } = await living(tx, who.tenant, ref);
        if (!(await agentsTable.bury(tx, who.tenant, id, clock()))) throw unknown(ref);
        await forgetKeys(tx, who.tenant, id);
        await onRemoved(tx, who, id);
        await audit.record(tx, who, "agent.deleted", { target: id, agent: id, details: { name } });
        await counters.add(tx, who.tenant, "agents", -1);
        await db.changes.announce(tx, who.tenant, "agent", id);
      }),

    /** Everything the agent holds carries its epoch, so raising it is the whole revocation. @throws Refusal agent_unknown, agent_revoked */
    suspend: (who: Principal, ref: string): Promise<Agent> => setStatus(who, ref, "suspended", "agent.suspended"),

    /** Tokens from before the suspension stay dead. @throws Refusal agent_unknown, agent_revoked */
    resume: (who: Principal, ref: string): Promise<Agent> => setStatus(who, ref, "active", "agent.resumed"),

    /** Final. @throws Refusal agent_unknown; agent_revoked when it was already */
    revoke: (who: Principal, ref: string): Promise<Agent> => setStatus(who, ref, "revoked", "agent.revoked"),

    /** How many living agents trust an issuer, and at most `most` of them. */
    ofIssuer: (tenant: string, issuerId: string, most: number) => agentsTable.ofIssuer(db.read, tenant, issuerId, most),

    /** Whether a living agent names this issuer. */
    anyNamingIssuer: (handle: Handle, tenant: string, id: string): Promise<boolean> => agentsTable.anyNaming(handle, tenant, id),

    /** Whether a living agent belongs to this project, which is not the tenant's default. */
    anyInProject: (handle: Handle, tenant: string, project: string): Promise<boolean> => agentsTable.anyInProject(handle, tenant, project),

    /** Entries of who may use a thing, with ids for names. @throws Refusal agent_unknown */
    entriesToIds: async (handle: Handle, tenant: string, entries: readonly string[]): Promise<readonly string[]> => {
      const refs = entries.filter(namesAgent);
      const known = refs.length > 0 ? await agentsTable.named(handle, tenant, refs) : [];
      const idOf = new Map(known.flatMap(({ id, name }) => [[id, id] as const, [name, id] as const]));
      return [
        ...new Set(
          entries.map((entry) => {
            const id = namesAgent(entry) ? idOf.get(entry) : entry;
            if (id === undefined) throw unknown(entry);
            return id;
          }),
        ),
      ];
    },

    /** The same with names for ids; entries of agents that are no more are left out. */
    entriesToNames: async (handle: Handle, tenant: string, entries: readonly string[]): Promise<readonly string[]> => {
      const ids = entries.filter(namesAgent);
      if (ids.length === 0) return entries;
      const nameOf = new Map((await agentsTable.named(handle, tenant, ids)).map(({ id, name }) => [id, name]));
      return entries.flatMap((entry) => (namesAgent(entry) ? (nameOf.get(entry) ?? []) : entry));
    },
  };
};
