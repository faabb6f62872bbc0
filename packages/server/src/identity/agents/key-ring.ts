import type { Audit } from "../../ground/audit/index.ts";
import { type Db, type Handle, makeCache } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, readPage, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Pepper } from "../../ground/seal/index.ts";
import type { Agent } from "./agent.ts";
import type { AgentKey } from "./agent-key.ts";
import { agentsTable } from "./agents-table.ts";
import { type KeyHolder, keyRingTable } from "./key-ring-table.ts";
import { hintOf } from "./key-text.ts";

export interface KeyRingNeeds {
  readonly db: Db;
  readonly audit: Audit;
  readonly pepper: Pepper;
  readonly clock: Clock;
  readonly random: Random;
}

/** One sort of keys of agents. */
interface Sort {
  /** What it is to people. */
  readonly called: "key" | "client secret";
  /** What it is in the record and to caches. */
  readonly kind: "agent_key" | "client_secret";
  readonly newId: (random: Random) => string;
  readonly newText: (random: Random) => string;
  /** What is hashed of a key of this agent. */
  readonly hashed: (agentId: string, text: string) => string;
}

/** For rotation: the new key works before the old one goes. */
const liveKeys = 2;
/** How stale `lastUsedAt` may be: a key in constant use is not written at every request. */
export const touchEvery = 60_000;

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

/** Locks the agent's row, so that two callers at once cannot both find room for one more key. @throws Refusal agent_unknown, agent_revoked */
export const holdForKey = async (tx: Handle, tenant: string, ref: string): Promise<Agent> => {
  const agent = await agentsTable.lock(tx, tenant, (await living(tx, tenant, ref)).id);
  if (!agent) throw new Refusal("agent_unknown", `There is no agent ${ref}.`);
  if (agent.status === "revoked") throw new Refusal("agent_revoked", "The agent is revoked, which is final.");
  return agent;
};

/** The keys of one sort: made, listed, deleted, and found again by their keyed hash. */
export const makeKeyRing = (
  { db, audit, pepper, clock, random }: KeyRingNeeds,
  table: ReturnType<typeof keyRingTable>,
  { called, kind, newId, newText, hashed }: Sort,
) => {
  const cached = makeCache<Known>(db.changes, remembered, ({ keyId, agentId }) => [
    [kind, keyId],
    ["agent", agentId],
  ]);
  return {
    /** @returns the key, which nobody can read again. @throws Refusal agent_unknown, agent_revoked, too_many_keys */
    create: (
      who: Principal,
      ref: string,
      wanted: { readonly description?: string | undefined },
    ): Promise<{ id: string; agentId: string; text: string }> =>
      db.write(async (tx) => {
        const agent = await holdForKey(tx, who.tenant, ref);
        if ((await table.count(tx, who.tenant, agent.id)) >= liveKeys) {
          throw new Refusal("too_many_keys", `The agent has ${liveKeys} ${called}s already. Delete one first.`, { limit: liveKeys });
        }
        const text = newText(random);
        const { hash, pepperId } = await pepper.hashToStore(tx, hashed(agent.id, text));
        const key: AgentKey = {
          id: newId(random),
          description: wanted.description,
          hint: hintOf(text),
          createdAt: clock(),
          lastUsedAt: undefined,
        };
        await table.insert(tx, who.tenant, agent.id, key, hash, pepperId);
        await audit.record(tx, who, `${kind}.created`, { target: key.id, agent: agent.id });
        return { id: key.id, agentId: agent.id, text };
      }),

    /** Newest first. @throws Refusal agent_unknown */
    list: async (tenant: string, ref: string, ask: PageAsk): Promise<Page<AgentKey>> => {
      const { id } = await living(db.read, tenant, ref);
      return readPage(
        [tenant, kind, id],
        ask,
        (place, most) => table.list(db.read, tenant, id, place, most),
        (key) => ({ at: key.createdAt, id: key.id }),
      );
    },

    /** How many keys an agent has, and at most `most` of them. */
    some: (tenant: string, agentId: string, most: number) => table.some(db.read, tenant, agentId, most),

    /** @throws Refusal agent_unknown, key_unknown */
    remove: (who: Principal, ref: string, keyId: string): Promise<void> =>
      db.write(async (tx) => {
        const { id } = await living(tx, who.tenant, ref);
        if (!(await table.remove(tx, who.tenant, id, keyId))) throw new Refusal("key_unknown", `The agent has no such ${called}.`);
        await audit.record(tx, who, `${kind}.deleted`, { target: keyId, agent: id });
        await db.changes.announce(tx, who.tenant, kind, keyId);
      }),

    /** Whether this is a key that is remembered: nothing is read for it. */
    isKnown: async (whatIsHashed: string): Promise<boolean> => {
      for (const { hash } of pepper.candidates(whatIsHashed)) if (await cached(hash, () => Promise.resolve(undefined))) return true;
      return false;
    },

    /** Whose key this is. A keyed hash is looked up, so nothing compares the key itself, and unknown and wrong take the same path. */
    holderOf: async (whatIsHashed: string): Promise<KeyHolder | undefined> => {
      let holder: Known | undefined;
      for (const { hash } of await pepper.lookups(whatIsHashed)) holder ??= await cached(hash, () => table.holder(db.read, hash));
      if (!holder) return undefined;
      const now = clock();
      const movesTo = pepper.movesTo(holder.pepperId);
      if (movesTo !== undefined || Math.abs(now - holder.lastUsedAt) >= touchEvery) {
        const { tenant, keyId } = holder;
        holder.lastUsedAt = now;
        // Whoever comes meanwhile need not move it too.
        if (movesTo !== undefined) holder.pepperId = movesTo;
        await db.write(async (tx) => {
          const moved = movesTo === undefined ? undefined : await pepper.hashToStore(tx, whatIsHashed);
          await table.touch(tx, tenant, keyId, now, moved);
        });
      }
      return holder;
    },
  };
};
