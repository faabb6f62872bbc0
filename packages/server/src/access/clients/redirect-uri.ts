import { Refusal } from "../../ground/kernel/index.ts";
import type { Client } from "./client.ts";

/** What a redirect URI was refused for. */
export type RedirectUriFault =
  | "characters"
  | "malformed"
  | "scheme"
  | "user_information"
  | "fragment"
  | "host"
  | "path"
  | "wildcard"
  | "length";

/** RFC 3986 2: all that a URI may hold. No control characters, no white space, no backslash, nothing beyond ASCII that readers spell in two ways. */
const uriCharacters = /^[A-Za-z0-9._~!$&'()*+,;=:@%/?#[\]-]+$/;
/** RFC 8252 7.3, 8.3: this machine, where any process may listen. Its name is taken beside its addresses, for browsers look for it nowhere else. */
const loopbackHost = /^(127\.0\.0\.1|\[::1\]|localhost)$/;
/** RFC 8252 7.1: a private-use scheme is a domain name in reverse, and so has a dot. */
const privateUseScheme = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$/;
const longest = 2_048;

/** Scheme, authority and the rest of a hierarchical URI, as they are written. */
const hierarchical = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?$/;
/** Host and port of an authority without user information. */
const hostAndPort = /^(\[[0-9A-Fa-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?$/;

const isDotSegment = (segment: string): boolean => /^(\.|%2e){1,2}$/i.test(segment);

/**
 * What is wrong with a redirect URI that somebody would register; undefined where it may be. Only one way of writing it is taken, so that what a
 * browser goes to is what was read: scheme and host in lower case, no escape where none is needed to be a dot or a slash.
 */
export const faultOfRedirectUri = (uri: string): RedirectUriFault | undefined => {
  if (uri.length > longest) return "length";
  if (!uriCharacters.test(uri) || /%(?![0-9A-Fa-f]{2})/.test(uri)) return "characters";
  // RFC 6749 3.1.2.
  if (uri.includes("#")) return "fragment";
  const [, scheme = "", authority, path = ""] = hierarchical.exec(uri) ?? [];
  if (scheme === "") return "malformed";
  // RFC 9700 2.1: compared as text, a wildcard would be a character; whoever writes one means something else.
  if (uri.includes("*")) return "wildcard";
  if (path.split("/").some(isDotSegment) || /%(2f|5c|00)/i.test(path)) return "path";
  if (scheme === "https" || scheme === "http") {
    if (authority === undefined || authority === "") return "host";
    if (authority.includes("@")) return "user_information";
    const [, host = ""] = hostAndPort.exec(authority) ?? [];
    if (host === "" || !URL.canParse(uri)) return "host";
    // What a URL parser would call it otherwise (0x7f.1, 127.1, example.com:443) has two spellings.
    if (new URL(uri).host !== authority) return "host";
    return scheme === "http" && !loopbackHost.test(host) ? "scheme" : undefined;
  }
  if (!privateUseScheme.test(scheme)) return "scheme";
  if (authority?.includes("@") === true) return "user_information";
  return URL.canParse(uri) ? undefined : "malformed";
};

/** A redirect URI on the person's own machine, without its port; undefined for any other. */
const withoutLoopbackPort = (uri: string): string | undefined => {
  const [, head, rest] = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]{1,5})?([/?].*|)$/.exec(uri) ?? [];
  return head === undefined ? undefined : `${head}${rest}`;
};

/** Whether a browser that is sent there stays on the person's own machine. */
export const isLoopback = (uri: string): boolean => /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]+)?([/?]|$)/.test(uri);

const isSame = (registered: string, asked: string): boolean => {
  if (registered === asked) return true;
  // RFC 8252 7.3, OAuth 2.1 2.3.1: the system gives a native app its port when it listens. RFC 8252 8.3 advises against `localhost`; apps use it all the
  // same, and whoever can take a port of the machine can take one by either name.
  const bare = withoutLoopbackPort(asked);
  return bare !== undefined && bare === withoutLoopbackPort(registered) && faultOfRedirectUri(asked) === undefined;
};

/**
 * Where a browser is sent back to: what was asked, where it is one of the client's, compared character for character but for the port of a loopback
 * address or `localhost`; the client's only one, where none was asked.
 * @throws Refusal redirect_uri_invalid
 */
export const redirectUriOf = ({ redirectUris }: Pick<Client, "redirectUris">, asked: string | undefined): string => {
  const [only, ...others] = redirectUris;
  const found = asked === undefined ? (others.length === 0 ? only : undefined) : redirectUris.find((uri) => isSame(uri, asked)) && asked;
  if (found !== undefined) return found;
  throw new Refusal(
    "redirect_uri_invalid",
    asked === undefined
      ? "The client has not exactly one redirect URI, so the request has to name one."
      : "The redirect URI is not, character for character, one of the client's.",
  );
};
