import { type Db, makeCache } from "../../ground/db/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import { clientOfAgent } from "./agent-client.ts";
import { clientOfApp } from "./app.ts";
import { appsTable } from "./apps-table.ts";
import type { Client } from "./client.ts";
import { kindOfClientId } from "./client-id.ts";

interface Needs {
  readonly db: Db;
  readonly tenants: Pick<Tenants, "isOpen">;
  readonly agents: Pick<Agents, "byId" | "whose">;
}

/** Why a client may not act, for the record: what is wrong with itself, or with its document. */
export interface Absent {
  readonly absent: string;
  /** Whose it is, where it is known. */
  readonly tenant?: string | undefined;
  /** Nothing is known to be wrong with it: its document cannot be had just now. */
  readonly isPassing?: boolean | undefined;
}

/** Clients that are remembered. */
const remembered = 20_000;

/** Whether an id can be that of an agent or app; what strangers make up is looked for in no store. */
const isStored = (id: string): boolean => ["agent", "app"].includes(kindOfClientId(id) ?? "");

/** Agents and registered apps as the clients that they are. */
export const makeFind = ({ db, tenants, agents }: Needs) => {
  const cached = makeCache<{ readonly client: Client }>(db.changes, remembered, ({ client }) => [
    [client.agent ? "agent" : "client", client.id],
  ]);

  /** The client of this id, in whichever tenant, if nothing is wrong with itself. */
  const active = (id: string): Promise<{ readonly client: Client } | undefined> =>
    cached(id, async () => {
      if (kindOfClientId(id) === "app") {
        const found = await appsTable.whose(db.read, id);
        return found?.app.status === "active" ? { client: clientOfApp(found.tenant, found.app) } : undefined;
      }
      const { tenant } = (await agents.whose(id)) ?? {};
      const agent = tenant === undefined ? undefined : await agents.byId(db.read, tenant, id);
      return tenant !== undefined && agent?.status === "active" ? { client: clientOfAgent(tenant, agent) } : undefined;
    });

  /** Whose client this is, also one that may not act; read anew each time, whether there is one or not. */
  const trace = async (id: string): Promise<Absent> => {
    if (!isStored(id)) return { absent: "client_unknown" };
    const known =
      kindOfClientId(id) === "app"
        ? await appsTable.whose(db.read, id).then((found) => found && { tenant: found.tenant, status: found.app.status })
        : await agents.whose(id);
    if (!known) return { absent: "client_unknown" };
    const { tenant, status } = known;
    if (status !== "active") return { absent: `${status}`, tenant };
    return { absent: (await tenants.isOpen(tenant)) ? "client_unknown" : "tenant_closed", tenant };
  };

  return {
    trace,
    /**
     * The client of this id, in whichever tenant, if it may act now.
     * @param tenant Where it has to be, if somebody says so.
     */
    find: async (tenant: string | undefined, id: string): Promise<Client | Absent> => {
      const { client } = (isStored(id) ? await active(id) : undefined) ?? {};
      if (!client) return trace(id);
      if (tenant !== undefined && tenant !== client.tenant) return { absent: "other_tenant", tenant: client.tenant };
      return (await tenants.isOpen(client.tenant)) ? client : { absent: "tenant_closed", tenant: client.tenant };
    },
  };
};
