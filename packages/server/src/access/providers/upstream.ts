import * as oauth from "oauth4webapi";
import type { Egress } from "../../ground/egress/index.ts";
import type { AuthorizationAsk, Callback, ClientCredentialsAsk, ExchangeAsk, RefreshAsk, RevocationAsk, Target } from "./asks.ts";
import { clientAuthOf, methodOf } from "./client-auth.ts";
import { UpstreamRefused, UpstreamUnavailable } from "./errors.ts";
import { nonsense, refusedBy, secretsIn, told } from "./failures.ts";
import { bindingOf, type Kind, kindOf, sendsPkce } from "./kinds.ts";
import { fetchFailure, type MetadataCache } from "./metadata.ts";
import type { Provider } from "./provider.ts";
import { makeServers, type Server } from "./server.ts";
import { conformed, tokensFrom, type UpstreamTokens } from "./token-answer.ts";

interface Needs {
  readonly egress: Pick<Egress, "fetch">;
  readonly metadata: Pick<MetadataCache, "of">;
  /** What is sent as the redirect URI. */
  readonly redirectUri: (tenant: string, provider: Provider) => string;
  /** The client secret, if one is kept. */
  readonly secretOf: (tenant: string, provider: Provider) => Promise<string | undefined>;
  /** Signs a client assertion (RFC 7523 2.2). */
  readonly clientAssertion: (tenant: string, ask: { readonly clientId: string; readonly audience: string }) => Promise<string>;
  /** How long one call may take in all; milliseconds. */
  readonly limitMs: number;
}

interface Kept {
  readonly binding: string;
  readonly response: string;
}

const invalidResponse = "invalid_authorization_response";

/** Settles as the promise does, or as the signal says, whichever is first. */
const within = <T>(signal: AbortSignal, promise: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });

/** What is sent to a token endpoint that has names of its own. */
const named = ({ tokenParameters }: Kind, body: URLSearchParams): readonly (readonly [string, string])[] =>
  [...body].flatMap(([name, value]): (readonly [string, string])[] => {
    const own = tokenParameters === undefined ? name : tokenParameters[name];
    return own === undefined ? [] : [[own, value]];
  });

const entriesOf = (fields: Readonly<Record<string, string | undefined>>): [string, string][] =>
  Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined);

export type Upstream = ReturnType<typeof makeUpstream>;

