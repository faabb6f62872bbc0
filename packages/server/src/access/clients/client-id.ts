import type { Random } from "../../ground/kernel/index.ts";

/** What a client id says of its client: an agent's and an app's name their tenant too. */
export type ClientIdKind = "agent" | "app" | "document";

/** RFC 3986: what a URL of ASCII may hold, without a fragment. Whatever is not written so is not a client id. */
const urlCharacters = /^https:\/\/[A-Za-z0-9._~:[\]-]+(\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$/;
const longestUrl = 2_048;

/** RFC 3986 3.3, 6.2.2.3: also where the dots are written in hexadecimal, as URL parsers read them. */
const isDotSegment = (segment: string): boolean => /^(\.|%2e){1,2}$/i.test(segment);

/**
 * Whether a text can be the address of a client's metadata document (draft-ietf-oauth-client-id-metadata-document 3): https, with a path, without
 * user information, fragment or dot segments. It is fetched as it is written: nothing is normalised.
 */
export const isDocumentId = (text: string): boolean => {
  if (text.length > longestUrl) return false;
  const [, path] = urlCharacters.exec(text) ?? [];
  if (path === undefined || path.split("/").some(isDotSegment) || /%(?![0-9A-Fa-f]{2})/.test(text)) return false;
  return URL.canParse(text) && new URL(text).href === text.replace(/^https:\/\/[^/]+/, () => new URL(text).origin);
};

/** The kind of client that an id names, whether there is one or not; undefined for what is no client id. */
export const kindOfClientId = (text: string): ClientIdKind | undefined => {
  if (/^agt_[0-9a-f]{32}$/.test(text)) return "agent";
  if (/^cli_[0-9a-f]{32}$/.test(text)) return "app";
  return isDocumentId(text) ? "document" : undefined;
};

export const newAppId = (random: Random): string => `cli_${random(16).toString("hex")}`;
