import type { Audit } from "../../ground/audit/index.ts";
import { type Db, type Handle, makeCache } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, pageFrom, placeOf, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Pepper } from "../../ground/seal/index.ts";
import type { Agent } from "./agent.ts";
import { type AgentKey, hintOf, isApiKey, newAgentKeyId, newApiKey } from "./agent-key.ts";
import { agentKeysTable, type KeyHolder } from "./agent-keys-table.ts";
import { agentsTable } from "./agents-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly pepper: Pepper;
  readonly clock: Clock;
  readonly random: Random;
}

/** For rotation: the new key works before the old one goes. */
const liveKeys = 2;
/** How stale `lastUsedAt` may be: a key in constant use is not written at every request. */
const touchEvery = 60_000;

/** Keys that are remembered at most, with who holds them. */
const remembered = 20_000;

/** A holder as it is remembered; the touch moves on without reading the row again. */
interface Known extends Omit<KeyHolder, "lastUsedAt" | "pepperId"> {
  lastUsedAt: number;
  pepperId: string;
}

const living = async (handle: Handle, tenant: string, ref: string): Promise<Agent> => {
  const agent = await agentsTable.byRef(handle, tenant, ref);
  if (!agent) throw new Refusal("agent_unknown", `There is no agent ${ref}.`);
  return agent;
};

export const makeAgentKeys = ({ db, audit, pepper, clock, random }: Needs) => {
  const cached = makeCache<Known>(db.changes, remembered, ({ keyId, agentId }) => [
    ["agent_key", keyId],
    ["agent", agentId],
  ]);
  return {
    /** @returns the key, which nobody can read again. @throws Refusal agent_unknown, agent_revoked, too_many_keys */
    createKey: (
      who: Principal,
      ref: string,
      wanted: { readonly description?: string | undefined },
    ): Promise<{ id: string; apiKey: string }> =>
      db.write(async (tx) => {
        // Locks the agent's row, so that two callers at once cannot both find room for one more.
        const agent = await agentsTable.lock(tx, who.tenant, (await living(tx, who.tenant, ref)).id);
        if (!agent) throw new Refusal("agent_unknown", `There is no agent ${ref}.`);
        if (agent.status === "revoked") throw new Refusal("agent_revoked", "The agent is revoked, which is final.");
        if ((await agentKeysTable.count(tx, who.tenant, agent.id)) >= liveKeys) {
          throw new Refusal("too_many_keys", `The agent has ${liveKeys} keys already. Delete one first.`, { limit: liveKeys });
        }
        const apiKey = newApiKey(random);
        const { hash, pepperId } = pepper.hash(apiKey);
        const key: AgentKey = {
          id: newAgentKeyId(random),
          description: wanted.description,
          hint: hintOf(apiKey),
          createdAt: clock(),
          lastUsedAt: undefined,
        };
        await agentKeysTable.insert(tx, who.tenant, agent.id, key, hash, pepperId);
        await audit.record(tx, who, "agent_key.created", { target: key.id, agent: agent.id });
        return { id: key.id, apiKey };
      }),

    /** Newest first. @throws Refusal agent_unknown */
    listKeys: async (tenant: string, ref: string, ask: PageAsk): Promise<Page<AgentKey>> => {
      const { id } = await living(db.read, tenant, ref);
      const rows = await agentKeysTable.list(db.read, tenant, id, placeOf(ask.cursor), ask.limit + 1);
      return pageFrom(rows, ask.limit, (key) => ({ at: key.createdAt, id: key.id }));
    },

    /** How many keys an agent has, and at most `most` of them. */
    someKeys: (tenant: string, agentId: string, most: number) => agentKeysTable.some(db.read, tenant, agentId, most),

    /** @throws Refusal agent_unknown, key_unknown */
    deleteKey: (who: Principal, ref: string, keyId: string): Promise<void> =>
      db.write(async (tx) => {
        const { id } = await living(tx, who.tenant, ref);
        if (!(await agentKeysTable.remove(tx, who.tenant, id, keyId))) throw new Refusal("key_unknown", "The agent has no such key.");
        await audit.record(tx, who, "agent_key.deleted", { target: keyId, agent: id });
        await db.changes.announce(tx, who.tenant, "agent_key", keyId);
      }),

    /** Whose key this is. A keyed hash is looked up, so nothing compares the key itself, and unknown and wrong take the same path. */
    holderOf: async (apiKey: string): Promise<KeyHolder | undefined> => {
      if (!isApiKey(apiKey)) return undefined;
      let holder: Known | undefined;
      for (const { hash } of pepper.lookups(apiKey)) holder ??= await cached(hash, () => agentKeysTable.holder(db.read, hash));
      if (!holder) return undefined;
      const now = clock();
      const moved = pepper.moved(apiKey, holder.pepperId);
      if (moved || Math.abs(now - holder.lastUsedAt) >= touchEvery) {
        const { tenant, keyId } = holder;
        holder.lastUsedAt = now;
        if (moved) holder.pepperId = moved.pepperId;
        await db.write((tx) => agentKeysTable.touch(tx, tenant, keyId, now, moved));
      }
      return holder;
    },
  };
};
