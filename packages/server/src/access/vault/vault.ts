import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Clock, Principal, Random } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { StandingCheck } from "../../identity/tokens/index.ts";
import type { Providers, Upstream } from "../providers/index.ts";
import type { Roles } from "../roles/index.ts";
import type { Connections } from "./connections.ts";
import { type Consents, makeOauth2 } from "./oauth2.ts";
import { makeRefresh } from "./refresh.ts";
import { makeStatic } from "./static.ts";
import { makeSts } from "./sts.ts";
import { makeTelling } from "./telling.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly seal: Seal;
  readonly agents: Pick<Agents, "byId" | "hold">;
  readonly providers: Pick<Providers, "byId" | "hold" | "usable" | "apiKey"> & {
    readonly upstream: Pick<Upstream, "refresh" | "clientCredentials" | "revoke">;
  };
  readonly roles: Pick<Roles, "assume">;
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
  const telling = makeTelling(needs);
  const refresh = makeRefresh({ ...needs, telling });
  return {
    /** An OAuth 2 access token, or where the user consents. */
    oauth2: makeOauth2({ ...needs, consents: sessions, refresh }),
    /** An API key. */
    apiKey: makeStatic(needs),
    /** Temporary credentials of a role. */
    sts: makeSts(needs),
    listConnections: connections.list,
    getConnection: connections.get,
    /** Ends a connection, erases its tokens, and tells the provider in the background. @throws Refusal connection_unknown */
    revokeConnection: async (who: Principal, id: string): Promise<void> =>
      telling.begin(who, await connections.revoke(who, id, telling.prepare)),
    /** Waits for what is under way at providers, as long as that may take. */
    close: async (): Promise<void> => {
      await Promise.all([refresh.close(), telling.close()]);
      // What a last refresh dropped is recorded too.
      await telling.close();
    },
  };
};
