import { counters } from "../../ground/db/index.ts";
import { type Page, type PageAsk, type Place, readPage, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { makeAttachments } from "./attachments.ts";
import { makeCedar } from "./cedar.ts";
import { mostPolicies, newPolicyId, type Policy } from "./policy.ts";
import { policiesTable } from "./policies-table.ts";
import { findSet, holdSet, makePolicySets, type Needs } from "./policy-sets.ts";
import { readStatement } from "./statement.ts";

/** What a policy is made of, beside its name. */
export interface PolicyFields {
  /** An empty one is none. */
  readonly description?: string | undefined;
  /** One Cedar statement. */
  readonly cedar: string;
}

/** What is left out stays. */
export type PolicyChange = { readonly [F in keyof PolicyFields]?: PolicyFields[F] | undefined };

export type Policies = ReturnType<typeof makePolicies>;

const unknownPolicy = (set: string, name: string): Refusal =>
  new Refusal("policy_unknown", `There is no policy named ${name} in policy set ${set}.`, { set, name });

export const makePolicies = (needs: Needs) => {
  const { db, audit, clock, random } = needs;
  const cedar = makeCedar();

  return {
    sets: makePolicySets(needs),
    gateways: makeAttachments(needs),

    /** @throws Refusal policy_invalid, policy_set_unknown, policy_exists, too_many */
    create: async (who: Principal, setName: string, name: string, fields: PolicyFields): Promise<Policy> => {
      readStatement(cedar, fields.cedar);
      return db.write(async (tx) => {
        const { tenant } = who;
        const set = await holdSet(tx, tenant, setName);
        const now = clock();
        const policy: Policy = {
          id: newPolicyId(random),
          set: set.id,
          name,
          description: fields.description || undefined,
          cedar: fields.cedar,
          version: 1,
          createdAt: now,
          updatedAt: now,
        };
        if (!(await policiesTable.insert(tx, tenant, policy)))
          throw new Refusal("policy_exists", `There is already a policy named ${name} in policy set ${setName}.`, { set: setName, name });
        await audit.record(tx, who, "policy.created", { target: policy.id, details: { name, set: setName, version: 1 } });
        if ((await counters.add(tx, tenant, `policies/${set.id}`, 1)) > mostPolicies)
          throw new Refusal("too_many", `A policy set holds at most ${mostPolicies} policies.`, { limit: mostPolicies });
        await db.changes.announce(tx, tenant, "policy_set", set.id);
        return policy;
      });
    },

    /** @throws Refusal policy_set_unknown, policy_unknown */
    get: async (tenant: string, setName: string, name: string): Promise<Policy> => {
      const { id } = await findSet(db.read, tenant, setName);
      const found = await policiesTable.byName(db.read, tenant, id, name);
      if (!found) throw unknownPolicy(setName, name);
      return found;
    },

    /** Oldest first. @throws Refusal policy_set_unknown; invalid_request for an unknown cursor */
    list: async (tenant: string, setName: string, ask: PageAsk): Promise<Page<Policy>> => {
      const { id: set } = await findSet(db.read, tenant, setName);
      const read = (place: Place | undefined, most: number) => policiesTable.list(db.read, tenant, set, place, most);
      return readPage([tenant, "policies", set], ask, read, ({ createdAt, id }) => ({ at: createdAt, id }));
    },

    /** @throws Refusal policy_set_unknown */
    count: async (tenant: string, setName: string): Promise<number> => {
      const { id } = await findSet(db.read, tenant, setName);
      return counters.read(db.read, tenant, `policies/${id}`);
    },

    /** @throws Refusal policy_invalid, policy_set_unknown, policy_unknown */
    update: async (who: Principal, setName: string, name: string, fields: PolicyChange): Promise<Policy> => {
      if (fields.cedar !== undefined) readStatement(cedar, fields.cedar);
      return db.write(async (tx) => {
        const { tenant } = who;
        const set = await holdSet(tx, tenant, setName);
        const before = await policiesTable.byName(tx, tenant, set.id, name);
        if (!before) throw unknownPolicy(setName, name);
        const { description, cedar: text = before.cedar } = fields;
        const policy: Policy = {
          ...before,
          description: description === undefined ? before.description : description || undefined,
          cedar: text,
          version: text === before.cedar ? before.version : before.version + 1,
          updatedAt: clock(),
        };
        await policiesTable.update(tx, tenant, policy);
        await audit.record(tx, who, "policy.updated", { target: policy.id, details: { name, set: setName, version: policy.version } });
        await db.changes.announce(tx, tenant, "policy_set", set.id);
        return policy;
      });
    },

    /** @throws Refusal policy_set_unknown, policy_unknown */
    remove: (who: Principal, setName: string, name: string): Promise<void> =>
      db.write(async (tx) => {
        const set = await holdSet(tx, who.tenant, setName);
        const removed = await policiesTable.remove(tx, who.tenant, set.id, name);
        if (!removed) throw unknownPolicy(setName, name);
        await audit.record(tx, who, "policy.deleted", { target: removed.id, details: { name, set: setName } });
        await counters.add(tx, who.tenant, `policies/${set.id}`, -1);
        await db.changes.announce(tx, who.tenant, "policy_set", set.id);
      }),
  };
};
