import type { Handle } from "../../ground/db/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Client } from "../clients/index.ts";
import {
  type AuthorizationRequest,
  type Decision,
  type RequestAnswer,
  type RequestSecrets,
  secretsIdentity,
} from "./authorization-request.ts";
import type { AuthorizationRequestsNeeds } from "./authorization-requests-needs.ts";
import { codeLife, makeCodes } from "./codes.ts";
import { isAssured, remember, used as consentUsed } from "./remembered-consents.ts";
import { requestsTable } from "./requests-table.ts";

type Needs = Pick<AuthorizationRequestsNeeds, "db" | "audit" | "seal" | "clock" | "random" | "standing" | "families">;

const denied = () => new Refusal("authorization_denied", "The person said no.", { reason: "user" });
const used = () => new Refusal("session_used", "This authorization request has been answered.");

/** How authorization requests end: each once, in one transaction with what it gives and with its audit row. */
export const makeRequestAnswers = (needs: Needs) => {
  const { db, audit, seal, clock, standing, families } = needs;
  const issueCode = makeCodes(needs);

  const done = async (
    tx: Handle,
    who: Principal,
    from: AuthorizationRequest,
    to: AuthorizationRequest,
    secrets: RequestSecrets,
  ): Promise<void> => {
    const sealedSecrets = await seal.seal(tx, who.tenant, secretsIdentity(from.id), JSON.stringify(secrets));
    if (!(await requestsTable.advance(tx, who.tenant, from, { ...to, stage: "done", stateHash: "", sealedSecrets }))) throw used();
  };

  return {
    denied,
    changed: (): Refusal =>
      new Refusal("authorization_failed", "The client was changed meanwhile. Begin again.", { reason: "client_changed" }),

    /**
     * The person consents, or did so before: the client gets a code.
     *
     * @param from The request as it was read; it is used up only if it is still so
     * @param request The same, with who the person is
     * @throws Refusal session_used where it was answered meanwhile; agent_suspended, user_suspended, unauthenticated
     */
    allow: async (
      who: Principal,
      client: Client,
      from: AuthorizationRequest,
      request: AuthorizationRequest,
      secrets: RequestSecrets,
      how: "asked" | "remembered",
    ): Promise<RequestAnswer> => {
      const { redirectUri, resource, scopes } = request;
      const parties = await standing.chain(who.tenant, {
        actors: client.agent ? [client.agent] : [],
        user: { id: request.user ?? "", epoch: request.userEpoch ?? 0 },
      });
      const { user, tenantEpoch } = parties;
      if (!user) throw new Error("A request that is answered names its user.");
      const code = await db.write(async (tx) => {
        const given = await issueCode(tx, who, client, request, secrets, { user, tenantEpoch });
        // Whatever was given is undone where another was faster.
        await done(tx, who, from, request, {
          state: secrets.state,
          form: secrets.form,
          answered: { decision: "allow", code: given.code, until: given.expiresAt },
        });
        const consented = { user: user.id, resource, scopes };
        if (how === "remembered") await consentUsed(tx, client, consented, clock());
        else if (isAssured(client, redirectUri)) await remember(tx, client, consented, clock());
        await audit.record(tx, who, "consent.given", {
          target: given.grant,
          user: user.id,
          agent: client.agent?.id,
          details: { client: client.id, resource, scopes, redirectUri, remembered: how === "remembered" },
        });
        await families.trim(tx, who, { user, client: client.id, resource });
        return given.code;
      });
      return { redirectUri, state: secrets.state, outcome: { code }, atOnce: true };
    },

    /**
     * It comes to nothing, and the client hears why.
     *
     * @throws Refusal session_used where it was answered meanwhile
     */
    refuse: async (
      who: Principal,
      client: Client,
      request: AuthorizationRequest,
      secrets: RequestSecrets,
      refusal: Refusal,
    ): Promise<RequestAnswer> => {
      const { redirectUri, resource, user } = request;
      const isDenied = refusal.code === "authorization_denied";
      const reason = refusal.details["reason"] ?? refusal.code;
      const answered = isDenied && secrets.form !== undefined ? ({ decision: "deny", until: clock() + codeLife } as const) : undefined;
      await db.write(async (tx) => {
        await done(tx, who, request, request, { state: secrets.state, form: secrets.form, answered });
        await audit.record(tx, who, isDenied ? "consent.denied" : "consent.failed", {
          target: client.id,
          user,
          ...(!isDenied && { outcome: "refused" }),
          details: { resource, redirectUri, reason },
        });
      });
      const isSaidHere = isDenied && reason === "user";
      return { redirectUri, state: secrets.state, outcome: { refusal }, atOnce: isSaidHere || client.kind !== "document" };
    },

    /** The answer that was given, to a button that was pressed twice. @throws Refusal session_used */
    again: ({ redirectUri }: AuthorizationRequest, { state, answered }: RequestSecrets, decision: Decision): RequestAnswer => {
      if (answered?.decision !== decision || clock() >= answered.until) throw used();
      const { code } = answered;
      return { redirectUri, state, outcome: code === undefined ? { refusal: denied() } : { code }, atOnce: true };
    },
  };
};
