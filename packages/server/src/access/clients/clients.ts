import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { anonymous, type Clock, type Principal, type Random } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import type { Replay } from "../../ground/replay/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import { defaultTenant, type Tenants } from "../../identity/tenants/index.ts";
import { makeApps } from "./apps.ts";
import { makeAuthenticate } from "./authenticate.ts";
import type { Client } from "./client.ts";
import { makeFind } from "./find.ts";
import { makeGuard } from "./guard.ts";
import { redirectUriOf } from "./redirect-uri.ts";
import { makeResources } from "./resources.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly replay: Pick<Replay, "useNow">;
  /** Hold every client. Without them nobody is limited. */
  readonly limits?: Pick<Limits, "mayGuess" | "guessed" | "take" | "takeUnproven"> | undefined;
  readonly tenants: Pick<Tenants, "isOpen" | "issuerOf">;
  readonly agents: Pick<
    Agents,
    "byId" | "whose" | "entriesToIds" | "clientSecretHolder" | "clientKeysOf" | "clientKeyUsed"
  >;
  /** The id of a trusted issuer. @throws Refusal issuer_unknown */
  readonly issuerId: (tenant: string, nameOrId: string) => Promise<string>;
  /** Ends what is under way for an app that is suspended. */
  readonly onSuspended: (tx: Handle, who: Principal, clientId: string) => Promise<void>;
  /** Ends what people granted an app that goes. */
  readonly onRemoved: (tx: Handle, who: Principal, clientId: string) => Promise<void>;
}

/** Who asks, where nobody is proven yet: what a document is fetched for counts there. */
export interface From {
  readonly requestId: string;
  readonly address: string | undefined;
}

export type Clients = ReturnType<typeof makeClients>;

export const makeClients = (needs: Needs) => {
  const { db, audit, clock, random, replay, limits, tenants, agents, issuerId, onSuspended, onRemoved } = needs;
  const { find, trace } = makeFind({ db, tenants, agents });

  const guard = makeGuard({
    limits,
    // Said also where the store cannot be written.
    onLimited: (who, { tenant, requestId, address }, refusal) =>
      audit
        .refused(who ?? anonymous(tenant ?? defaultTenant, requestId, address), "request.refused", {
          details: { reason: refusal.code, limit: refusal.details["limit"] },
        })
        .catch(() => undefined),
  });

  const apps = makeApps({
    db,
    audit,
    clock,
    random,
    issuerId,
    onSuspended,
    onRemoved: async (tx, who, id): Promise<void> => {
      await onRemoved(tx, who, id);
      await resources.forget(tx, who, id);
    },
  });
  const resources = makeResources({
    db,
    audit,
    clock,
    random,
    publicUrl: tenants.issuerOf(defaultTenant),
    issuerOf: tenants.issuerOf,
    agents,
    appsToIds: apps.entriesToIds,
  });

  return {
    apps,
    resources,

    authenticate: makeAuthenticate({ audit, clock, replay, agents, issuerOf: tenants.issuerOf, guard, find, trace }),

    /** A client of a tenant, if it may act now: an agent, a registered app, or the app whose metadata document is at this URL. */
    find: async (tenant: string, clientId: string, _from?: From): Promise<Client | undefined> => {
      const found = await find(tenant, clientId);
      return "absent" in found ? undefined : found;
    },

    redirectUriOf,

    /** A deleted agent's entries go with it. */
    agentRemoved: resources.forget,
  };
};
