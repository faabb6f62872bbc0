import type { Egress } from "../../ground/egress/index.ts";
import { UpstreamUnavailable } from "./errors.ts";
import { sendsPkce } from "./kinds.ts";
import { fetchFailure, type Metadata, type MetadataCache } from "./metadata.ts";
import type { Provider } from "./provider.ts";

interface Needs {
  readonly egress: Pick<Egress, "fetch">;
  readonly metadata: Pick<MetadataCache, "discover">;
  /** How long whoever registers a provider is kept waiting; milliseconds. */
  readonly limitMs: number;
}

const told = (thrown: unknown, what: string): string => {
  const failure = fetchFailure(thrown);
  if (failure instanceof UpstreamUnavailable) return `${what}: ${failure.message}`;
  throw failure;
};

const asksUsers = ({ flows }: Provider): boolean => flows === undefined || flows.includes("USER_FEDERATION");

const doubtsAbout = (provider: Provider, found: Metadata): readonly string[] => {
  const { clientAuth } = provider;
  return [
    ...((found.tokenEndpoint ?? provider.tokenEndpoint) ? [] : ["The metadata names no token endpoint."]),
    ...(asksUsers(provider) && !(found.authorizationEndpoint ?? provider.authorizationEndpoint)
      ? ["The metadata names no authorization endpoint."]
      : []),
    ...(asksUsers(provider) && found.codeChallengeMethods && !found.codeChallengeMethods.includes("S256")
      ? ["The metadata does not offer PKCE with S256."]
      : []),
    ...(clientAuth !== undefined && clientAuth !== "none" && !found.clientAuthMethods.includes(clientAuth)
      ? [`The metadata does not offer ${clientAuth}.`]
      : []),
  ];
};

/** Looks at what was configured, once, as it is written: is it there, and is it who it should be? What it finds are warnings, never refusals. */
export const makeChecks = ({ egress, metadata, limitMs }: Needs) => {
  const discovery = async (provider: Provider, url: string, signal: AbortSignal): Promise<readonly string[]> => {
    try {
      return doubtsAbout(provider, await metadata.discover(provider, url, signal));
    } catch (thrown) {
      return [told(thrown, "The discovery URL cannot be used")];
    }
  };

  const answers = async (what: string, url: string, signal: AbortSignal): Promise<readonly string[]> => {
    try {
      // Any answer will do: what it says to a request without parameters is its own affair.
      await egress.fetch(url, { redirect: "manual", signal });
      return [];
    } catch (thrown) {
      return [told(thrown, `The ${what} does not answer`)];
    }
  };

  return async (provider: Provider): Promise<readonly string[]> => {
    const { discoveryUrl, authorizationEndpoint, tokenEndpoint } = provider;
    const signal = AbortSignal.timeout(limitMs);
    const found = await Promise.all([
      discoveryUrl === undefined ? [] : discovery(provider, discoveryUrl, signal),
      authorizationEndpoint === undefined ? [] : answers("authorization endpoint", authorizationEndpoint, signal),
      tokenEndpoint === undefined ? [] : answers("token endpoint", tokenEndpoint, signal),
    ]);
    const pkceOff =
      asksUsers(provider) && !sendsPkce(provider) ? ["PKCE is not sent: whoever catches a code may use it (RFC 9700 2.1.1)."] : [];
    return [...pkceOff, ...found.flat()];
  };
};
