import { z } from "zod";
import { arnsIn } from "../../../access/roles/index.ts";
import type { Principal } from "../../../ground/kernel/index.ts";
import type { Tenants } from "../../../identity/tenants/index.ts";
import type { Users } from "../../../identity/users/index.ts";
import { assumedRoleArn } from "../assumed-role.ts";
import { moment } from "../moment.ts";
import { type Operation, operation } from "../operation.ts";
import { text, whole } from "../params.ts";
import { makeSpend, type SpendRooms } from "./spend.ts";
import { userContextOf } from "./user-context.ts";
import { lasting, version } from "./version.ts";

export interface AssumeRoleRooms extends SpendRooms {
  readonly roles: {
    readonly assume: (
      who: Principal,
      ask: { readonly sessionName: string; readonly seconds: number; readonly policy?: string },
    ) => Promise<{
      readonly accessKeyId: string;
      readonly accessKeySecret: string;
      readonly securityToken: string;
      /** Milliseconds since 1970. */
      readonly expiresAt: number;
      readonly roleArn: string;
      readonly roleId: string;
    }>;
  };
  readonly users: Pick<Users, "get">;
  readonly tenants: Pick<Tenants, "accountOf">;
  readonly region: string;
}

/**
 * Turns an agent into its role for a while. The original client signs nothing here: the workload access token is the whole proof. Where a key signs
 * it all the same, the token must be one that the key may spend.
 */
export const assumeRole = (rooms: AssumeRoleRooms): Operation => {
  const { roles, users, tenants, region } = rooms;
  const spend = makeSpend(rooms);
  return operation({
    version,
    action: "AssumeRoleForWorkloadIdentity",
    callers: ["anyone", ...lasting],
    params: z.strictObject({
      WorkloadAccessToken: text(16_384),
      RoleSessionName: z.string().regex(/^[A-Za-z0-9.@_-]{2,64}$/, "is not 2 to 64 of A-Z a-z 0-9 . @ _ -"),
      DurationSeconds: whole(900, 43_200).default(3_600),
      Policy: text(2_048).optional(),
    }),
    naming: { policy: "Policy", fields: { sessionName: "RoleSessionName", durationSeconds: "DurationSeconds", policy: "Policy" } },
    act: async ({ who, source, params }) => {
      const holder = await spend({ who, source }, params.WorkloadAccessToken);
      const { RoleSessionName: sessionName, DurationSeconds: seconds, Policy: policy } = params;
      const given = await roles.assume(holder, { sessionName, seconds, ...(policy !== undefined && { policy }) });
      // Of the token's tenant: nobody has signed, so the address is all that the call itself tells.
      const account = await tenants.accountOf(holder.tenant);
      const arns = arnsIn({ region, account });
      const user = holder.user && (await users.get(holder.tenant, holder.user.id));
      const context = user && userContextOf(user, holder.agent?.id ?? "");
      return {
        AssumedRoleUser: {
          Arn: assumedRoleArn(given.roleArn, account, sessionName),
          AssumedRoleId: `${given.roleId}:${sessionName}`,
        },
        Credentials: {
          AccessKeyId: given.accessKeyId,
          AccessKeySecret: given.accessKeySecret,
          SecurityToken: given.securityToken,
          Expiration: moment(given.expiresAt),
        },
        WorkloadContextInfo: {
          WorkloadIdentityArn: arns.agent(holder.agent?.name ?? ""),
          ...(context && { UserContext: context }),
        },
      };
    },
  });
};
