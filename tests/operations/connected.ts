import type { TestProvider } from "../../packages/server/src/testing/provider.ts";
import type { Answer } from "../call.ts";
import { adminKey, call, must } from "./server.ts";

const provider = "upstream";

/** Registers the provider at Legate, and Legate at the provider. @param tokenEndpoint where it is not the provider's own */
export const introduce = async (url: string, upstream: TestProvider, tokenEndpoint?: string): Promise<void> => {
  const made = await must("POST", `${url}/v1/credential-providers`, {
    name: provider,
    type: "oauth2",
    ...(tokenEndpoint === undefined
      ? { discoveryUrl: upstream.discoveryUrl }
      : { authorizationEndpoint: `${upstream.issuer}/auth`, tokenEndpoint, issuer: upstream.issuer, clientAuth: "client_secret_post" }),
    clientId: "legate",
    clientSecret: "between us two",
    scopes: ["read"],
  });
  upstream.addClient({
    client_id: "legate",
    client_secret: "between us two",
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [String(made["callbackUrl"])],
    token_endpoint_auth_method: "client_secret_post",
  });
};

export const makeAgent = (url: string, name: string) => must("POST", `${url}/v1/agents`, { name, binding: "none" });

/** A workload token of this agent, for this user. @throws when it is refused */
export const tokenFor = async (url: string, agent: string, user: string): Promise<string> =>
  String((await must("POST", `${url}/v1/workload-tokens`, { agent, userId: user }))["token"]);

/** Asks for the user's credential. */
export const ask = (url: string, token: string): Promise<Answer> => call("POST", `${url}/v1/credentials/oauth2`, token, { provider });

/** Walks the user's consent at the provider as a browser does. */
export const connect = async (url: string, upstream: TestProvider, agent: string, user: string): Promise<void> => {
  const begun = await ask(url, await tokenFor(url, agent, user));
  if (begun.status !== 202) throw new Error(`a consent was expected: ${begun.status} ${begun.text}`);
  // The public URL is not where this server listens.
  const here = (address: string) => url + address.slice(new URL(address).origin.length);
  const visit = await call("GET", here(String(begun.json["authorizationUrl"])), undefined);
  const cookie = visit.headers.getSetCookie().map((line) => line.split(";")[0] ?? "")[0] ?? "";
  const back = await upstream.walk(visit.headers.get("location") ?? "", user);
  const returned = await call("GET", here(back), undefined, undefined, { cookie });
  if (returned.status !== 200) throw new Error(`a consent did not end well: ${returned.status} ${returned.text}`);
};

/** The states of all connections, by user name as the agent asserted it. */
export const states = async (url: string): Promise<readonly string[]> => {
  const { json } = await call("GET", `${url}/v1/connections?limit=500`, adminKey);
  return (json["items"] as readonly { readonly state: string }[]).map(({ state }) => state);
};
