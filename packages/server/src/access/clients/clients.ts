import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import { anonymous, type Clock, type Random } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import type { Replay } from "../../ground/replay/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Guard } from "../../identity/authn/index.ts";
import { defaultTenant, type Tenants } from "../../identity/tenants/index.ts";
import { makeApps } from "./apps.ts";
import { makeAuthenticate } from "./authenticate.ts";
import type { Client } from "./client.ts";
import { kindOfClientId } from "./client-id.ts";
import { makeDocuments } from "./documents.ts";
import { type Absent, makeFind } from "./find.ts";
import { away, notLetIn, refused } from "./refused.ts";
import { redirectUriOf } from "./redirect-uri.ts";
import { makeResources } from "./resources.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly egress: Pick<Egress, "fetch">;
  readonly replay: Pick<Replay, "useNow">;
  /** Hold whoever has documents fetched. Without them nobody is limited. */
  readonly limits?: Pick<Limits, "mayGuess" | "guessed"> | undefined;
  /** Holds every client that proves itself. */
  readonly guard: Guard;
  readonly tenants: Pick<Tenants, "isOpen" | "issuerOf">;
  readonly agents: Pick<
    Agents,
    "byId" | "whose" | "entriesToIds" | "clientSecretHolder" | "isClientSecretKnown" | "clientKeysOf" | "clientKeyUsed"
  >;
  /** The id of a trusted issuer; nobody removes it until the transaction ends. @throws Refusal issuer_unknown */
  readonly holdIssuer: (tx: Handle, tenant: string, nameOrId: string) => Promise<string>;
  /** Forgets what people consented to of a client whose document is forgotten; it may stop before it is through. */
  readonly onDocumentForgotten: (tenant: string, clientId: string, signal: AbortSignal) => Promise<void>;
}

/** Who asks, where nobody is proven yet: what a document is fetched for counts there. */
export interface From {
  readonly requestId: string;
  readonly address: string | undefined;
}

export type Clients = ReturnType<typeof makeClients>;

export const makeClients = (needs: Needs) => {
  const { db, audit, clock, random, egress, replay, limits, guard, tenants, agents, holdIssuer, onDocumentForgotten } = needs;
  const { find, trace } = makeFind({ db, tenants, agents });

  const documents = makeDocuments({ db, egress, clock, limits, onForgotten: onDocumentForgotten });

  /** The client of this id if it may act now, or why not; a document's is of the tenant that is asked, or of the default one. */
  const findAny = async (tenant: string | undefined, id: string, address: string | undefined): Promise<Client | Absent> => {
    if (kindOfClientId(id) !== "document") return find(tenant, id);
    const asked = tenant ?? defaultTenant;
    if (!(await tenants.isOpen(asked))) return { absent: "tenant_closed" };
    // Before anything is fetched: no stranger has us call anybody where no operator lets strangers in.
    return (await resources.letsIn(asked, id)) ? documents.find(asked, id, address) : { absent: notLetIn };
  };

  const apps = makeApps({
    db,
    audit,
    clock,
    random,
    holdIssuer,
    onRemoved: (tx, who, id): Promise<void> => resources.forget(tx, who, id),
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

    authenticate: makeAuthenticate({
      audit,
      clock,
      replay,
      agents,
      issuerOf: tenants.issuerOf,
      guard,
      find: (tenant, id, { address }) => findAny(tenant, id, address),
      trace,
    }),

    /**
     * A client of a tenant, if it may act now: an agent, a registered app, or the app whose metadata document is at this URL.
     * @param from Who names it, where nobody is proven: what has to be fetched counts there, and the record tells why there is none.
     * @throws Refusal rate_limited; unavailable where the document cannot be had just now
     */
    find: async (tenant: string, clientId: string, from?: From): Promise<Client | undefined> => {
      const found = await findAny(tenant, clientId, from?.address);
      if (!("absent" in found)) return found;
      if (from) await refused(audit, anonymous(tenant, from.requestId, from.address), clientId, found, {});
      if (found.isPassing === true) throw away();
      return undefined;
    },

    /** Forgets documents that nobody uses. */
    prune: documents.prune,

    redirectUriOf,

    /** A deleted agent's entries go with it. */
    agentRemoved: resources.forget,
  };
};
