import { type Db, makeCache, type Tag } from "../../ground/db/index.ts";
import type { ActingAgent, Clock } from "../../ground/kernel/index.ts";
import { mayUse } from "../../identity/agents/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import { type Arns, arnsIn, isElsewhere } from "./arn.ts";
import type { Context } from "./policy-conditions.ts";
import { denyAll, type PolicyDocument, storedPolicy } from "./policy-document.ts";
import { permits, trusts } from "./policy-evaluation.ts";
import type { Role } from "./role.ts";
import { rolePoliciesTable } from "./role-policies-table.ts";
import { rolesTable } from "./roles-table.ts";
import { systemPolicies } from "./system-policies.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly tenants: Pick<Tenants, "accountOf">;
  readonly region: string;
}

/** A role with its policies read; no role where none has this name. */
export interface KnownRole {
  readonly tenant: string;
  readonly role: Role | undefined;
  readonly trust: PolicyDocument | undefined;
  readonly permissions: readonly PolicyDocument[];
}

/** What a session of a role is: which role, of whom, and what narrows it. */
export interface RightsAsk {
  readonly roleArn: string;
  /** Left out for a role that no row has: what one session may do must not grow when its role is deleted. */
  readonly roleId?: string | undefined;
  readonly agent: ActingAgent;
  /** JSON text in the words of RAM. */
  readonly sessionPolicy?: string | undefined;
}

export type Permits = (action: string, resources: readonly string[]) => boolean;

/** Roles that are remembered, with their policies read. */
const remembered = 2_000;

const nothing: Permits = () => false;

export const makeKnownRoles = ({ db, clock, tenants, region }: Needs) => {
  // That there is no role of a name hangs on every role that its tenant makes.
  const cached = makeCache<KnownRole>(db.changes, remembered, ({ tenant, role }): readonly Tag[] => [["role", role?.id ?? tenant]]);

  /** How ARNs are written in a tenant. @throws Refusal tenant_unknown */
  const arnsOf = async (tenant: string): Promise<Arns> => arnsIn({ region, account: await tenants.accountOf(tenant) });

  const load = async (tenant: string, ref: string): Promise<KnownRole> => {
    const role = await rolesTable.byRef(db.read, tenant, ref);
    if (!role) return { tenant, role: undefined, trust: undefined, permissions: [] };
    const attached = await rolePoliciesTable.attached(db.read, tenant, role.id);
    const documents = attached.map(({ name, row }) => (row ?? systemPolicies.get(name))?.document);
    const permissions = [...(role.permissionPolicy === undefined ? [] : [role.permissionPolicy]), ...documents];
    return {
      tenant,
      role,
      trust: role.trustPolicy === undefined ? undefined : storedPolicy(role.trustPolicy, "trust"),
      permissions: permissions.map((text) => (text === undefined ? denyAll : storedPolicy(text, "permission"))),
    };
  };

  /** By id, ARN or name, which is compared letter by letter. As it is remembered, else in two reads. */
  const find = async (tenant: string, ref: string): Promise<KnownRole> =>
    (await cached(`${tenant}/${ref}`, () => load(tenant, ref))) ?? { tenant, role: undefined, trust: undefined, permissions: [] };

  const contextOf = async (tenant: string, agent: ActingAgent): Promise<Context> => {
    const arns = await arnsOf(tenant);
    const arn = arns.agent(agent.name);
    return {
      now: clock(),
      texts: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": arn, "acs:SourceArn": arn, "acs:SourceAccount": arns.account },
    };
  };

  /** Whether a role may be taken on by an agent: by its list, and by its trust policy where it has one. */
  const letsIn = async ({ tenant, role, trust }: KnownRole, agent: ActingAgent): Promise<boolean> =>
    role !== undefined && mayUse(role.agents, agent) && (trust === undefined || trusts(trust, await contextOf(tenant, agent)));

  return {
    read: db.read,
    find,
    letsIn,
    arnsOf,

    /**
     * What a session of a role may do now. A role that is gone, or lets the agent in no longer, permits nothing; one of another account that no row
     * has permits whatever the agent may do itself, which whoever hands something out looks at in any case. The session's policy only narrows.
     */
    rightsOf: async (tenant: string, { roleArn, roleId, agent, sessionPolicy }: RightsAsk): Promise<Permits> => {
      const known = await find(tenant, roleId ?? roleArn);
      const isImplicit = roleId === undefined && known.role === undefined && isElsewhere(roleArn, (await arnsOf(tenant)).account);
      if (!isImplicit && (known.role?.arn !== roleArn || !(await letsIn(known, agent)))) return nothing;
      const session = sessionPolicy === undefined ? undefined : [storedPolicy(sessionPolicy, "session")];
      const context = await contextOf(tenant, agent);
      return (action, resources) =>
        (isImplicit ? resources.length > 0 : permits(known.permissions, action, resources, context)) &&
        (session === undefined || permits(session, action, resources, context));
    },
  };
};
export type KnownRoles = ReturnType<typeof makeKnownRoles>;
