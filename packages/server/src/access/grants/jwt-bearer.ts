import { Refusal } from "../../ground/kernel/index.ts";
import { agentOf, type Grant, grantInvalid, type GrantsNeeds, leavesTo, required } from "./grant.ts";

type Needs = Pick<GrantsNeeds, "clock" | "replay" | "issuerOf" | "users" | "issuers" | "standing">;

/** What an assertion may have left at most, in milliseconds: for so long it is remembered that it was used. */
const longestLife = 24 * 60 * 60_000;
/** Clocks of issuers may be behind; an assertion is good for as much longer. */
const leeway = 60_000;

/** RFC 7523 2.1: a token of the agent's trusted issuer that is addressed to us, for the user whom it names. */
export const makeJwtBearer = ({ clock, replay, issuerOf, users, issuers, standing }: Needs): Grant => ({
  name: "urn:ietf:params:oauth:grant-type:jwt-bearer",
  find: async ({ client, who }, request) => {
    const { id, epoch } = agentOf(client);
    const assertion = required(request, "assertion");
    const { issuerId } = await standing.actor(who.tenant, id);
    if (issuerId === undefined) throw grantInvalid();
    const issuer = issuerOf(who.tenant);
    // RFC 7523bis: the audience is this issuer alone. A token that is good at the vault for being the application's is none that was made for us.
    const { claims, iss, subject, subjectClaim, expiresAt } = await issuers
      .verify(who.tenant, issuerId, assertion, { audiences: [issuer] })
      .catch((error: unknown) => {
        throw error instanceof Refusal && error.code === "user_token_invalid" ? grantInvalid() : error;
      });
    const { aud, jti } = claims;
    const isForUs = aud === issuer || (Array.isArray(aud) && aud.length === 1);
    if (!isForUs || typeof jti !== "string" || jti === "" || !leavesTo(claims, id, issuer)) throw grantInvalid();
    if (expiresAt > clock() + longestLife) throw grantInvalid();
    const user = await users.proven(who, iss, subject, subjectClaim);
    return {
      granted: {
        user: { id: user.id, epoch: user.epoch },
        actors: [{ id, epoch }],
        ceiling: undefined,
        audiences: undefined,
        notAfter: expiresAt,
        grantId: undefined,
      },
      settle: async (tx) => {
        const isFirst = await replay.use(tx, who.tenant, `assertion ${issuerId}`, jti, expiresAt + leeway);
        return isFirst ? {} : grantInvalid();
      },
    };
  },
});
