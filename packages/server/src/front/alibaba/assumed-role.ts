/** A role's ARN in its parts; one of another shape counts as a name. */
const roleArn = /^acs:ram::([^:]*):role\/(.+)$/;

/** What an agent is while it acts in a role: `acs:sts::{account}:assumed-role/{role}/{session}`. */
export const assumedRoleArn = (arn: string, account: string, session: string): string => {
  const [, owner = account, name = arn] = roleArn.exec(arn) ?? [];
  return `acs:sts::${owner}:assumed-role/${name}/${session}`;
};
