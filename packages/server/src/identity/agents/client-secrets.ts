import type { Principal } from "../../ground/kernel/index.ts";
import { boundTo, isClientSecret, newClientSecret, newClientSecretId } from "./client-secret.ts";
import { type KeyRingNeeds, makeKeyRing } from "./key-ring.ts";
import { type KeyHolder, keyRingTable } from "./key-ring-table.ts";

export const clientSecretsTable = keyRingTable("client_secrets");

/** By which an agent proves itself as an OAuth client (RFC 6749 2.3.1); its client id is its agent id. */
export const makeClientSecrets = (needs: KeyRingNeeds) => {
  const ring = makeKeyRing(needs, clientSecretsTable, {
    called: "client secret",
    kind: "client_secret",
    newId: newClientSecretId,
    newText: newClientSecret,
    hashed: boundTo,
  });
  return {
    /** @returns the secret, which nobody can read again. @throws Refusal agent_unknown, agent_revoked, too_many_keys */
    createClientSecret: async (
      who: Principal,
      ref: string,
      wanted: { readonly description?: string | undefined },
    ): Promise<{ id: string; clientId: string; clientSecret: string }> => {
      const { id, agentId, text } = await ring.create(who, ref, wanted);
      return { id, clientId: agentId, clientSecret: text };
    },

    /** Newest first. @throws Refusal agent_unknown */
    listClientSecrets: ring.list,

    /** How many client secrets an agent has, and at most `most` of them. */
    someClientSecrets: ring.some,

    /** @throws Refusal agent_unknown, key_unknown */
    deleteClientSecret: ring.remove,

    /** Whether this is a client's secret that is remembered: nothing is read for it. */
    isClientSecretKnown: (clientId: string, clientSecret: string): Promise<boolean> => ring.isKnown(boundTo(clientId, clientSecret)),

    /**
     * Whose secret this is, if it is this client's. Whether the client is unknown or the secret wrong, the same is hashed and looked up and not
     * found.
     */
    clientSecretHolder: (clientId: string, clientSecret: string): Promise<KeyHolder | undefined> =>
      isClientSecret(clientSecret) ? ring.holderOf(boundTo(clientId, clientSecret)) : Promise.resolve(undefined),
  };
};
