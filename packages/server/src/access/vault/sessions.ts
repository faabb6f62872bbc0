import type { Handle } from "../../ground/db/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Agent } from "../../identity/agents/index.ts";
import type { Provider } from "../providers/index.ts";
import { chooseBinding } from "./binding.ts";
import { makeCallbacks } from "./callback.ts";
import { makeComplete } from "./complete.ts";
import { makeConsent, makeTowardsProvider } from "./consent.ts";
import type { Of, UserKey } from "./credential-key.ts";
import { impactTable } from "./impact-table.ts";
import { makeLogin } from "./login.ts";
import {
  customStateIdentity,
  endedRefusal,
  newSessionId,
  readSessionUri,
  type Session,
  sessionLife,
  sessionUnknown,
  sessionUriOf,
} from "./session.ts";
import { aboutSession, makeEndings } from "./session-endings.ts";
import { makeExchange } from "./session-exchange.ts";
import { makeSceneOf } from "./session-scene.ts";
import type { SessionsNeeds } from "./sessions-needs.ts";
import { sessionsTable } from "./sessions-table.ts";
import { visitsTable } from "./visits-table.ts";

/** What a consent is begun with. */
export interface BeginAsk {
  readonly key: UserKey;
  /** As asked, in the asker's order. */
  readonly requestedScopes: readonly string[];
  readonly provider: Pick<Provider, "id">;
  readonly agent: Agent;
  readonly returnUrl?: string | undefined;
  /** Comes back, character for character, as `state` on the return URL. */
  readonly customState?: string | undefined;
  readonly customParameters?: Readonly<Record<string, string>> | undefined;
  /** Whether the person is asked again, even one who is logged in and has consented. */
  readonly forced?: boolean | undefined;
}

/** Where a consent that was begun has got to. */
export type Progress =
  | { readonly state: "pending"; readonly authorizationUrl: string }
  | { readonly state: "completed"; readonly connectionId: string; readonly connectionVersion: number };

/** How long a session that is over is kept, so that whoever polls late is told how it ended. */
const keptFor = 24 * 60 * 60_000;
const prunedAtOnce = 20;
/** Both stores bound how many parameters a statement has. */
const erasedAtOnce = 500;

export type Sessions = ReturnType<typeof makeSessions>;

