import { ConfigurationError, LegateApiError } from "@legate/sdk";
import type { IdentityClient } from "@legate/sdk/alibaba";
import { CommandFailure } from "../failure.ts";
import { documentText } from "./documents.ts";
import { type Home, roleArnIn } from "./home.ts";
import type { Step } from "./steps.ts";

/** Both spellings are in use. */
const isThere = (error: unknown): boolean => error instanceof LegateApiError && /^EntityAlreadyExists?\b/.test(error.code);
const isMissing = (error: unknown): boolean => error instanceof LegateApiError && /^EntityNotExists?\b/.test(error.code);

/** Roles of RAM and workload identities of Agent Identity, at the cloud or at whatever speaks its wire. */
export const alibabaHome = (client: IdentityClient): Home => {
  const { control, ram, sts, endpoints } = client;
  const request = (plane: "control" | "ram", action: string, parameters: Readonly<Record<string, unknown>>) => ({
    method: "POST",
    url: `${endpoints[plane]}/`,
    action,
    parameters,
  });

  return {
    realm: async (signal) => {
      try {
        const { AccountId: account } = await sts.request("GetCallerIdentity", {}, { signal });
        return { region: client.region, account };
      } catch (error) {
        if (error instanceof ConfigurationError) throw new CommandFailure("unauthenticated", error.message);
        throw error;
      }
    },

    planRole: (realm, { name, description, policy, policyDescription, trust, permission, mayExist }) => {
      let arn = roleArnIn(realm, name);
      const already = async (error: unknown): Promise<boolean> => mayExist && isThere(error);
      const role = { RoleName: name, AssumeRolePolicyDocument: documentText(trust), Description: description };
      const newPolicy = { PolicyName: policy, PolicyDocument: documentText(permission), Description: policyDescription };
      const attachment = { RoleName: name, PolicyName: policy, PolicyType: "Custom" } as const;
      const steps: readonly Step[] = [
        {
          what: `role ${name}`,
          request: request("ram", "CreateRole", role),
          act: async (signal) => {
            arn = (await ram.request("CreateRole", role, { signal })).Role.Arn;
          },
          already: async (error, signal) => {
            if (!(await already(error))) return false;
            arn = (await ram.request("GetRole", { RoleName: name }, { signal })).Role.Arn;
            return true;
          },
          undo: async () => {
            await ram.request("DeleteRole", { RoleName: name });
          },
        },
        {
          what: `policy ${policy}`,
          request: request("ram", "CreatePolicy", newPolicy),
          act: async (signal) => {
            await ram.request("CreatePolicy", newPolicy, { signal });
          },
          already,
          undo: async () => {
            await ram.request("DeletePolicy", { PolicyName: policy });
          },
        },
        {
          what: `policy ${policy} attached to role ${name}`,
          request: request("ram", "AttachPolicyToRole", attachment),
          act: async (signal) => {
            await ram.request("AttachPolicyToRole", attachment, { signal });
          },
          already,
          undo: async () => {
            await ram.request("DetachPolicyFromRole", attachment);
          },
        },
      ];
      return { arn: () => arn, steps, policyName: policy };
    },

    workloadStep: ({ name, description, identityProvider, returnUrls, mayExist }, roleArn) => {
      const workload = () => ({
        WorkloadIdentityName: name,
        Description: description,
        RoleArn: roleArn(),
        ...(identityProvider !== undefined && { IdentityProviderName: identityProvider }),
        ...(returnUrls.length > 0 && { AllowedResourceOAuth2ReturnURLs: [...returnUrls] }),
      });
      return {
        what: `workload identity ${name}`,
        request: request("control", "CreateWorkloadIdentity", workload()),
        act: async (signal) => {
          await control.request("CreateWorkloadIdentity", workload(), { signal });
        },
        already: async (error) => mayExist && isThere(error),
        undo: async () => {
          await control.request("DeleteWorkloadIdentity", { WorkloadIdentityName: name });
        },
      };
    },

    findWorkload: async (name, signal) => {
      try {
        const { WorkloadIdentity } = await control.request("GetWorkloadIdentity", { WorkloadIdentityName: name }, { signal });
        return { roleArn: WorkloadIdentity.RoleArn };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
  };
};
