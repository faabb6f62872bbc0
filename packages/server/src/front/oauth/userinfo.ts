import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clients } from "../../access/clients/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Authn } from "../../identity/authn/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import { type Dpop, proofAlgorithms } from "../../identity/tokens/index.ts";
import { addressOf, prefixOf, readForm, refusalOf, setRefusalHeaders, tenantOf } from "../http/index.ts";
import { errors, setNonce } from "./errors.ts";
import { paths } from "./paths.ts";

/** The rooms that userinfo speaks for. */
export interface UserinfoRooms {
  readonly authn: Pick<Authn, "proveAccess">;
  readonly clients: { readonly resources: Pick<Clients["resources"], "userinfo"> };
  readonly tenants: Pick<Tenants, "issuerOf">;
  readonly dpop: Pick<Dpop, "nonce">;
}

const algorithms = proofAlgorithms.join(" ");

/** What a door that takes access tokens answers to one that does not open it (RFC 6750 3.1, RFC 9449 7.1). */
const challengeOf = (
  { code }: Refusal,
  authorization: string | undefined,
): { status: number; error?: string; header: string } | undefined => {
  const bearer = 'Bearer realm="legate"';
  const dpop = `DPoP realm="legate", algs="${algorithms}"`;
  switch (code) {
    case "unauthenticated":
    case "agent_suspended":
    case "user_suspended":
      // RFC 6750 3.1: who sent no credential is told which would do, and nothing of what was wrong.
      return authorization === undefined
        ? { status: 401, header: `${bearer}, ${dpop}` }
        : { status: 401, error: "invalid_token", header: `${bearer}, error="invalid_token", ${dpop}, error="invalid_token"` };
    case "forbidden":
      return { status: 403, error: "insufficient_scope", header: `${bearer}, error="insufficient_scope", scope="openid"` };
    case "dpop_invalid":
      return { status: 401, error: "invalid_dpop_proof", header: `${dpop}, error="invalid_dpop_proof"` };
    case "dpop_nonce_required":
      return { status: 401, error: "use_dpop_nonce", header: `${dpop}, error="use_dpop_nonce"` };
    default:
      return undefined;
  }
};

/** Adds the endpoint that tells a client who logged in (OpenID Connect Core 5.3). */
export const serveUserinfo = (app: FastifyInstance, { authn, clients, tenants, dpop }: UserinfoRooms): void => {
  const proven = new WeakMap<FastifyRequest, Principal>();

  void app.register((scope, _options, done) => {
    readForm(scope);
    scope.setErrorHandler((thrown, request, reply) => {
      const refusal = refusalOf(thrown, request);
      setRefusalHeaders(reply, refusal);
      setNonce(reply, refusal);
      const challenge = challengeOf(refusal, request.headers.authorization);
      if (challenge) reply.header("www-authenticate", challenge.header);
      const { status, error } = challenge ?? errors[refusal.code];
      return reply.code(status).send(error === undefined ? {} : { error });
    });

    const route = {
      config: { operation: "userinfo", proves: true },
      // Before a body is read, and none is needed: a token in it is not looked at (RFC 6750 2.2 leaves that to us).
      onRequest: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
        const proof = request.headers["dpop"];
        if (proof !== undefined) reply.header("dpop-nonce", dpop.nonce(tenantOf(request)));
        const who = await authn.proveAccess(
          {
            tenant: prefixOf(request),
            authorization: request.headers.authorization,
            dpop: proof === undefined ? undefined : String(proof),
            method: request.method,
            url: `${tenants.issuerOf(tenantOf(request))}${paths.userinfo}`,
            requestId: request.id,
            address: addressOf(request),
          },
          clients.resources.userinfo,
        );
        request.caller = who;
        if (!who.user || !who.scopes?.includes("openid")) throw new Refusal("forbidden", "The access token is without the scope openid.");
        proven.set(request, who);
      },
    };
    const answer = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
      const user = proven.get(request)?.user;
      if (!user) throw new Error("A request reached its handler without having been proven.");
      // OpenID Connect Core 5.3.2: the same as the ID token's.
      return reply.send({ sub: user.id });
    };
    scope.get(paths.userinfo, route, answer);
    scope.post(paths.userinfo, route, answer);
    done();
  });
};
