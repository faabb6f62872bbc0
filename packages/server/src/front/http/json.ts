import type { FastifyInstance } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";
import { isWellFormed } from "./well-formed.ts";

/** How deep arrays and objects may nest. */
const deepest = 32;

const no = (path: string, message: string) =>
  new Refusal("invalid_request", "The body is not JSON that this server reads.", { issues: [{ path, message }] });

const keyOf = (token: string): string => {
  if (!token.includes("\\")) return token.slice(1, -1);
  try {
    return JSON.parse(token) as string;
  } catch {
    return token;
  }
};

/** Just past the string that begins at `start`, or the end of the text. */
const endOfString = (text: string, start: number): number => {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text[at];
    if (char === "\\") at += 1;
    else if (char === '"') return at + 1;
  }
  return text.length;
};

/**
 * Reads the text once without building anything, because `JSON.parse` shows neither its depth nor a repeated name: with two readers of one body
 * the first and the last of two equal names would both be right (RFC 8259 4).
 */
const checkShape = (text: string): void => {
  /** What each open object has named so far; an array has no names. */
  const open: (Set<string> | undefined)[] = [];
  let awaitsName = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charAt(at)) {
      case "{":
      case "[":
        open.push(text[at] === "{" ? new Set() : undefined);
        if (open.length > deepest) throw no("", `nests deeper than ${deepest}`);
        awaitsName = text[at] === "{";
        break;
      case "}":
      case "]":
        open.pop();
        awaitsName = false;
        break;
      case ",":
        awaitsName = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (awaitsName) {
          const name = keyOf(text.slice(at, end));
          if (name === "__proto__") throw no("", "must not name __proto__");
          const names = open.at(-1);
          if (names?.has(name)) throw no("", "names a field twice");
          names?.add(name);
          awaitsName = false;
        }
        at = end - 1;
        break;
      }
      default:
    }
  }
};

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
  checkShape(text);
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
