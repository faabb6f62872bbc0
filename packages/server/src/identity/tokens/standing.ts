import { type Db, makeCache, type Tag } from "../../ground/db/index.ts";
import { type ActingAgent, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { defaultProject } from "../agents/index.ts";
import type { Named } from "./access-token.ts";
import { type ActorRow, type PersonRow, type StandingRow, standingTable } from "./standing-table.ts";

interface Needs {
  readonly db: Db;
}

/** An agent, perhaps acting for a user, that may act now. */
export interface Standing {
  readonly agent: ActingAgent;
  readonly user: { readonly id: string; readonly epoch: number } | undefined;
  readonly tenantEpoch: number;
}

/** An agent that may act now, with what decides for whom. */
export interface Actor {
  readonly agent: ActingAgent;
  /** The trusted issuer whose user tokens it may act on. */
  readonly issuerId: string | undefined;
  /** Whether it may speak for a user id without that user's token. */
  readonly assertedUsers: boolean;
  readonly tenantEpoch: number;
}

/** Everybody that an access token names, or will name. */
export interface Chain {
  /** Who acts now first; empty where the user acts alone, through an app. */
  readonly actors: readonly Named[];
  readonly user?: Named | undefined;
  /** Left out where the token is yet to be made. */
  readonly tenantEpoch?: number | undefined;
}

/** Everybody of a chain may act now. */
export interface StandingChain {
  /** The one that acts now; undefined where the user acts alone. */
  readonly agent: ActingAgent | undefined;
  readonly user: Named | undefined;
  readonly tenantEpoch: number;
}

/** The epochs that a credential carries; any that has moved on makes it dead. */
export interface Epochs {
  readonly agent?: number | undefined;
  readonly user?: number | undefined;
  readonly tenant?: number | undefined;
}

export type StandingCheck = ReturnType<typeof makeStanding>;

const gone = () => new Refusal("unauthenticated", "What the credential names is no more, or it was handed out before a revocation.");
const moved = (carried: number | undefined, current: number) => carried !== undefined && carried !== current;

const suspended = (status: string) => new Refusal("agent_suspended", `The agent is ${status}.`);

/** @throws Refusal unauthenticated, user_suspended */
const demandUser = (row: Pick<StandingRow, "user_status" | "user_epoch">, id: string, epoch: number | undefined): Named => {
  if (row.user_status === null || row.user_epoch === null) throw gone();
  if (row.user_status !== "active") throw new Refusal("user_suspended", `The user is ${row.user_status}.`);
  if (moved(epoch, row.user_epoch)) throw gone();
  return { id, epoch: row.user_epoch };
};

// What follows is remembered for tens of thousands of agents at a time, so each holds what it is asked for and nothing else. The driver makes a new
// string of every value of every row: of those that are nearly always the same, one is kept for all.
const words = new Map(["active", "suspended", "revoked", "deleted", "operator", "self"].map((word) => [word, word]));
const shared = <S extends string>(word: S): S => (words.get(word) as S | undefined) ?? word;
const noLabels: ActingAgent["labels"] = Object.freeze({});

const toAgent = (id: string, row: StandingRow | ActorRow): ActingAgent => ({
  id,
  name: row.name,
  labels: row.labels === "{}" ? noLabels : (JSON.parse(row.labels) as Record<string, string>),
  origin: shared(row.origin),
  project: row.project ?? defaultProject,
  epoch: row.agent_epoch,
});

interface RememberedStanding extends Pick<StandingRow, "agent_status" | "tenant_status" | "tenant_epoch" | "user_status" | "user_epoch"> {
  readonly tenant: string;
  readonly agent: ActingAgent;
  readonly user: string;
}

interface RememberedActor extends Actor, Pick<ActorRow, "agent_status" | "tenant_status"> {
  readonly tenant: string;
}

/** Pairs of agent and user, and agents by name or id, that are remembered at most. */
const remembered = 20_000;

export const makeStanding = ({ db }: Needs) => {
  const standings = makeCache<RememberedStanding>(db.changes, remembered, ({ tenant, agent, user }): readonly Tag[] => [
    ["tenant", tenant],
    ["agent", agent.id],
    ...(user === "" ? [] : [["user", user] as const]),
  ]);
  const actors = makeCache<RememberedActor>(db.changes, remembered, ({ tenant, agent }) => [
    ["tenant", tenant],
    ["agent", agent.id],
  ]);

  const persons = makeCache<{ readonly row: PersonRow; readonly tenant: string; readonly user: string }>(
    db.changes,
    remembered,
    ({ tenant, user }) => [
      ["tenant", tenant],
      ["user", user],
    ],
  );

  /**
   * Whether this agent may act, for this user, with a credential of these epochs. One read at most.
   * @throws Refusal unauthenticated when something is gone or the credential was outlived; agent_suspended; user_suspended
   */
  const check = async (tenant: string, agentId: string, userId: string | undefined, epochs: Epochs): Promise<Standing> => {
    const user = userId ?? "";
    // Ids have no slash, nor has a tenant's name.
    const known = await standings(`${tenant}/${agentId}/${user}`, async () => {
      const row = await standingTable.read(db.read, tenant, agentId, user);
      if (!row || row.deleted_at !== null) return undefined;
      return {
        tenant,
        agent: toAgent(agentId, row),
        user,
        agent_status: shared(row.agent_status),
        tenant_status: shared(row.tenant_status),
        tenant_epoch: row.tenant_epoch,
        user_status: row.user_status && shared(row.user_status),
        user_epoch: row.user_epoch,
      };
    });
    if (known?.tenant_status !== "active") throw gone();
    const { agent, tenant_epoch: tenantEpoch } = known;
    if (known.agent_status !== "active") throw suspended(known.agent_status);
    if (moved(epochs.agent, agent.epoch) || moved(epochs.tenant, tenantEpoch)) throw gone();
    return { agent, user: userId === undefined ? undefined : demandUser(known, userId, epochs.user), tenantEpoch };
  };

  /** The same for a user without any agent. @throws Refusal unauthenticated, user_suspended */
  const checkPerson = async (tenant: string, id: string, epochs: Epochs): Promise<StandingChain> => {
    const known = await persons(`${tenant}/${id}`, async () => {
      const row = await standingTable.person(db.read, tenant, id);
      return row && { row, tenant, user: id };
    });
    if (!known || known.row.tenant_status !== "active") throw gone();
    const { row } = known;
    // As for an agent: that somebody is suspended is said before anything else is looked at.
    const user = demandUser(row, id, epochs.user);
    if (moved(epochs.tenant, row.tenant_epoch)) throw gone();
    return { agent: undefined, user, tenantEpoch: row.tenant_epoch };
  };

  /**
   * Whether everybody of a chain may act now, each in the epoch given: an access token dies with any agent that it passed through, with its user and
   * with its tenant. One read for each agent at most.
   * @throws as {@link check}
   */
  const checkChain = async (tenant: string, { actors, user, tenantEpoch }: Chain): Promise<StandingChain> => {
    const epochs: Epochs = { user: user?.epoch, tenant: tenantEpoch };
    const [now, ...before] = actors;
    if (!now) {
      if (!user) throw gone();
      return checkPerson(tenant, user.id, epochs);
    }
    const standing = await check(tenant, now.id, user?.id, { ...epochs, agent: now.epoch });
    for (const { id, epoch } of before) await check(tenant, id, undefined, { agent: epoch, tenant: tenantEpoch });
    return standing;
  };

  return {
    check,

    chain: checkChain,

    /**
     * The agent of this name or id, if it may act now. One read at most.
     * @throws Refusal agent_unknown, agent_suspended; unauthenticated when its tenant is suspended
     */
    actor: async (tenant: string, ref: string): Promise<Actor> => {
      const known = await actors(`${tenant}/${ref}`, async () => {
        const row = await standingTable.actor(db.read, tenant, ref);
        return (
          row && {
            tenant,
            agent: toAgent(row.id, row),
            issuerId: row.issuer_id ?? undefined,
            assertedUsers: row.asserted_users === 1,
            agent_status: shared(row.agent_status),
            tenant_status: shared(row.tenant_status),
            tenantEpoch: row.tenant_epoch,
          }
        );
      });
      if (!known) throw new Refusal("agent_unknown", `There is no agent ${ref}.`);
      if (known.tenant_status !== "active") throw gone();
      if (known.agent_status !== "active") throw suspended(known.agent_status);
      return known;
    },

    /**
     * Asks once more whether a principal still stands: before a credential is handed out that took a while to get.
     * @throws as {@link check}
     */
    alive: async ({ tenant, agent, user, actors }: Principal): Promise<void> => {
      if (agent) await check(tenant, agent.id, user?.id, { agent: agent.epoch, user: user?.epoch });
      else if (user) await checkPerson(tenant, user.id, { user: user.epoch });
      // A principal does not carry the epochs of those who acted before; that they may still act is asked all the same.
      for (const id of actors) if (id !== agent?.id) await check(tenant, id, undefined, {});
    },
  };
};
