import { z } from "zod";
import type { EnforcementMode, Gateway, GatewayConfig, Policies } from "../../../access/policy/index.ts";
import type { Arns } from "../../../access/roles/index.ts";
import { moment } from "../moment.ts";
import { type Operation, operation, readers, writers } from "../operation.ts";
import { text } from "../params.ts";
import { done, listed, listing } from "./lists.ts";

export interface GatewayRooms {
  readonly policies: Pick<Policies, "gateways">;
}

const version = "2025-09-01";

const modes = { ENFORCE: "enforce", LOG_ONLY: "log_only" } as const satisfies Record<string, EnforcementMode>;
const words = { enforce: "ENFORCE", log_only: "LOG_ONLY" } as const satisfies Record<EnforcementMode, keyof typeof modes>;

const mode = z.enum(["ENFORCE", "LOG_ONLY"], "is neither ENFORCE nor LOG_ONLY").transform((word) => modes[word]);
/** `acs:{product}:{region}:{account}:{what}`: another account's gateway may ask here too. */
const arn = text(512).regex(/^acs:[a-z0-9-]+:[a-z0-9-]*:\d*:[\x21-\x7e]+$/, "is no ARN");
const type = z.enum(["AIGateway", "AgentRunMCP"], "is neither AIGateway nor AgentRunMCP").default("AIGateway");
const set = text(128);
const gateway = { GatewayArn: arn, GatewayType: type };

const gatewayOf = ({ GatewayArn, GatewayType }: { readonly GatewayArn: string; readonly GatewayType: Gateway["type"] }): Gateway => ({
  gateway: GatewayArn,
  type: GatewayType,
});

const encoded = (config: GatewayConfig, arns: Arns) => ({
  GatewayPolicyConfig: { EnforcementMode: words[config.mode], PolicySetArn: arns.policySet(config.set) },
});

/** Which policy set decides at a gateway: version 2025-09-01. */
export const gateways = ({ policies }: GatewayRooms): readonly Operation[] => [
  operation({
    version,
    action: "AttachPolicySetToGateway",
    callers: writers,
    params: z.strictObject({ PolicySetName: set, EnforcementMode: mode, ...gateway }),
    naming: { things: { policy_set_in_use: "Gateway.PolicySet" } },
    act: ({ who, params }) =>
      done(policies.gateways.attach(who, params.PolicySetName, { ...gatewayOf(params), mode: params.EnforcementMode })),
  }),

  operation({
    version,
    action: "DetachPolicySetFromGateway",
    callers: writers,
    params: z.strictObject({ PolicySetName: set, ...gateway }),
    act: ({ who, params }) => done(policies.gateways.detach(who, params.PolicySetName, gatewayOf(params))),
  }),

  operation({
    version,
    action: "ListPolicySetAttachedGateways",
    callers: readers,
    params: z.strictObject({ PolicySetName: set, GatewayType: type, ...listing.params }),
    naming: listing.naming,
    act: ({ who, params }) =>
      listed("AttachedGateways", params, {
        page: (ask) => policies.gateways.attachedTo(who.tenant, params.PolicySetName, params.GatewayType, ask),
        count: () => policies.gateways.count(who.tenant, params.PolicySetName, params.GatewayType),
        encode: (attachment) => ({
          GatewayArn: attachment.gateway,
          GatewayType: attachment.type,
          AttachedPolicySetName: params.PolicySetName,
          EnforcementMode: words[attachment.mode],
          AttachedTime: moment(attachment.attachedAt),
        }),
      }),
  }),

  operation({
    version,
    action: "GetGatewayPolicyConfig",
    callers: readers,
    params: z.strictObject(gateway),
    act: async ({ who, params, arns }) => encoded(await policies.gateways.config(who.tenant, gatewayOf(params)), arns),
  }),

  operation({
    version,
    action: "UpdateGatewayPolicyConfig",
    callers: writers,
    params: z.strictObject({ EnforcementMode: mode, ...gateway }),
    act: async ({ who, params, arns }) => encoded(await policies.gateways.setConfig(who, gatewayOf(params), params.EnforcementMode), arns),
  }),
];
