import * as oauth from "oauth4webapi";
import type { ClientAuthMethod } from "./provider.ts";

/** `application/x-www-form-urlencoded` (WHATWG URL 5.2): `-._*` stay bare, a space becomes `+`. */
const formEncoded = (text: string): string => new URLSearchParams({ "": text }).toString().slice(1);

/**
 * RFC 6749 2.3.1: id and secret are form-encoded, then Basic. Only what form encoding must escape is escaped, because many servers never decode
 * it.
 */
const basic =
  (secret: string): oauth.ClientAuth =>
  (_server, client, _body, headers) => {
    const pair = `${formEncoded(client.client_id)}:${formEncoded(secret)}`;
    headers.set("authorization", `Basic ${Buffer.from(pair, "utf8").toString("base64")}`);
  };

/** RFC 7523 2.2. */
const privateKeyJwt =
  (assertion: (audience: string) => Promise<string>, audience: string): oauth.ClientAuth =>
  async (_server, client, body) => {
    body.set("client_id", client.client_id);
    body.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    body.set("client_assertion", await assertion(audience));
  };

export interface ClientProof {
  readonly method: ClientAuthMethod;
  readonly secret: string | undefined;
  /** RFC 7523bis: the authorization server's issuer; its token endpoint where that is unknown. */
  readonly audience: string;
  readonly assertion: (audience: string) => Promise<string>;
}

/** @throws TypeError where the method needs a secret and there is none */
export const clientAuthOf = ({ method, secret, audience, assertion }: ClientProof): oauth.ClientAuth => {
  if (method === "none") return oauth.None();
  if (method === "private_key_jwt") return privateKeyJwt(assertion, audience);
  if (secret === undefined) throw new TypeError(`${method} needs a client secret.`);
  return method === "client_secret_basic" ? basic(secret) : oauth.ClientSecretPost(secret);
};

/**
 * How the client proves itself: as configured, else the kind's documented way, else by the body unless metadata offers only Basic.
 *
 * @param offered `token_endpoint_auth_methods_supported`; `[client_secret_basic]` where metadata leaves it out (RFC 8414 2)
 */
export const methodOf = (
  configured: ClientAuthMethod | undefined,
  documented: ClientAuthMethod | undefined,
  offered: readonly string[] | undefined,
): ClientAuthMethod => {
  const onlyBasic = offered?.includes("client_secret_basic") && !offered.includes("client_secret_post");
  return configured ?? documented ?? (onlyBasic ? "client_secret_basic" : "client_secret_post");
};
