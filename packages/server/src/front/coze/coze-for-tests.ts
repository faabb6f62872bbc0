import type { LightMyRequestResponse } from "fastify";
import type { HouseSettings } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { adminOf } from "../../testing/stores.ts";
import { openBehindHttp } from "../http/house-for-tests.ts";
import { cozePrefix, serveCoze } from "./index.ts";

export const admin = adminOf("default");

/** A client as the platform hands it out. */
export interface TestClient {
  readonly id: string;
  readonly secret: string;
}

export interface Sent {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A form is sent as such, anything else as JSON; text as it is. */
  readonly body?: unknown;
  readonly type?: string;
}

export type Fields = Readonly<Record<string, string | undefined>>;

/** As a form; what is undefined is left out. */
export const formOf = (fields: Fields): string =>
  new URLSearchParams(Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined)).toString();

export const formType = "application/x-www-form-urlencoded";
export const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
export const idTokenType = "urn:ietf:params:oauth:token-type:id_token";

/** What the token endpoint answers. */
export interface TokenBody {
  readonly access_token: string;
  readonly expires_in: number;
  readonly error?: string;
  readonly error_description?: string;
}

/** The whole house behind this wire, on the store given, with a clock moved by hand. */
export const openCoze = async (store: StoreAddress, settings: Pick<HouseSettings, "rateLimits"> = {}) => {
  const { house, hand, http, close } = await openBehindHttp(store, serveCoze, { ...settings, kindBelow: [cozePrefix] });

  const ask = ({ method = "POST", url, headers = {}, body, type = "application/json" }: Sent): Promise<LightMyRequestResponse> =>
    http.app.inject({
      method,
      url,
      headers: { ...(body !== undefined && { "content-type": type }), ...headers },
      ...(body !== undefined && { payload: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  const token = (fields: Fields, url = "/coze/token") => ask({ url, body: formOf(fields), type: formType });
  const first = ({ id, secret }: TestClient, url?: string) =>
    token({ client_id: id, client_secret: secret, grant_type: "client_credentials" }, url);
  const second = (clientId: string, subject: string, more: Fields = {}) =>
    token({ client_id: clientId, subject_token: subject, subject_token_type: idTokenType, grant_type: exchangeGrant, ...more });

  return {
    house,
    hand,
    ask,
    token,
    first,
    second,
    /** Both steps. */
    accessToken: async (client: TestClient): Promise<string> => {
      const idToken = (await first(client)).json<TokenBody>().access_token;
      return (await second(client.id, idToken)).json<TokenBody>().access_token;
    },
    env: (accessToken: string, headers: Readonly<Record<string, string>> = {}, url = "/coze/secret/env") =>
      ask({ method: "GET", url, headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json", ...headers } }),
    integration: (accessToken: string, name: unknown, url = "/coze/secret/integration", headers: Readonly<Record<string, string>> = {}) =>
      ask({ url, body: { integration_name: name }, headers: { authorization: `Bearer ${accessToken}`, ...headers } }),
    /** Makes an agent with a client secret. */
    client: async (name: string, more: Parameters<typeof house.agents.update>[2] = {}, who = admin): Promise<TestClient> => {
      const agent = await house.agents.create(who, { ...more, name });
      const { clientId, clientSecret } = await house.agents.createClientSecret(who, agent.id, {});
      return { id: clientId, secret: clientSecret };
    },
    close,
  };
};
export type OpenCoze = Awaited<ReturnType<typeof openCoze>>;

/** What an answer says on the wire: its status and its very bytes. */
export const bytesOf = ({ statusCode, body }: LightMyRequestResponse): readonly [number, string] => [statusCode, body];

/** The headers that every answer of this wire carries. */
export const keptBy = (answer: LightMyRequestResponse) => ({
  cache: answer.headers["cache-control"],
  type: answer.headers["content-type"],
  requestId: answer.headers["x-request-id"],
});
