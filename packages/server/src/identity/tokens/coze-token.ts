import type { Named } from "./access-token.ts";
import { type Codec, type Envelope, isText, isWhole, member } from "./codec.ts";

/** What goes into either token of the Coze wire. */
export interface CozeGrant {
  readonly agent: Named;
  readonly tenantEpoch: number;
  /** The client that gets it, and for the first of the two the only one that may exchange it. */
  readonly clientId: string;
}

/** What either token of the Coze wire says. */
export interface CozeClaims extends Envelope {
  readonly agentId: string;
  readonly agentEpoch: number;
  readonly tenantEpoch: number;
  readonly clientId: string;
}

export const cozeToken: Codec<CozeGrant, CozeClaims> = {
  write: ({ agent, tenantEpoch, clientId }) => ({
    sub: agent.id,
    client_id: clientId,
    epochs: { agent: agent.epoch, tenant: tenantEpoch },
  }),

  read: ({ tenant, jti, issuedAt, expiresAt }, { sub, client_id: clientId, epochs }) => {
    const agentEpoch = member(epochs, "agent");
    const tenantEpoch = member(epochs, "tenant");
    if (!isText(sub) || !isText(clientId) || !isWhole(agentEpoch) || !isWhole(tenantEpoch)) return undefined;
    return { tenant, jti, issuedAt, expiresAt, agentId: sub, agentEpoch, tenantEpoch, clientId };
  },
};
