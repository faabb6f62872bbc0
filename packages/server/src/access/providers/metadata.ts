import { type Egress, EgressBlocked, EgressFailed } from "../../ground/egress/index.ts";
import { type Clock, Refusal } from "../../ground/kernel/index.ts";
import { UpstreamUnavailable } from "./errors.ts";
import { kindOf } from "./kinds.ts";
import type { Provider } from "./provider.ts";

/** What we use of an authorization server's metadata (RFC 8414 2, OpenID Connect Discovery 3). */
export interface Metadata {
  readonly issuer: string;
  readonly authorizationEndpoint: string | undefined;
  readonly tokenEndpoint: string | undefined;
  /** RFC 7009. */
  readonly revocationEndpoint: string | undefined;
  /** RFC 8414 2: `client_secret_basic` alone where the document does not say. */
  readonly clientAuthMethods: readonly string[];
  /** RFC 9207 3. */
  readonly sendsIssuer: boolean;
  readonly codeChallengeMethods: readonly string[] | undefined;
}

interface Needs {
  readonly egress: Pick<Egress, "fetch" | "checkUrl">;
  readonly clock: Clock;
}

interface Entry {
  readonly version: number;
  readonly at: number;
  readonly metadata: Metadata;
}

const lifeMs = 600_000;
/** How long stale metadata stands in after a failed attempt to renew it. */
const graceMs = 30_000;
const mostEntries = 1_000;
const oidc = "/.well-known/openid-configuration";
const oauth = "/.well-known/oauth-authorization-server";

/** Where metadata may be and the issuer it must speak for, given its own URL or the issuer's. */
export const placesOf = (given: string): readonly { readonly url: string; readonly issuer: string }[] => {
  const { origin, pathname } = new URL(given);
  // OpenID Connect Discovery 4: appended to the issuer.
  if (pathname.endsWith(oidc)) return [{ url: given, issuer: origin + pathname.slice(0, -oidc.length) }];
  // RFC 8414 3.1: inserted before the issuer's path.
  const inserted = [oauth, oidc].find((part) => pathname === part || pathname.startsWith(`${part}/`));
  if (inserted !== undefined) return [{ url: given, issuer: origin + pathname.slice(inserted.length) }];
  const path = pathname.replace(/\/+$/, "");
  return [`${origin}${path}${oidc}`, `${origin}${oauth}${path}`].map((url) => ({ url, issuer: `${origin}${path}` }));
};

const texts = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : undefined;

const unusable = (message: string) => new UpstreamUnavailable("metadata", message);

/** Turns what `egress.fetch` throws into one of ours; an abort stays what it is. */
export const fetchFailure = (thrown: unknown): unknown => {
  if (thrown instanceof EgressBlocked) return new UpstreamUnavailable("blocked", thrown.message);
  if (thrown instanceof EgressFailed) return new UpstreamUnavailable(thrown.reason === "timeout" ? "timeout" : "network", thrown.message);
  if (thrown instanceof DOMException && thrown.name === "TimeoutError") return new UpstreamUnavailable("timeout");
  return thrown;
};

