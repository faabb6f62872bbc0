import type { Handle, Row } from "../../ground/db/index.ts";
import type { Stored } from "./connection.ts";
import { toStored } from "./connections-table.ts";

/** What the hot read tells of the provider: enough to decide who may have what. */
export interface FoundProvider {
  readonly id: string;
  readonly type: "api_key" | "oauth2";
  readonly agents: readonly string[];
  readonly flows: readonly string[] | undefined;
  readonly scopes: readonly string[];
  readonly scopesKey: string;
}

/** Which provider and which connection are meant; `scopesKey` is left out for the provider's own scopes. */
export interface Wanted {
  readonly vault: string;
  readonly provider: string;
  readonly agent: string;
  readonly user: string;
  readonly resource: string;
  readonly audience: string;
  readonly scopesKey: string | undefined;
}

const list = (json: string) => JSON.parse(json) as readonly string[];

/** The one statement of the hot path; it takes the tenant first. */
export const lookupTable = {
  /** A provider by name and the connection under the key, in one read. */
  find: async (
    db: Handle,
    tenant: string,
    wanted: Wanted,
  ): Promise<{ readonly provider: FoundProvider; readonly connection: Stored | undefined } | undefined> => {
    const row = await db
      .selectFrom("providers as p")
      .leftJoin("connections as c", (join) => {
        const key = join
          .onRef("c.tenant_id", "=", "p.tenant_id")
          .on("c.agent_id", "=", wanted.agent)
          .on("c.user_id", "=", wanted.user)
          .onRef("c.provider_id", "=", "p.id")
          .on("c.resource", "=", wanted.resource)
          .on("c.audience", "=", wanted.audience);
        return wanted.scopesKey === undefined
          ? key.onRef("c.scopes_key", "=", "p.scopes_key")
          : key.on("c.scopes_key", "=", wanted.scopesKey);
      })
      .selectAll("c")
      .select([
        "p.id as p_id",
        "p.type as p_type",
        "p.agents as p_agents",
        "p.flows as p_flows",
        "p.scopes as p_scopes",
        "p.scopes_key as p_scopes_key",
      ])
      .where("p.tenant_id", "=", tenant)
      .where("p.vault", "=", wanted.vault)
      .where("p.name", "=", wanted.provider)
      .executeTakeFirst();
    if (!row) return undefined;
    return {
      provider: {
        id: row.p_id,
        type: row.p_type,
        agents: list(row.p_agents),
        flows: row.p_flows === null ? undefined : list(row.p_flows),
        scopes: list(row.p_scopes),
        scopesKey: row.p_scopes_key,
      },
      connection: row.id === null ? undefined : toStored(row as Row<"connections">),
    };
  },
};
