import type { JWTPayload } from "jose";

/** What goes into a token by which a cloud knows an agent. */
export interface WebIdentityGrant {
  /** The cloud's, and never an address of ours. */
  readonly audience: string;
  readonly agentId: string;
}

export const webIdentityToken = {
  /** Clouds tell agents apart by `sub`, and nothing else of this is theirs to know. */
  write: ({ audience, agentId }: WebIdentityGrant): JWTPayload => ({ aud: audience, sub: agentId }),
};
