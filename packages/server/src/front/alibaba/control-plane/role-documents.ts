import type { Arns } from "../../../access/roles/index.ts";

/** The service that turns a workload identity into its role. */
const service = "workload.agentidentity.aliyuncs.com";

/** Who may take on a workload identity's role: that workload alone (wire: trust policy document). */
export const trustPolicyOf = (agentArn: string) => ({
  Version: "1",
  Statement: [
    {
      Effect: "Allow",
      Principal: { Service: service },
      Action: ["sts:AssumeRole", "sts:SetContext"],
      Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": agentArn } },
    },
  ],
});

/** What it may do there: fetch what the providers of vault `default` give (wire: permission policy document). */
export const permissionPolicyOf = (arns: Arns, agentArn: string) => ({
  Version: "1",
  Statement: [
    {
      Effect: "Allow",
      Action: ["agentidentitydata:GetResourceOAuth2Token"],
      Resource: [agentArn, arns.oauth2Provider("default", "*")],
    },
    {
      Effect: "Allow",
      Action: ["agentidentitydata:GetResourceAPIKey"],
      Resource: [agentArn, arns.apiKeyProvider("default", "*")],
    },
  ],
});
