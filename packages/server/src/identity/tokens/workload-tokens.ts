import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import { type Clock, makeRecent, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Issuers } from "../issuers/index.ts";
import type { User, Users } from "../users/index.ts";
import { kinds } from "./kinds.ts";
import type { Actor, StandingCheck } from "./standing.ts";
import type { Tokens } from "./tokens.ts";

interface Needs {
  readonly db: Pick<Db, "changes">;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly users: Pick<Users, "proven" | "asserted">;
  readonly issuers: Pick<Issuers, "verify">;
  readonly standing: Pick<StandingCheck, "actor">;
  readonly tokens: Pick<Tokens, "mint">;
}

/** For whom a token is wanted: `userToken` or `userId`, never both, or neither. */
export interface WorkloadAsk {
  /** Name or id; an agent's own credential need not say. */
  readonly agent?: string | undefined;
  readonly userToken?: string | undefined;
  readonly userId?: string | undefined;
}

/** A workload access token as handed out. */
export interface WorkloadToken {
  readonly token: string;
  /** Seconds that are left. */
  readonly expiresIn: number;
  readonly agent: { readonly id: string; readonly name: string };
  readonly user: { readonly id: string; readonly issuer: string; readonly subject: string } | undefined;
}

interface Kept {
  readonly token: string;
  readonly expiresAt: number;
  readonly epochs: string;
}

export type WorkloadTokens = ReturnType<typeof makeWorkloadTokens>;

/** Tokens kept for handing out again at least; up to twice as many. */
const remembered = 5_000;
/** A token is handed out again until a third of its life is spent. */
const life = kinds.workload.seconds * 1000;
const freshFor = (life * 2) / 3;

export const makeWorkloadTokens = ({ db, audit, clock, users, issuers, standing, tokens }: Needs) => {
  const kept = makeRecent<Kept>(remembered);
  let keysChanged = 0;
  // What a revoked key signed must not be handed out again. Keys change once a month, so all are forgotten.
  db.changes.subscribe((change) => {
    if (change && change.kind !== "signing_key") return;
    keysChanged += 1;
    kept.clear();
  });

  const actorOf = (who: Principal, ref: string | undefined): Promise<Actor> => {
    if (who.caller.kind === "agent") {
      if (ref !== undefined && ref !== who.agent?.id && ref !== who.agent?.name) {
        throw new Refusal("forbidden", "An agent's credential gets tokens for that agent only.");
      }
      return standing.actor(who.tenant, who.caller.id);
    }
    if (ref === undefined) {
      throw new Refusal("invalid_request", "Say which agent the token is for.", {
        issues: [{ path: "agent", message: "required with an operator key" }],
      });
    }
    return standing.actor(who.tenant, ref);
  };

  const userOf = async (who: Principal, actor: Actor, { userToken, userId }: WorkloadAsk): Promise<User | undefined> => {
    if (userToken !== undefined) {
      if (actor.issuerId === undefined) {
        throw new Refusal("user_token_invalid", "The agent has no trusted issuer, so it accepts no user token.", { reason: "issuer" });
      }
      const { iss, subject, subjectClaim } = await issuers.verify(who.tenant, actor.issuerId, userToken);
      return users.proven(who, iss, subject, subjectClaim);
    }
    if (userId === undefined) return undefined;
    if (!actor.assertedUsers)
      throw new Refusal("asserted_users_forbidden", "This agent acts for users whose token it has, not for bare user ids.");
    return users.asserted(who, actor.agent.id, userId);
  };

  return {
    /**
     * Hands out a workload access token: alone, for a user's token, or for a user id. Fresh ones are audited; the same one is handed out again
     * to the same caller while it is young and nothing was revoked.
     * @throws Refusal agent_unknown, agent_suspended, user_token_invalid, user_suspended, asserted_users_forbidden, issuer_unavailable, forbidden,
     * invalid_request
     */
    issue: async (who: Principal, ask: WorkloadAsk): Promise<WorkloadToken> => {
      if (who.method === "temporary_key") throw new Refusal("forbidden", "A temporary key gets no workload tokens.");
      const actor = await actorOf(who, ask.agent);
      const { agent, tenantEpoch } = actor;
      const user = await userOf(who, actor, ask);
      // The token carries the epochs that were read here: whatever is revoked from here on, it dies with.
      if (user && user.status !== "active") throw new Refusal("user_suspended", "The user is suspended.");
      const answer = (token: string, expiresAt: number): WorkloadToken => ({
        token,
        expiresIn: Math.floor((expiresAt - clock()) / 1000),
        agent: { id: agent.id, name: agent.name },
        user: user && { id: user.id, issuer: user.issuer, subject: user.subject },
      });

      const caller = who.caller.kind === "anonymous" ? "" : `${who.caller.kind}:${who.caller.id}`;
      const key = JSON.stringify([who.tenant, agent.id, user?.id ?? null, caller]);
      const epochs = `${tenantEpoch}/${agent.epoch}/${user?.epoch ?? ""}`;
      const young = db.changes.isCurrent() ? kept.get(key) : undefined;
      const left = young === undefined ? 0 : young.expiresAt - clock();
      // More left than any has: it was made while the clock ran ahead.
      if (young && young.epochs === epochs && left > freshFor && left <= life) return answer(young.token, young.expiresAt);

      const keysBefore = keysChanged;
      const { token, expiresAt } = await tokens.mint("workload", who.tenant, { agent, user, tenantEpoch });
      await audit.note(who, "workload_token.minted", { agent: agent.id, user: user?.id, details: { proven: user?.proven ?? false } });
      if (keysChanged === keysBefore) kept.set(key, { token, expiresAt, epochs });
      return answer(token, expiresAt);
    },
  };
};
