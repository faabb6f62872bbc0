import * as oauth from "oauth4webapi";
import type { Handle } from "../../ground/db/index.ts";
import { EgressBlocked, EgressFailed } from "../../ground/egress/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import type { Issuer, LoginClient } from "../../identity/issuers/index.ts";
import type { User } from "../../identity/users/index.ts";
import { clientAuthOf } from "../providers/index.ts";
import type { SessionsNeeds } from "./sessions-needs.ts";
import { challengeOf } from "./visit.ts";

/** The login came back and proves nothing. */
export class LoginFailed extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`The login failed: ${reason}.`);
    this.name = "LoginFailed";
    this.reason = reason;
  }
}

/** What of a login is known only to us and comes back, or is answered for. */
export interface LoginSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** What else is asked of the issuer (OpenID Connect Core 3.1.2.1). */
export interface LoginWishes {
  readonly prompt?: readonly string[] | undefined;
  /** Seconds since the person last proved who they are, at most. */
  readonly maxAge?: number | undefined;
}

/** Whom an ID token named. */
export interface LoggedIn {
  readonly issuer: string;
  readonly subject: string;
  readonly subjectClaim: string;
  /** When they proved it, where the issuer says so; milliseconds since 1970. */
  readonly authTime: number | undefined;
}

/** RFC 8725 3.1, 3.2: what may sign an ID token here, whatever the issuer offers. */
const strong = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

const metadataOf = ({ metadata }: LoginClient): oauth.AuthorizationServer => {
  const offered = metadata["id_token_signing_alg_values_supported"];
  const algorithms = Array.isArray(offered) ? strong.filter((alg) => offered.includes(alg)) : ["RS256"];
  return { ...metadata, id_token_signing_alg_values_supported: algorithms };
};

type Needs = Pick<SessionsNeeds, "egress" | "issuers" | "clientAssertion">;

/** A login at a trusted issuer: an authorization code flow of OpenID Connect, with PKCE, state, nonce and a verified ID token. */
export const makeLogin = ({ egress, issuers, clientAssertion }: Needs) => ({
  /** The issuer at which this user can log in; undefined where there is none. */
  issuerOf: async (
    handle: Handle,
    tenant: string,
    agent: { readonly issuerId: string | undefined },
    user: Pick<User, "proven" | "issuer">,
  ): Promise<Issuer | undefined> => {
    if (!user.proven || agent.issuerId === undefined) return undefined;
    const issuer = await issuers.byId(handle, tenant, agent.issuerId);
    return issuer?.login && issuer.issuer === user.issuer ? issuer : undefined;
  },

  /** Where the browser goes to log in. */
  urlOf: (client: LoginClient, { state, nonce, verifier }: LoginSecrets, { prompt = [], maxAge }: LoginWishes = {}): string => {
    const url = new URL(client.metadata.authorization_endpoint);
    const asked = {
      response_type: "code",
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      scope: client.scopes.join(" "),
      state,
      nonce,
      code_challenge: challengeOf(verifier),
      code_challenge_method: "S256",
      ...(prompt.length > 0 && { prompt: prompt.join(" ") }),
      ...(maxAge !== undefined && { max_age: String(maxAge) }),
    };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    return url.href;
  },

  /**
   * Who logged in, at the client's issuer.
   *
   * @throws LoginFailed where the answer does not hold, with reason `denied` where it is a no; Refusal issuer_unavailable where the issuer cannot be
   * reached
   */
  whoOf: async (tenant: string, client: LoginClient, params: URLSearchParams, secrets: LoginSecrets): Promise<LoggedIn> => {
    const as = metadataOf(client);
    const us: oauth.Client = { client_id: client.clientId, [oauth.clockTolerance]: 60 };
    // Egress decides where plain http may go.
    const options = {
      [oauth.customFetch]: (url: string, init: object) => egress.fetch(url, init),
      [oauth.allowInsecureRequests]: true,
    };
    try {
      // RFC 9207 2.4: `iss` before any token call.
      const checked = oauth.validateAuthResponse(as, us, params, secrets.state);
      const { clientId, clientAuth: method, clientSecret: secret } = client;
      const assertion = (audience: string) => clientAssertion(tenant, { clientId, audience });
      const auth = clientAuthOf({ method, secret, audience: as.issuer, assertion });
      const response = await oauth.authorizationCodeGrantRequest(as, us, auth, checked, client.redirectUri, secrets.verifier, options);
      const answer = await oauth.processAuthorizationCodeResponse(as, us, response, {
        expectedNonce: secrets.nonce,
        requireIdToken: true,
      });
      await oauth.validateApplicationLevelSignature(as, response, options);
      const claims = oauth.getValidatedIdTokenClaims(answer);
      if (!claims) throw new LoginFailed("id_token_missing");
      const { auth_time: at } = claims;
      return {
        issuer: client.metadata.issuer,
        subject: client.subjectOf(claims),
        subjectClaim: client.subjectClaim,
        authTime: typeof at === "number" && Number.isSafeInteger(at) && at > 0 ? at * 1000 : undefined,
      };
    } catch (thrown) {
      if (thrown instanceof EgressBlocked || thrown instanceof EgressFailed) {
        throw new Refusal("issuer_unavailable", "The user's issuer cannot be reached.", { reason: thrown.reason });
      }
      if (thrown instanceof Refusal && thrown.code === "user_token_invalid") throw new LoginFailed("subject");
      if (thrown instanceof Refusal || thrown instanceof LoginFailed) throw thrown;
      if (thrown instanceof oauth.AuthorizationResponseError && thrown.error === "access_denied") throw new LoginFailed("denied");
      const refused = [oauth.ResponseBodyError, oauth.AuthorizationResponseError, oauth.WWWAuthenticateChallengeError];
      throw new LoginFailed(refused.some((kind) => thrown instanceof kind) ? "issuer_refused" : "answer_invalid");
    }
  },
});
export type Login = ReturnType<typeof makeLogin>;
