import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Clock, Random } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { StandingCheck } from "../../identity/tokens/index.ts";
import type { Providers, Upstream } from "../providers/index.ts";
import type { Connections } from "./connections.ts";
import { type Consents, makeOauth2 } from "./oauth2.ts";
import { makeRefresh } from "./refresh.ts";
import { makeStatic } from "./static.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly seal: Seal;
  readonly agents: Pick<Agents, "byId">;
  readonly providers: Pick<Providers, "byId" | "usable" | "apiKey"> & {
    readonly upstream: Pick<Upstream, "refresh" | "clientCredentials">;
  };
  readonly standing: Pick<StandingCheck, "alive">;
  readonly connections: Connections;
  readonly sessions: Consents;
  /** Waits in real time unless given. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

export type Vault = ReturnType<typeof makeVault>;

/** Everything that may be asked of the vault but the consents themselves. */
export const makeVault = (needs: Needs) => {
  const { connections, sessions } = needs;
  return {
    /** An OAuth 2 access token, or where the user consents. */
    oauth2: makeOauth2({ ...needs, consents: sessions, refresh: makeRefresh(needs) }),
    /** An API key. */
    apiKey: makeStatic(needs),
    listConnections: connections.list,
    getConnection: connections.get,
    revokeConnection: connections.revoke,
    agentRemoved: connections.agentRemoved,
    providerRemoved: connections.providerRemoved,
    providerRebound: connections.providerRebound,
  };
};
