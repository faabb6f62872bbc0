import { type Paging, reading, writing } from "./action.ts";
import { list, maybe, object, text, whole } from "./shape.ts";

const done = object({});
const page = { MaxResults: maybe(whole), NextToken: maybe(text), TotalCount: maybe(whole) };

const policySet = object({
  PolicySetName: text,
  PolicySetArn: maybe(text),
  Description: maybe(text),
  SourcePlatform: maybe(text),
  CreateTime: maybe(text),
  UpdateTime: maybe(text),
});
const policy = object({
  PolicyName: text,
  PolicyArn: maybe(text),
  PolicySetName: maybe(text),
  Description: maybe(text),
  Definition: maybe(object({ Cedar: maybe(object({ Statement: maybe(text) })) })),
  CreateTime: maybe(text),
  UpdateTime: maybe(text),
});
const attachment = object({
  GatewayArn: text,
  GatewayType: maybe(text),
  EnforcementMode: maybe(text),
  AttachedPolicySetName: maybe(text),
  AttachedTime: maybe(text),
});
const config = object({ GatewayPolicyConfig: object({ EnforcementMode: maybe(text), PolicySetArn: maybe(text) }) });

interface SetName {
  readonly PolicySetName: string;
}
interface PolicyName extends SetName {
  readonly PolicyName: string;
}
interface Described {
  readonly Description?: string | undefined;
}
interface Definition {
  readonly Cedar: { readonly Statement: string };
}
interface Gateway {
  readonly GatewayArn: string;
  /** `AIGateway` unless given, or `AgentRunMCP`. */
  readonly GatewayType?: string | undefined;
}
interface Mode {
  readonly EnforcementMode: "ENFORCE" | "LOG_ONLY";
}

/** What an operator allows: policy sets, the policies in them, and the gateways they hold for. */
export const policies = {
  CreatePolicySet: writing<SetName & Described & { readonly SourcePlatform?: string | undefined }>()(object({ PolicySet: policySet })),
  GetPolicySet: reading<SetName>()(object({ PolicySet: policySet })),
  ListPolicySets: reading<Paging>()(object({ ...page, PolicySets: list(policySet) })),
  UpdatePolicySet: writing<SetName & Described>()(done),
  DeletePolicySet: writing<SetName>()(done),

  CreatePolicy: writing<PolicyName & Described & { readonly Definition: Definition }>()(object({ Policy: policy })),
  GetPolicy: reading<PolicyName>()(object({ Policy: policy })),
  ListPolicies: reading<SetName & Paging>()(object({ ...page, Policies: list(policy) })),
  UpdatePolicy: writing<PolicyName & Described & { readonly Definition?: Definition | undefined }>()(done),
  DeletePolicy: writing<PolicyName>()(done),

  AttachPolicySetToGateway: writing<SetName & Gateway & Mode>()(done),
  DetachPolicySetFromGateway: writing<SetName & Gateway>()(done),
  GetGatewayPolicyConfig: reading<Gateway>()(config),
  UpdateGatewayPolicyConfig: writing<Gateway & Mode>()(config),
  ListPolicySetAttachedGateways: reading<SetName & Paging & { readonly GatewayType?: string | undefined }>()(
    object({ ...page, AttachedGateways: list(attachment) }),
  ),
} as const;
