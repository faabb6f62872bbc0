import { type Handle, prepared, type Row } from "../../ground/db/index.ts";
import type { Stored } from "./connection.ts";
import { toStored } from "./connections-table.ts";

/** What the hot read tells of the provider: enough to decide who may have what. */
export interface FoundProvider {
  readonly id: string;
  readonly type: "api_key" | "oauth2";
  readonly status: "active" | "suspended";
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

interface Asked {
  readonly tenant: string;
  readonly agent: string;
  readonly user: string;
  readonly provider: string;
  readonly resource: string;
  readonly audience: string;
  readonly vault: string;
}

const foundBy = (db: Handle, asked: Asked, scopesKey: string | undefined) =>
  db
    .selectFrom("providers as p")
    .leftJoin("connections as c", (join) => {
      const key = join
        .onRef("c.tenant_id", "=", "p.tenant_id")
        .on("c.agent_id", "=", asked.agent)
        .on("c.user_id", "=", asked.user)
        .onRef("c.provider_id", "=", "p.id")
        .on("c.resource", "=", asked.resource)
        .on("c.audience", "=", asked.audience);
      return scopesKey === undefined ? key.onRef("c.scopes_key", "=", "p.scopes_key") : key.on("c.scopes_key", "=", scopesKey);
    })
    .selectAll("c")
    .select([
      "p.id as p_id",
      "p.type as p_type",
      "p.status as p_status",
      "p.agents as p_agents",
      "p.flows as p_flows",
      "p.scopes as p_scopes",
      "p.scopes_key as p_scopes_key",
    ])
    .where("p.tenant_id", "=", asked.tenant)
    .where("p.vault", "=", asked.vault)
    .where("p.name", "=", asked.provider)
    .limit(1);

type Found = Awaited<ReturnType<ReturnType<typeof foundBy>["execute"]>>[number];
const findByOwnScopes = prepared<Asked, Found>((db, asked) => foundBy(db, asked, undefined));
const findByScopes = prepared<Asked & { readonly scopesKey: string }, Found>((db, asked) => foundBy(db, asked, asked.scopesKey));

/** The one statement of the hot path; it takes the tenant first. */
export const lookupTable = {
  /** A provider by name and the connection under the key, in one read. */
  find: async (
    db: Handle,
    tenant: string,
    wanted: Wanted,
  ): Promise<{ readonly provider: FoundProvider; readonly connection: Stored | undefined } | undefined> => {
    const { agent, user, provider, resource, audience, vault, scopesKey } = wanted;
    const asked = { tenant, agent, user, provider, resource, audience, vault };
    const [row] = scopesKey === undefined ? await findByOwnScopes(db, asked) : await findByScopes(db, { ...asked, scopesKey });
    if (!row) return undefined;
    return {
      provider: {
        id: row.p_id,
        type: row.p_type,
        status: row.p_status,
        agents: list(row.p_agents),
        flows: row.p_flows === null ? undefined : list(row.p_flows),
        scopes: list(row.p_scopes),
        scopesKey: row.p_scopes_key,
      },
      connection: row.id === null ? undefined : toStored(row as Row<"connections">),
    };
  },
};
