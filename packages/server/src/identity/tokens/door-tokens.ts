import type { Audit } from "../../ground/audit/index.ts";
import { type Clock, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { StandingCheck } from "./standing.ts";
import type { Tokens } from "./tokens.ts";

/** A kind of token that an agent gets for itself and spends at one door of ours. */
export type DoorKind = "coze_id" | "coze_access";

interface Needs {
  readonly audit: Audit;
  readonly clock: Clock;
  readonly standing: Pick<StandingCheck, "check">;
  readonly tokens: Pick<Tokens, "mint">;
}

export type DoorTokens = ReturnType<typeof makeDoorTokens>;

export const makeDoorTokens = ({ audit, clock, standing, tokens }: Needs) => ({
  /**
   * Hands out a token by which the agent that asks is known at one door of ours, and only as the client that it is here. Each is in the record before
   * anybody has it.
   * @throws Refusal unauthenticated, agent_suspended, forbidden where no agent asks
   */
  issue: async (who: Principal, kind: DoorKind): Promise<{ readonly token: string; readonly expiresIn: number }> => {
    const { agent, tenant } = who;
    if (!agent) throw new Refusal("forbidden", "Only an agent gets such a token.");
    const { tenantEpoch } = await standing.check(tenant, agent.id, undefined, { agent: agent.epoch });
    const { token, expiresAt, jti } = await tokens.mint(kind, tenant, { agent, tenantEpoch, clientId: agent.id });
    await audit.note(who, "token.issued", { target: jti, details: { kind, client: agent.id, expiresAt } });
    // A token's times are whole seconds: of the one that has begun all is counted, so that its kind's life is what is told.
    return { token, expiresIn: Math.max(0, Math.ceil((expiresAt - clock()) / 1000)) };
  },
});
