import { type Principal, Refusal } from "../../../ground/kernel/index.ts";
import type { Authn } from "../../../identity/authn/index.ts";
import { workloadAccessToken } from "../names.ts";
import type { Source } from "../operation.ts";

export interface SpendRooms {
  readonly authn: Pick<Authn, "proveWorkload" | "spend">;
}

/** What the record tells of the key beside the agent: which it is, and whose, or in which role. */
const throughOf = ({ caller, session, through }: Principal): Principal["through"] => {
  if (session) return { ...through, roleArn: session.roleArn, sessionName: session.name };
  return caller.kind === "operator" ? { ...through, operator: caller.id } : through;
};

/**
 * Whom a workload access token in a parameter stands for; where a key signed the request, it must be one that this key may spend.
 * @throws Refusal unauthenticated about the parameter, agent_suspended, user_suspended, rate_limited
 */
export const makeSpend =
  ({ authn }: SpendRooms) =>
  async ({ who, source }: { readonly who: Principal; readonly source: Source }, token: string): Promise<Principal> => {
    const proving = who.method === "none" ? authn.proveWorkload({ token, ...source }) : authn.spend(who, token);
    const holder = await proving.catch((error: unknown) => {
      if (!(error instanceof Refusal) || error.code !== "unauthenticated") throw error;
      throw new Refusal("unauthenticated", "The workload access token is unknown, expired, dead, or not this access key's to spend.", {
        issues: [{ parameter: workloadAccessToken }],
      });
    });
    const through = throughOf(who);
    return { ...holder, ...(through && { through }) };
  };
