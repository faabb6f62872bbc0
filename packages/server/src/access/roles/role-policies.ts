import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle } from "../../ground/db/index.ts";
import { type Clock, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { parsePolicy } from "./policy-document.ts";
import { isPolicyName, mostAttached, mostPolicies, type PolicyRef, type PolicyType, type Role, type RolePolicy } from "./role.ts";
import { rolePoliciesTable } from "./role-policies-table.ts";
import { systemPolicies } from "./system-policies.ts";
import { rolesTable } from "./roles-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  /** @throws Refusal role_unknown */
  readonly find: (handle: Handle, tenant: string, ref: string) => Promise<Role>;
}

const unknown = (name: string) => new Refusal("policy_unknown", `There is no role policy ${name}.`, { policy: name });

/** Permission policies that stand by themselves, and which roles they are attached to. */
export const makeRolePolicies = ({ db, audit, clock, find }: Needs) => {
  /** A role whose row the transaction holds. */
  const held = async (tx: Handle, tenant: string, ref: string): Promise<Role> => {
    const { id } = await find(tx, tenant, ref);
    const role = await rolesTable.lock(tx, tenant, id);
    if (!role) throw new Refusal("role_unknown", `There is no role ${ref}.`, { role: ref });
    return role;
  };

  const exists = async (tx: Handle, tenant: string, { type, name }: PolicyRef): Promise<boolean> =>
    type === "System" ? systemPolicies.has(name) : rolePoliciesTable.lock(tx, tenant, name);

  return {
    policies: {
      /** @throws Refusal policy_exists, too_many; policy_invalid whose `details.issues` say where and why */
      create: async (
        who: Principal,
        wanted: { readonly name: string; readonly document: string; readonly description?: string | undefined },
      ): Promise<RolePolicy> => {
        const { name, document, description } = wanted;
        if (!isPolicyName(name)) {
          const message = "must be 1 to 128 of A-Z a-z 0-9 . @ _ -";
          throw new Refusal("invalid_request", `name: ${message}`, { issues: [{ path: "name", message }] });
        }
        parsePolicy(document, "permission", "document");
        const now = clock();
        const policy: RolePolicy = {
          name,
          type: "Custom",
          document,
          description: description || undefined,
          createdAt: now,
          updatedAt: now,
        };
        return db.write(async (tx) => {
          const taken = systemPolicies.has(name) || !(await rolePoliciesTable.insert(tx, who.tenant, policy));
          if (taken) throw new Refusal("policy_exists", `There is already a role policy named ${name}.`, { policy: name });
          await audit.record(tx, who, "role_policy.created", { target: name });
          // Whoever counts waits for the counter, so that two at once are counted right.
          if ((await counters.add(tx, who.tenant, "role_policies", 1)) > mostPolicies)
            throw new Refusal("too_many", `A tenant has at most ${mostPolicies} role policies.`, { limit: mostPolicies });
          return policy;
        });
      },

      /** @throws Refusal policy_unknown */
      get: async (tenant: string, name: string, type: PolicyType = "Custom"): Promise<RolePolicy> => {
        const policy = type === "System" ? systemPolicies.get(name) : await rolePoliciesTable.byName(db.read, tenant, name);
        if (!policy) throw unknown(name);
        return policy;
      },

      /** @throws Refusal policy_unknown; role_in_use while it is attached to a role */
      remove: (who: Principal, name: string): Promise<void> =>
        db.write(async (tx) => {
          if (!(await rolePoliciesTable.lock(tx, who.tenant, name))) throw unknown(name);
          if (await rolePoliciesTable.isAttached(tx, who.tenant, { type: "Custom", name }))
            throw new Refusal("role_in_use", `The role policy ${name} is attached to a role.`, { policy: name });
          await rolePoliciesTable.remove(tx, who.tenant, name);
          await audit.record(tx, who, "role_policy.deleted", { target: name });
          await counters.add(tx, who.tenant, "role_policies", -1);
        }),
    },

    /**
     * @returns Whether it was not attached before
     * @throws Refusal role_unknown, policy_unknown, too_many; invalid_request for a role of a cloud
     */
    attach: (who: Principal, ref: string, policy: PolicyRef): Promise<boolean> =>
      db.write(async (tx) => {
        const role = await held(tx, who.tenant, ref);
        if (role.cloud) {
          const message = "What a role of a cloud may do, the cloud says.";
          throw new Refusal("invalid_request", message, { issues: [{ path: "policy", message }] });
        }
        if (!(await exists(tx, who.tenant, policy))) throw unknown(policy.name);
        if (!(await rolePoliciesTable.attach(tx, who.tenant, role.id, policy, clock()))) return false;
        if ((await rolePoliciesTable.attached(tx, who.tenant, role.id)).length > mostAttached)
          throw new Refusal("too_many", `A role has at most ${mostAttached} attached policies.`, { limit: mostAttached });
        await audit.record(tx, who, "role.policy_attached", {
          target: role.id,
          details: { name: role.name, policy: policy.name, type: policy.type },
        });
        await db.changes.announce(tx, who.tenant, "role", role.id);
        return true;
      }),

    /** @throws Refusal role_unknown; policy_unknown where it is not attached */
    detach: (who: Principal, ref: string, policy: PolicyRef): Promise<void> =>
      db.write(async (tx) => {
        const role = await held(tx, who.tenant, ref);
        if (!(await rolePoliciesTable.detach(tx, who.tenant, role.id, policy))) throw unknown(policy.name);
        await audit.record(tx, who, "role.policy_detached", {
          target: role.id,
          details: { name: role.name, policy: policy.name, type: policy.type },
        });
        await db.changes.announce(tx, who.tenant, "role", role.id);
      }),

    /** What is attached to a role, by name. @throws Refusal role_unknown */
    attached: async (tenant: string, ref: string): Promise<readonly (RolePolicy & { readonly attachedAt: number })[]> => {
      const { id } = await find(db.read, tenant, ref);
      const attached = await rolePoliciesTable.attached(db.read, tenant, id);
      return attached.flatMap(({ name, row, attachedAt }) => {
        const policy = row ?? systemPolicies.get(name);
        return policy ? { ...policy, attachedAt } : [];
      });
    },
  };
};
