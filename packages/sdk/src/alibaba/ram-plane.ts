import { reading, writing } from "./action.ts";
import { credentials } from "./data-plane.ts";
import { list, maybe, object, text } from "./shape.ts";

const done = object({});
const inQuery = { query: true } as const;

const role = object({
  RoleName: text,
  Arn: text,
  RoleId: maybe(text),
  Description: maybe(text),
  AssumeRolePolicyDocument: maybe(text),
  CreateDate: maybe(text),
});
const policy = object({ PolicyName: text, PolicyType: maybe(text), Description: maybe(text), CreateDate: maybe(text) });

interface RoleName {
  readonly RoleName: string;
}
interface Policy {
  readonly PolicyName: string;
  readonly PolicyType: "Custom" | "System";
}

/** The operations of RAM that make a role for a workload, and take it away again. */
export const ram = {
  CreateRole: writing<RoleName & { readonly AssumeRolePolicyDocument: string; readonly Description?: string | undefined }>()(
    object({ Role: role }),
    inQuery,
  ),
  GetRole: reading<RoleName>()(object({ Role: role }), inQuery),
  DeleteRole: writing<RoleName>()(done, inQuery),
  CreatePolicy: writing<{ readonly PolicyName: string; readonly PolicyDocument: string; readonly Description?: string | undefined }>()(
    object({ Policy: policy }),
    inQuery,
  ),
  GetPolicy: reading<Policy>()(
    object({ Policy: policy, DefaultPolicyVersion: maybe(object({ PolicyDocument: maybe(text), VersionId: maybe(text) })) }),
    inQuery,
  ),
  DeletePolicy: writing<{ readonly PolicyName: string }>()(done, inQuery),
  AttachPolicyToRole: writing<RoleName & Policy>()(done, inQuery),
  DetachPolicyFromRole: writing<RoleName & Policy>()(done, inQuery),
  ListPoliciesForRole: reading<RoleName>()(object({ Policies: object({ Policy: list(policy) }) }), inQuery),
} as const;

/** The operations of STS that are needed beside. */
export const sts = {
  GetCallerIdentity: reading<Record<never, never>>()(
    object({ AccountId: text, Arn: maybe(text), IdentityType: maybe(text), PrincipalId: maybe(text), UserId: maybe(text) }),
    inQuery,
  ),
  AssumeRole: reading<{
    readonly RoleArn: string;
    readonly RoleSessionName: string;
    readonly DurationSeconds?: number | undefined;
    readonly Policy?: string | undefined;
    readonly ExternalId?: string | undefined;
  }>()(object({ Credentials: credentials }), inQuery),
  /** Its parameters travel in the form: a token in an address would stand in logs. */
  AssumeRoleWithOIDC: reading<{
    readonly RoleArn: string;
    readonly OIDCProviderArn: string;
    readonly OIDCToken: string;
    readonly RoleSessionName: string;
    readonly DurationSeconds?: number | undefined;
    readonly Policy?: string | undefined;
  }>()(object({ Credentials: credentials }), { anonymous: true, secrets: ["OIDCToken"] }),
} as const;
