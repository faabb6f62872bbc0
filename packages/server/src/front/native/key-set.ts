import type { FastifyInstance } from "fastify";
import type { Signing } from "../../identity/signing/index.ts";
import { tenantOf } from "../http/index.ts";

/** Where the keys are published that verify our tokens (RFC 7517, RFC 8414 2). */
export const keySetPath = "/.well-known/jwks.json";

/** Keys are published long before they sign, so that a copy of five minutes never lacks the one in use. */
export const serveKeySet = (app: FastifyInstance, signing: Pick<Signing, "keySet">): void => {
  app.get(keySetPath, { config: { operation: "jwks" } }, async (request, reply) =>
    reply
      .header("cache-control", "public, max-age=300")
      // RFC 7517 8.5.2.
      .type("application/jwk-set+json")
      .send(await signing.keySet(tenantOf(request))),
  );
};
