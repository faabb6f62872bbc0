/** What ARNs are made of beside names. */
export interface Realm {
  /** `cn-beijing`, unless the installation is set to another. */
  readonly region: string;
  /** The tenant's 16 digits. */
  readonly account: string;
}

/** The ARNs of what a tenant has, as the Alibaba Cloud wire writes them (wire: conventions). Policies of roles are about these. */
export const arnsIn = ({ region, account }: Realm) => {
  const identity = `acs:agentidentity:${region}:${account}`;
  return {
    account,
    agent: (name: string): string => `${identity}:workloadidentitydirectory/default/workloadidentity/${name}`,
    issuer: (name: string): string => `${identity}:identityprovider/${name}`,
    vault: (name: string): string => `${identity}:tokenvault/${name}`,
    oauth2Provider: (vault: string, name: string): string => `${identity}:tokenvault/${vault}/oauth2credentialprovider/${name}`,
    apiKeyProvider: (vault: string, name: string): string => `${identity}:tokenvault/${vault}/apikeycredentialprovider/${name}`,
    policySet: (name: string): string => `${identity}:policyset/${name}`,
    policy: (set: string, name: string): string => `${identity}:policyset/${set}/policy/${name}`,
    role: (name: string): string => `acs:ram::${account}:role/${name}`,
  };
};

export type Arns = ReturnType<typeof arnsIn>;

/** The ARN of a role of some account. */
const roleArn = /^acs:ram::(\d{1,20}):role\/[A-Za-z0-9.@_/-]{1,64}$/;

/** Whether a text is the ARN of a role of another account than a tenant's own: nobody here can make such a role, nor delete it. */
export const isElsewhere = (ref: string, account: string): boolean => {
  const [, of] = roleArn.exec(ref) ?? [];
  return of !== undefined && of !== account;
};
