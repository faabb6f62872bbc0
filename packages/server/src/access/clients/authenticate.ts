import type { Audit } from "../../ground/audit/index.ts";
import { anonymous, type Clock, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Replay } from "../../ground/replay/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Guard } from "../../identity/authn/index.ts";
import { defaultTenant } from "../../identity/tenants/index.ts";
import type { Authenticated, Client, ClientProof } from "./client.ts";
import { checkAssertion, subjectOf } from "./client-assertion.ts";
import { kindOfClientId } from "./client-id.ts";
import { type Presented, presentedBy, unauthenticated } from "./client-proof.ts";
import type { Absent } from "./find.ts";
import { away, refused } from "./refused.ts";

interface Needs {
  readonly audit: Audit;
  readonly clock: Clock;
  readonly replay: Pick<Replay, "useNow">;
  readonly agents: Pick<Agents, "clientSecretHolder" | "isClientSecretKnown" | "clientKeysOf" | "clientKeyUsed">;
  readonly issuerOf: (tenant: string) => string;
  readonly guard: Guard;
  /** The client of this id if it may act now, or why not. */
  readonly find: (tenant: string | undefined, id: string, from: ClientProof) => Promise<Client | Absent>;
  /** Whose client it would have been that was not proven. */
  readonly trace: (id: string) => Promise<Absent>;
}

/** What a client failed on, for the record: it is told none of it. */
class Unproven extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** How long clocks may differ: an assertion is remembered that much longer than it lives. */
const leeway = 60_000;

const nothing = (): Promise<void> => Promise.resolve();

/** @throws Refusal client_unauthenticated */
const clientIdOf = (presented: Presented): string => {
  if (presented.method !== "private_key_jwt") return presented.clientId;
  const subject = subjectOf(presented.assertion);
  // Only agents have keys; nothing else that an assertion may hold is looked for in any store.
  if (subject === undefined || kindOfClientId(subject) !== "agent") throw unauthenticated();
  // RFC 7521 4.2: an id beside the assertion names the same client.
  if ((presented.clientId ?? subject) !== subject) throw unauthenticated();
  return subject;
};

const principalOf = (client: Client, { method }: Presented, { requestId, address }: ClientProof): Principal => ({
  tenant: client.tenant,
  ...(client.agent
    ? { caller: { kind: "agent", id: client.agent.id }, agent: client.agent, actors: [client.agent.id] }
    : { caller: { kind: "client", id: client.id }, actors: [] }),
  method: method === "none" ? "public_client" : method === "private_key_jwt" ? "client_assertion" : "client_secret",
  requestId,
  ...(address !== undefined && { address }),
});

export const makeAuthenticate = ({ audit, clock, replay, agents, issuerOf, guard, find, trace }: Needs) => {
  /** @returns what uses the assertion up, once all else holds. @throws Unproven */
  const checkKey = async (clientId: string, assertion: string): Promise<() => Promise<void>> => {
    const known = await agents.clientKeysOf(clientId);
    if (!known) throw new Unproven("assertion_key");
    const found = await checkAssertion(assertion, { issuer: issuerOf(known.tenant), keys: known.keys, now: clock() });
    if (typeof found === "string") throw new Unproven(`assertion_${found}`);
    return async () => {
      // RFC 7523 3: once, whichever replica it is sent to.
      const isFirst = await replay.useNow(known.tenant, `client_assertion:${clientId}`, found.jti, found.expiresAt + leeway);
      if (!isFirst) throw new Unproven("assertion_replayed");
      await agents.clientKeyUsed(known, found.keyId);
    };
  };

  /** Whether what was presented proves this client. @throws Unproven */
  const check = async (clientId: string, presented: Presented): Promise<() => Promise<void>> => {
    switch (presented.method) {
      case "none":
        // An agent is confidential: to name it proves nothing.
        if (kindOfClientId(clientId) === "agent") throw new Unproven("no_proof");
        return nothing;
      case "private_key_jwt":
        return checkKey(clientId, presented.assertion);
      case "client_secret_basic":
      case "client_secret_post":
        // One that is wrong and one of a client that is unknown, or has none, are looked up alike and not found.
        if (!(await agents.clientSecretHolder(clientId, presented.secret))) throw new Unproven("secret");
        return nothing;
    }
  };

  const identify = async (proof: ClientProof): Promise<Authenticated> => {
    const presented = presentedBy(proof);
    const clientId = clientIdOf(presented);

    const refuse = async (found: Absent): Promise<never> => {
      const who = anonymous(found.tenant ?? proof.tenant ?? defaultTenant, proof.requestId, proof.address);
      await refused(audit, who, clientId, found, { method: presented.method });
      throw found.isPassing === true ? away() : unauthenticated();
    };
    const orRefuse = async <T>(step: Promise<T>): Promise<T> => {
      try {
        return await step;
      } catch (error) {
        if (!(error instanceof Unproven)) throw error;
        const { absent, tenant } = await trace(clientId);
        return refuse({ tenant, absent: tenant === undefined || absent === "client_unknown" ? error.reason : absent });
      }
    };

    const settle = await orRefuse(check(clientId, presented));
    const found = await find(proof.tenant, clientId, proof);
    if ("absent" in found) return refuse(found);
    await orRefuse(settle());
    return { client: found, who: principalOf(found, presented, proof) };
  };

  /** By memory alone, whether a client was proven by this secret lately. */
  const isKnown = async (proof: ClientProof): Promise<boolean> => {
    try {
      const presented = presentedBy(proof);
      return "secret" in presented && (await agents.isClientSecretKnown(presented.clientId, presented.secret));
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  };

  /**
   * Who asks at an endpoint of ours as a client, proven (RFC 6749 2.3, RFC 7523 2.2).
   * @throws Refusal client_unauthenticated, the same whatever was wrong; unavailable where the document of a client cannot be had just now;
   * invalid_request for more than one proof; rate_limited
   */
  return (proof: ClientProof): Promise<Authenticated> =>
    guard(proof, () => identify(proof), {
      presents: proof.clientAssertion === undefined ? "key" : "token",
      isKnown: () => isKnown(proof),
      refusal: unauthenticated,
    });
};
