import { type Code, codes } from "@legate/contract";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { addressOf } from "./address.ts";

/** What Fastify itself says no to, in our words. */
const framework: Readonly<Record<string, Code>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "payload_too_large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "invalid_request",
  FST_ERR_NOT_FOUND: "not_found",
};

/** A body that broke off: the caller hung up, or the connection did. */
const brokenOff = new Set(["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ABORT_ERR"]);

/**
 * What was thrown, as the Refusal to answer. What is neither a Refusal nor a known no of the framework is ours: it is logged with its stack, and
 * the caller learns only that it happened.
 */
export const refusalOf = (thrown: unknown, request: FastifyRequest): Refusal => {
  if (thrown instanceof Refusal) {
    if (thrown.cause !== undefined)
      request.log.warn({ requestId: request.id, err: thrown.cause, code: thrown.code }, "refused with a cause");
    return thrown;
  }
  const code = (thrown as Partial<FastifyError> | null)?.code ?? "";
  const known = framework[code] ?? (brokenOff.has(code) && request.raw.destroyed ? "invalid_request" : undefined);
  if (known !== undefined) return new Refusal(known, codes[known]);
  request.log.error({ requestId: request.id, err: thrown }, "request failed");
  return new Refusal("internal", codes.internal);
};

/** Refusals of what was not read far enough for anybody to be proven. */
const unread: ReadonlySet<Code> = new Set([
  "invalid_request",
  "payload_too_large",
  "unsupported_media_type",
  "action_unknown",
  "action_unsupported",
]);

/** As `refusalOf`, for wires that read a request before anybody is proven: an address may send so much that cannot even be read, and no more. */
export const countedRefusalOf = (thrown: unknown, request: FastifyRequest, limits: Pick<Limits, "takeUnproven">): Refusal => {
  const refusal = refusalOf(thrown, request);
  if (request.caller || !unread.has(refusal.code)) return refusal;
  try {
    limits.takeUnproven(addressOf(request));
    return refusal;
  } catch (over) {
    return refusalOf(over, request);
  }
};

/** Seconds until it is worth another try, for the codes that say so. */
export const retryAfter = ({ code, details }: Refusal): number | undefined => {
  if (typeof details["retryAfter"] === "number") return Math.max(1, Math.ceil(details["retryAfter"]));
  return code === "unavailable" || code === "issuer_unavailable" || code === "provider_unavailable" || code === "rate_limited"
    ? 5
    : undefined;
};

/** Keys and tokens of the forms that we give out. */
const ours = /\b(?:sk|cs|op|aks|st)_[0-9a-f]{40,}|\brt_[\w-]{40,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g;

/** What an error says, for whoever asked. Errors name what was not found, and end in other people's logs: a key put where a name belongs is not named. */
export const withoutKeys = (text: string): string => text.replaceAll(ours, "[hidden]");

/** The headers that belong to a refusal on every wire over HTTP. */
export const setRefusalHeaders = (reply: FastifyReply, refusal: Refusal): void => {
  const seconds = retryAfter(refusal);
  if (seconds !== undefined) reply.header("retry-after", String(seconds));
  if (refusal.code === "rate_limited" && typeof refusal.details["perMinute"] === "number") {
    reply
      .header("ratelimit-limit", String(refusal.details["perMinute"]))
      .header("ratelimit-remaining", "0")
      .header("ratelimit-reset", String(seconds));
  }
  // RFC 9110 15.5.6: a 405 names the methods that are answered.
  if (refusal.code === "method_not_allowed" && Array.isArray(refusal.details["allow"]))
    reply.header("allow", refusal.details["allow"].join(", "));
};

/** What can be refused before any wire is reached; a wire has its own table of every code. */
const statuses: Partial<Record<Code, number>> = {
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  unavailable: 503,
  internal: 500,
};

/** Answers refusals where no wire has its own form: the native one's, without its table. */
export const answerPlainly = (app: FastifyInstance): void => {
  app.setErrorHandler((thrown, request, reply) => {
    const refusal = refusalOf(thrown, request);
    setRefusalHeaders(reply, refusal);
    const { code, message } = refusal;
    return reply.code(statuses[code] ?? 400).send({ error: { code, message, requestId: request.id } });
  });
};