/** Finds out how an authorization server describes itself, and remembers it: ten minutes, one request at a time, through outages. */
export const makeMetadata = ({ egress, clock }: Needs) => {
  const known = new Map<string, Entry>();
  const flights = new Map<string, Promise<Metadata>>();

  const endpoint = (document: Readonly<Record<string, unknown>>, field: string): string | undefined => {
    const value = document[field];
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw unusable(`The metadata's ${field} is not text.`);
    try {
      egress.checkUrl(value);
    } catch (problem) {
      if (problem instanceof Refusal) throw unusable(`The metadata's ${field} cannot be used: ${problem.message}`);
      throw problem;
    }
    return value;
  };

  /** As `endpoint`, for one that nothing depends on. */
  const spare = (document: Readonly<Record<string, unknown>>, field: string): string | undefined => {
    try {
      return endpoint(document, field);
    } catch (problem) {
      if (problem instanceof UpstreamUnavailable) return undefined;
      throw problem;
    }
  };

  const read = async (url: string, isRight: (issuer: string) => boolean, signal: AbortSignal): Promise<Metadata> => {
    let response: Response;
    try {
      response = await egress.fetch(url, { headers: { accept: "application/json" }, signal });
    } catch (thrown) {
      throw fetchFailure(thrown);
    }
    const { origin } = new URL(url);
    if (response.status !== 200) throw new UpstreamUnavailable("status", `${origin} answered ${response.status} instead of its metadata.`);
    const document: unknown = await response.json().catch(() => undefined);
    if (typeof document !== "object" || document === null || Array.isArray(document))
      throw new UpstreamUnavailable("nonsense", `What ${origin} answers is not a metadata document.`);
    const fields = document as Readonly<Record<string, unknown>>;
    const issuer = fields["issuer"];
    // RFC 8414 3.3: metadata of another issuer must not be used.
    if (typeof issuer !== "string" || !isRight(issuer)) throw unusable(`The metadata at ${origin} speaks for another issuer.`);
    return {
      issuer,
      authorizationEndpoint: endpoint(fields, "authorization_endpoint"),
      tokenEndpoint: endpoint(fields, "token_endpoint"),
      revocationEndpoint: spare(fields, "revocation_endpoint"),
      clientAuthMethods: texts(fields["token_endpoint_auth_methods_supported"]) ?? ["client_secret_basic"],
      sendsIssuer: fields["authorization_response_iss_parameter_supported"] === true,
      codeChallengeMethods: texts(fields["code_challenge_methods_supported"]),
    };
  };

  /** Asks now. @throws UpstreamUnavailable */
  const discover = async (provider: Provider, discoveryUrl: string, signal: AbortSignal): Promise<Metadata> => {
    const placeholder = kindOf(provider).issuerPlaceholder;
    let first: unknown;
    for (const { url, issuer } of placesOf(discoveryUrl)) {
      const isRight = (named: string) => {
        if (provider.issuer !== undefined) return named === provider.issuer;
        // OpenID Connect Discovery 4.1 drops a final slash before appending, so the URL cannot tell.
        if (named === issuer || named === `${issuer}/`) return true;
        const [before, after] = placeholder === undefined ? [] : named.split(placeholder);
        return before !== undefined && after !== undefined && issuer.startsWith(before) && issuer.endsWith(after);
      };
      try {
        return await read(url, isRight, signal);
      } catch (thrown) {
        // Only an answer that says "not here" is worth asking elsewhere.
        if (!(thrown instanceof UpstreamUnavailable) || !["status", "nonsense"].includes(thrown.reason)) throw thrown;
        first ??= thrown;
      }
    }
    throw first;
  };

  const renew = (key: string, provider: Provider, discoveryUrl: string): Promise<Metadata> => {
    const flight = `${key}/${provider.version}`;
    const under = flights.get(flight);
    if (under) return under;
    // Shared by whoever asks meanwhile, so no caller's signal ends it.
    const begun = discover(provider, discoveryUrl, AbortSignal.timeout(10_000))
      .then((metadata) => {
        known.delete(key);
        known.set(key, { version: provider.version, at: clock(), metadata });
        for (const oldest of known.keys()) {
          if (known.size <= mostEntries) break;
          known.delete(oldest);
        }
        return metadata;
      })
      .finally(() => flights.delete(flight));
    flights.set(flight, begun);
    return begun;
  };

  return {
    discover,

    /** @returns undefined where the provider has no discovery URL @throws UpstreamUnavailable */
    of: async (tenant: string, provider: Provider): Promise<Metadata | undefined> => {
      const { discoveryUrl } = provider;
      if (discoveryUrl === undefined) return undefined;
      const key = `${tenant}/${provider.id}`;
      const entry = known.get(key);
      const current = entry?.version === provider.version ? entry : undefined;
      if (current && clock() - current.at < lifeMs) return current.metadata;
      try {
        return await renew(key, provider, discoveryUrl);
      } catch (thrown) {
        if (!current) throw thrown;
        known.set(key, { ...current, at: clock() - lifeMs + graceMs });
        return current.metadata;
      }
    },
  };
};
export type MetadataCache = ReturnType<typeof makeMetadata>;
