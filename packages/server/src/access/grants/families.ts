import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, pageFrom, placeOf, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import { type FamilyFilter, familiesTable } from "./families-table.ts";
import { type FamiliesOf, type Family, type FamilyEnd, newFamilyId } from "./family.ts";
import { rememberedConsentsTable } from "./remembered-consents-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
}

export type Families = ReturnType<typeof makeFamilies>;

/** What a family begins with. */
export type NewFamily = Pick<Family, "client" | "clientVersion" | "agent" | "user" | "tenantEpoch" | "resource" | "scopes" | "expiresAt">;

const unknown = () => new Refusal("grant_unknown", "There is no such grant.");

/** Families of tokens: how they begin, go on and end. */
export const makeFamilies = ({ db, audit, clock, random }: Needs) => {
  /** Ends a family with all that came of it. Answers false where it was over already. */
  const revoke = async (tx: Handle, who: Principal, id: string, reason: FamilyEnd): Promise<boolean> => {
    const family = await familiesTable.revoke(tx, who.tenant, id, reason, clock());
    if (!family) return false;
    // Whoever takes it back is asked before there is another.
    await rememberedConsentsTable.forget(tx, who.tenant, { client: family.client, user: family.user.id, resource: family.resource });
    await audit.record(tx, who, "grant.revoked", {
      target: id,
      agent: family.agent?.id,
      user: family.user.id,
      details: { reason, client: family.client, resource: family.resource },
    });
    await db.changes.announce(tx, who.tenant, "oauth_grant", id);
    return true;
  };

  return {
    /**
     * Begins a family in the caller's transaction, when a person has consented and before there is a code.
     * @param family `expiresAt`: when its code ends; whoever redeems the code moves it on
     */
    begin: async (tx: Handle, who: Principal, family: NewFamily): Promise<Family> => {
      const now = clock();
      const begun: Family = { ...family, id: newFamilyId(random), status: "active", reason: undefined, createdAt: now, updatedAt: now };
      await familiesTable.insert(tx, who.tenant, begun);
      await audit.record(tx, who, "grant.created", {
        target: begun.id,
        agent: begun.agent?.id,
        user: begun.user.id,
        details: { client: begun.client, resource: begun.resource, scopes: begun.scopes },
      });
      return begun;
    },

    revoke,

    /** Ends all of somebody's. One change tells of all of them: whoever remembers one of them also hears by its client, agent and user. */
    revokeOf: async (tx: Handle, who: Principal, of: FamiliesOf, reason: FamilyEnd): Promise<void> => {
      const grants = await familiesTable.revokeOf(tx, who.tenant, of, reason, clock());
      if (grants === 0) return;
      await audit.record(tx, who, "grants.revoked", { target: of.id, details: { reason, grants } });
      await db.changes.announce(tx, who.tenant, "oauth_grant", of.id);
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, filter: FamilyFilter, ask: PageAsk): Promise<Page<Family>> =>
      pageFrom(await familiesTable.list(db.read, tenant, filter, placeOf(ask.cursor), ask.limit + 1), ask.limit, ({ createdAt, id }) => ({
        at: createdAt,
        id,
      })),

    /** @throws Refusal grant_unknown */
    get: async (handle: Handle, tenant: string, id: string): Promise<Family> => {
      const family = await familiesTable.byId(handle, tenant, id);
      if (!family) throw unknown();
      return family;
    },

    /** How many of somebody's are active, and at most `most` of them. */
    someOf: (tenant: string, of: FamiliesOf, most: number) => familiesTable.someOf(db.read, tenant, of, most),
  };
};
