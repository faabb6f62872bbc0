import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Agent } from "../../identity/agents/index.ts";
import { codeIdentity, endedRefusal, readSessionUri, type Session, sessionUnknown } from "./session.ts";
import { aboutSession, type Endings } from "./session-endings.ts";
import type { Code, Exchange } from "./session-exchange.ts";
import type { SceneOf } from "./session-scene.ts";
import type { SessionsNeeds } from "./sessions-needs.ts";
import { sessionsTable } from "./sessions-table.ts";
import { isSame } from "./visit.ts";

/** Which consent, and who is logged in at the application. A caller with the user's own token need not name the user again. */
export interface CompleteAsk {
  readonly sessionUri: string;
  readonly userToken?: string | undefined;
  readonly userId?: string | undefined;
}

export interface Completed {
  readonly connectionId: string;
  /** What was granted. */
  readonly scopes: readonly string[];
  /** What was asked for and not granted; absent where that is nothing. */
  readonly missingScopes?: readonly string[];
}

type Needs = Pick<SessionsNeeds, "db" | "audit" | "seal" | "clock" | "agents" | "users" | "issuers">;

/** A session that nobody has come back from is no longer begun, and not yet over. */
const notYet = (session: Session): Refusal =>
  session.state === "pending"
    ? new Refusal("authorization_pending", "The user has not come back from the consent yet.")
    : endedRefusal(session);

/** The end of a consent of binding `application`. */
export const makeComplete = (needs: Needs, endings: Endings, sceneOf: SceneOf, exchange: Exchange) => {
  const { db, audit, seal, clock, agents, users, issuers } = needs;

  const codeOf = async ({ id, key, sealedCode }: Session): Promise<Code> =>
    JSON.parse(await seal.open(key.tenant, codeIdentity(id), sealedCode ?? "")) as Code;

  /** Whether the caller may name the user of this session at all. A user is told of a mismatch below. */
  const maySpeak = ({ caller }: Principal, { key }: Session): boolean =>
    caller.kind === "operator" ? caller.role !== "auditor" : caller.kind === "agent" ? caller.id === key.agent : caller.kind === "user";

  /** Everyone the caller says the user is: ids, or undefined for somebody unknown here. */
  const named = async (who: Principal, agent: Agent, ask: CompleteAsk): Promise<readonly (string | undefined)[]> => {
    const answers: (string | undefined)[] = [];
    if (who.caller.kind === "user") answers.push(who.caller.id);
    if (ask.userToken !== undefined) {
      if (agent.issuerId === undefined) {
        throw new Refusal("user_token_invalid", "This agent trusts no issuer of user tokens.", { reason: "no_issuer" });
      }
      const { iss, subject } = await issuers.verify(who.tenant, agent.issuerId, ask.userToken);
      answers.push((await users.find(db.read, who.tenant, iss, subject))?.id);
    }
    if (ask.userId !== undefined) {
      if (!agent.assertedUsers)
        throw new Refusal("asserted_users_forbidden", "This agent may not speak for a user id without that user's token.");
      answers.push((await users.findAsserted(db.read, who.tenant, agent.id, ask.userId))?.id);
    }
    if (answers.length === 0) {
      throw new Refusal("invalid_request", "Say who is logged in: send userToken or userId.", {
        issues: [{ path: "userToken", message: "userToken or userId is needed" }],
      });
    }
    return answers;
  };

  /**
   * Names the user who is logged in at the application, and turns the consent into a stored credential if that is the session's user. The
   * session's URI must be the one that the return URL carried: else whoever began a consent and had another person walk it could complete it as
   * themselves. If another user is named, a consent that has come back already is over: somebody consented, and nobody knows who.
   *
   * @throws Refusal session_unknown, session_user_mismatch, authorization_pending, session_used, authorization_denied, authorization_expired,
   * authorization_failed, user_token_invalid, issuer_unavailable, asserted_users_forbidden, invalid_request, agent_suspended, user_suspended
   */
  return async (who: Principal, ask: CompleteAsk): Promise<Completed> => {
    const asked = readSessionUri(ask.sessionUri);
    const found = asked && (await sessionsTable.byId(db.read, who.tenant, asked.id));
    const agent = found && (await agents.byId(db.read, who.tenant, found.key.agent));
    if (!found || !agent || !maySpeak(who, found)) throw sessionUnknown();
    if (found.state === "authorized" && !isSame((await codeOf(found)).proof, asked.proof)) {
      throw await endings.turnedAway(who, found, "no_proof", sessionUnknown());
    }
    const answers = await named(who, agent, ask);

    if (answers.some((user) => user !== found.key.user)) {
      const refusal = new Refusal("session_user_mismatch", "The consent was begun for another user.");
      await db.write(async (tx) => {
        const current = await endings.current(tx, who, found.id, "authorized");
        if (!(current instanceof Refusal)) await endings.end(tx, who, current, { state: "failed", reason: "user_mismatch" });
        else
          await audit.record(tx, who, "authorization.refused", {
            ...aboutSession(found),
            outcome: "refused",
            details: { reason: "user_mismatch" },
          });
      });
      throw refusal;
    }

    const taken = await db.write(async (tx) => {
      const session = await endings.current(tx, who, found.id, "authorized", notYet);
      if (session instanceof Refusal) return session;
      const scene = await sceneOf(tx, session);
      if (scene instanceof Refusal) {
        await endings.end(tx, who, session, { state: "failed", reason: scene.code });
        return scene;
      }
      const now = clock();
      if (!(await sessionsTable.take(tx, who.tenant, session.id, "authorized", now)))
        return endedRefusal({ state: "exchanging", reason: undefined });
      return { session, scene, now };
    });
    if (taken instanceof Refusal) throw taken;
    const { session, scene, now } = taken;
    const stored = await exchange(who, { ...session, state: "exchanging", exchangingSince: now }, scene.provider, await codeOf(session));
    return {
      connectionId: stored.connectionId,
      scopes: stored.scopes,
      ...(stored.missingScopes.length > 0 && { missingScopes: stored.missingScopes }),
    };
  };
};
