import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import { UpstreamRefused, UpstreamUnavailable } from "../providers/index.ts";
import type { Step, TowardsProvider } from "./consent.ts";
import { type Login, LoginFailed } from "./login.ts";
import { returnTo } from "./return-url.ts";
import { codeIdentity, type Ending, endedRefusal, newProof, type Session } from "./session.ts";
import { aboutSession, type Endings } from "./session-endings.ts";
import type { Code, Exchange } from "./session-exchange.ts";
import type { Scene, SceneOf } from "./session-scene.ts";
import type { SessionsNeeds } from "./sessions-needs.ts";
import { sessionsTable } from "./sessions-table.ts";
import {
  type Cookies,
  cookieName,
  hashed,
  isSame,
  newSecret,
  openSecrets,
  secretsIdentity,
  type Visit,
  type VisitSecrets,
} from "./visit.ts";
import { visitsTable } from "./visits-table.ts";

/** A browser that came back to where its visit went out from. */
interface Arrival {
  readonly session: Session;
  readonly visit: Visit;
  readonly state: string;
}

type Needs = Pick<SessionsNeeds, "db" | "audit" | "seal" | "clock" | "random" | "issuers" | "providers" | "secureCookies">;

const deniedBy = "access_denied";

/** The second half of a consent in the browser: it comes back from the user's issuer, then from the provider. */
export const makeCallbacks = (
  needs: Needs,
  endings: Endings,
  sceneOf: SceneOf,
  login: Login,
  towardsProvider: TowardsProvider,
  exchange: Exchange,
) => {
  const { db, audit, seal, clock, random, issuers, providers, secureCookies } = needs;

  /** Whatever does not belong together changes nothing: a stranger cannot use a session up. */
  const arrive = async (
    who: Principal,
    params: URLSearchParams,
    cookies: Cookies,
    at: { stage: "login" } | { stage: "provider"; provider: string },
  ): Promise<Arrival> => {
    // RFC 6749 3.1: no parameter more than once.
    const [state, ...more] = params.getAll("state");
    const repeated = ["code", "error", "iss"].some((name) => params.getAll(name).length > 1);
    if (state === undefined || more.length > 0 || repeated) {
      const refusal = new Refusal(
        "invalid_request",
        "This address is where a browser comes back from a consent; its parameters are not right.",
      );
      throw await endings.turnedAway(who, undefined, "malformed", refusal);
    }
    const visit = await visitsTable.byState(db.read, who.tenant, hashed(state));
    const session = visit && (await sessionsTable.byId(db.read, who.tenant, visit.session));
    if (!visit || !session || visit.stage !== at.stage || (at.stage === "provider" && session.key.provider !== at.provider)) {
      const refusal = new Refusal("session_unknown", "No consent that is under way fits this address.");
      throw await endings.turnedAway(who, session, "unknown_state", refusal);
    }
    const cookie = cookies(cookieName(session.id, secureCookies));
    if (cookie === undefined || !isSame(hashed(cookie), visit.id)) {
      const refusal = new Refusal("forbidden", "This consent was not opened in this browser.", { reason: "foreign_browser" });
      throw await endings.turnedAway(who, session, "foreign_browser", refusal);
    }
    return { session, visit, state };
  };

  /** Where the browser goes after the callback that ended its session: a denial is told to the application, anything else to the person. */
  const afterEnd = async (session: Session, refusal: Refusal): Promise<Step> => {
    if (refusal.code !== "authorization_denied") throw refusal;
    const to = await returnTo(seal, session, { error: deniedBy });
    return to === undefined ? { kind: "denied" } : { kind: "redirect", to };
  };

  /** Ends a session by what came back from the login. */
  const endWith = async (
    who: Principal,
    { session }: Arrival,
    ending: Ending,
    details: Readonly<Record<string, unknown>> = {},
  ): Promise<Step> => {
    const ended = await db.write(async (tx) => {
      const current = await endings.current(tx, who, session.id, "pending");
      return current instanceof Refusal ? current : { ended: await endings.end(tx, who, current, ending, details) };
    });
    if (ended instanceof Refusal) throw ended;
    return afterEnd(session, ended.ended);
  };

  /** The provider's answer, checked as far as it can be without calling it. */
  const readAnswer = async (who: Principal, session: Session, scene: Scene, params: URLSearchParams, state: string) => {
    try {
      const answer = await providers.upstream.readCallback(who.tenant, scene.provider, params, state);
      return answer.ok
        ? answer
        : { ok: false as const, reason: answer.error === deniedBy ? undefined : "provider_refused", error: answer.error };
    } catch (thrown) {
      // RFC 9207 2.4: an answer of another issuer ends the consent before any token call. It was the first to this visit, so it uses it up.
      if (thrown instanceof UpstreamRefused) return { ok: false as const, reason: "mix_up", error: thrown.error };
      if (thrown instanceof UpstreamUnavailable) return { ok: false as const, reason: "provider_unavailable", error: thrown.reason };
      throw thrown;
    }
  };

  return {
    /**
     * The browser comes back from the login at the user's issuer; whoever logged in must be the session's user.
     *
     * @throws Refusal session_user_mismatch where another person logged in, and the session is over; otherwise as `providerCallback`
     */
    loginCallback: async (who: Principal, params: URLSearchParams, cookies: Cookies): Promise<Step> => {
      const arrival = await arrive(who, params, cookies, { stage: "login" });
      const { visit, state } = arrival;
      const secrets = await openSecrets(seal, who.tenant, visit);
      const error = params.get("error");
      if (error !== null) {
        const denied = error === deniedBy;
        return endWith(who, arrival, denied ? { state: "denied", reason: "login" } : { state: "failed", reason: "login_refused" });
      }

      // The login's state is used up before the issuer is called.
      const taken = await db.write(async (tx) => {
        const session = await endings.current(tx, who, arrival.session.id, "pending");
        if (session instanceof Refusal) return session;
        const scene = await sceneOf(tx, session);
        if (scene instanceof Refusal) {
          await endings.end(tx, who, session, { state: "failed", reason: scene.code });
          return scene;
        }
        const used = { ...visit, stateHash: "" };
        return (await visitsTable.advance(tx, who.tenant, visit, used))
          ? { session, scene }
          : endedRefusal({ state: "completed", reason: undefined });
      });
      if (taken instanceof Refusal) throw taken;
      const { session, scene } = taken;

      const issuer = await login.issuerOf(db.read, who.tenant, scene.agent, scene.user);
      const client = issuer && (await issuers.loginClient(who.tenant, issuer.id));
      if (!client)
        throw new Refusal("issuer_unavailable", "The user's issuer no longer has a login client of ours.", { reason: "no_login" });
      const { nonce = "", verifier = "" } = secrets;
      let subject: string;
      try {
        ({ subject } = await login.whoOf(who.tenant, client, params, { state, nonce, verifier }));
      } catch (thrown) {
        if (!(thrown instanceof LoginFailed)) throw thrown;
        return endWith(who, arrival, { state: "failed", reason: "login_failed" }, { cause: thrown.reason });
      }
      if (client.metadata.issuer !== scene.user.issuer || subject !== scene.user.subject) {
        await db.write((tx) => endings.end(tx, who, session, { state: "failed", reason: "user_mismatch" }));
        throw new Refusal("session_user_mismatch", "The person who logged in is not the one this consent was begun for.");
      }

      const [nextState, nextVerifier] = [newSecret(random), newSecret(random)];
      const to = await towardsProvider(session, scene.provider, nextState, nextVerifier);
      const refusal = await db.write(async (tx) => {
        const current = await endings.current(tx, who, session.id, "pending");
        if (current instanceof Refusal) return current;
        const kept: VisitSecrets = { verifier: nextVerifier };
        const sealedSecrets = await seal.seal(tx, who.tenant, secretsIdentity(visit.id), JSON.stringify(kept));
        const next = { stage: "provider", stateHash: hashed(nextState), sealedSecrets } as const;
        if (!(await visitsTable.advance(tx, who.tenant, { id: visit.id, stateHash: "" }, next))) {
          return endedRefusal({ state: "completed", reason: undefined });
        }
        await audit.record(tx, who, "authorization.user_verified", { ...aboutSession(session), details: { issuer: scene.user.issuer } });
        return undefined;
      });
      if (refusal) throw refusal;
      return { kind: "redirect", to };
    },

    /**
     * The browser comes back from the provider. The first callback whose cookie and state belong together uses the session up.
     *
     * @throws Refusal forbidden (foreign browser), session_unknown (no such state, or another provider's), invalid_request; and what tells how
     * the session ended: session_used, authorization_denied, authorization_expired, authorization_failed, agent_suspended, user_suspended
     */
    providerCallback: async (who: Principal, providerId: string, params: URLSearchParams, cookies: Cookies): Promise<Step> => {
      const arrival = await arrive(who, params, cookies, { stage: "provider", provider: providerId });
      const { visit, state } = arrival;
      const before = await endings.settled(who, arrival.session);
      if (before.state !== "pending") throw endedRefusal(before);
      const found = await sceneOf(db.read, before);
      const answer = found instanceof Refusal ? undefined : await readAnswer(who, before, found, params, state);
      const { verifier = "" } = await openSecrets(seal, who.tenant, visit);

      const taken = await db.write(async (tx) => {
        const session = await endings.current(tx, who, before.id, "pending");
        if (session instanceof Refusal) return session;
        const scene = await sceneOf(tx, session);
        if (scene instanceof Refusal || !answer) {
          const refusal = scene instanceof Refusal ? scene : endedRefusal({ state: "failed", reason: "provider_unknown" });
          await endings.end(tx, who, session, { state: "failed", reason: refusal.code });
          return refusal;
        }
        if (!answer.ok) {
          const ending: Ending =
            answer.reason === undefined ? { state: "denied", reason: "provider" } : { state: "failed", reason: answer.reason };
          return { session, ended: await endings.end(tx, who, session, ending, { error: answer.error }) };
        }
        const code: Code = { kept: answer.kept, verifier, state, proof: newProof(random) };
        const now = clock();
        const awaits = session.binding === "application";
        const moved = awaits
          ? await sessionsTable.authorize(
              tx,
              who.tenant,
              session.id,
              await seal.seal(tx, who.tenant, codeIdentity(session.id), JSON.stringify(code)),
            )
          : await sessionsTable.take(tx, who.tenant, session.id, "pending", now);
        if (!moved) return endedRefusal({ state: "completed", reason: undefined });
        await visitsTable.eraseSecrets(tx, who.tenant, session.id);
        await audit.record(tx, who, "authorization.authorized", {
          ...aboutSession(session),
          details: { provider: session.key.provider, binding: session.binding },
        });
        return { session, scene, code, now, awaits };
      });

      if (taken instanceof Refusal) throw taken;
      if ("ended" in taken) return afterEnd(taken.session, taken.ended);
      const { session, scene, code, now, awaits } = taken;
      if (!awaits) await exchange(who, { ...session, state: "exchanging", exchangingSince: now }, scene.provider, code);
      const to = await returnTo(seal, session, { proof: awaits ? code.proof : undefined });
      return to === undefined
        ? { kind: "connected", agent: scene.agent.title ?? scene.agent.name, provider: scene.provider.name }
        : { kind: "redirect", to };
    },
  };
};
