import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import { type Provider, UpstreamRefused, UpstreamUnavailable } from "../providers/index.ts";
import type { StoredConsent } from "./connections.ts";
import { endedRefusal, exchangeTimeout, type Session } from "./session.ts";
import { aboutSession, type Endings } from "./session-endings.ts";
import type { SceneOf } from "./session-scene.ts";
import type { SessionsNeeds } from "./sessions-needs.ts";
import { sessionsTable } from "./sessions-table.ts";
import { visitsTable } from "./visits-table.ts";

/** What turns a consent into a token, once. */
export interface Code {
  /** What the provider's callback said, as `readCallback` gave it. */
  readonly kept: string;
  readonly verifier: string;
  readonly state: string;
  /** What the browser that consented takes to the application, and nobody else knows. */
  readonly proof: string;
}

/** Why no token could be had, and the provider's own word for it. */
const failureOf = (thrown: unknown): { readonly reason: string; readonly error?: string } => {
  if (thrown instanceof UpstreamRefused) return { reason: "provider_refused", error: thrown.error };
  const late = thrown instanceof DOMException && (thrown.name === "TimeoutError" || thrown.name === "AbortError");
  return { reason: late || thrown instanceof UpstreamUnavailable ? "provider_unavailable" : "internal" };
};

type Needs = Pick<SessionsNeeds, "db" | "audit" | "clock" | "providers" | "connections">;

/** Turns the code of a session in exchange into a stored connection, or ends the session. */
export const makeExchange =
  ({ db, audit, clock, providers, connections }: Needs, endings: Endings, sceneOf: SceneOf) =>
  /**
   * @param taken The session as its taker left it: exchanging, since the moment on it
   * @throws Refusal authorization_failed with `details.reason`; agent_suspended, user_suspended, provider_unknown where one fell meanwhile
   */
  (who: Principal, taken: Session & { readonly exchangingSince: number }, provider: Provider, code: Code): Promise<StoredConsent> =>
    endings.whileExchanging(taken.id, async () => {
      const { key, id, requestedScopes, exchangingSince } = taken;
      const now = clock();
      const tokens = await providers.upstream
        .exchange(key.tenant, provider, {
          kept: code.kept,
          codeVerifier: code.verifier,
          state: code.state,
          ...(key.resource !== "" && { resource: key.resource }),
          ...(key.audience !== "" && { audience: key.audience }),
          signal: AbortSignal.timeout(exchangeTimeout),
        })
        .catch(async (thrown: unknown) => {
          const failure = failureOf(thrown);
          await db.write((tx) => endings.end(tx, who, taken, { state: "failed", reason: failure.reason }, failure));
          if (failure.reason === "internal") throw thrown;
          throw new Refusal("authorization_failed", "The consent came back, but the provider gave no token for it.", { ...failure });
        });

      const stored = await db.write(async (tx) => {
        // Somebody has been told that this session is over. Whoever ends it from here on waits for us, and then finds what we stored.
        if (!(await sessionsTable.hold(tx, key.tenant, id, exchangingSince))) {
          return endedRefusal((await sessionsTable.byId(tx, key.tenant, id)) ?? { state: "failed", reason: "interrupted" });
        }
        const scene = await sceneOf(tx, taken);
        if (scene instanceof Refusal) {
          await endings.end(tx, who, taken, { state: "failed", reason: scene.code });
          return scene;
        }
        const consent = await connections.store(tx, key, { requestedScopes, tokens, now });
        await sessionsTable.complete(tx, key.tenant, id, exchangingSince, consent);
        await visitsTable.eraseSecrets(tx, key.tenant, id);
        await audit.record(tx, who, "connection.stored", {
          ...aboutSession(taken),
          target: consent.connectionId,
          details: {
            provider: key.provider,
            session: id,
            binding: taken.binding,
            version: consent.version,
            scopes: consent.scopes,
            missingScopes: consent.missingScopes,
          },
        });
        return consent;
      });
      if (stored instanceof Refusal) throw stored;
      return stored;
    });
export type Exchange = ReturnType<typeof makeExchange>;
