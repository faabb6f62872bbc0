import { type Codec, type Envelope, isText, isWhole, member } from "./codec.ts";

/** What goes into a workload access token. */
export interface WorkloadGrant {
  readonly agent: { readonly id: string; readonly epoch: number };
  readonly user?: { readonly id: string; readonly epoch: number; readonly issuer: string; readonly subject: string } | undefined;
  readonly tenantEpoch: number;
}

/** What a workload access token says. */
export interface WorkloadClaims extends Envelope {
  readonly agentId: string;
  readonly agentEpoch: number;
  readonly user: { readonly id: string; readonly epoch: number } | undefined;
  readonly tenantEpoch: number;
}

export const workloadToken: Codec<WorkloadGrant, WorkloadClaims> = {
  write: ({ agent, user, tenantEpoch }) => ({
    // RFC 8693 4.1: the user is the subject, the agent that acts stands in `act`.
    sub: user ? user.id : agent.id,
    ...(user && { act: { sub: agent.id }, user_iss: user.issuer, user_sub: user.subject }),
    epochs: { agent: agent.epoch, tenant: tenantEpoch, ...(user && { user: user.epoch }) },
  }),

  read: ({ tenant, jti, issuedAt, expiresAt }, { sub, act, epochs }) => {
    const agentId = act === undefined ? sub : member(act, "sub");
    const agentEpoch = member(epochs, "agent");
    const tenantEpoch = member(epochs, "tenant");
    const userEpoch = member(epochs, "user");
    if (!isText(sub) || !isText(agentId) || !isWhole(agentEpoch) || !isWhole(tenantEpoch)) return undefined;
    const user = act === undefined || !isWhole(userEpoch) ? undefined : { id: sub, epoch: userEpoch };
    if (act !== undefined && !user) return undefined;
    return { tenant, jti, issuedAt, expiresAt, agentId, agentEpoch, tenantEpoch, user };
  },
};
