/** A role's ARN, of whichever account; one of another shape counts as a name. */
const roleArn = /^acs:ram::[^:]*:role\/(.+)$/;

/**
 * What an agent is while it acts in a role: `acs:sts::{account}:assumed-role/{role}/{session}`. The account is the tenant's own, whosever the role is:
 * what the session may do, it may do here.
 */
export const assumedRoleArn = (arn: string, account: string, session: string): string => {
  const [, name = arn] = roleArn.exec(arn) ?? [];
  return `acs:sts::${account}:assumed-role/${name}/${session}`;
};
