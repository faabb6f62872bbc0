import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, readPage, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import { type FamilyFilter, familiesTable } from "./families-table.ts";
import { type FamiliesOf, type Family, type FamilyRevoked, mostLiving, newFamilyId } from "./family.ts";
import { rememberedConsentsTable } from "./remembered-consents-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
}

export type Families = ReturnType<typeof makeFamilies>;

/** What a family begins with. */
export type NewFamily = Omit<Family, "id" | "status" | "reason" | "createdAt" | "updatedAt">;

/** Families that one login ends at most. */
const endedAtOnce = 100;

const unknown = () => new Refusal("grant_unknown", "There is no such grant.");

/** Families of tokens: how they begin, go on and end. */
export const makeFamilies = ({ db, audit, clock, random }: Needs) => {
  /** Ends a family with all that came of it. Answers false where it was over already. */
  const revoke = async (tx: Handle, who: Principal, id: string, reason: FamilyRevoked): Promise<boolean> => {
    const family = await familiesTable.revoke(tx, who.tenant, id, reason, clock());
    if (!family) return false;
    // Whoever takes it back is asked before there is another.
    if (reason !== "superseded") await rememberedConsentsTable.forget(tx, who.tenant, family);
    await audit.record(tx, who, "grant.revoked", {
      target: id,
      agent: family.agent,
      user: family.user,
      details: { reason, client: family.client, resource: family.resource },
    });
    // Once all rows are written: whoever announces makes others wait.
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
      const begun: Family = { ...family, id: newFamilyId(random), createdAt: now, updatedAt: now, status: "active", reason: undefined };
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

    /**
     * After a login: ends the oldest of the user's families for this client and resource that are too many, so that who logs in every hour does not
     * fill the store. The last thing that a transaction does.
     */
    trim: async (tx: Handle, who: Principal, { user, client, resource }: Pick<Family, "user" | "client" | "resource">): Promise<void> => {
      const living = await familiesTable.living(tx, who.tenant, { user: user.id, client, resource }, clock(), endedAtOnce);
      for (const id of living.slice(mostLiving)) await revoke(tx, who, id, "superseded");
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: (tenant: string, filter: FamilyFilter, ask: PageAsk): Promise<Page<Family>> =>
      readPage(
        [tenant, "grants"],
        ask,
        (place, most) => familiesTable.list(db.read, tenant, filter, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      ),

    /** @throws Refusal grant_unknown */
    get: async (handle: Handle, tenant: string, id: string): Promise<Family> => {
      const family = await familiesTable.byId(handle, tenant, id);
      if (!family) throw unknown();
      return family;
    },

    /** How many of somebody's live, and at most `most` of them. */
    someOf: (tenant: string, { kind, id }: FamiliesOf, most: number) =>
      kind === "agent" ? familiesTable.someOfAgent(db.read, tenant, id, most) : familiesTable.someOfUser(db.read, tenant, id, most),
  };
};
