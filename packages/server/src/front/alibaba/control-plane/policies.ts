import { thingName } from "@legate/contract";
import { z } from "zod";
import type { Policies, Policy, PolicySet } from "../../../access/policy/index.ts";
import type { Arns } from "../../../access/roles/index.ts";
import { moment } from "../moment.ts";
import { type Operation, operation, readers, writers } from "../operation.ts";
import { json, text, textOrEmpty } from "../params.ts";
import { done, listed, listing } from "./lists.ts";

export interface PolicyRooms {
  readonly policies: Pick<Policies, "create" | "get" | "list" | "count" | "update" | "remove" | "sets">;
}

const version = "2025-09-01";

const setCreated = (set: PolicySet, arns: Arns) => ({
  PolicySetName: set.name,
  PolicySetArn: arns.policySet(set.name),
  Description: set.description,
  SourcePlatform: (set.foreign["alibaba"] as { readonly SourcePlatform?: string } | undefined)?.SourcePlatform,
  CreateTime: moment(set.createdAt),
});

const encodedSet = (set: PolicySet, arns: Arns) => ({ ...setCreated(set, arns), UpdateTime: moment(set.updatedAt) });

const policyCreated = (policy: Policy, set: string, arns: Arns) => ({
  PolicyName: policy.name,
  PolicyArn: arns.policy(set, policy.name),
  PolicySetName: set,
  Description: policy.description,
  Definition: { Cedar: { Statement: policy.cedar } },
  CreateTime: moment(policy.createdAt),
});

const encodedPolicy = (policy: Policy, set: string, arns: Arns) => ({
  ...policyCreated(policy, set, arns),
  UpdateTime: moment(policy.updatedAt),
});

const name = text(128);
const description = textOrEmpty(2000).optional();
const definition = json(z.strictObject({ Cedar: z.strictObject({ Statement: z.string() }) }));
/** What is wrong with a statement is wrong with its definition. */
const naming = { policy: "Definition" };

/** Policy sets and their policies: version 2025-09-01. */
export const policySets = ({ policies }: PolicyRooms): readonly Operation[] => [
  operation({
    version,
    action: "CreatePolicySet",
    callers: writers,
    params: z.strictObject({ PolicySetName: thingName, Description: description, SourcePlatform: text(128).optional() }),
    act: async ({ who, params, arns }) => {
      const { PolicySetName, Description, SourcePlatform } = params;
      const foreign = SourcePlatform === undefined ? undefined : { alibaba: { SourcePlatform } };
      return { PolicySet: setCreated(await policies.sets.create(who, PolicySetName, { description: Description, foreign }), arns) };
    },
  }),

  operation({
    version,
    action: "GetPolicySet",
    callers: readers,
    params: z.strictObject({ PolicySetName: name }),
    act: async ({ who, params, arns }) => ({ PolicySet: encodedSet(await policies.sets.get(who.tenant, params.PolicySetName), arns) }),
  }),

  operation({
    version,
    action: "ListPolicySets",
    callers: readers,
    params: z.strictObject(listing.params),
    naming: listing.naming,
    act: ({ who, params, arns }) =>
      listed("PolicySets", params, {
        page: (ask) => policies.sets.list(who.tenant, ask),
        count: () => policies.sets.count(who.tenant),
        encode: (set) => encodedSet(set, arns),
      }),
  }),

  operation({
    version,
    action: "UpdatePolicySet",
    callers: writers,
    params: z.strictObject({ PolicySetName: name, Description: description }),
    act: ({ who, params }) => done(policies.sets.update(who, params.PolicySetName, { description: params.Description })),
  }),

  operation({
    version,
    action: "DeletePolicySet",
    callers: writers,
    params: z.strictObject({ PolicySetName: name }),
    naming: { conflict: "PolicySet.Gateway" },
    act: ({ who, params }) => done(policies.sets.remove(who, params.PolicySetName)),
  }),

  operation({
    version,
    action: "CreatePolicy",
    callers: writers,
    params: z.strictObject({ PolicySetName: name, PolicyName: thingName, Description: description, Definition: definition }),
    naming,
    act: async ({ who, params, arns }) => {
      const { PolicySetName, PolicyName, Description, Definition } = params;
      const fields = { description: Description, cedar: Definition.Cedar.Statement };
      return { Policy: policyCreated(await policies.create(who, PolicySetName, PolicyName, fields), PolicySetName, arns) };
    },
  }),

  operation({
    version,
    action: "GetPolicy",
    callers: readers,
    params: z.strictObject({ PolicySetName: name, PolicyName: name }),
    act: async ({ who, params: { PolicySetName, PolicyName }, arns }) => ({
      Policy: encodedPolicy(await policies.get(who.tenant, PolicySetName, PolicyName), PolicySetName, arns),
    }),
  }),

  operation({
    version,
    action: "ListPolicies",
    callers: readers,
    params: z.strictObject({ PolicySetName: name, ...listing.params }),
    naming: listing.naming,
    act: ({ who, params, arns }) =>
      listed("Policies", params, {
        page: (ask) => policies.list(who.tenant, params.PolicySetName, ask),
        count: () => policies.count(who.tenant, params.PolicySetName),
        encode: (policy) => encodedPolicy(policy, params.PolicySetName, arns),
      }),
  }),

  operation({
    version,
    action: "UpdatePolicy",
    callers: writers,
    params: z.strictObject({ PolicySetName: name, PolicyName: name, Description: description, Definition: definition.optional() }),
    naming,
    act: ({ who, params }) => {
      const { PolicySetName, PolicyName, Description, Definition } = params;
      return done(policies.update(who, PolicySetName, PolicyName, { description: Description, cedar: Definition?.Cedar.Statement }));
    },
  }),

  operation({
    version,
    action: "DeletePolicy",
    callers: writers,
    params: z.strictObject({ PolicySetName: name, PolicyName: name }),
    act: ({ who, params }) => done(policies.remove(who, params.PolicySetName, params.PolicyName)),
  }),
];
