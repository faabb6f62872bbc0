import { z } from "zod";
import type { Arns, Roles } from "../../access/roles/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import { assumedRoleArn } from "./assumed-role.ts";
import { type Operation, operation } from "./operation.ts";

export interface StsRooms {
  readonly roles: Pick<Roles, "idOf">;
}

/** The calls of STS that its clients make here: version 2015-04-01. */
export const sts = ({ roles }: StsRooms): readonly Operation[] => {
  /**
   * Who calls, as STS tells it: a role that was taken on, or a user of the account, which is what operators and agents with keys of their own are to
   * a client that knows no others.
   */
  const identityOf = async ({ tenant, caller, agent, session }: Principal, account: string, arns: Arns) => {
    const id = caller.kind === "anonymous" ? "" : caller.id;
    if (!session) {
      const Arn = agent ? arns.agent(agent.name) : `acs:ram::${account}:user/${id}`;
      return { IdentityType: "RAMUser", Arn, PrincipalId: id, UserId: id };
    }
    const RoleId = await roles.idOf(tenant, session.roleArn);
    const Arn = assumedRoleArn(session.roleArn, account, session.name);
    return { IdentityType: "AssumedRoleUser", Arn, PrincipalId: `${RoleId}:${session.name}`, RoleId };
  };

  return [
    operation({
      version: "2015-04-01",
      action: "GetCallerIdentity",
      callers: ["admin", "operator", "auditor", "agent", "temporary"],
      params: z.strictObject({}),
      act: async ({ who, account, arns }) => ({ AccountId: account, ...(await identityOf(who, account, arns)) }),
    }),
  ];
};
