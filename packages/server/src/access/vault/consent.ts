import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import { UpstreamRefused, UpstreamUnavailable, type Provider } from "../providers/index.ts";
import type { Login } from "./login.ts";
import { returnTo } from "./return-url.ts";
import { endedRefusal, isSessionId, type Session, sessionUnknown } from "./session.ts";
import { aboutSession, type Endings } from "./session-endings.ts";
import type { Scene, SceneOf } from "./session-scene.ts";
import type { SessionsNeeds } from "./sessions-needs.ts";
import { sessionsTable } from "./sessions-table.ts";
import {
  challengeOf,
  type Cookies,
  cookieFor,
  cookieName,
  hashed,
  isSame,
  newSecret,
  openSecrets,
  secretsIdentity,
  type VisitCookie,
  type VisitSecrets,
} from "./visit.ts";
import { visitsTable } from "./visits-table.ts";

/** What our consent page tells. Every text in it was written by somebody else. */
export interface ConsentView {
  readonly agent: {
    readonly id: string;
    readonly name: string;
    readonly title: string | undefined;
    readonly description: string | undefined;
  };
  readonly provider: { readonly id: string; readonly name: string; readonly kind: string | undefined };
  readonly user: { readonly subject: string; readonly issuer: string };
  readonly scopes: readonly string[];
  readonly resource: string | undefined;
  readonly returnUrl: string | undefined;
  readonly expiresAt: number;
  /** What the form must send back. */
  readonly formToken: string;
}

/** What the browser is shown or where it is sent next. */
export type Step =
  | { readonly kind: "redirect"; readonly to: string; readonly cookie?: VisitCookie }
  | { readonly kind: "ask"; readonly consent: ConsentView; readonly cookie: VisitCookie }
  | { readonly kind: "connected"; readonly agent: string; readonly provider: string }
  | { readonly kind: "denied" };

/** A URL may be opened often, by people and by what looks ahead for them, but not without end. */
const mostVisits = 50;

type Needs = Pick<SessionsNeeds, "db" | "audit" | "seal" | "clock" | "random" | "issuers" | "providers" | "secureCookies">;

/** The provider's authorization URL for a session. @throws Refusal provider_unavailable, provider_refused */
export const makeTowardsProvider =
  ({ providers }: Pick<SessionsNeeds, "providers">) =>
  async (
    { key, requestedScopes, customParameters, forced }: Session,
    provider: Provider,
    state: string,
    verifier: string,
  ): Promise<string> => {
    try {
      return await providers.upstream.authorizationUrl(key.tenant, provider, {
        state,
        codeChallenge: challengeOf(verifier),
        scopes: requestedScopes,
        ...(key.resource !== "" && { resource: key.resource }),
        ...(key.audience !== "" && { audience: key.audience }),
        customParameters,
        force: forced,
      });
    } catch (thrown) {
      if (thrown instanceof UpstreamUnavailable) {
        throw new Refusal("provider_unavailable", "The credential provider cannot be reached right now.", { reason: thrown.reason });
      }
      if (thrown instanceof UpstreamRefused) {
        throw new Refusal("provider_refused", "The credential provider cannot be asked.", { error: thrown.error });
      }
      throw thrown;
    }
  };
export type TowardsProvider = ReturnType<typeof makeTowardsProvider>;

