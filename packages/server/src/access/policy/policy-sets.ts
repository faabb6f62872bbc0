import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle } from "../../ground/db/index.ts";
import {
  type Clock,
  type Foreign,
  type Page,
  type PageAsk,
  readPage,
  type Principal,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import { attachmentsTable } from "./attachments-table.ts";
import { mostSets, newSetId, type PolicySet } from "./policy.ts";
import { policySetsTable } from "./policy-sets-table.ts";

export interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
}

/** What may be said of a set beside its name; what is left out stays. */
export interface PolicySetFields {
  /** An empty one is none. */
  readonly description?: string | undefined;
  /** Replaces what the wires named here said before; other wires' stays. */
  readonly foreign?: Foreign | undefined;
}

export const unknownSet = (name: string): Refusal => new Refusal("policy_set_unknown", `There is no policy set named ${name}.`, { name });

/** @throws Refusal policy_set_unknown */
export const findSet = async (db: Handle, tenant: string, name: string): Promise<PolicySet> => {
  const found = await policySetsTable.byName(db, tenant, name);
  if (!found) throw unknownSet(name);
  return found;
};

/** The set, which nobody else changes until the transaction ends. @throws Refusal policy_set_unknown */
export const holdSet = async (tx: Handle, tenant: string, name: string): Promise<PolicySet> => {
  const found = await policySetsTable.lock(tx, tenant, name);
  if (!found) throw unknownSet(name);
  return found;
};

const fieldsOver = (before: PolicySet, { description, foreign }: PolicySetFields): PolicySet => ({
  ...before,
  description: description === undefined ? before.description : description || undefined,
  foreign: { ...before.foreign, ...foreign },
});

export const makePolicySets = ({ db, audit, clock, random }: Needs) => ({
  /** @throws Refusal policy_set_exists, too_many */
  create: (who: Principal, name: string, fields: PolicySetFields = {}): Promise<PolicySet> =>
    db.write(async (tx) => {
      const now = clock();
      const blank = { id: newSetId(random), name, description: undefined, foreign: {}, createdAt: now, updatedAt: now };
      const set = fieldsOver(blank, fields);
      if (!(await policySetsTable.insert(tx, who.tenant, set)))
        throw new Refusal("policy_set_exists", `There is already a policy set named ${name}.`, { name });
      await audit.record(tx, who, "policy_set.created", { target: set.id, details: { name } });
      // Whoever counts waits for the counter, so that two at once are counted right.
      if ((await counters.add(tx, who.tenant, "policy_sets", 1)) > mostSets)
        throw new Refusal("too_many", `A tenant has at most ${mostSets} policy sets.`, { limit: mostSets });
      await db.changes.announce(tx, who.tenant, "policy_set", set.id);
      return set;
    }),

  /** @throws Refusal policy_set_unknown */
  get: (tenant: string, name: string): Promise<PolicySet> => findSet(db.read, tenant, name),

  /** Oldest first. @throws Refusal invalid_request for an unknown cursor */
  list: async (tenant: string, ask: PageAsk): Promise<Page<PolicySet>> => {
    return readPage(
      [tenant, "policy_sets"],
      ask,
      (place, most) => policySetsTable.list(db.read, tenant, place, most),
      ({ createdAt, id }) => ({ at: createdAt, id }),
    );
  },

  count: (tenant: string): Promise<number> => counters.read(db.read, tenant, "policy_sets"),

  /** @throws Refusal policy_set_unknown */
  update: (who: Principal, name: string, fields: PolicySetFields): Promise<PolicySet> =>
    db.write(async (tx) => {
      const before = await holdSet(tx, who.tenant, name);
      const set = { ...fieldsOver(before, fields), updatedAt: clock() };
      await policySetsTable.update(tx, who.tenant, set);
      await audit.record(tx, who, "policy_set.updated", { target: set.id, details: { name } });
      await db.changes.announce(tx, who.tenant, "policy_set", set.id);
      return set;
    }),

  /** With its policies. @throws Refusal policy_set_unknown; policy_set_in_use while it is attached to a gateway */
  remove: (who: Principal, name: string): Promise<void> =>
    db.write(async (tx) => {
      const set = await holdSet(tx, who.tenant, name);
      if (await attachmentsTable.anyOf(tx, who.tenant, set.id))
        throw new Refusal("policy_set_in_use", `Policy set ${name} is attached to a gateway: detach it first.`, { name });
      await policySetsTable.remove(tx, who.tenant, set.id);
      await audit.record(tx, who, "policy_set.deleted", { target: set.id, details: { name } });
      await counters.forget(tx, who.tenant, `policies/${set.id}`);
      for (const type of ["AIGateway", "AgentRunMCP"] as const) await counters.forget(tx, who.tenant, `gateways/${set.id}/${type}`);
      await counters.add(tx, who.tenant, "policy_sets", -1);
      await db.changes.announce(tx, who.tenant, "policy_set", set.id);
    }),
});
