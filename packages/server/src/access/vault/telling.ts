import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { type Provider, type Providers, type Upstream, UpstreamRefused, UpstreamUnavailable } from "../providers/index.ts";
import type { Stored } from "./connection.ts";
import { openTokens } from "./connections.ts";
import { connectionsTable } from "./connections-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly providers: Pick<Providers, "byId"> & { readonly upstream: Pick<Upstream, "revoke"> };
}

/** A connection that was revoked, and the provider as it stood then: what it gave is shown to nobody else. */
interface Revoked {
  readonly before: Stored;
  readonly provider: Provider;
  readonly shared: boolean;
}

/** How many providers are asked at once, and how many revocations wait for that; more than those are not told. */
const atOnce = 4;
const mostWaiting = 200;
/** Milliseconds. */
const patience = 10_000;

/** Why the provider was not asked, or did not do it. */
const failureOf = (thrown: unknown): Readonly<Record<string, string>> => {
  if (thrown instanceof UpstreamRefused) return { reason: "provider_refused", error: thrown.error };
  return { reason: thrown instanceof UpstreamUnavailable || thrown instanceof DOMException ? "provider_unavailable" : "internal" };
};

/**
 * Tells providers of connections that were revoked here (RFC 7009). The connection is dead in any case; this is tried once, in the background, and
 * its outcome is audited. What is waiting when the process dies is not tried again.
 */
export const makeTelling = ({ db, audit, seal, providers }: Needs) => {
  const waiting: (() => Promise<void>)[] = [];
  const stopping = new AbortController();
  const working = new Set<Promise<void>>();

  const record = (who: Principal, { before: { id, key } }: Revoked, failed?: Readonly<Record<string, string>>): Promise<void> =>
    db.write((tx) =>
      audit.record(tx, who, "connection.provider_revoked", {
        target: id,
        agent: key.agent,
        user: key.kind === "user" ? key.user : undefined,
        ...(failed && { outcome: "refused" as const }),
        details: { provider: key.provider, ...failed },
      }),
    );

  const tell = async (who: Principal, revoked: Revoked): Promise<void> => {
    const { before, provider } = revoked;
    const tokens = await openTokens(seal, before);
    if (!tokens) return;
    const { refreshToken, accessToken } = tokens;
    const asked =
      refreshToken === undefined
        ? ({ token: accessToken, hint: "access_token" } as const)
        : { token: refreshToken, hint: "refresh_token" as const };
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(patience)]);
    const failed = await providers.upstream
      .revoke(before.key.tenant, provider, { ...asked, signal })
      .then((done) => (done ? undefined : { reason: "no_endpoint" }), failureOf);
    await record(who, revoked, failed);
  };

  let workers = 0;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      // Nobody is left to be told of what fails here; that it was tried is all that was promised.
      await next().catch(() => undefined);
    }
  };

  const notAskedFor = ({ shared, provider }: Revoked): string | undefined => {
    if (shared) return "grant_shared";
    if (provider.status !== "active") return "provider_suspended";
    return waiting.length >= mostWaiting ? "busy" : undefined;
  };

  const start = (work: Promise<void>): void => {
    const worker = work.finally(() => working.delete(worker));
    working.add(worker);
  };

  return {
    /** In the transaction that revokes: what is needed to tell the provider; undefined where there is nothing to take back. */
    prepare: async (tx: Handle, before: Stored): Promise<Revoked | undefined> => {
      const { id, key } = before;
      const provider = before.sealedTokens === undefined ? undefined : await providers.byId(tx, key.tenant, key.provider);
      if (!provider) return undefined;
      // Many providers know one grant for a person and a client: to take one token back would end the others.
      const shared =
        key.kind === "user" && (await connectionsTable.anyBeside(tx, key.tenant, { id, user: key.user, provider: key.provider }));
      return { before, provider, shared };
    },

    /** Once that is committed. Returns at once. */
    begin: (who: Principal, revoked: Revoked | undefined): void => {
      if (!revoked) return;
      const not = notAskedFor(revoked);
      if (not !== undefined) {
        start(record(who, revoked, { reason: not }).catch(() => undefined));
        return;
      }
      waiting.push(() => tell(who, revoked));
      if (workers >= atOnce) return;
      workers += 1;
      start(
        work().finally(() => {
          workers -= 1;
        }),
      );
    },

    /** What waits is told no longer; what is under way ends now, and its row is written. */
    close: async (): Promise<void> => {
      stopping.abort(new DOMException("The server stops.", "AbortError"));
      while (working.size > 0) await Promise.all(working);
    },
  };
};
export type Telling = ReturnType<typeof makeTelling>;
