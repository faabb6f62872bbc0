import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle, isUniqueViolation } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import { type Clock, type Page, type PageAsk, readPage, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { AccessKeys } from "../../identity/access-keys/index.ts";
import { agentListsTable, type Agents } from "../../identity/agents/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import type { StandingCheck, Tokens } from "../../identity/tokens/index.ts";
import type { Arns } from "./arn.ts";
import { makeAssume } from "./assume.ts";
import { makeKnownRoles } from "./known-roles.ts";
import { parsePolicy } from "./policy-document.ts";
import { implicitRoleId, isRoleName, mostRoles, newRoleId, type Role, type RoleCloud, type RoleFields } from "./role.ts";
import { makeRolePolicies } from "./role-policies.ts";
import { rolePoliciesTable } from "./role-policies-table.ts";
import { rolesTable } from "./roles-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly egress: Pick<Egress, "fetch" | "checkUrl">;
  readonly clock: Clock;
  readonly random: Random;
  readonly tenants: Pick<Tenants, "accountOf">;
  readonly agents: Pick<Agents, "byId" | "entriesToIds">;
  readonly tokens: Pick<Tokens, "mint">;
  readonly standing: Pick<StandingCheck, "check" | "alive">;
  readonly accessKeys: Pick<AccessKeys, "issueTemporary">;
  /** What stands as the region in ARNs. */
  readonly region: string;
  /** Without a trailing slash. */
  readonly publicUrl: string;
}

export type Roles = ReturnType<typeof makeRoles>;

const invalid = (path: string, message: string) => new Refusal("invalid_request", `${path}: ${message}`, { issues: [{ path, message }] });
const unknown = (ref: string) => new Refusal("role_unknown", `There is no role ${ref}.`, { role: ref });
const taken = (name: string) => new Refusal("role_exists", `There is already a role named ${name}, or of its ARN.`, { role: name });

/** What a field becomes: left out stays, null empties. */
const changed = <T>(change: T | null | undefined, current: T | undefined): T | undefined =>
  change === undefined ? current : (change ?? undefined);

