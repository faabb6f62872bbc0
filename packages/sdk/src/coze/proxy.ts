import { envKeys } from "./env-keys.ts";
import { processVariables, type Variables } from "./environment.ts";
import { ConfigurationError } from "./errors.ts";
import { quotePlus } from "./quote.ts";

/**
 * The URL of the platform's proxy, which holds the identity ticket as its password: a secret. The proxy is `COZE_SKILL_PROXY_DOMAIN`, else
 * `COZE_OUTBOUND_AUTH_PROXY`; credentials that stand in it already are replaced.
 *
 * @throws ConfigurationError when the proxy or `identity_ticket` is missing, or the proxy is no URL
 */
export const HttpsProxy = (variables: Variables = processVariables()): string => {
  const proxy = variables[envKeys.COZE_SKILL_PROXY_DOMAIN] || variables[envKeys.COZE_OUTBOUND_AUTH_PROXY];
  if (!proxy) {
    throw new ConfigurationError(
      "Neither COZE_SKILL_PROXY_DOMAIN nor COZE_OUTBOUND_AUTH_PROXY environment variable is configured. Please set one of them to configure the HTTPS proxy.",
    );
  }
  const ticket = variables[envKeys.identity_ticket];
  if (!ticket) {
    throw new ConfigurationError(
      "identity_ticket environment variable is not configured. This variable is required for proxy authentication credentials.",
    );
  }
  if (!ticket.isWellFormed()) throw new ConfigurationError("identity_ticket is not well-formed Unicode.");
  const parts = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]+)(.*)$/is.exec(proxy.trim());
  if (!parts) throw new ConfigurationError("The HTTPS proxy must be a URL such as http://proxy.example.com:8080.");
  const [, scheme = "", authority = "", rest = ""] = parts;
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  return `${scheme.toLowerCase()}://space:${quotePlus(ticket)}@${host}${rest}`;
};
