import { isUtf8 } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http";

/** Well-formed Unicode without NUL: what every string at every door must be. */
export const isWellFormed = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

/** Whether path and query are ASCII, percent-encode well-formed UTF-8 and hide no NUL (RFC 3986 2.1). */
export const isWellFormedUrl = (url: string): boolean => {
  if (!/^[\x21-\x7E]*$/.test(url)) return false;
  if (!url.includes("%")) return true;
  try {
    return !decodeURIComponent(url).includes("\0");
  } catch {
    return false;
  }
};

/**
 * The path and query that a request names, in whichever form (RFC 9112 3.2.1, 3.2.2); nothing where it names none. `*` is for OPTIONS (3.2.4), and a URL
 * never carries a user (RFC 9110 4.2.4).
 */
export const pathOf = (method: string | undefined, target: string): string => {
  if (target.startsWith("/") || (target === "*" && method === "OPTIONS")) return target;
  const [, rest] = /^https?:\/\/[\w.:[\]-]+((?:[/?].*)?)$/i.exec(target) ?? [];
  if (rest === undefined) return "";
  return rest.startsWith("/") ? rest : `/${rest}`;
};

const plain = /^[\t\x20-\x7E]*$/;

/** Node hands header bytes over as Latin-1; what is beyond ASCII must be UTF-8 (RFC 9110 5.5 calls it opaque). */
const isWellFormedHeader = (value: string): boolean =>
  plain.test(value) || (!value.includes("\0") && !/[^\0-\xFF]/.test(value) && isUtf8(Buffer.from(value, "latin1")));

/** The name of the first header that is not well-formed, if any. */
export const malformedHeader = (headers: IncomingHttpHeaders): string | undefined =>
  Object.keys(headers).find((name) => {
    const value = headers[name];
    return Array.isArray(value) ? !value.every(isWellFormedHeader) : value !== undefined && !isWellFormedHeader(value);
  });