/** The first half of a consent in the browser: its URL is opened and, in binding `login`, answered. */
export const makeConsent = (needs: Needs, endings: Endings, sceneOf: SceneOf, login: Login, towardsProvider: TowardsProvider) => {
  const { db, audit, seal, clock, random, issuers, secureCookies } = needs;

  const open = async (who: Principal, id: string): Promise<Session & Scene> => {
    const found = isSessionId(id) ? await sessionsTable.byId(db.read, who.tenant, id) : undefined;
    if (!found) throw sessionUnknown();
    const session = await endings.settled(who, found);
    if (session.state !== "pending") throw endedRefusal(session);
    const scene = await sceneOf(db.read, session);
    if (scene instanceof Refusal) throw scene;
    return { ...session, ...scene };
  };

  const viewOf = ({ agent, provider, user, ...session }: Session & Scene, formToken: string): ConsentView => ({
    agent: { id: agent.id, name: agent.name, title: agent.title, description: agent.description },
    provider: { id: provider.id, name: provider.name, kind: provider.kind },
    user: { subject: user.subject, issuer: user.issuer },
    scopes: session.requestedScopes,
    resource: session.key.resource || undefined,
    returnUrl: session.returnUrl,
    expiresAt: session.expiresAt,
    formToken,
  });

  return {
    /**
     * Whether the consent can be opened; makes nothing (HEAD: chat previews look first).
     * @throws Refusal as `visit` does
     */
    glance: async (who: Principal, id: string): Promise<void> => {
      await open(who, id);
    },

    /**
     * Opens a consent in a browser: each visit makes its own state, PKCE pair and cookie. In one browser the newest visit replaces the ones
     * before it, whose pages and callbacks are then turned away.
     *
     * @throws Refusal session_unknown, session_used, authorization_denied, authorization_expired, authorization_failed, agent_suspended,
     * user_suspended, provider_unknown, provider_unavailable, provider_refused, rate_limited
     */
    visit: async (who: Principal, id: string): Promise<Step> => {
      const session = await open(who, id);
      const [cookieSecret, state, verifier, form] = [newSecret(random), newSecret(random), newSecret(random), newSecret(random)];
      const asks = session.binding === "login";
      const to = asks ? "" : await towardsProvider(session, session.provider, state, verifier);
      const secrets: VisitSecrets = asks ? { form } : { verifier };
      const visitId = hashed(cookieSecret);
      const now = clock();
      const refusal = await db.write(async (tx) => {
        const current = await endings.current(tx, who, id, "pending");
        if (current instanceof Refusal) return current;
        if ((await visitsTable.count(tx, who.tenant, id, mostVisits)) >= mostVisits) {
          return new Refusal("rate_limited", "This link was opened too often. Ask the agent for a new one.");
        }
        await visitsTable.insert(tx, who.tenant, {
          id: visitId,
          session: id,
          stage: asks ? "page" : "provider",
          stateHash: asks ? "" : hashed(state),
          sealedSecrets: await seal.seal(tx, who.tenant, secretsIdentity(visitId), JSON.stringify(secrets)),
          createdAt: now,
        });
        return undefined;
      });
      if (refusal) throw refusal;
      const cookie = cookieFor(session, cookieSecret, secureCookies, now);
      return asks ? { kind: "ask", consent: viewOf(session, form), cookie } : { kind: "redirect", to, cookie };
    },

    /**
     * What the person said on our consent page.
     *
     * @throws Refusal as `visit` does; forbidden with `details.reason` foreign_browser or stale_page; issuer_unavailable
     */
    decide: async (
      who: Principal,
      id: string,
      cookies: Cookies,
      answer: { formToken: string; decision: "allow" | "deny" },
    ): Promise<Step> => {
      const session = await open(who, id);
      const cookie = cookies(cookieName(id, secureCookies));
      const visit = cookie === undefined ? undefined : await visitsTable.byId(db.read, who.tenant, hashed(cookie));
      if (visit?.session !== id) {
        const refusal = new Refusal("forbidden", "This consent was not opened in this browser.", { reason: "foreign_browser" });
        throw await endings.turnedAway(who, session, "foreign_browser", refusal);
      }
      const secrets = await openSecrets(seal, who.tenant, visit);
      if (secrets.form === undefined || visit.stage === "provider" || !isSame(secrets.form, answer.formToken)) {
        const refusal = new Refusal("forbidden", "The page was no longer current.", { reason: "stale_page" });
        throw await endings.turnedAway(who, session, "stale_page", refusal);
      }

      if (answer.decision === "deny") {
        const ended = await db.write(async (tx) => {
          const current = await endings.current(tx, who, id, "pending");
          if (current instanceof Refusal) return current;
          return { ended: await endings.end(tx, who, current, { state: "denied", reason: "user" }) };
        });
        if (ended instanceof Refusal) throw ended;
        if (ended.ended.code !== "authorization_denied") throw ended.ended;
        const to = await returnTo(seal, session, { error: "access_denied" });
        return to === undefined ? { kind: "denied" } : { kind: "redirect", to };
      }

      const issuer = await login.issuerOf(db.read, who.tenant, session.agent, session.user);
      const client = issuer && (await issuers.loginClient(who.tenant, issuer.id));
      if (!client)
        throw new Refusal("issuer_unavailable", "The user's issuer no longer has a login client of ours.", { reason: "no_login" });
      const [state, nonce, verifier] = [newSecret(random), newSecret(random), newSecret(random)];
      const refusal = await db.write(async (tx) => {
        const current = await endings.current(tx, who, id, "pending");
        if (current instanceof Refusal) return current;
        const kept: VisitSecrets = { form: answer.formToken, verifier, nonce };
        const sealedSecrets = await seal.seal(tx, who.tenant, secretsIdentity(visit.id), JSON.stringify(kept));
        const next = { stage: "login", stateHash: hashed(state), sealedSecrets } as const;
        if (!(await visitsTable.advance(tx, who.tenant, visit, next))) return endedRefusal({ state: "completed", reason: undefined });
        await audit.record(tx, who, "authorization.allowed", aboutSession(session));
        return undefined;
      });
      if (refusal) throw refusal;
      // OpenID Connect Core 3.1.2.1: otherwise a person who is logged in there is not asked again.
      return { kind: "redirect", to: login.urlOf(client, { state, nonce, verifier }, { prompt: session.forced ? ["login"] : [] }) };
    },
  };
};
