import { call } from "../call.ts";
import { eachOf } from "./extent.ts";
import { adminKey } from "./server-process.ts";
import type { StrictProvider } from "./strict-provider.ts";

/** A user whose connection a proof watches. */
export interface Held {
  /** Also the name of the grant at the provider. */
  readonly user: string;
  /** The workload token by which its credential is asked for. */
  readonly token: string;
}

/** What a server said of a credential. */
export type Told =
  | { readonly is: "live"; readonly accessToken: string }
  | { readonly is: "needs_consent" }
  /** Nobody answered, or the answer was to come again. */
  | { readonly is: "later"; readonly why: string }
  | { readonly is: "fault"; readonly why: string };

/** Calls with the admin's key. @throws when the answer is no success */
export const asAdmin = async (method: string, url: string, body?: unknown): Promise<Record<string, unknown>> => {
  const { status, text, json } = await call(method, url, adminKey, body);
  if (status >= 300) throw new Error(`${method} ${url}: ${status} ${text.slice(0, 300)}`);
  return json;
};

const provider = "strict";
const agent = "herder";

/** A workload token of the herd's agent, for a user. */
const workloadToken = async (url: string, user: string): Promise<string> =>
  String((await asAdmin("POST", `${url}/v1/workload-tokens`, { agent, userId: user }))["token"]);

/** Registers the provider, and an agent that may consent for its users without more ado. */
export const makeHerder = async (url: string, at: StrictProvider): Promise<void> => {
  await asAdmin("POST", `${url}/v1/credential-providers`, {
    name: provider,
    type: "oauth2",
    authorizationEndpoint: `${at.url}/authorize`,
    tokenEndpoint: `${at.url}/token`,
    clientId: "legate",
    clientSecret: "a secret between two",
    clientAuth: "client_secret_post",
    scopes: ["read"],
  });
  await asAdmin("POST", `${url}/v1/agents`, { name: agent, binding: "none" });
};

/** Walks the consent of one user as a browser does; the provider takes the user's name as the code. */
const consent = async (url: string, user: string): Promise<Held> => {
  const token = await workloadToken(url, user);
  const begun = await call("POST", `${url}/v1/credentials/oauth2`, token, { provider });
  if (begun.status !== 202) throw new Error(`a consent was expected: ${begun.status} ${begun.text.slice(0, 300)}`);
  const { pathname } = new URL(String(begun.json["authorizationUrl"]));
  const visit = await call("GET", url + pathname, undefined);
  const to = new URL(visit.headers.get("location") ?? "");
  const back = new URL(to.searchParams.get("redirect_uri") ?? "");
  const cookie = visit.headers.getSetCookie().map((line) => line.split(";")[0] ?? "")[0] ?? "";
  const params = new URLSearchParams({ code: user, state: to.searchParams.get("state") ?? "" });
  const returned = await call("GET", `${url}${back.pathname}?${String(params)}`, undefined, undefined, { cookie });
  if (returned.status !== 200) throw new Error(`a consent did not end well: ${returned.status} ${returned.text.slice(0, 300)}`);
  return { user, token };
};

/** Makes so many connections, each of another user, whose tokens have all expired. */
export const makeHerd = async (urls: readonly string[], count: number, prefix = "u"): Promise<readonly Held[]> => {
  const herd: Held[] = [];
  await eachOf([...Array(count).keys()], 24, async (at) => {
    herd[at] = await consent(urls[at % urls.length] as string, `${prefix}${at}`);
  });
  return herd;
};

/** Asks a server for a user's credential. */
export const askFor = async (url: string, { token }: Held): Promise<Told> => {
  try {
    const { status, text, json } = await call("POST", `${url}/v1/credentials/oauth2`, token, { provider });
    if (status === 200) return { is: "live", accessToken: String(json["accessToken"]) };
    if (status === 202) return { is: "needs_consent" };
    return { is: status === 503 ? "later" : "fault", why: `${status} ${text.slice(0, 200)}` };
  } catch (error) {
    return { is: "later", why: String((error as { cause?: unknown }).cause ?? error) };
  }
};

/** How many connections are in each state, as the list says. */
export const statesOf = async (url: string): Promise<Readonly<Record<string, number>>> => {
  const states: Record<string, number> = {};
  let cursor: string | undefined;
  do {
    const page = await asAdmin("GET", `${url}/v1/connections?limit=500${cursor === undefined ? "" : `&cursor=${cursor}`}`);
    for (const { state } of page["items"] as readonly { readonly state: string }[]) states[state] = (states[state] ?? 0) + 1;
    cursor = page["nextCursor"] as string | undefined;
  } while (cursor !== undefined);
  return states;
};
