import { BlockList, isIP } from "node:net";
import { ConfigurationError } from "../errors.ts";
import { variable, type Variables } from "./environment.ts";

const familyOf = (address: string): "ipv4" | "ipv6" | undefined => (({ 4: "ipv4", 6: "ipv6" }) as const)[isIP(address)];

/** Whether a rule is a range of addresses, and the host is one of them. */
const isInRange = (rule: string, host: string): boolean => {
  const [, start = "", digits = ""] = /^\[?([^[\]]+)\]?\/(\d{1,3})$/.exec(rule) ?? [];
  const [family, bits] = [familyOf(start), Number(digits)];
  if (!family || family !== familyOf(host) || bits > (family === "ipv4" ? 32 : 128)) return false;
  const range = new BlockList();
  range.addSubnet(start, bits, family);
  return range.check(host, family);
};

/** A rule of `NO_PROXY`: a range of addresses, or a host and what is below it, at one port or at any. */
const excepts = (rule: string, host: string, port: string): boolean => {
  if (rule.includes("/")) return isInRange(rule, host);
  const [, name = "", only] = /^(.*?)(?::(\d+))?$/.exec(/^[^[]*:[^\]]*:/.test(rule) ? `[${rule}]` : rule) ?? [];
  if (only !== undefined && only !== port) return false;
  if (name === "*") return true;
  const bare = name
    .replace(/^\*?\./, "")
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
  return bare !== "" && (host === bare || host.endsWith(`.${bare}`));
};

/** Whether an address is asked without a proxy. */
const isExcepted = (url: URL, variables: Variables): boolean => {
  const host = url.hostname
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const rules = (variable(variables, "no_proxy") ?? variable(variables, "NO_PROXY") ?? "").toLowerCase().split(/[\s,]+/);
  return rules.some((rule) => rule !== "" && excepts(rule, host, port));
};

/** Whether a user and a password can be read: each sign that is not plain stands there percent-encoded. */
const isReadable = ({ username, password }: URL): boolean => {
  try {
    for (const part of [username, password]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
};

/**
 * The proxy that the environment names for an address: `https_proxy` or `http_proxy` by the address's own scheme, then `all_proxy`, each in lower case before
 * upper case, unless `no_proxy` excepts the host.
 *
 * @throws ConfigurationError when it is no http or https URL, or its user information is not percent-encoded
 */
export const proxyFor = (url: URL, variables: Variables): URL | undefined => {
  const either = (name: string) => variable(variables, name) ?? variable(variables, name.toUpperCase());
  // Under CGI a header of the request would be HTTP_PROXY.
  const plain =
    variable(variables, "http_proxy") ?? (variables.REQUEST_METHOD === undefined ? variable(variables, "HTTP_PROXY") : undefined);
  const named = (url.protocol === "https:" ? either("https_proxy") : plain) ?? either("all_proxy");
  if (named === undefined || isExcepted(url, variables)) return undefined;
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(named) ? named : `http://${named}`;
  const proxy = URL.canParse(written) ? new URL(written) : undefined;
  if (proxy && /^https?:$/.test(proxy.protocol) && proxy.hostname !== "" && isReadable(proxy)) return proxy;
  // Its text is not quoted: it may hold a password.
  throw new ConfigurationError(
    "The environment names a proxy that is no http or https URL, or whose user and password are not percent-encoded.",
  );
};
