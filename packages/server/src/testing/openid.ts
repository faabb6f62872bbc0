import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from "jose";

interface TestKey {
  readonly publicJwk: JWK;
  readonly privateKey: CryptoKey;
}

/** A key pair that a test issuer may sign with. */
export const makeTestKey = async (alg = "ES256", kid = `key-${Math.random().toString(36).slice(2)}`): Promise<TestKey> => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" }, privateKey };
};

/** What a test issuer is made to do; each is left out in the ordinary case. */
interface Options {
  readonly alg?: string;
  /** Milliseconds since 1970: what `iat` and `exp` are made of. */
  readonly clock?: () => number;
  /** Added to the metadata, or replacing what it says. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/**
 * An OpenID issuer of the smallest kind, on loopback: metadata, a key set, and tokens signed as asked. It answers real HTTP, and every answer can
 * be bent.
 */
export const startTestIssuer = async ({ alg = "ES256", clock = Date.now, metadata = {} }: Options = {}) => {
  let key = await makeTestKey(alg);
  let published: unknown[] = [key.publicJwk];
  let up = true;
  const fetches = { discovery: 0, jwks: 0 };
  /** Answers by path, instead of the usual ones. */
  const pages = new Map<string, { status?: number; headers?: Record<string, string>; body: string }>();

  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    if (path.startsWith("/.well-known/openid-configuration")) fetches.discovery += 1;
    if (path === "/jwks") fetches.jwks += 1;
    if (!up) {
      request.socket.destroy();
      return;
    }
    const usual: Record<string, unknown> = {
      "/.well-known/openid-configuration": {
        issuer: url,
        jwks_uri: `${url}/jwks`,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        ...metadata,
      },
      "/jwks": { keys: published },
    };
    const bent = pages.get(path);
    if (bent) response.writeHead(bent.status ?? 200, { "content-type": "application/json", ...bent.headers }).end(bent.body);
    else if (Object.hasOwn(usual, path)) response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(usual[path]));
    else response.writeHead(404, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    /** The issuer, and what its metadata is found by. */
    url,
    /** Signs with the key of the moment; `iss`, `iat` and `exp` (ten minutes) are filled in, and a claim that is undefined is left out. */
    sign: (claims: Readonly<Record<string, unknown>>, header: Partial<JWTHeaderParameters> = {}): Promise<string> => {
      const now = Math.floor(clock() / 1000);
      const all = Object.entries({ iss: url, iat: now, exp: now + 600, ...claims }).filter(([, value]) => value !== undefined);
      const merged = Object.entries({ alg, kid: key.publicJwk.kid, typ: "JWT", ...header }).filter(([, value]) => value !== undefined);
      return new SignJWT(Object.fromEntries(all))
        .setProtectedHeader(Object.fromEntries(merged) as JWTHeaderParameters)
        .sign(key.privateKey);
    },
    /** Signs with a new key from now on, and publishes it alone. */
    rotate: async (): Promise<void> => {
      key = await makeTestKey(alg);
      published = [key.publicJwk];
    },
    /** The key of the moment. */
    key: () => key,
    /** Publishes these keys, whatever signs. */
    publish: (keys: readonly unknown[]): void => {
      published = [...keys];
    },
    /** Answers a path with this instead. */
    bend: (path: string, answer: { status?: number; headers?: Record<string, string>; body: string }): void => {
      pages.set(path, answer);
    },
    /** Whether it answers at all. */
    setUp: (to: boolean): void => {
      up = to;
    },
    /** How often it was asked. */
    fetches: () => ({ ...fetches }),
    stop: async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

export type TestIssuer = Awaited<ReturnType<typeof startTestIssuer>>;
