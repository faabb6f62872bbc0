import { Refusal } from "../../ground/kernel/index.ts";
import type { Named } from "../../identity/tokens/index.ts";
import { agentOf, type Grant, type GrantsNeeds, optional, required } from "./grant.ts";
import { makeSubjectTokens, tokenTypes } from "./subject-token.ts";

type Needs = Pick<GrantsNeeds, "issuerOf" | "users" | "issuers" | "standing" | "tokens" | "clients">;

/** How many agents may act one for another. */
export const deepestChain = 5;

/**
 * The chain with this agent in front. Who acts already goes on acting; who acted before and would act again would hide who it acts for.
 * @throws Refusal invalid_request
 */
const joined = (actor: Named, chain: readonly Named[]): readonly Named[] => {
  if (chain[0]?.id === actor.id) return chain;
  if (chain.some(({ id }) => id === actor.id))
    throw new Refusal("invalid_request", "The agent acts in this chain already.", { reason: "cycle" });
  if (chain.length >= deepestChain) throw new Refusal("invalid_request", "Too many agents act one for another.", { reason: "depth" });
  return [actor, ...chain];
};

/**
 * Who asks gets the token and holds it, so it stands in the chain whoever else is shown to act: what is not named there would neither be seen in `act`
 * nor end the token when it is stopped.
 * @throws Refusal invalid_request
 */
const withAsker = (asker: Named, actor: Named, chain: readonly Named[]): readonly Named[] =>
  joined(actor, actor.id === asker.id || chain.some(({ id }) => id === asker.id) ? chain : joined(asker, chain));

const earliest = (...ends: readonly (number | undefined)[]): number => Math.min(...ends.map((end) => end ?? Number.POSITIVE_INFINITY));

/** RFC 8693: a token for a token. Who acts is never the caller's word: it is the client that proved itself, or the agent whose own token it shows. */
export const makeTokenExchange = (needs: Needs): Grant => {
  const { subjectOf, actorOf } = makeSubjectTokens(needs);

  return {
    name: "urn:ietf:params:oauth:grant-type:token-exchange",
    find: async (asker, request) => {
      const { id, epoch } = agentOf(asker.client);
      const itself: Named = { id, epoch };
      const subjectToken = required(request, "subject_token");
      const subjectType = required(request, "subject_token_type");
      const actorToken = optional(request, "actor_token");
      const actorType = optional(request, "actor_token_type");
      // RFC 8693 2.1: each needs the other.
      if ((actorToken === undefined) !== (actorType === undefined)) {
        throw new Refusal("invalid_request", "Send actor_token and actor_token_type together.");
      }
      const issuedTokenType = optional(request, "requested_token_type") ?? tokenTypes.accessToken;
      if (issuedTokenType !== tokenTypes.accessToken && issuedTokenType !== tokenTypes.jwt) {
        throw new Refusal("invalid_request", "No token of this requested_token_type is given here.");
      }
      const shown = actorToken !== undefined && actorType !== undefined ? await actorOf(asker, actorToken, actorType) : undefined;
      const actor: Named = shown ? { id: shown.id, epoch: shown.epoch } : itself;
      const subject = await subjectOf(asker, actor, subjectToken, subjectType, request);
      // Of one tenant, so of one epoch, or one of the two is dead.
      if (shown && subject.tenantEpoch !== undefined && shown.tenantEpoch !== subject.tenantEpoch) {
        throw new Refusal("invalid_request", "The subject_token is unknown, expired, or not this client's to use.");
      }
      return {
        granted: {
          ...subject,
          actors: withAsker(itself, actor, subject.actors),
          notAfter: earliest(subject.notAfter, shown?.notAfter),
          tenantEpoch: subject.tenantEpoch ?? shown?.tenantEpoch,
        },
        issuedTokenType,
      };
    },
  };
};
