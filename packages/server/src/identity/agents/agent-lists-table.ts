import { sql } from "kysely";
import type { Handle, Tables } from "../../ground/db/index.ts";

/** The tables of things that have an id, a version, and a list of the agents who may use them; each room names its own. */
type Listing = {
  [T in keyof Tables]: Tables[T] extends { readonly id: unknown; readonly agents: string; readonly version: number } ? T : never;
}[keyof Tables];

/** The statements about lists of agents, which are the same whatever has the list. */
export const agentListsTable = {
  /**
   * Takes a deleted agent off the lists that name it; a list that is then empty lets nobody in. Rows are locked in one order, so that whoever does so
   * waits for nobody in a ring, and read only then: what others changed meanwhile stays as they left it.
   * @returns the ids of the things, which the caller announces once all else is written: whoever announces makes others wait
   */
  forget: async (tx: Handle, tenant: string, listing: Listing, agentId: string, now: number): Promise<readonly string[]> => {
    const table = sql.table(listing);
    const { rows: naming } = await sql<{ id: string }>`
      select id from ${table} where tenant_id = ${tenant} and agents like ${`%"${agentId}"%`} order by id`.execute(tx);
    for (const { id } of naming) {
      const { rows: held } = await sql<{ agents: string }>`
        update ${table} set version = version + 1, updated_at = ${now} where tenant_id = ${tenant} and id = ${id} returning agents`.execute(
        tx,
      );
      for (const { agents } of held) {
        const others = (JSON.parse(agents) as readonly string[]).filter((entry) => entry !== agentId);
        await sql`update ${table} set agents = ${JSON.stringify(others)} where tenant_id = ${tenant} and id = ${id}`.execute(tx);
      }
    }
    return naming.map(({ id }) => id);
  },
};
