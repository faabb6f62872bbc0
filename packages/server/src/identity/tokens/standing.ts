import type { Db } from "../../ground/db/index.ts";
import { type ActingAgent, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { standingTable } from "./standing-table.ts";

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

/** The epochs that a credential carries; any that has moved on makes it dead. */
export interface Epochs {
  readonly agent?: number;
  readonly user?: number | undefined;
  readonly tenant?: number;
}

export type StandingCheck = ReturnType<typeof makeStanding>;

const gone = () => new Refusal("unauthenticated", "What the credential names is no more, or it was handed out before a revocation.");
const moved = (carried: number | undefined, current: number) => carried !== undefined && carried !== current;

const suspended = (status: string) => new Refusal("agent_suspended", `The agent is ${status}.`);

const actingAgent = (
  id: string,
  row: { readonly name: string; readonly labels: string; readonly origin: ActingAgent["origin"]; readonly agent_epoch: number },
): ActingAgent => ({
  id,
  name: row.name,
  labels: JSON.parse(row.labels) as Record<string, string>,
  origin: row.origin,
  epoch: row.agent_epoch,
});

export const makeStanding = ({ db }: Needs) => {
  /**
   * Whether this agent may act, for this user, with a credential of these epochs. One read.
   * @throws Refusal unauthenticated when something is gone or the credential was outlived; agent_suspended; user_suspended
   */
  const check = async (tenant: string, agentId: string, userId: string | undefined, epochs: Epochs): Promise<Standing> => {
    const row = await standingTable.read(db.read, tenant, agentId, userId ?? "");
    if (!row || row.deleted_at !== null || row.tenant_status !== "active") throw gone();
    if (row.agent_status !== "active") throw suspended(row.agent_status);
    if (moved(epochs.agent, row.agent_epoch) || moved(epochs.tenant, row.tenant_epoch)) throw gone();
    const agent = actingAgent(agentId, row);
    if (userId === undefined) return { agent, user: undefined, tenantEpoch: row.tenant_epoch };
    if (row.user_status === null || row.user_epoch === null) throw gone();
    if (row.user_status !== "active") throw new Refusal("user_suspended", "The user is suspended.");
    if (moved(epochs.user, row.user_epoch)) throw gone();
    return { agent, user: { id: userId, epoch: row.user_epoch }, tenantEpoch: row.tenant_epoch };
  };

  return {
    check,

    /**
     * The agent of this name or id, if it may act now. One read.
     * @throws Refusal agent_unknown, agent_suspended; unauthenticated when its tenant is suspended
     */
    actor: async (tenant: string, ref: string): Promise<Actor> => {
      const row = await standingTable.actor(db.read, tenant, ref);
      if (!row) throw new Refusal("agent_unknown", `There is no agent ${ref}.`);
      if (row.tenant_status !== "active") throw gone();
      if (row.agent_status !== "active") throw suspended(row.agent_status);
      return {
        agent: actingAgent(row.id, row),
        issuerId: row.issuer_id ?? undefined,
        assertedUsers: row.asserted_users === 1,
        tenantEpoch: row.tenant_epoch,
      };
    },

    /**
     * Asks once more whether a principal still stands: before a credential is handed out that took a while to get.
     * @throws as {@link check}
     */
    alive: async ({ tenant, agent, user }: Principal): Promise<void> => {
      if (agent) await check(tenant, agent.id, user?.id, { agent: agent.epoch, user: user?.epoch });
    },
  };
};
