import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { type Provider, type Providers, type Upstream, UpstreamRefused, UpstreamUnavailable } from "../providers/index.ts";
import type { Stored, Tokens } from "./connection.ts";
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
  readonly connection: Pick<Stored, "id" | "key">;
  readonly provider: Provider;
  readonly shared: boolean;
  readonly tokens: () => Promise<Given | undefined>;
  /** For the record, where it was not simply revoked. */
  readonly cause?: string;
}

/** What a provider gave. */
type Given = Pick<Tokens, "accessToken"> & { readonly refreshToken?: string | undefined };

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

  /** Many providers know one grant for a person and a client: to take one token back would end the others. */
  const isShared = async (handle: Handle, { id, key }: Revoked["connection"]): Promise<boolean> =>
    key.kind === "user" && (await connectionsTable.anyBeside(handle, key.tenant, { id, user: key.user, provider: key.provider }));

  const record = (who: Principal, { connection: { id, key }, cause }: Revoked, failed?: Readonly<Record<string, string>>): Promise<void> =>
    db.write((tx) =>
      audit.record(tx, who, "connection.provider_revoked", {
        target: id,
        agent: key.agent,
        user: key.kind === "user" ? key.user : undefined,
        ...(failed && { outcome: "refused" as const }),
        details: { provider: key.provider, ...(cause !== undefined && { cause }), ...failed },
      }),
    );

  const tell = async (who: Principal, revoked: Revoked): Promise<void> => {
    const { connection, provider } = revoked;
    const given = await revoked.tokens();
    if (!given) return;
    const { refreshToken, accessToken } = given;
    const asked =
      refreshToken === undefined
        ? ({ token: accessToken, hint: "access_token" } as const)
        : { token: refreshToken, hint: "refresh_token" as const };
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(patience)]);
    const failed = await providers.upstream
      .revoke(connection.key.tenant, provider, { ...asked, signal })
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

  const begin = (who: Principal, revoked: Revoked): void => {
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
  };

  return {
    /** In the transaction that revokes: what is needed to tell the provider; undefined where there is nothing to take back. */
    prepare: async (tx: Handle, before: Stored): Promise<Revoked | undefined> => {
      const { key } = before;
      const provider = before.sealedTokens === undefined ? undefined : await providers.byId(tx, key.tenant, key.provider);
      if (!provider) return undefined;
      return { connection: before, provider, shared: await isShared(tx, before), tokens: () => openTokens(seal, before) };
    },

    /** Once that is committed. Returns at once. */
    begin: (who: Principal, revoked: Revoked | undefined): void => {
      if (revoked) begin(who, revoked);
    },

    /**
     * Takes back what a provider gave for a connection that moved on while it was asked: it is stored nowhere, so that nobody else ever could. Where the
     * connection stands again, by a consent or another's refresh, what it lives on may be the same grant, which is left alone.
     * @param provider As it stood when it was asked.
     */
    dropped: async (who: Principal, { id, key }: Stored, provider: Provider, given: Given): Promise<void> => {
      if ((await connectionsTable.byKey(db.read, key))?.state === "active") return;
      const now = await providers.byId(db.read, key.tenant, key.provider);
      begin(who, {
        connection: { id, key },
        provider: now ? { ...provider, status: now.status } : provider,
        shared: await isShared(db.read, { id, key }),
        tokens: () => Promise.resolve(given),
        cause: "ended while it was refreshed",
      });
    },

    /** What waits is told no longer; what is under way ends now, and its row is written. */
    close: async (): Promise<void> => {
      stopping.abort(new DOMException("The server stops.", "AbortError"));
      while (working.size > 0) await Promise.all(working);
    },
  };
};
export type Telling = ReturnType<typeof makeTelling>;
