import { operations } from "@legate/contract";
import { z } from "zod";
import type { WorkloadTokens } from "../../../identity/tokens/index.ts";
import { type Call, type Operation, operation } from "../operation.ts";
import { text } from "../params.ts";
import { userContextOf } from "./user-context.ts";
import { lasting, version } from "./version.ts";

export interface TokenRooms {
  readonly workloadTokens: WorkloadTokens;
}

type WorkloadAsk = Parameters<WorkloadTokens["issue"]>[1];

const name = { WorkloadIdentityName: text(255) };
const { userId } = operations.createWorkloadToken.body.shape;
const naming = { fields: { agent: "WorkloadIdentityName", userToken: "UserToken", userId: "UserId" } };

/** Workload access tokens: for the agent alone, for a user whose token there is, for a user whom the agent names. */
export const workloadTokens = ({ workloadTokens: tokens }: TokenRooms): readonly Operation[] => {
  const issue = async ({ who, arns }: Pick<Call<z.ZodObject>, "who" | "arns">, ask: WorkloadAsk) => {
    const { token, agent, user } = await tokens.issue(who, ask);
    return {
      WorkloadAccessToken: token,
      WorkloadIdentityArn: arns.agent(agent.name),
      ...(user && { UserContext: userContextOf(user, agent.id, ask.userToken) }),
    };
  };

  return [
    operation({
      version,
      action: "GetWorkloadAccessToken",
      callers: lasting,
      params: z.strictObject(name),
      naming,
      act: (call) => issue(call, { agent: call.params.WorkloadIdentityName }),
    }),
    operation({
      version,
      action: "GetWorkloadAccessTokenForJWT",
      callers: lasting,
      params: z.strictObject({ ...name, UserToken: text(16_384) }),
      naming,
      act: (call) => issue(call, { agent: call.params.WorkloadIdentityName, userToken: call.params.UserToken }),
    }),
    operation({
      version,
      action: "GetWorkloadAccessTokenForUserId",
      callers: lasting,
      params: z.strictObject({ ...name, UserId: userId.unwrap() }),
      naming,
      act: (call) => issue(call, { agent: call.params.WorkloadIdentityName, userId: call.params.UserId }),
    }),
  ];
};
