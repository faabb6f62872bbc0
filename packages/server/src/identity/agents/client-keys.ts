import { makeCache } from "../../ground/db/index.ts";
import { type Page, type PageAsk, readPage, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { agentsTable } from "./agents-table.ts";
import { type ClientKey, newClientKeyId, publicKeyFrom } from "./client-key.ts";
import { clientKeysTable } from "./client-keys-table.ts";
import { holdForKey, type KeyRingNeeds, touchEvery } from "./key-ring.ts";

/** So many that keys may overlap while they rotate, and few enough to try each. */
const liveKeys = 5;
/** Agents whose keys are remembered at most. */
const remembered = 20_000;

/** An agent's keys as they are remembered; the touch moves on without reading a row again. */
export interface ClientKeys {
  readonly tenant: string;
  readonly agentId: string;
  readonly keys: readonly (Omit<ClientKey, "lastUsedAt"> & { lastUsedAt: number | undefined })[];
}

/** By which an agent proves itself as an OAuth client without a secret that we know (RFC 7523 2.2). */
export const makeClientKeys = ({ db, audit, clock, random }: Omit<KeyRingNeeds, "pepper">) => {
  // What is announced of a key names its agent, so that one who gets its second key is read anew as well.
  const cached = makeCache<ClientKeys>(db.changes, remembered, ({ agentId }) => [
    ["client_key", agentId],
    ["agent", agentId],
  ]);

  const agentIdOf = async (tenant: string, ref: string): Promise<string> => {
    const agent = await agentsTable.byRef(db.read, tenant, ref);
    if (!agent) throw new Refusal("agent_unknown", `There is no agent ${ref}.`);
    return agent.id;
  };

  return {
    /**
     * @param wanted `jwk`: one public JSON Web Key (RFC 7517)
     * @throws Refusal agent_unknown, agent_revoked, too_many_keys; invalid_request for a key that cannot be used, or a `kid` that the agent has
     */
    createClientKey: (
      who: Principal,
      ref: string,
      wanted: { readonly jwk: Readonly<Record<string, unknown>>; readonly description?: string | undefined },
    ): Promise<ClientKey> =>
      db.write(async (tx) => {
        const key: ClientKey = {
          id: newClientKeyId(random),
          ...publicKeyFrom(wanted.jwk),
          description: wanted.description,
          createdAt: clock(),
          lastUsedAt: undefined,
        };
        const agent = await holdForKey(tx, who.tenant, ref);
        if ((await clientKeysTable.count(tx, who.tenant, agent.id)) >= liveKeys) {
          throw new Refusal("too_many_keys", `The agent has ${liveKeys} client keys already. Delete one first.`, { limit: liveKeys });
        }
        if (!(await clientKeysTable.insert(tx, who.tenant, agent.id, key))) {
          const message = "the agent has a key of this kid";
          throw new Refusal("invalid_request", `The key cannot be used: ${message}.`, { issues: [{ path: "jwk.kid", message }] });
        }
        await audit.record(tx, who, "client_key.created", { target: key.id, agent: agent.id, details: { kid: key.kid } });
        await db.changes.announce(tx, who.tenant, "client_key", agent.id);
        return key;
      }),

    /** Newest first. @throws Refusal agent_unknown */
    listClientKeys: async (tenant: string, ref: string, ask: PageAsk): Promise<Page<ClientKey>> => {
      const id = await agentIdOf(tenant, ref);
      return readPage(
        [tenant, "client_key", id],
        ask,
        (place, most) => clientKeysTable.list(db.read, tenant, id, place, most),
        (key) => ({ at: key.createdAt, id: key.id }),
      );
    },

    /** How many client keys an agent has, and at most `most` of them. */
    someClientKeys: (tenant: string, agentId: string, most: number) => clientKeysTable.some(db.read, tenant, agentId, most),

    /** @throws Refusal agent_unknown, key_unknown */
    deleteClientKey: async (who: Principal, ref: string, keyId: string): Promise<void> => {
      const agent = await agentIdOf(who.tenant, ref);
      await db.write(async (tx) => {
        if (!(await clientKeysTable.remove(tx, who.tenant, agent, keyId))) {
          throw new Refusal("key_unknown", "The agent has no such client key.");
        }
        await audit.record(tx, who, "client_key.deleted", { target: keyId, agent });
        await db.changes.announce(tx, who.tenant, "client_key", agent);
      });
    },

    /** The keys of the agent that has this id, in whichever tenant; undefined where there is no such agent. */
    clientKeysOf: (agentId: string): Promise<ClientKeys | undefined> =>
      cached(agentId, async () => {
        const agent = await agentsTable.whose(db.read, agentId);
        if (!agent) return undefined;
        const keys = await clientKeysTable.all(db.read, agent.tenant, agentId);
        return { tenant: agent.tenant, agentId, keys: keys.map((key) => ({ ...key })) };
      }),

    /** Remembers that one of these keys was used, within a minute. */
    clientKeyUsed: async ({ tenant, keys }: ClientKeys, keyId: string): Promise<void> => {
      const now = clock();
      const key = keys.find(({ id }) => id === keyId);
      if (!key || Math.abs(now - (key.lastUsedAt ?? 0)) < touchEvery) return;
      key.lastUsedAt = now;
      await db.write((tx) => clientKeysTable.touch(tx, tenant, keyId, now));
    },
  };
};
