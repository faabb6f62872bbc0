import { parseStrictObject } from "../../ground/kernel/index.ts";

/** A signed token as it was sent: read, and not yet believed. */
export interface CompactJws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** As the contract's token text. */
export const mostCharacters = 16_384;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** RFC 7515 2: no padding, no white space, and one way only to write the last bits (RFC 4648 3.5). */
const bytesOf = (part: string): Buffer | undefined => {
  const bytes = Buffer.from(part, "base64url");
  return bytes.toString("base64url") === part ? bytes : undefined;
};

const objectOf = (part: string): Readonly<Record<string, unknown>> | undefined => {
  const bytes = bytesOf(part);
  if (!bytes) return undefined;
  try {
    return parseStrictObject(decoder.decode(bytes));
  } catch {
    return undefined;
  }
};

/**
 * Reads a compact JWS (RFC 7515 7.1) whose readers cannot disagree about it: three parts, each in the one way to write it, two of them JSON objects in
 * which no name stands twice (RFC 7519 4), and no extension that a reader might not know (RFC 7515 4.1.11; `b64` is nothing without it, RFC 7797 3).
 * The signature is not looked at.
 * @returns undefined for anything else
 */
export const readCompactJws = (token: string): CompactJws | undefined => {
  if (token.length > mostCharacters) return undefined;
  const [first = "", second = "", third = "", ...more] = token.split(".", 4);
  // RFC 7516 3.1: five parts would be an encrypted token.
  if (more.length > 0 || third === "" || !bytesOf(third)) return undefined;
  const header = objectOf(first);
  const payload = objectOf(second);
  if (!header || !payload || Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) return undefined;
  return { header, payload };
};
