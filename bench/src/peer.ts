import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

/**
 * A peer: oidc-provider with one confidential client, whose client-credentials grants are JWTs signed with ES256. It keeps everything in memory,
 * writes no record and forgets all when it stops.
 */
const server = createServer((request, response) => {
  handle(request, response).catch(() => response.destroy());
});
let handle: ReturnType<Provider["callback"]> = () => Promise.resolve();
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const provider = new Provider(url, {
    clients: [
      {
        client_id: "bench",
        client_secret: "a-secret-of-the-bench",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: "ES256",
        token_endpoint_auth_method: "client_secret_basic",
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "bench" }] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "https://bench.example.com",
        getResourceServerInfo: () => ({
          scope: "bench:use",
          accessTokenFormat: "jwt",
          accessTokenTTL: 600,
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  handle = provider.callback();
  process.stdout.write(`${url}\n`);
});
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
