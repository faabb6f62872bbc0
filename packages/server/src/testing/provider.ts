import { generateKeyPair, type KeyObject, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { jwtVerify } from "jose";
import { type ClientMetadata, Provider } from "oidc-provider";
import { serveInteraction } from "./provider-pages.ts";
import { memoryStore } from "./provider-store.ts";
import { type Walk, walkConsent } from "./provider-walk.ts";

export interface ProviderOptions {
  /** Clients known from the start; more come by `addClient`. */
  readonly clients?: readonly ClientMetadata[];
  /** Life of access tokens; 3600 unless given. */
  readonly accessTokenSeconds?: number;
  /** Scopes there are, beyond `openid` and `offline_access`; `read`, `write` and `admin` unless given. Others are ignored when asked for. */
  readonly scopes?: readonly string[];
  /** Scopes that are never granted, though the person allows everything. */
  readonly withheld?: readonly string[];
  /** Access tokens with this resource are JWTs; others are opaque. */
  readonly resources?: readonly string[];
  readonly port?: number;
}

/** How often the token endpoint was asked, by grant, and how often it said no. */
export interface TokenCalls {
  readonly authorization_code: number;
  readonly refresh_token: number;
  readonly client_credentials: number;
  readonly refused: number;
}

/** A real OpenID provider on loopback, with plain pages to log in (any name will do) and to consent on. */
export interface TestProvider {
  readonly issuer: string;
  /** The same as `issuer`: where it listens. */
  readonly url: string;
  readonly discoveryUrl: string;
  /** Adds or replaces a client while running: its redirect URI is often known only later. */
  addClient(metadata: ClientMetadata): void;
  /**
   * Logs in as `user` and allows or denies what is asked, without a browser.
   * @returns The whole URL that the browser would be sent back to
   */
  readonly walk: Walk;
  tokenCalls(): TokenCalls;
  /** Makes each answer of the token endpoint wait, so that callers pile up. */
  slowTokens(milliseconds: number): void;
  /** Answers each call of the token endpoint with this status and an HTML page; undefined ends it. */
  breakTokens(status: number | undefined): void;
  /** Takes back everything that was granted, as a person may do at their provider. */
  revokeGrants(): void;
  stop(): Promise<void>;
}

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/**
 * Who an access token of this provider speaks for: `GET {url}/api/me` with it as bearer answers `{ user?, client, scopes }`, so that a test sees
 * whose token it holds. 401 for one that is unknown, expired or revoked.
 */
const whoIs = async (provider: Provider, key: KeyObject, token: string) => {
  const opaque = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
  if (opaque) {
    const user = "accountId" in opaque ? { user: opaque.accountId } : {};
    return { ...user, client: opaque.clientId, scopes: opaque.scope?.split(" ").filter(Boolean) ?? [] };
  }
  try {
    const { payload } = await jwtVerify(token, key, { issuer: provider.issuer });
    const client = payload["client_id"];
    const scope = payload["scope"];
    return {
      ...(payload.sub !== client && { user: payload.sub }),
      client,
      audience: payload.aud,
      scopes: typeof scope === "string" ? scope.split(" ") : [],
    };
  } catch {
    return undefined;
  }
};

export const startProvider = async (options: ProviderOptions = {}): Promise<TestProvider> => {
  const scopes = options.scopes ?? ["read", "write", "admin"];
  const life = () => options.accessTokenSeconds ?? 3600;
  const store = memoryStore();
  const counts = { authorization_code: 0, refresh_token: 0, client_credentials: 0, refused: 0 };
  let delay = 0;
  let broken: number | undefined;

  let handle: (request: IncomingMessage, response: ServerResponse) => Promise<void> = () => Promise.resolve();
  const server = createServer((request, response) => {
    handle(request, response).catch((thrown: unknown) => {
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
      response.end(thrown instanceof Error ? thrown.message : "failed");
    });
  });
  await new Promise<void>((listening) => server.listen(options.port ?? 0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;

  const { privateKey, publicKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    adapter: store.adapter,
    clients: [...(options.clients ?? [])],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: randomBytes(8).toString("hex") }] },
    scopes: ["openid", "offline_access", ...scopes],
    claims: { openid: ["sub"], email: ["email"], profile: ["name"] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: id, email: `${encodeURIComponent(id)}@example.test` }) }),
    // Browsers share cookies between ports of one host, so each provider names its own.
    cookies: {
      keys: [randomBytes(32).toString("hex")],
      names: { session: `op${port}_session`, interaction: `op${port}_interaction`, resume: `op${port}_resume` },
    },
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        getResourceServerInfo: (_ctx, resource) => ({
          audience: resource,
          scope: scopes.join(" "),
          accessTokenTTL: life(),
          accessTokenFormat: options.resources === undefined || options.resources.includes(resource) ? "jwt" : "opaque",
        }),
      },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_ctx, client) => Promise.resolve(client.grantTypeAllowed("refresh_token")),
    expiresWithSession: () => Promise.resolve(false),
    ttl: {
      AccessToken: life,
      ClientCredentials: life,
      AuthorizationCode: 60,
      IdToken: 3600,
      RefreshToken: 86_400,
      Interaction: 3600,
      Session: 86_400,
      Grant: 86_400,
    },
    // Its own guard refuses loopback, which is where a test's `jwks_uri` is.
    fetch: (url, init) => {
      const { dispatcher: _, ...plain } = (init ?? {}) as RequestInit & { dispatcher?: unknown };
      return globalThis.fetch(url, plain);
    },
  });
  provider.on("grant.success", (ctx) => {
    const grant = String(ctx.oidc.params?.["grant_type"]);
    if (grant === "authorization_code" || grant === "refresh_token" || grant === "client_credentials") counts[grant] += 1;
  });
  provider.on("grant.error", () => {
    counts.refused += 1;
  });

  const callback = provider.callback();
  handle = async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", issuer);
    if (pathname.startsWith("/interaction/")) return serveInteraction(provider, options.withheld ?? [], request, response);
    if (pathname === "/api/me") {
      const known = await whoIs(provider, publicKey, request.headers.authorization?.replace(/^Bearer /i, "") ?? "");
      response.writeHead(known ? 200 : 401, { "content-type": "application/json" });
      response.end(JSON.stringify(known ?? { error: "invalid_token" }));
      return;
    }
    if (pathname === "/token") {
      if (delay > 0) await pause(delay);
      if (broken !== undefined) {
        counts.refused += 1;
        response.writeHead(broken, { "content-type": "text/html" }).end("<h1>Out of order</h1>");
        return;
      }
    }
    await callback(request, response);
  };

  return {
    issuer,
    url: issuer,
    discoveryUrl: `${issuer}/.well-known/openid-configuration`,
    addClient: (metadata) => {
      store.payloads.set(`Client:${metadata.client_id}`, metadata);
    },
    walk: walkConsent,
    tokenCalls: () => ({ ...counts }),
    slowTokens: (milliseconds) => {
      delay = milliseconds;
    },
    breakTokens: (status) => {
      broken = status;
    },
    revokeGrants: () => {
      for (const [key, payload] of store.payloads)
        if (payload.grantId !== undefined || key.startsWith("Grant:")) store.payloads.delete(key);
    },
    stop: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
};