/** OAuth 2 towards providers. The protocol is the library's; what differs between providers stands in their kinds. */
export const makeUpstream = ({ egress, metadata, redirectUri, secretOf, clientAssertion, limitMs }: Needs) => {
  const serverOf = makeServers(metadata);

  const targetOf = ({ kind }: Server, { resource, audience }: Target): [string, string][] =>
    kind.takesTarget ? entriesOf({ resource, audience }) : [];

  /**
   * RFC 9207 and `state`. Without a known issuer a given `iss` proves nothing and is left aside: each provider has a redirect URI of its own, which
   * keeps servers apart just as well (RFC 9700 4.4.2.2).
   */
  const validated = (server: Server, response: URLSearchParams, state: string): URLSearchParams => {
    const params = new URLSearchParams(response);
    const { codeIn } = server.kind;
    if (codeIn !== undefined && !params.has("code")) for (const code of params.getAll(codeIn)) params.append("code", code);
    if (server.issuer === undefined) params.delete("iss");
    return oauth.validateAuthResponse(server.as, server.client, params, state);
  };

  const customFetch =
    ({ kind }: Server, signal: AbortSignal, sent: string[]): NonNullable<oauth.TokenEndpointRequestOptions[typeof oauth.customFetch]> =>
    async (url, { method, headers, body }) => {
      const json = kind.tokenBody === "json";
      sent.push(...secretsIn(headers["authorization"], body));
      const response = await egress.fetch(url, {
        method,
        headers: { ...headers, ...kind.tokenHeaders, ...(json && { "content-type": "application/json" }) },
        body: json ? JSON.stringify(Object.fromEntries(named(kind, body))) : body.toString(),
        redirect: "manual",
        signal,
      });
      return conformed(kind, response);
    };

  type Request = (server: Server, auth: oauth.ClientAuth, options: oauth.TokenEndpointRequestOptions) => Promise<Response>;

  /** One call as the provider's client, from the metadata to what `request` makes of the answer. */
  const asClient = async <T>(
    tenant: string,
    provider: Provider,
    ask: { readonly signal?: AbortSignal | undefined; readonly refreshing?: boolean },
    request: (server: Server, auth: oauth.ClientAuth, options: oauth.TokenEndpointRequestOptions) => Promise<T>,
  ): Promise<T> => {
    const limit = AbortSignal.timeout(limitMs);
    const signal = ask.signal ? AbortSignal.any([ask.signal, limit]) : limit;
    const kind = kindOf(provider);
    const sent: string[] = [];
    try {
      signal.throwIfAborted();
      const server = await within(signal, serverOf(tenant, provider));
      const method = methodOf(provider.clientAuth, kind.clientAuth, server.clientAuthMethods);
      const auth = clientAuthOf({
        method,
        secret: await secretOf(tenant, provider),
        audience: server.issuer ?? server.as.token_endpoint,
        assertion: (audience) => clientAssertion(tenant, { clientId: server.client.client_id, audience }),
      });
      // Whether plain http may be used at all is egress' to say.
      return await request(server, auth, {
        [oauth.customFetch]: customFetch(server, signal, sent),
        [oauth.allowInsecureRequests]: true,
      });
    } catch (thrown) {
      if (ask.signal?.aborted) throw ask.signal.reason;
      if (thrown instanceof oauth.ResponseBodyError) throw refusedBy(kind, thrown, ask.refreshing === true, sent);
      if (thrown instanceof oauth.OperationProcessingError || thrown instanceof oauth.UnsupportedOperationError) throw nonsense(thrown);
      throw fetchFailure(thrown);
    }
  };

  /** One call of the token endpoint, to the normalised answer. */
  const tokens = (tenant: string, provider: Provider, ask: Parameters<typeof asClient>[2], request: Request): Promise<UpstreamTokens> =>
    asClient(tenant, provider, ask, async (server, auth, options) => {
      const response = await request(server, auth, options);
      const answer = await oauth.processGenericTokenEndpointResponse(server.as, server.client, response);
      // A DPoP-bound token is of no use to whoever holds no key for it.
      if (answer.token_type !== "bearer")
        throw new UpstreamUnavailable("nonsense", "The provider gave a token of another type than Bearer.");
      return tokensFrom(server.kind, answer);
    });

  return {
    /**
     * Where the user consents.
     *
     * @throws UpstreamUnavailable where the provider's metadata is needed and cannot be had
     */
    authorizationUrl: async (tenant: string, provider: Provider, ask: AuthorizationAsk): Promise<string> => {
      const server = await serverOf(tenant, provider);
      const { kind, as, client } = server;
      if (as.authorization_endpoint === undefined)
        throw new UpstreamUnavailable("metadata", "The provider's metadata names no authorization endpoint.");
      const offline = kind.offlineNeedsConsent && ask.scopes.includes("offline_access");
      const prompt = [ask.force ? kind.force["prompt"] : undefined, offline ? "consent" : undefined].filter(Boolean).join(" ");
      const custom = Object.entries(ask.customParameters).filter(([name]) => name !== kind.scope.parameter);
      const url = new URL(as.authorization_endpoint);
      for (const [name, value] of [
        ...Object.entries(kind.authorizationParameters),
        ...(ask.force ? Object.entries(kind.force) : []),
        ...entriesOf({ prompt: prompt || undefined }),
        ...custom,
        ...entriesOf({
          response_type: "code",
          client_id: client.client_id,
          redirect_uri: redirectUri(tenant, provider),
          [kind.scope.parameter]: ask.scopes.length > 0 ? ask.scopes.join(kind.scope.separator) : undefined,
          state: ask.state,
          // RFC 7636 4.3
          ...(sendsPkce(provider) && { code_challenge: ask.codeChallenge, code_challenge_method: "S256" }),
        }),
        ...targetOf(server, ask),
      ])
        url.searchParams.set(name, value);
      return url.href;
    },

    /**
     * Reads what the browser brought back. Nothing is sent to the provider's token endpoint before this has answered.
     *
     * @param params All of them, as they came: one that repeats is refused
     * @throws UpstreamRefused `invalid_authorization_response` for another server's answer (RFC 9207), another `state`, or one without a code
     * @throws UpstreamUnavailable where the provider's metadata is needed and cannot be had
     */
    readCallback: async (tenant: string, provider: Provider, params: URLSearchParams, expectedState: string): Promise<Callback> => {
      const server = await serverOf(tenant, provider);
      try {
        const response = validated(server, params, expectedState);
        // RFC 6749 3.1: parameters must not repeat; those that the library does not look at are dropped here.
        const code = response.getAll("code");
        if (code.length !== 1 || code[0] === "") throw new UpstreamRefused(invalidResponse, "The authorization response has no code.");
        const kept: Kept = {
          binding: bindingOf(provider),
          response: new URLSearchParams([...response].filter(([name]) => name === "code" || name === "state" || name === "iss")).toString(),
        };
        return { ok: true, kept: JSON.stringify(kept) };
      } catch (thrown) {
        if (thrown instanceof oauth.AuthorizationResponseError) {
          const description = told(thrown.error_description, 500);
          return { ok: false, error: told(thrown.error, 100) ?? "unknown_error", ...(description !== undefined && { description }) };
        }
        if (thrown instanceof oauth.OperationProcessingError || thrown instanceof oauth.UnsupportedOperationError)
          throw new UpstreamRefused(invalidResponse, thrown.message);
        throw thrown;
      }
    },

    /**
     * Turns a code into tokens.
     *
     * @throws UpstreamRefused, UpstreamUnavailable; an abort throws the signal's reason
     */
    exchange: (tenant: string, provider: Provider, ask: ExchangeAsk): Promise<UpstreamTokens> => {
      const kept = JSON.parse(ask.kept) as Kept;
      // The code belongs to the server that gave it, and to the client it was given for.
      if (kept.binding !== bindingOf(provider))
        return Promise.reject(new UpstreamRefused(invalidResponse, "The provider was changed after the user consented."));
      const params = new URLSearchParams(kept.response);
      return tokens(tenant, provider, { signal: ask.signal }, (server, auth, options) =>
        oauth.authorizationCodeGrantRequest(
          server.as,
          server.client,
          auth,
          validated(server, params, ask.state),
          redirectUri(tenant, provider),
          sendsPkce(provider) ? ask.codeVerifier : oauth.nopkce,
          { additionalParameters: targetOf(server, ask), ...options },
        ),
      );
    },

    /**
     * @returns Without `refreshToken` the one that was used stays
     * @throws UpstreamRefused (`invalid_grant`: the grant is dead), UpstreamUnavailable; an abort throws the signal's reason
     */
    refresh: (tenant: string, provider: Provider, ask: RefreshAsk): Promise<UpstreamTokens> =>
      tokens(tenant, provider, { signal: ask.signal, refreshing: true }, (server, auth, options) => {
        const { refreshSendsScope, scope } = server.kind;
        const scopes = refreshSendsScope && ask.scopes.length > 0 ? [["scope", ask.scopes.join(scope.separator)]] : [];
        const additionalParameters = [...scopes, ...targetOf(server, ask)];
        return oauth.refreshTokenGrantRequest(server.as, server.client, auth, ask.refreshToken, { additionalParameters, ...options });
      }),

    /**
     * RFC 7009 2: asks the provider to take a token back, and with a refresh token whatever it gave.
     *
     * @returns Whether the provider names an address for that
     * @throws UpstreamRefused, UpstreamUnavailable; an abort throws the signal's reason
     */
    revoke: (tenant: string, provider: Provider, ask: RevocationAsk): Promise<boolean> =>
      asClient(tenant, provider, { signal: ask.signal }, async ({ as, client }, auth, options) => {
        if (as.revocation_endpoint === undefined) return false;
        const additionalParameters = { token_type_hint: ask.hint };
        const response = await oauth.revocationRequest(as, client, auth, ask.token, { additionalParameters, ...options });
        await oauth.processRevocationResponse(response);
        return true;
      }),

    /** @throws UpstreamRefused, UpstreamUnavailable; an abort throws the signal's reason */
    clientCredentials: (tenant: string, provider: Provider, ask: ClientCredentialsAsk): Promise<UpstreamTokens> =>
      tokens(tenant, provider, { signal: ask.signal }, (server, auth, options) => {
        const scopes = ask.scopes.length > 0 ? [["scope", ask.scopes.join(" ")]] : [];
        return oauth.clientCredentialsGrantRequest(server.as, server.client, auth, [...scopes, ...targetOf(server, ask)], options);
      }),
  };
};
