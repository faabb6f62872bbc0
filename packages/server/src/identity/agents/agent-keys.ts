import type { Principal } from "../../ground/kernel/index.ts";
import { isApiKey, newAgentKeyId, newApiKey } from "./agent-key.ts";
import { type KeyRingNeeds, makeKeyRing } from "./key-ring.ts";
import { type KeyHolder, keyRingTable } from "./key-ring-table.ts";

export const agentKeysTable = keyRingTable("agent_keys");

export const makeAgentKeys = (needs: KeyRingNeeds) => {
  const ring = makeKeyRing(needs, agentKeysTable, {
    called: "key",
    kind: "agent_key",
    newId: newAgentKeyId,
    newText: newApiKey,
    hashed: (_, apiKey) => apiKey,
  });
  return {
    /** @returns the key, which nobody can read again. @throws Refusal agent_unknown, agent_revoked, too_many_keys */
    createKey: async (
      who: Principal,
      ref: string,
      wanted: { readonly description?: string | undefined },
    ): Promise<{ id: string; apiKey: string }> => {
      const { id, text } = await ring.create(who, ref, wanted);
      return { id, apiKey: text };
    },

    /** Newest first. @throws Refusal agent_unknown */
    listKeys: ring.list,

    /** How many keys an agent has, and at most `most` of them. */
    someKeys: ring.some,

    /** @throws Refusal agent_unknown, key_unknown */
    deleteKey: ring.remove,

    /** Whether this is a key that is remembered: nothing is read for it. */
    isKeyKnown: ring.isKnown,

    /** Whose key this is. */
    holderOf: (apiKey: string): Promise<KeyHolder | undefined> => (isApiKey(apiKey) ? ring.holderOf(apiKey) : Promise.resolve(undefined)),
  };
};
