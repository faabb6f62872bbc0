import * as oauth from "oauth4webapi";
import { UpstreamRefused, UpstreamUnavailable } from "./errors.ts";
import type { Kind } from "./kinds.ts";

/** RFC 6749 4.1.2.1 and 5.2 allow these characters; what has others is not repeated. */
export const told = (text: string | null | undefined, most: number): string | undefined =>
  text !== null && text !== undefined && text !== "" && text.length <= most && /^[\x20-\x7E]+$/.test(text) ? text : undefined;

/** What of a token request is no secret. */
const plain = new Set(["grant_type", "client_id", "client_assertion_type", "redirect_uri", "scope", "resource", "audience"]);

/** Every secret that a token request carries, wherever its client's way of proving itself puts it. */
export const secretsIn = (authorization: string | undefined, body: URLSearchParams): readonly string[] => {
  const [, credentials = ""] = /^\S+ (.*)$/.exec(authorization ?? "") ?? [];
  const [, password = ""] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, "base64").toString("utf8")) ?? [];
  const named = [...body].flatMap(([name, value]) => (plain.has(name) ? [] : [value]));
  const [decoded = ""] = new URLSearchParams(`=${password}`).values();
  return [credentials, password, decoded, ...named].filter((secret) => secret !== "");
};

/** Base64 of a text wherever it begins in what is encoded, without the characters that hold bits of its neighbours. */
const base64Of = (text: string): readonly string[] =>
  [0, 1, 2].map((shift) => {
    const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(text, "utf8")]);
    return bytes.toString("base64url").slice(shift === 0 ? 0 : shift + 1, bytes.length % 3 === 0 ? undefined : -1);
  });

/** Whether a text repeats one of these, as it is or in a form that a request writes it in. */
const repeats = (text: string, secrets: readonly string[]): boolean => {
  const asUrl = text.replaceAll("+", "-").replaceAll("/", "_");
  const lower = text.toLowerCase();
  return secrets.some(
    (secret) =>
      text.includes(secret) ||
      lower.includes(encodeURIComponent(secret).toLowerCase()) ||
      lower.includes(new URLSearchParams({ "": secret }).toString().slice(1).toLowerCase()) ||
      base64Of(secret).some((form) => form !== "" && asUrl.includes(form)),
  );
};

const passing = new Set(["server_error", "temporarily_unavailable", "slow_down"]);

/** @param sent The secrets of the request that was refused: where an answer repeats one, its words are not passed on. */
export const refusedBy = (kind: Kind, body: oauth.ResponseBodyError, refreshing: boolean, sent: readonly string[]): Error => {
  const unless = (text: string | undefined) => (text !== undefined && repeats(text, sent) ? undefined : text);
  const given = unless(told(body.error, 100)) ?? "unknown_error";
  if (body.status === 429 || passing.has(given) || kind.passing.includes(given)) return new UpstreamUnavailable("overloaded");
  const error = refreshing && kind.deadGrant.includes(given) ? "invalid_grant" : given;
  return new UpstreamRefused(error, unless(told(body.error_description, 500)));
};

export const nonsense = (thrown: oauth.OperationProcessingError | oauth.UnsupportedOperationError): UpstreamUnavailable =>
  thrown.code === oauth.RESPONSE_IS_NOT_CONFORM
    ? new UpstreamUnavailable("status", "The token endpoint answered neither a token nor an OAuth error.")
    : new UpstreamUnavailable("nonsense", "The token endpoint's answer is not one that RFC 6749 describes.");