export const makeRoles = (needs: Needs) => {
  const { db, audit, egress, clock, random, agents, publicUrl } = needs;
  const known = makeKnownRoles(needs);

  const find = async (handle: Handle, tenant: string, ref: string): Promise<Role> => {
    const role = await rolesTable.byRef(handle, tenant, ref);
    if (!role) throw unknown(ref);
    return role;
  };

  /** @throws Refusal invalid_request */
  const checkCloud = ({ stsEndpoint, audience }: RoleCloud): void => {
    if (stsEndpoint !== undefined) {
      try {
        egress.checkUrl(stsEndpoint);
      } catch (problem) {
        if (problem instanceof Refusal) throw invalid("cloud.stsEndpoint", problem.message);
        throw problem;
      }
      if (new URL(stsEndpoint).search !== "") throw invalid("cloud.stsEndpoint", "may have no query");
    }
    // What is for us is never shown to anybody else.
    if (audience !== undefined && (audience === publicUrl || audience.startsWith(`${publicUrl}/`)))
      throw invalid("cloud.audience", "is an address of this server");
  };

  /** A role with fields said; its agents are still entries as given. @throws Refusal policy_invalid, invalid_request */
  const withFields = (role: Role, fields: RoleFields): Role => {
    const { trustPolicy, permissionPolicy, cloud = role.cloud } = fields;
    if (typeof trustPolicy === "string") parsePolicy(trustPolicy, "trust", "trustPolicy");
    if (typeof permissionPolicy === "string") parsePolicy(permissionPolicy, "permission", "permissionPolicy");
    const next: Role = {
      ...role,
      arn: cloud?.roleArn ?? role.arn,
      description: changed(fields.description, role.description) || undefined,
      agents: fields.agents ?? role.agents,
      trustPolicy: changed(trustPolicy, role.trustPolicy),
      permissionPolicy: changed(permissionPolicy, role.permissionPolicy),
      cloud,
    };
    if (next.cloud) checkCloud(next.cloud);
    if (next.cloud && next.permissionPolicy !== undefined)
      throw invalid("permissionPolicy", "is not for a role of a cloud: what that may do, the cloud says");
    return next;
  };

  /** @throws Refusal invalid_request, policy_invalid */
  const drafted = ({ name, ...fields }: { readonly name: string } & RoleFields, arns: Arns): Role => {
    if (!isRoleName(name)) throw invalid("name", "must be 1 to 64 of A-Z a-z 0-9 . @ _ - and not begin rol_");
    const now = clock();
    const blank: Role = {
      id: newRoleId(random),
      name,
      arn: arns.role(name),
      description: undefined,
      agents: ["*"],
      trustPolicy: undefined,
      permissionPolicy: undefined,
      cloud: undefined,
      version: 1,
      createdAt: now,
      updatedAt: now,
    };
    return withFields(blank, fields);
  };

  /** Both those that remember the role, and those that remember that there is none of its name or ARN. */
  const announce = async (tx: Handle, tenant: string, id: string): Promise<void> => {
    await db.changes.announce(tx, tenant, "role", id);
    await db.changes.announce(tx, tenant, "role", tenant);
  };

  const make = async (tx: Handle, who: Principal, draft: Role): Promise<Role> => {
    const { tenant } = who;
    const role: Role = { ...draft, agents: await agents.entriesToIds(tx, tenant, draft.agents) };
    if (!(await rolesTable.insert(tx, tenant, role))) throw taken(role.name);
    const { id, name, arn, cloud } = role;
    await audit.record(tx, who, "role.created", {
      target: id,
      details: { name, arn, agents: role.agents, ...(cloud && { cloud: cloud.provider }) },
    });
    // Whoever counts waits for the counter, so that two at once are counted right.
    if ((await counters.add(tx, tenant, "roles", 1)) > mostRoles)
      throw new Refusal("too_many", `A tenant has at most ${mostRoles} roles.`, { limit: mostRoles });
    await announce(tx, tenant, id);
    return role;
  };

  return {
    ...makeRolePolicies({ db, audit, clock, find }),
    assume: makeAssume({ ...needs, known }),
    /** What a session of a role may do: what temporary keys ask. */
    rightsOf: known.rightsOf,
    /** The id of the role of this ARN, also of one that no row has. */
    idOf: async (tenant: string, arn: string): Promise<string> => (await known.find(tenant, arn)).role?.id ?? implicitRoleId(tenant, arn),
    /** How ARNs are written in a tenant. @throws Refusal tenant_unknown */
    arnsOf: known.arnsOf,

    /** @throws Refusal role_exists, agent_unknown, too_many; policy_invalid, invalid_request that say where and why */
    create: async (who: Principal, wanted: { readonly name: string } & RoleFields): Promise<Role> => {
      const draft = drafted(wanted, await known.arnsOf(who.tenant));
      return db.write((tx) => make(tx, who, draft));
    },

    /** As `create`, in a transaction that makes something else as well. */
    createWithin: (tx: Handle, who: Principal, wanted: { readonly name: string } & RoleFields, arns: Arns): Promise<Role> =>
      make(tx, who, drafted(wanted, arns)),

    /** Oldest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<Role>> => {
      return readPage(
        [tenant, "roles"],
        ask,
        (place, most) => rolesTable.list(db.read, tenant, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      );
    },

    /** By name, id or ARN. @throws Refusal role_unknown */
    get: (tenant: string, ref: string): Promise<Role> => find(db.read, tenant, ref),

    /**
     * What it may do, and who may take it on, holds at once for every session of it.
     * @throws Refusal role_unknown, role_exists for an ARN that is taken, agent_unknown; policy_invalid, invalid_request that say where and why
     */
    update: async (who: Principal, ref: string, change: RoleFields): Promise<Role> => {
      const { tenant } = who;
      try {
        return await db.write(async (tx) => {
          const current = await rolesTable.lock(tx, tenant, (await find(tx, tenant, ref)).id);
          if (!current) throw unknown(ref);
          if (change.cloud && current.cloud?.provider !== change.cloud.provider)
            throw invalid("cloud", current.cloud ? "the role is another cloud's" : "the role is ours, and stays so");
          const draft = withFields(current, change);
          const role: Role = {
            ...draft,
            agents: change.agents ? await agents.entriesToIds(tx, tenant, change.agents) : draft.agents,
            version: current.version + 1,
            updatedAt: clock(),
          };
          await rolesTable.update(tx, tenant, role);
          const fields = Object.entries(change).flatMap(([field, value]) => (value === undefined ? [] : field));
          await audit.record(tx, who, "role.updated", { target: role.id, details: { name: role.name, fields } });
          await announce(tx, tenant, role.id);
          return role;
        });
      } catch (error) {
        if (isUniqueViolation(error)) throw taken(change.cloud?.roleArn ?? ref);
        throw error;
      }
    },

    /**
     * Its sessions may do nothing from then on. What the cloud gave for it lives to its end.
     * @param detaching Whether policies that are attached go from it; else it is kept while there are any
     * @throws Refusal role_unknown, role_in_use
     */
    remove: (who: Principal, ref: string, { detaching = false }: { readonly detaching?: boolean } = {}): Promise<void> =>
      db.write(async (tx) => {
        const role = await rolesTable.lock(tx, who.tenant, (await find(tx, who.tenant, ref)).id);
        if (!role) throw unknown(ref);
        if (!detaching && (await rolePoliciesTable.attached(tx, who.tenant, role.id)).length > 0)
          throw new Refusal("role_in_use", `Policies are attached to the role ${role.name}.`, { role: role.name });
        await rolesTable.remove(tx, who.tenant, role.id);
        await audit.record(tx, who, "role.deleted", { target: role.id, details: { name: role.name, arn: role.arn } });
        await counters.add(tx, who.tenant, "roles", -1);
        await announce(tx, who.tenant, role.id);
      }),

    /** A deleted agent's entries go with it; a list that is then empty lets nobody in. */
    agentRemoved: async (tx: Handle, who: Principal, agentId: string): Promise<void> => {
      const ids = await agentListsTable.forget(tx, who.tenant, "roles", agentId, clock());
      for (const id of ids) await db.changes.announce(tx, who.tenant, "role", id);
    },
  };
};
