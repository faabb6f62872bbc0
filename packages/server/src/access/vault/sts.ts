import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Providers } from "../providers/index.ts";
import type { Assumed, Roles } from "../roles/index.ts";

interface Needs {
  readonly providers: Pick<Providers, "usable">;
  readonly roles: Pick<Roles, "assume">;
}

/** What is asked for; without a provider it is the agent's own role. */
export interface StsAsk {
  readonly provider?: string | undefined;
  readonly vault?: string | undefined;
  readonly durationSeconds?: number | undefined;
  /** JSON text. */
  readonly policy?: string | undefined;
  readonly sessionName?: string | undefined;
}

/** Answers temporary credentials of roles, each made for who asks; the role's own record tells of each. */
export const makeSts =
  ({ providers, roles }: Needs) =>
  /** @throws Refusal provider_unknown, provider_suspended, provider_wrong_type, and what taking on the role refuses */
  async (who: Principal, { provider: name, vault, durationSeconds: seconds, policy, sessionName }: StsAsk): Promise<Assumed> => {
    const asked = { seconds, policy, sessionName };
    if (name === undefined) return roles.assume(who, asked);
    const provider = await providers.usable(who, vault, name);
    if (provider.type !== "sts")
      throw new Refusal("provider_wrong_type", `The credential provider ${provider.name} gives no temporary credentials.`, {
        type: provider.type,
      });
    // The record of the role says through what it was taken on.
    const assumed = await roles.assume(
      { ...who, through: { ...who.through, provider: provider.id } },
      { ...asked, role: provider.roleArn },
    );
    // A cloud may have taken a while: of a provider that was stopped meanwhile nothing is handed out.
    await providers.usable(who, vault, name);
    return assumed;
  };
