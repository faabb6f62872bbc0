import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, type Principal, readPage, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { UpstreamTokens } from "../providers/index.ts";
import {
  type Connection,
  type ConnectionFilter,
  missingScopes,
  newConnectionId,
  obtainedFrom,
  type Stored,
  type Tokens,
  tokensIdentity,
} from "./connection.ts";
import { connectionViews } from "./connection-views-table.ts";
import { connectionsTable } from "./connections-table.ts";
import type { ConnectionKey, Of } from "./credential-key.ts";
import { impactTable } from "./impact-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly seal: Seal;
}

/** What a consent stored. */
export interface StoredConsent {
  readonly connectionId: string;
  readonly version: number;
  /** What was granted. */
  readonly scopes: readonly string[];
  /** What was asked for and not granted. */
  readonly missingScopes: readonly string[];
}

export type Connections = ReturnType<typeof makeConnections>;

const unknown = (id: string) => new Refusal("connection_unknown", "There is no such connection.", { id });

/** What the vault holds: one connection per key. */
export const makeConnections = ({ db, audit, clock, random, seal }: Needs) => {
  const erased = (tx: Handle, who: Principal, cause: string, target: string, connections: number) =>
    connections === 0 ? Promise.resolve() : audit.record(tx, who, "connections.erased", { target, details: { cause, connections } });

  return {
    /**
     * Stores what a consent gave in the caller's transaction, in place of anything the key held before.
     * @param given.now When the provider was asked.
     */
    store: async (
      tx: Handle,
      key: ConnectionKey,
      given: { readonly requestedScopes: readonly string[]; readonly tokens: UpstreamTokens; readonly now: number },
    ): Promise<StoredConsent> => {
      const { requestedScopes, tokens, now } = given;
      const { id, version } = await connectionsTable.advance(tx, key, newConnectionId(random), requestedScopes, now);
      const obtained = obtainedFrom(tokens, requestedScopes, tokens.refreshToken !== undefined, now);
      const sealed = await seal.seal(tx, key.tenant, tokensIdentity(id, key, version), sealable(tokens, tokens.refreshToken));
      await connectionsTable.setTokens(tx, key.tenant, id, version, obtained, sealed, now);
      return {
        connectionId: id,
        version,
        scopes: obtained.grantedScopes,
        missingScopes: missingScopes(requestedScopes, obtained.grantedScopes, obtained.refreshable),
      };
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, filter: ConnectionFilter, ask: PageAsk): Promise<Page<Connection>> => {
      return readPage(
        [tenant, "connections"],
        ask,
        (place, most) => connectionViews.list(db.read, tenant, filter, place, most),
        (row) => ({ at: row.createdAt, id: row.id }),
      );
    },

    /** @throws Refusal connection_unknown */
    get: async (tenant: string, id: string): Promise<Connection> => {
      const found = await connectionViews.get(db.read, tenant, id);
      if (!found) throw unknown(id);
      return found;
    },

    /**
     * Ends a connection and erases its tokens; the user can consent anew.
     * @param before What is done in the same transaction with the connection as it was; its answer is answered.
     * @throws Refusal connection_unknown
     */
    revoke: <T = void>(who: Principal, id: string, before?: (tx: Handle, stored: Stored) => Promise<T>): Promise<T | undefined> =>
      db.write(async (tx) => {
        const stored = await connectionsTable.hold(tx, who.tenant, id);
        if (!stored) throw unknown(id);
        const kept = await before?.(tx, stored);
        await connectionsTable.revoke(tx, who.tenant, id, clock());
        const { key } = stored;
        await audit.record(tx, who, "connection.revoked", {
          target: id,
          agent: key.agent,
          user: key.kind === "user" ? key.user : undefined,
          details: { provider: key.provider },
        });
        return kept;
      }),

    /** How many connections of an agent, a user or a provider hold tokens, and at most `most` of them. */
    someOf: (tenant: string, of: Of, most: number) => impactTable.connectionsOf(db.read, tenant, of, most),

    /** How many agents hold tokens of a provider, and at most `most` of them. */
    agentsAt: (tenant: string, provider: string, most: number) => impactTable.agentsAt(db.read, tenant, provider, most),

    /** Erases what the vault holds for an agent that is gone. */
    agentRemoved: async (tx: Handle, who: Principal, agentId: string): Promise<void> =>
      erased(tx, who, "agent removed", agentId, await connectionsTable.deleteOf(tx, who.tenant, { kind: "agent", id: agentId })),

    /** Erases what the vault holds for a user who is revoked. */
    userRevoked: async (tx: Handle, who: Principal, userId: string): Promise<void> =>
      erased(tx, who, "user revoked", userId, await connectionsTable.deleteOf(tx, who.tenant, { kind: "user", id: userId })),

    /** Erases what was had from a provider that is gone. */
    providerRemoved: async (tx: Handle, who: Principal, providerId: string): Promise<void> =>
      erased(
        tx,
        who,
        "provider removed",
        providerId,
        await connectionsTable.deleteOf(tx, who.tenant, { kind: "provider", id: providerId }),
      ),

    /** A provider now points elsewhere: what its former self gave is never shown to the new one, and each user consents again. */
    providerRebound: async (tx: Handle, who: Principal, providerId: string): Promise<void> =>
      erased(tx, who, "provider rebound", providerId, await connectionsTable.lapseOf(tx, who.tenant, providerId, clock())),
  };
};

/** The text that is sealed. */
export const sealable = ({ accessToken, tokenType }: UpstreamTokens, refreshToken: string | undefined): string =>
  JSON.stringify({ accessToken, tokenType, ...(refreshToken !== undefined && { refreshToken }) } satisfies Tokens);

/** @throws SealBroken when the row was altered, or its tokens are those of another row, key or version */
export const openTokens = async (seal: Seal, stored: Stored): Promise<Tokens | undefined> => {
  const { id, key, version, sealedTokens } = stored;
  if (sealedTokens === undefined) return undefined;
  return JSON.parse(await seal.open(key.tenant, tokensIdentity(id, key, version), sealedTokens)) as Tokens;
};
