import type { Handle, Tables } from "../../ground/db/index.ts";

/** The tables of things that have an id, a version, and a list of the agents who may use them; each room names its own. */
type Listing = {
  [T in keyof Tables]: Tables[T] extends {
    readonly id: unknown;
    readonly agents: string;
    readonly version: number;
    readonly updated_at: number;
  }
    ? T
    : never;
}[keyof Tables];

/** The statements about lists of agents, which are the same whatever has the list. */
export const agentListsTable = {
  /**
   * Takes a deleted agent off the lists that name it; a list that is then empty lets nobody in. Rows are locked in one order, so that whoever does so
   * waits for nobody in a ring, and read only then: what others changed meanwhile stays as they left it.
   * @returns the ids of the things, which the caller announces once all else is written: whoever announces makes others wait
   */
  forget: async (tx: Handle, tenant: string, listing: Listing, agentId: string, now: number): Promise<readonly string[]> => {
    // What is asked of one is asked of each: they have these columns in common.
    const table = listing as "roles";
    const listed = tx.selectFrom(table).select("id").where("tenant_id", "=", tenant);
    const naming = await listed.where("agents", "like", `%"${agentId}"%`).orderBy("id").execute();
    for (const { id } of naming) {
      const its = () => tx.updateTable(table).where("tenant_id", "=", tenant).where("id", "=", id);
      const raised = its().set((eb) => ({ version: eb("version", "+", 1), updated_at: now }));
      const held = await raised.returning("agents").executeTakeFirst();
      if (!held) continue;
      const others = (JSON.parse(held.agents) as readonly string[]).filter((entry) => entry !== agentId);
      await its()
        .set({ agents: JSON.stringify(others) })
        .execute();
    }
    return naming.map(({ id }) => id);
  },
};
