import * as oauth from "oauth4webapi";
import { UpstreamRefused, UpstreamUnavailable } from "./errors.ts";
import type { Kind } from "./kinds.ts";

/** RFC 6749 4.1.2.1 and 5.2 allow these characters; what has others is not repeated. */
export const told = (text: string | null | undefined, most: number): string | undefined =>
  text !== null && text !== undefined && text !== "" && text.length <= most && /^[\x20-\x7E]+$/.test(text) ? text : undefined;

const passing = new Set(["server_error", "temporarily_unavailable", "slow_down"]);

export const refusedBy = (kind: Kind, body: oauth.ResponseBodyError, refreshing: boolean, secrets: readonly string[]): Error => {
  const given = told(body.error, 100) ?? "unknown_error";
  if (body.status === 429 || passing.has(given) || kind.passing.includes(given)) return new UpstreamUnavailable("overloaded");
  const description = told(body.error_description, 500);
  const leaks = secrets.some((secret) => description?.includes(secret));
  const error = refreshing && kind.deadGrant.includes(given) ? "invalid_grant" : given;
  return new UpstreamRefused(error, leaks ? undefined : description);
};

export const nonsense = (thrown: oauth.OperationProcessingError | oauth.UnsupportedOperationError): UpstreamUnavailable =>
  thrown.code === oauth.RESPONSE_IS_NOT_CONFORM
    ? new UpstreamUnavailable("status", "The token endpoint answered neither a token nor an OAuth error.")
    : new UpstreamUnavailable("nonsense", "The token endpoint's answer is not one that RFC 6749 describes.");