/** Authorization sessions: each one consent under way. */
export const makeSessions = (needs: SessionsNeeds) => {
  const { db, audit, seal, clock, random, tenants, users } = needs;
  const endings = makeEndings(needs);
  const sceneOf = makeSceneOf(needs);
  const login = makeLogin(needs);
  const towardsProvider = makeTowardsProvider(needs);
  const exchange = makeExchange(needs, endings, sceneOf);

  const consentUrl = (tenant: string, id: string) => `${tenants.issuerOf(tenant)}/consent/${id}`;

  /** A session that a suspension ended goes on for nobody, and whoever polls it should not wait for the deadline. */
  const outlived = async (who: Principal, session: Session): Promise<Session> => {
    const agent = who.agent?.epoch !== session.agentEpoch;
    if ((!agent && who.user?.epoch === session.userEpoch) || (session.state !== "pending" && session.state !== "authorized"))
      return session;
    const ending = { state: "failed", reason: agent ? "agent_suspended" : "user_suspended" } as const;
    await db.write((tx) => endings.end(tx, who, session, ending));
    return { ...session, ...ending };
  };

  /** What goes with sessions that were ended together, and the record of it. */
  const ended = async (tx: Handle, who: Principal, target: string, reason: string, ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    for (let from = 0; from < ids.length; from += erasedAtOnce) {
      await visitsTable.eraseSecrets(tx, who.tenant, ...ids.slice(from, from + erasedAtOnce));
    }
    await audit.record(tx, who, "authorizations.ended", { target, details: { sessions: ids.length, reason } });
  };

  const prune = async (tx: Handle, tenant: string): Promise<void> => {
    const ids = await sessionsTable.endedBefore(tx, tenant, clock() - keptFor, prunedAtOnce);
    if (ids.length === 0) return;
    await visitsTable.deleteOf(tx, tenant, ids);
    await sessionsTable.delete(tx, tenant, ids);
  };

  return {
    /**
     * Begins a consent in the caller's transaction.
     * @throws Refusal return_url_required, return_url_not_allowed, agent_suspended, user_suspended
     */
    begin: async (tx: Handle, who: Principal, ask: BeginAsk): Promise<{ authorizationUrl: string; sessionUri: string }> => {
      const { key, agent, returnUrl } = ask;
      if (agent.status !== "active") throw new Refusal("agent_suspended", `The agent is ${agent.status}.`);
      const user = await users.byId(tx, key.tenant, key.user);
      if (user?.status !== "active") throw new Refusal("user_suspended", "The user is suspended or revoked.");
      const canLogIn = (await login.issuerOf(tx, key.tenant, agent, user)) !== undefined;
      const binding = chooseBinding({ agent, returnUrl, canLogIn });
      const now = clock();
      const id = newSessionId(random);
      const { customState } = ask;
      const session: Session = {
        id,
        key,
        agentEpoch: agent.epoch,
        userEpoch: user.epoch,
        requestedScopes: ask.requestedScopes,
        binding,
        returnUrl,
        sealedCustomState: customState === undefined ? undefined : await seal.seal(tx, key.tenant, customStateIdentity(id), customState),
        customParameters: ask.customParameters ?? {},
        forced: ask.forced ?? false,
        state: "pending",
        reason: undefined,
        sealedCode: undefined,
        exchangingSince: undefined,
        connectionId: undefined,
        connectionVersion: undefined,
        createdAt: now,
        expiresAt: now + sessionLife,
      };
      await prune(tx, key.tenant);
      await sessionsTable.insert(tx, session);
      await audit.record(tx, who, "authorization.begun", {
        ...aboutSession(session),
        details: {
          provider: key.provider,
          binding,
          scopes: ask.requestedScopes,
          forced: session.forced,
          ...(returnUrl !== undefined && { returnUrl }),
        },
      });
      return { authorizationUrl: consentUrl(key.tenant, session.id), sessionUri: sessionUriOf(session.id) };
    },

    /**
     * Where the caller's consent has got to; it is the caller's if agent, user and provider are those it was begun with.
     *
     * @throws Refusal session_unknown, authorization_denied, authorization_expired, authorization_failed
     */
    poll: async (who: Principal, sessionUri: string, providerId: string): Promise<Progress> => {
      const asked = readSessionUri(sessionUri);
      const found = asked && (await sessionsTable.byId(db.read, who.tenant, asked.id));
      if (!found || found.key.agent !== who.agent?.id || found.key.user !== who.user?.id || found.key.provider !== providerId) {
        throw sessionUnknown();
      }
      const session = await outlived(who, await endings.settled(who, found));
      switch (session.state) {
        case "completed": {
          const { connectionId, connectionVersion } = session;
          if (connectionId === undefined || connectionVersion === undefined) throw new Error("A completed session names no connection.");
          return { state: "completed", connectionId, connectionVersion };
        }
        case "denied":
        case "failed":
        case "expired":
          throw endedRefusal(session);
        default:
          return { state: "pending", authorizationUrl: consentUrl(who.tenant, session.id) };
      }
    },

    ...makeConsent(needs, endings, sceneOf, login, towardsProvider),
    ...makeCallbacks(needs, endings, sceneOf, login, towardsProvider, exchange),
    complete: makeComplete(needs, endings, sceneOf, exchange),

    /** How many consents are under way for an agent, a user or a provider, and at most `most` of them. */
    someOf: (tenant: string, of: Of, most: number) => impactTable.authorizationsOf(db.read, tenant, of, clock(), most),

    /** How many consents wait for a login at an issuer (binding `login`), and at most `most` of them. */
    someAtIssuer: (tenant: string, issuer: string, most: number) =>
      impactTable.authorizationsAtIssuer(db.read, tenant, issuer, clock(), most),

    /**
     * Ends every consent under way for an agent, user or provider that is suspended or gone, or for a provider that now points elsewhere or is asked in
     * another way: no code that its former self gives is shown to the new one.
     */
    stop: async (tx: Handle, who: Principal, of: Of, reason: string): Promise<void> =>
      ended(tx, who, of.id, reason, await sessionsTable.endAllOf(tx, who.tenant, of, { state: "failed", reason })),

    /** Ends every consent under way in the caller's tenant. */
    stopAll: async (tx: Handle, who: Principal, reason: string): Promise<void> =>
      ended(tx, who, who.tenant, reason, await sessionsTable.endAll(tx, who.tenant, { state: "failed", reason })),
  };
};
