import { z } from "zod";
import type { Role, RolePolicy, Roles } from "../../access/roles/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { moment } from "./moment.ts";
import { type Operation, operation, readers, writers } from "./operation.ts";
import { flag, text, textOrEmpty, whole } from "./params.ts";

export interface RamRooms {
  readonly roles: Pick<Roles, "create" | "get" | "list" | "update" | "remove" | "policies" | "attach" | "detach" | "attached">;
}

const version = "2015-05-01";

/** Policies are not kept in versions here: what stands is the first and only one. */
const onlyVersion = "v1";

/** How long a session of any role may last, in seconds. */
const longestSession = 43_200;

const listedRole = (role: Role) => ({
  RoleId: role.id,
  RoleName: role.name,
  Arn: role.arn,
  Description: role.description,
  MaxSessionDuration: longestSession,
  CreateDate: moment(role.createdAt),
  UpdateDate: moment(role.updatedAt),
});

const encodedRole = (role: Role) => ({ Role: { ...listedRole(role), AssumeRolePolicyDocument: role.trustPolicy } });

const named = ({ name, type, description }: RolePolicy) => ({
  PolicyName: name,
  PolicyType: type,
  Description: description,
  DefaultVersion: onlyVersion,
});

const encodedPolicy = (policy: RolePolicy) => ({ ...named(policy), CreateDate: moment(policy.createdAt) });

const roleName = text(64);
const policyName = text(128);
const policyType = z.enum(["Custom", "System"], "is neither Custom nor System");
const document = text(16_384);
const attachment = z.strictObject({ RoleName: roleName, PolicyName: policyName, PolicyType: policyType });

/** Why a role is not deleted, nor a policy: they are attached to each other. */
const attached = "Role.Policy";

const roleOperations = ({ roles }: RamRooms): readonly Operation[] => [
  operation({
    version,
    action: "CreateRole",
    callers: writers,
    params: z.strictObject({ RoleName: roleName, AssumeRolePolicyDocument: document, Description: textOrEmpty(1024).optional() }),
    naming: { fields: { name: "RoleName" } },
    act: async ({ who, params }) => {
      const { RoleName, AssumeRolePolicyDocument, Description } = params;
      return encodedRole(await roles.create(who, { name: RoleName, trustPolicy: AssumeRolePolicyDocument, description: Description }));
    },
  }),

  operation({
    version,
    action: "GetRole",
    callers: readers,
    params: z.strictObject({ RoleName: roleName }),
    act: async ({ who, params }) => encodedRole(await roles.get(who.tenant, params.RoleName)),
  }),

  operation({
    version,
    action: "UpdateRole",
    callers: writers,
    params: z.strictObject({
      RoleName: roleName,
      NewAssumeRolePolicyDocument: document.optional(),
      NewDescription: textOrEmpty(1024).optional(),
    }),
    act: async ({ who, params }) => {
      const { RoleName, NewAssumeRolePolicyDocument, NewDescription } = params;
      return encodedRole(await roles.update(who, RoleName, { trustPolicy: NewAssumeRolePolicyDocument, description: NewDescription }));
    },
  }),

  operation({
    version,
    action: "ListRoles",
    callers: readers,
    params: z.strictObject({ MaxItems: whole(1, 1000).optional(), Marker: text(1024).optional() }),
    naming: { fields: { cursor: "Marker" } },
    act: async ({ who, params }) => {
      const { items, nextCursor } = await roles.list(who.tenant, { limit: params.MaxItems ?? 100, cursor: params.Marker });
      return { Roles: { Role: items.map(listedRole) }, IsTruncated: nextCursor !== undefined, Marker: nextCursor };
    },
  }),

  operation({
    version,
    action: "DeleteRole",
    callers: writers,
    params: z.strictObject({ RoleName: roleName }),
    naming: { conflict: attached },
    act: async ({ who, params }) => {
      await roles.remove(who, params.RoleName);
      return {};
    },
  }),
];

const policyOperations = ({ roles }: RamRooms): readonly Operation[] => [
  operation({
    version,
    action: "CreatePolicy",
    callers: writers,
    params: z.strictObject({ PolicyName: policyName, PolicyDocument: document, Description: textOrEmpty(1024).optional() }),
    naming: { fields: { name: "PolicyName" }, things: { too_many: "Policy" } },
    act: async ({ who, params }) => {
      const { PolicyName, PolicyDocument, Description } = params;
      const made = await roles.policies.create(who, { name: PolicyName, document: PolicyDocument, description: Description });
      return { Policy: encodedPolicy(made) };
    },
  }),

  operation({
    version,
    action: "GetPolicy",
    callers: readers,
    params: z.strictObject({ PolicyName: policyName, PolicyType: policyType }),
    act: async ({ who, params }) => {
      const policy = await roles.policies.get(who.tenant, params.PolicyName, params.PolicyType);
      const since = moment(policy.updatedAt);
      return {
        Policy: { ...encodedPolicy(policy), UpdateDate: since },
        DefaultPolicyVersion: { VersionId: onlyVersion, IsDefaultVersion: true, PolicyDocument: policy.document, CreateDate: since },
      };
    },
  }),

  operation({
    version,
    action: "DeletePolicy",
    callers: writers,
    // Deletes the other versions too, of which there are none.
    params: z.strictObject({ PolicyName: policyName, CascadingDelete: flag.optional() }),
    naming: { conflict: "Policy.Role" },
    act: async ({ who, params }) => {
      await roles.policies.remove(who, params.PolicyName);
      return {};
    },
  }),
];

const attachmentOperations = ({ roles }: RamRooms): readonly Operation[] => [
  operation({
    version,
    action: "AttachPolicyToRole",
    callers: writers,
    params: attachment,
    naming: { fields: { policy: "PolicyName" }, things: { policy_exists: attached, too_many: attached } },
    act: async ({ who, params: { RoleName, PolicyName, PolicyType } }) => {
      if (!(await roles.attach(who, RoleName, { type: PolicyType, name: PolicyName })))
        throw new Refusal("policy_exists", `The policy ${PolicyName} is attached to the role ${RoleName} already.`);
      return {};
    },
  }),

  operation({
    version,
    action: "DetachPolicyFromRole",
    callers: writers,
    params: attachment,
    naming: { things: { policy_unknown: attached } },
    act: async ({ who, params: { RoleName, PolicyName, PolicyType } }) => {
      await roles.detach(who, RoleName, { type: PolicyType, name: PolicyName });
      return {};
    },
  }),

  operation({
    version,
    action: "ListPoliciesForRole",
    callers: readers,
    params: z.strictObject({ RoleName: roleName }),
    act: async ({ who, params }) => {
      const policies = await roles.attached(who.tenant, params.RoleName);
      return { Policies: { Policy: policies.map((policy) => ({ ...named(policy), AttachDate: moment(policy.attachedAt) })) } };
    },
  }),
];

/** The calls of RAM that the original command line makes, and those that show and undo what it made: version 2015-05-01. */
export const ram = (rooms: RamRooms): readonly Operation[] => [
  ...roleOperations(rooms),
  ...policyOperations(rooms),
  ...attachmentOperations(rooms),
];
