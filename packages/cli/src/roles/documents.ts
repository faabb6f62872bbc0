/** Where ARNs belong. */
export interface Realm {
  readonly region: string;
  readonly account: string;
}

type Statement = Readonly<Record<string, unknown>>;
/** A policy as RAM writes it. */
export interface PolicyDocument {
  readonly Version: "1";
  readonly Statement: readonly Statement[];
}

/**
 * A document as text, byte for byte as the cloud's own command line sends it: a space after each comma and colon.
 * JSON has line ends in no string, so those that are there are the layout's.
 */
export const documentText = (document: PolicyDocument): string =>
  JSON.stringify(document, undefined, 1).replaceAll(/,\n */g, ", ").replaceAll(/\n */g, "");

/** The ARN of a workload identity, which is an agent. */
export const workloadArn = ({ region, account }: Realm, name: string): string =>
  `acs:agentidentity:${region}:${account}:workloadidentitydirectory/default/workloadidentity/${name}`;

const providersArn = ({ region, account }: Realm, type: "oauth2" | "apikey"): string =>
  `acs:agentidentity:${region}:${account}:tokenvault/default/${type}credentialprovider/*`;

/** Who may take the role on: this workload, or every workload of the account. */
export const trustPolicy = (realm: Realm, workload: string | undefined): PolicyDocument => ({
  Version: "1",
  Statement: [
    {
      Effect: "Allow",
      Principal: { Service: "workload.agentidentity.aliyuncs.com" },
      Action: ["sts:AssumeRole", "sts:SetContext"],
      ...(workload !== undefined && {
        Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": workloadArn(realm, workload) } },
      }),
    },
  ],
});

/** What the role may do: get credentials of every provider of the default vault, and with a gateway have its policies evaluated. */
export const permissionPolicy = (realm: Realm, workload: string | undefined, gateway: boolean): PolicyDocument => {
  const who = workloadArn(realm, workload ?? "*");
  return {
    Version: "1",
    Statement: [
      { Effect: "Allow", Action: ["agentidentitydata:GetResourceOAuth2Token"], Resource: [who, providersArn(realm, "oauth2")] },
      { Effect: "Allow", Action: ["agentidentitydata:GetResourceAPIKey"], Resource: [who, providersArn(realm, "apikey")] },
      ...(gateway
        ? [{ Effect: "Allow", Action: ["agentidentitydata:SearchAuthorizedActions", "agentidentitydata:EvaluatePolicy"], Resource: ["*"] }]
        : []),
    ],
  };
};

/** What a role and its policy are called and said to be, where nobody says otherwise. */
export const namesFor = (roleName: string | undefined, workload: string | undefined, randomHex: (bytes: number) => string) => {
  const role = roleName ?? `AgentIdentityRole-${workload ?? randomHex(4)}`;
  return {
    role,
    policy: `AgentIdentityPolicy-${role}`,
    roleDescription:
      workload === undefined
        ? "Default runtime role automatically created by the Agent Identity CLI"
        : `Agent Identity runtime role for ${workload}`,
    policyDescription: `Agent Identity policy for ${role}`,
    workloadDescription: `Workload identity for ${workload ?? ""}`,
  };
};
