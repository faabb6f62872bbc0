import { setTimeout as sleep } from "node:timers/promises";
import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import {
  type Provider,
  type Providers,
  suspended,
  type Upstream,
  UpstreamRefused,
  type UpstreamTokens,
  UpstreamUnavailable,
} from "../providers/index.ts";
import { isValid, newConnectionId, obtainedFrom, type Stored, type Tokens, tokensIdentity } from "./connection.ts";
import { openTokens, sealable } from "./connections.ts";
import { connectionsTable, isLeased, type Lease, leaseLife } from "./connections-table.ts";
import { type ConnectionKey, keyText } from "./credential-key.ts";
import type { Telling } from "./telling.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly seal: Seal;
  readonly agents: Pick<Agents, "hold">;
  readonly providers: Pick<Providers, "byId" | "hold"> & { readonly upstream: Pick<Upstream, "refresh" | "clientCredentials"> };
  readonly telling: Pick<Telling, "dropped">;
  /** Waits in real time; a test may count instead. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

/** Whose tokens to renew, and what was seen when it was decided. */
export interface RenewAsk {
  readonly key: ConnectionKey;
  readonly requestedScopes: readonly string[];
  readonly seen: Stored | undefined;
}

/** `live`: use these. `lapsed`: only the user can help, by consenting. */
export type Renewed =
  | { readonly kind: "live"; readonly version: number; readonly stored: Stored; readonly tokens: Tokens }
  | { readonly kind: "lapsed"; readonly version: number };

const providerPatience = 20_000;
const longestWait = 30_000;
const longestClose = 30_000;
const firstPause = 50;
const longestPause = 250;
/** How often a commit is tried again whose tokens would otherwise be lost. */
const commitAttempts = 8;

/** The row is gone: no version of it will come back. */
const gone = Number.MAX_SAFE_INTEGER;

const removed = () => new Refusal("provider_unknown", "The credential provider was removed.");
const unavailable = () => new Refusal("provider_unavailable", "The credential provider cannot be reached or does not answer. Try again.");

export type Refresh = ReturnType<typeof makeRefresh>;

/**
 * Renews tokens, one flight at a time: in this process by a map of whole keys, between processes by a lease on the row. Whoever holds the lease
 * asks the provider and stores the answer by compare-and-swap before anyone sees the new access token; all others wait for the version to move.
 */
