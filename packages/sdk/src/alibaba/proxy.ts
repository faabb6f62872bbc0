import { ConfigurationError } from "../errors.ts";
import { variable, type Variables } from "./environment.ts";

/** A rule of `NO_PROXY`: a host and what is below it, at one port or at any. */
const excepts = (rule: string, host: string, port: string): boolean => {
  const [, name = "", only] = /^(.*?)(?::(\d+))?$/.exec(/^[^[]*:[^\]]*:/.test(rule) ? `[${rule}]` : rule) ?? [];
  if (only !== undefined && only !== port) return false;
  if (name === "*") return true;
  const bare = name.replace(/^\*?\./, "").replace(/^\[(.*)\]$/, "$1");
  return bare !== "" && (host === bare || host.endsWith(`.${bare}`));
};

/** Whether an address is asked without a proxy. */
const isExcepted = (url: URL, variables: Variables): boolean => {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const rules = (variable(variables, "no_proxy") ?? variable(variables, "NO_PROXY") ?? "").toLowerCase().split(/[\s,]+/);
  return rules.some((rule) => rule !== "" && excepts(rule, host, port));
};

/**
 * The proxy that the environment names for an address: `https_proxy` or `http_proxy` by the address's own scheme, then `all_proxy`, each in lower case before
 * upper case, unless `no_proxy` excepts the host.
 *
 * @throws ConfigurationError when it is no http or https URL
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
  if (proxy && /^https?:$/.test(proxy.protocol) && proxy.hostname !== "") return proxy;
  // Its text is not quoted: it may hold a password.
  throw new ConfigurationError("The environment names a proxy that is no http or https URL.");
};
