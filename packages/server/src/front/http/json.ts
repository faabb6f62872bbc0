import type { FastifyInstance } from "fastify";
import { jsonFault, Refusal } from "../../ground/kernel/index.ts";
import { isWellFormed } from "./well-formed.ts";

const no = (path: string, message: string) =>
  new Refusal("invalid_request", "The body is not JSON that this server reads.", { issues: [{ path, message }] });

/** Only an escape can write a lone surrogate or a NUL: the bytes are UTF-8, and JSON takes no raw control character. */
const checkText = (value: unknown, path: string): void => {
  if (typeof value === "string") {
    if (!isWellFormed(value)) throw no(path, "must be well-formed Unicode without NUL");
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkText(item, `${path}${path && "."}${index}`);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      if (!isWellFormed(name)) throw no(path, "has a name that is not well-formed Unicode without NUL");
      checkText(item, `${path}${path && "."}${name.slice(0, 100)}`);
    }
  }
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const decode = (body: Uint8Array): string => {
  try {
    return utf8.decode(body);
  } catch {
    throw no("", "is not UTF-8");
  }
};

/**
 * Parses a body. No bytes at all are `undefined`.
 * @throws Refusal invalid_request for what is no JSON, nests too deep, names a field twice or `__proto__`, or holds text that is not well-formed
 */
export const parseJson = (body: Uint8Array): unknown => {
  if (body.length === 0) return undefined;
  const text = decode(body);
  const fault = jsonFault(text);
  if (fault !== undefined) throw no("", fault);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw no("", "is not JSON");
  }
  if (text.includes("\\u")) checkText(value, "");
  return value;
};

/** Lets the routes of this scope read `application/json`, and nothing else. */
export const readJson = (scope: FastifyInstance): void => {
  scope.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(request.headers["content-type"] ?? "")?.[1];
    if (charset !== undefined && charset.toLowerCase() !== "utf-8") {
      done(new Refusal("unsupported_media_type", "JSON is read as UTF-8 only (RFC 8259 8.1)."));
      return;
    }
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
};
