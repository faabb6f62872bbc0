import { z } from "zod";
import type { Principal } from "../../ground/kernel/index.ts";
import { assumedRoleArn } from "./assumed-role.ts";
import { type Call, type Operation, operation } from "./operation.ts";

/**
 * Who calls, as STS tells it: a role that was taken on, or a user of the account, which is what operators and agents with keys of their own are to a
 * client that knows no others.
 */
const identityOf = ({ caller, agent, session }: Principal, { account, arns }: Pick<Call<z.ZodObject>, "account" | "arns">) => {
  const id = caller.kind === "anonymous" ? "" : caller.id;
  if (session) {
    const Arn = assumedRoleArn(session.roleArn, account, session.name);
    return { IdentityType: "AssumedRoleUser", Arn, PrincipalId: `${id}:${session.name}`, UserId: id };
  }
  const Arn = agent ? arns.agent(agent.name) : `acs:ram::${account}:user/${id}`;
  return { IdentityType: "RAMUser", Arn, PrincipalId: id, UserId: id };
};

/** The calls of STS that its clients make here: version 2015-04-01. */
export const sts: readonly Operation[] = [
  operation({
    version: "2015-04-01",
    action: "GetCallerIdentity",
    callers: ["admin", "operator", "auditor", "agent", "temporary"],
    params: z.strictObject({}),
    act: ({ who, account, arns }) => Promise.resolve({ AccountId: account, ...identityOf(who, { account, arns }) }),
  }),
];
