import { decodeJwt } from "jose";
import { assertedIssuer } from "../../../identity/users/index.ts";

/** For whom a workload access token is, as this wire tells it: by id where an agent says so, by the claims of a token where one proved it. */
export interface UserContext {
  readonly UserId?: string;
  readonly JwtClaims?: {
    readonly Audiences?: string;
    readonly Issuer: string;
    readonly JTI?: string;
    readonly Subject: string;
  };
}

/** A user token's claims that nothing keeps; it has been verified. */
const passing = (userToken: string | undefined): { readonly Audiences?: string; readonly JTI?: string } => {
  if (userToken === undefined) return {};
  const { aud, jti } = decodeJwt(userToken);
  return {
    ...(aud !== undefined && { Audiences: [aud].flat().join(",") }),
    ...(typeof jti === "string" && { JTI: jti }),
  };
};

/**
 * @param agentId The agent that acts for the user.
 * @param userToken What proved the user, where it is at hand.
 */
export const userContextOf = (
  user: { readonly issuer: string; readonly subject: string },
  agentId: string,
  userToken?: string,
): UserContext =>
  user.issuer === assertedIssuer(agentId)
    ? { UserId: user.subject }
    : { JwtClaims: { ...passing(userToken), Issuer: user.issuer, Subject: user.subject } };