export const makeRefresh = ({ db, audit, clock, random, seal, agents, providers, telling, pause = sleep }: Needs) => {
  const flights = new Map<string, Promise<Renewed>>();

  const live = async (stored: Stored): Promise<Renewed> => {
    const tokens = await openTokens(seal, stored);
    if (!tokens) throw new Error("An active connection holds no tokens.");
    return { kind: "live", version: stored.version, stored, tokens };
  };

  /** Answers the row under a lease of ours, or undefined where another holds it or the row has moved on. */
  const take = (ask: RenewAsk, seen: Stored | undefined, lease: Lease): Promise<Stored | undefined> => {
    const { key, requestedScopes } = ask;
    return db.write(async (tx) => {
      const now = clock();
      if (seen) {
        const taken = await connectionsTable.takeLease(tx, key.tenant, seen.id, seen.version, lease, now);
        return taken ? seen : undefined;
      }
      // Held, so that nothing is stored for an agent or a provider once what there is of it has been erased.
      if ((await agents.hold(tx, key.tenant, key.agent))?.status !== "active")
        throw new Refusal("agent_suspended", "The agent is not active.");
      if (!(await providers.hold(tx, key.tenant, key.provider))) throw removed();
      const made = await connectionsTable.insertBlank(tx, key, newConnectionId(random), requestedScopes, lease, now);
      return made ? connectionsTable.byKey(tx, key) : undefined;
    });
  };

  /** The answer must not be lost to a store that is away for a moment: the provider may have spent the old refresh token for it. */
  const persist = async <T>(unit: (tx: Handle) => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await db.write(unit);
      } catch (error) {
        if (attempt >= commitAttempts || !(error instanceof Refusal) || error.code !== "unavailable") throw error;
        await pause(firstPause * 2 ** attempt);
      }
    }
  };

  const about = ({ id, key }: Stored) => ({ target: id, agent: key.agent, user: key.kind === "user" ? key.user : undefined });

  const ask = (provider: Provider, held: Stored, tokens: Tokens | undefined, signal: AbortSignal): Promise<UpstreamTokens> => {
    const { key, requestedScopes, grantedScopes } = held;
    const where = {
      signal,
      ...(key.resource !== "" && { resource: key.resource }),
      ...(key.audience !== "" && { audience: key.audience }),
    };
    if (key.kind === "agent") return providers.upstream.clientCredentials(key.tenant, provider, { scopes: requestedScopes, ...where });
    const refreshToken = tokens?.refreshToken;
    if (refreshToken === undefined) throw new Error("A refreshable connection holds no refresh token.");
    // RFC 6749 6: a refresh may not ask for more than was granted.
    return providers.upstream.refresh(key.tenant, provider, { refreshToken, scopes: grantedScopes, ...where });
  };

  /** Answers undefined where the row moved on meanwhile: then what the provider gave is not ours to store. */
  const keep = (who: Principal, held: Stored, owner: string, old: Tokens | undefined, answer: UpstreamTokens, askedAt: number) =>
    persist(async (tx): Promise<Renewed | undefined> => {
      const { id, key } = held;
      const version = held.version + 1;
      const refreshToken = key.kind === "user" ? (answer.refreshToken ?? old?.refreshToken) : undefined;
      const granted = key.kind === "user" ? held.grantedScopes : held.requestedScopes;
      const obtained = obtainedFrom(answer, granted, refreshToken !== undefined, askedAt);
      const text = sealable(answer, refreshToken);
      const sealedTokens = await seal.seal(tx, key.tenant, tokensIdentity(id, key, version), text);
      if (!(await connectionsTable.replaceTokens(tx, key.tenant, id, held.version, owner, obtained, sealedTokens, clock())))
        return undefined;
      const action = key.kind === "user" ? "credential.refreshed" : "credential.obtained";
      await audit.record(tx, who, action, { details: { provider: key.provider, version }, ...about(held) });
      const stored: Stored = { ...held, ...obtained, state: "active", version, sealedTokens, leaseUntil: 0 };
      return { kind: "live", version, stored, tokens: JSON.parse(text) as Tokens };
    });

  /** The provider said that the grant is dead. Believed only where the grant is still the one that was tried. */
  const lapse = async (who: Principal, held: Stored, owner: string): Promise<Renewed | undefined> => {
    const { id, key, version } = held;
    const lapsed = await persist(async (tx) => {
      if (!(await connectionsTable.lapse(tx, key.tenant, id, version, owner, clock()))) return false;
      await audit.record(tx, who, "connection.lapsed", {
        ...about(held),
        outcome: "refused",
        // A lease that was never given back: somebody died while the provider was asked, and may have taken what it gave along.
        details: {
          provider: key.provider,
          error: "invalid_grant",
          ...(held.leaseUntil > 0 && { cause: "an earlier refresh was interrupted" }),
        },
      });
      return true;
    });
    return lapsed ? { kind: "lapsed", version: version + 1 } : undefined;
  };

  const release = (who: Principal, held: Stored, owner: string, error: unknown): Promise<void> =>
    db.write(async (tx) => {
      await connectionsTable.releaseLease(tx, held.key.tenant, held.id, held.version, owner);
      if (error instanceof UpstreamRefused)
        await audit.record(tx, who, "credential.refused", {
          ...about(held),
          outcome: "refused",
          details: { provider: held.key.provider, error: error.error },
        });
    });

  const renewHolding = async (who: Principal, held: Stored, owner: string): Promise<Renewed | undefined> => {
    const signal = AbortSignal.timeout(providerPatience);
    const { tenant, provider: providerId } = held.key;
    const askedAt = clock();
    let provider: Provider | undefined;
    let old: Tokens | undefined;
    let answer: UpstreamTokens;
    try {
      // Read under the lease: a change of where the provider points breaks it, so an answer of its former self is never stored.
      provider = await providers.byId(db.read, tenant, providerId);
      if (!provider) throw removed();
      if (provider.status !== "active") throw suspended(provider.name);
      old = await openTokens(seal, held);
      answer = await ask(provider, held, old, signal);
    } catch (error) {
      if (error instanceof UpstreamRefused && error.error === "invalid_grant" && held.key.kind === "user") return lapse(who, held, owner);
      await release(who, held, owner, error);
      if (error instanceof UpstreamRefused)
        throw new Refusal("provider_refused", "The credential provider refused to give a token.", {
          error: error.error,
          ...(error.description !== undefined && { description: error.description }),
        });
      if (!(error instanceof UpstreamUnavailable) && !signal.aborted) throw error;
      if (old && isValid(held, clock())) return { kind: "live", version: held.version, stored: held, tokens: old };
      throw unavailable();
    }
    const kept = await keep(who, held, owner, old, answer, askedAt);
    // Tried once: whoever asked waits for what there is now, and hears nothing of it.
    if (!kept) await telling.dropped(who, held, provider, answer).catch(() => undefined);
    return kept;
  };

  const fly = async (who: Principal, wanted: RenewAsk): Promise<Renewed> => {
    const { key } = wanted;
    let seen = wanted.seen;
    let waited = 0;
    for (let round = 1; ; round += 1) {
      if (!seen || !isLeased(seen, clock())) {
        const lease = { owner: random(12).toString("base64url"), until: clock() + leaseLife };
        const held = await take(wanted, seen, lease);
        const renewed = held && (await renewHolding(who, held, lease.owner));
        if (renewed) return renewed;
      }
      if (waited >= longestWait) {
        if (seen?.state === "active" && isValid(seen, clock())) return live(seen);
        throw unavailable();
      }
      const now = await connectionsTable.byKey(db.read, key);
      if (now?.version !== wanted.seen?.version || now?.id !== wanted.seen?.id) {
        const active = now?.state === "active";
        if (now && active && isValid(now, clock())) return live(now);
        if (key.kind === "user" && !(active && now?.refreshable)) return { kind: "lapsed", version: now?.version ?? gone };
      }
      seen = now;
      if (!seen || !isLeased(seen, clock())) continue;
      const wait = Math.min(firstPause * round, longestPause);
      await pause(wait);
      waited += wait;
    }
  };

  return {
    /**
     * Answers tokens at least as new as those seen. It goes on when the caller has left: what the provider gave is stored in any case.
     * @throws Refusal provider_refused, provider_unavailable, provider_unknown, provider_suspended; agent_suspended where nothing was had before
     */
    renew: async (who: Principal, wanted: RenewAsk): Promise<Renewed> => {
      const name = keyText(wanted.key);
      for (;;) {
        let flight = flights.get(name);
        if (!flight) {
          flight = fly(who, wanted).finally(() => flights.delete(name));
          flights.set(name, flight);
        }
        const renewed = await flight;
        // A flight that began before a consent replaced the grant may still answer the former one.
        if (renewed.version >= (wanted.seen?.version ?? 0)) return renewed;
      }
    },

    /** Waits until nothing is under way, so that no lease is left behind and nothing that a provider gave is lost; half a minute at most. */
    close: async (): Promise<void> => {
      const landed = (async () => {
        while (flights.size > 0) await Promise.allSettled(flights.values());
      })();
      const cap = new AbortController();
      await Promise.race([landed, sleep(longestClose, undefined, { signal: cap.signal, ref: false }).catch(() => undefined)]);
      cap.abort();
    },
  };
};
