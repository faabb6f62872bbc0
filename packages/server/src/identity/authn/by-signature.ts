import { type ActingAgent, type Principal, Refusal, type RoleSession } from "../../ground/kernel/index.ts";
import type { AccessKeys, KeySession, Signed, SignedRequest } from "../access-keys/index.ts";
import type { Epochs, Standing } from "../tokens/index.ts";
import type { Source } from "./guard.ts";

/** What a role lets an agent do now: whether an action is permitted on every one of these things. */
export type RightsOf = (
  tenant: string,
  of: {
    readonly roleArn: string;
    readonly roleId?: string | undefined;
    readonly agent: ActingAgent;
    readonly sessionPolicy?: string | undefined;
  },
) => Promise<RoleSession["permits"]>;

interface Needs {
  readonly accessKeys: Pick<AccessKeys, "signer" | "isKey">;
  readonly rightsOf: RightsOf;
  /** The standing of the agent whose key it is; that somebody suspended still tries is worth remembering. */
  readonly stand: (tenant: string, source: Source, agent: string, user: string | undefined, epochs: Epochs) => Promise<Standing>;
}

/** A request that is signed with an access key. */
export interface SignedProof extends Source, SignedRequest {}

/** The answer to a key of another tenant than the address names, and to one whose owner is gone: the same as to one that nobody has. */
export const noKey = (): Refusal => new Refusal("access_key_unknown", "There is no such access key, or it has expired or was deleted.");

export const makeBySignature = ({ accessKeys, rightsOf, stand }: Needs) => {
  const standOr = (tenant: string, proof: SignedProof, agent: string, session: KeySession | undefined): Promise<Standing> => {
    const epochs = session ? { agent: session.agentEpoch, user: session.user?.epoch, tenant: session.tenantEpoch } : {};
    return stand(tenant, proof, agent, session?.user?.id, epochs).catch((error: unknown) => {
      throw error instanceof Refusal && error.code === "unauthenticated" ? noKey() : error;
    });
  };

  /** @throws Refusal unauthenticated, access_key_unknown, signature_mismatch, request_time_skewed, security_token_invalid, agent_suspended, user_suspended */
  return async (proof: SignedProof): Promise<{ readonly who: Principal; readonly signed: Signed }> => {
    const signed = await accessKeys.signer(proof, proof);
    const { tenant, id, of } = signed.holder;
    // Each row of the record tells which key it was: of one owner there may be many.
    const through = { accessKey: id };
    const place = { tenant, requestId: proof.requestId, ...(proof.address !== undefined && { address: proof.address }), through };
    if (of.kind === "operator") {
      const who: Principal = { caller: { kind: "operator", id: of.id, role: "admin" }, actors: [], method: "access_key", ...place };
      return { who, signed };
    }
    const session = of.kind === "session" ? of.session : undefined;
    const { agent, user } = await standOr(tenant, proof, of.id, session);
    const acting = { caller: { kind: "agent", id: agent.id }, agent, actors: [agent.id], ...place } as const;
    if (!session) return { who: { method: "access_key", ...acting }, signed };
    const { roleArn, roleId, name, policy: sessionPolicy } = session;
    const rights = () => rightsOf(tenant, { roleArn, roleId, agent, sessionPolicy });
    const role: RoleSession = {
      roleArn,
      name,
      permits: await rights(),
      permitsStill: async (...asked) => (await accessKeys.isKey(id)) && (await rights())(...asked),
    };
    return { who: { method: "temporary_key", session: role, ...(user && { user }), ...acting }, signed };
  };
};

/**
 * Whether somebody who signs a request may spend a workload access token in it: an agent its own, and with a temporary key those for the very user that the
 * key is for, or for none where it is for none; an admin any of its tenant.
 */
export const maySpend = (who: Principal, token: Principal): boolean => {
  if (who.tenant !== token.tenant) return false;
  if (who.caller.kind === "operator") return true;
  if (who.agent === undefined || who.agent.id !== token.agent?.id) return false;
  return who.method !== "temporary_key" || who.user?.id === token.user?.id;
};
