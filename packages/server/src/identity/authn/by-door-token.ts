import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { DoorKind, Epochs, Standing, Tokens } from "../tokens/index.ts";
import type { Source } from "./guard.ts";

interface Needs {
  readonly tokens: Pick<Tokens, "verify">;
  /** The standing of the agent that a token names; that somebody suspended still tries is worth remembering. */
  readonly stand: (tenant: string, source: Source, agent: string, user: undefined, epochs: Epochs) => Promise<Standing>;
}

/** What a request to a door of ours brings that takes tokens of one kind. */
export interface DoorProof extends Source {
  readonly token: string | undefined;
  /** Who says that it is its client, where that is said: the token is nobody else's to use. */
  readonly clientId?: string | undefined;
}

/** One answer for a token that is missing, unknown, dead, of another kind, or another client's. */
export const noDoor = (): Refusal => new Refusal("unauthenticated", "Send a live access token for this address.");

const longest = 16_384;

export const makeByDoorToken =
  ({ tokens, stand }: Needs) =>
  /** @throws Refusal unauthenticated, agent_suspended */
  async (proof: DoorProof, kind: DoorKind): Promise<Principal> => {
    const { token, clientId, requestId, address } = proof;
    if (token === undefined || token.length > longest) throw noDoor();
    const claims = await tokens.verify(kind, token).catch((error: unknown) => {
      throw error instanceof Refusal && error.code === "unauthenticated" ? noDoor() : error;
    });
    const { tenant } = claims;
    if (clientId !== undefined && clientId !== claims.clientId) throw noDoor();
    if (proof.tenant !== undefined && proof.tenant !== tenant) throw noDoor();
    const { agent } = await stand(tenant, proof, claims.agentId, undefined, { agent: claims.agentEpoch, tenant: claims.tenantEpoch });
    return {
      tenant,
      caller: { kind: "agent", id: agent.id },
      agent,
      actors: [agent.id],
      method: "access_token",
      requestId,
      ...(address !== undefined && { address }),
    };
  };
