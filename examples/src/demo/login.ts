import { createHash, randomBytes } from "node:crypto";

/** The application's own OpenID client, by which its users log in. */
export interface LoginClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
}

/** One login under way in one browser. */
export interface LoginAttempt {
  readonly url: string;
  readonly state: string;
  readonly verifier: string;
}

const secret = () => randomBytes(32).toString("base64url");

export const beginLogin = (client: LoginClient): LoginAttempt => {
  const state = secret();
  const verifier = secret();
  const url = new URL(`${client.issuer}/auth`);
  url.search = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: "code",
    scope: "openid",
    state,
    // RFC 7636 4.2
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  }).toString();
  return { url: url.href, state, verifier };
};

/** @returns The user's ID token, straight from the provider: what Legate verifies before it believes who the user is */
export const finishLogin = async (client: LoginClient, attempt: LoginAttempt, query: URLSearchParams): Promise<string> => {
  const code = query.get("code");
  if (code === null || query.get("state") !== attempt.state) throw new Error("The login was refused, or was not begun in this browser.");
  const answer = await fetch(`${client.issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code,
      redirect_uri: client.redirectUri,
      code_verifier: attempt.verifier,
      client_id: client.clientId,
      client_secret: client.clientSecret,
    }),
  });
  const { id_token: idToken } = (await answer.json()) as { id_token?: string };
  if (!answer.ok || idToken === undefined) throw new Error(`The provider answered the login with ${answer.status}.`);
  return idToken;
};
