import { operations } from "@legate/contract";
import { type Command, textOf, type Typed } from "../command.ts";
import type { Context } from "../command.ts";
import { CommandFailure, misused } from "../failure.ts";
import { secretFrom, secretOptions } from "../secrets.ts";

/** How an agent and a user are named where a workload token is needed. */
export const actingOptions = [
  { flag: "agent", value: "name", description: "The agent that acts; an agent's own key needs none." },
  { flag: "user-id", value: "id", description: "The user it acts for, without proof." },
  ...secretOptions("user-token", "The token of the user it acts for"),
] as const;

/** A workload token for whom the options name. @throws CommandFailure, LegateApiError */
export const workloadToken = async ({ world, session, client }: Context, typed: Typed) => {
  const agent = textOf(typed, "agent");
  const userId = textOf(typed, "user-id");
  const userToken = await secretFrom(world, typed, "user-token");
  if (userId !== undefined && userToken !== undefined) throw misused("Give --user-id or a user token, not both.");
  const { agentKey } = session();
  if (agent === undefined && agentKey === undefined)
    throw misused("Say which agent acts: --agent NAME. Only an agent's own key needs none.");
  const body = {
    ...(agent !== undefined && { agent }),
    ...(userId !== undefined && { userId }),
    ...(userToken !== undefined && { userToken }),
  };
  const parsed = operations.createWorkloadToken.body.safeParse(body);
  if (!parsed.success) throw misused(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  const answer = await client().workloadTokens.create(body);
  if (agent !== undefined && answer.agent.name !== agent && answer.agent.id !== agent)
    throw new CommandFailure("forbidden", `The key is ${answer.agent.name}'s own, and acts for no other agent.`);
  return answer;
};

/** Gets a workload access token. */
export const tokenCommand: Command = {
  path: ["token"],
  summary: "Get a workload access token, by which an agent asks for credentials",
  about: "Standard output holds the token alone. It lives half an hour at most and is as good as the agent: hand it to nobody.",
  options: [...actingOptions],
  examples: ["legate token --agent mail-reader --user-id alice", "LEGATE_WORKLOAD_TOKEN=$(legate token --agent mail-reader) node agent.js"],
  act: async (context, typed) => {
    const answer = await workloadToken(context, typed);
    const { out } = context;
    if (out.json) return out.document(answer);
    out.note(`For agent ${answer.agent.name}${answer.user ? ` and user ${answer.user.subject}` : ""}, ${answer.expiresIn} seconds.`);
    return out.raw(`${answer.token}\n`);
  },
};
