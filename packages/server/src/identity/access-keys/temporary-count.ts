import { type Counter, counters, type Handle } from "../../ground/db/index.ts";

/** What counts an agent's temporary keys. */
export const temporaryKeysOf = (agentId: string): Counter => `temporary_keys/${agentId}`;

/** Takes temporary keys that were deleted off the counts of their agents; after all else in the transaction. */
export const uncount = async (tx: Handle, gone: readonly { readonly tenant: string; readonly agent: string }[]): Promise<void> => {
  const counts = new Map<string, { readonly tenant: string; readonly agent: string; keys: number }>();
  for (const { tenant, agent } of gone) {
    const count = counts.get(`${tenant}/${agent}`) ?? { tenant, agent, keys: 0 };
    count.keys += 1;
    counts.set(`${tenant}/${agent}`, count);
  }
  // In one order, so that two who do so wait for each other in no ring.
  for (const [, { tenant, agent, keys }] of [...counts].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const name = temporaryKeysOf(agent);
    // An agent that has none is as one that never had any: agents come and go, and their counts with them.
    if ((await counters.add(tx, tenant, name, -keys)) <= 0) await counters.forget(tx, tenant, name);
  }
};
