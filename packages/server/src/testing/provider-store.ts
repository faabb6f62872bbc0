import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";

/** What an oidc-provider remembers, in memory, one store a provider; `payloads` is for tests that look or meddle. */
export const memoryStore = (): { adapter: AdapterFactory; payloads: Map<string, AdapterPayload> } => {
  const payloads = new Map<string, AdapterPayload>();
  const adapter: AdapterFactory = (model): Adapter => {
    const keyOf = (id: string) => `${model}:${id}`;
    const living = (payload: AdapterPayload | undefined) =>
      payload?.exp === undefined || payload.exp * 1000 > Date.now() ? payload : undefined;
    const where = (field: "uid" | "userCode", value: string) => {
      for (const [key, payload] of payloads) if (key.startsWith(`${model}:`) && payload[field] === value) return living(payload);
      return undefined;
    };
    return {
      upsert: (id, payload) => {
        payloads.set(keyOf(id), payload);
        return Promise.resolve();
      },
      find: (id) => Promise.resolve(living(payloads.get(keyOf(id)))),
      findByUid: (uid) => Promise.resolve(where("uid", uid)),
      findByUserCode: (userCode) => Promise.resolve(where("userCode", userCode)),
      consume: (id) => {
        const payload = payloads.get(keyOf(id));
        if (payload) payload["consumed"] = Math.floor(Date.now() / 1000);
        return Promise.resolve();
      },
      destroy: (id) => {
        payloads.delete(keyOf(id));
        return Promise.resolve();
      },
      revokeByGrantId: (grantId) => {
        for (const [key, payload] of payloads) if (payload.grantId === grantId) payloads.delete(key);
        return Promise.resolve();
      },
    };
  };
  return { adapter, payloads };
};
