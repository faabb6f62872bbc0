import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clients } from "../../access/clients/index.ts";
import type { Grants, Introspection, TokenAnswer } from "../../access/grants/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import type { Dpop } from "../../identity/tokens/index.ts";
import { tenantOf } from "../http/index.ts";
import { clientProofOf, type Form, formOf, required, scopesIn } from "./form.ts";
import { paths } from "./paths.ts";

/** The rooms that the endpoints of clients speak for. */
export interface TokenRooms {
  readonly clients: Pick<Clients, "authenticate">;
  readonly grants: Pick<Grants, "token" | "introspect" | "revoke">;
  readonly tenants: Pick<Tenants, "issuerOf">;
  readonly dpop: Pick<Dpop, "check" | "nonce">;
}

type Asker = Awaited<ReturnType<Clients["authenticate"]>>;

/** RFC 6749 5.1, RFC 8693 2.2.1. */
const answerBody = (answer: TokenAnswer) => ({
  access_token: answer.accessToken,
  token_type: answer.tokenType,
  expires_in: answer.expiresIn,
  ...(answer.scopes.length > 0 && { scope: answer.scopes.join(" ") }),
  ...(answer.refreshToken !== undefined && { refresh_token: answer.refreshToken }),
  ...(answer.idToken !== undefined && { id_token: answer.idToken }),
  ...(answer.issuedTokenType !== undefined && { issued_token_type: answer.issuedTokenType }),
});

/** RFC 8693 4.1: who acts now outermost. */
const actOf = ([outermost, ...before]: readonly string[]): object =>
  outermost === undefined ? {} : { act: { sub: outermost, ...actOf(before) } };

const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/** RFC 7662 2.2, RFC 9449 6.2. */
const introspectionBody = (found: Introspection) =>
  found.active
    ? {
        active: true,
        ...(found.scopes.length > 0 && { scope: found.scopes.join(" ") }),
        client_id: found.clientId,
        ...(found.kind === "access" && { token_type: found.thumbprint === undefined ? "Bearer" : "DPoP" }),
        exp: seconds(found.expiresAt),
        iat: seconds(found.issuedAt),
        sub: found.subject,
        aud: found.audience,
        iss: found.issuer,
        ...(found.jti !== undefined && { jti: found.jti }),
        ...actOf(found.actors),
        ...(found.thumbprint !== undefined && { cnf: { jkt: found.thumbprint } }),
      }
    : { active: false };

/** Adds the endpoints that clients prove themselves at: token (RFC 6749 3.2), introspection (RFC 7662 2), revocation (RFC 7009 2). */
export const serveToken = (scope: FastifyInstance, { clients, grants, tenants, dpop }: TokenRooms): void => {
  /** Who asks is known once the form is read: `proves` says so to the limits. */
  const endpoint = (
    path: string,
    operation: string,
    answer: (asker: Asker, form: Form, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>,
  ) =>
    scope.post(path, { config: { operation, proves: "late" } }, async (request, reply) => {
      const form = formOf(request.body);
      const asker = await clients.authenticate(clientProofOf(request, form));
      request.caller = asker.who;
      reply.header("pragma", "no-cache");
      return answer(asker, form, request, reply);
    });

  /** RFC 9449 5: a token is bound to the key that a proof beside the request was made with. */
  const provenKey = async ({ who: { tenant } }: Asker, request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> => {
    const proof = request.headers["dpop"];
    if (proof === undefined) return undefined;
    // RFC 9449 8.2: with whatever is answered.
    reply.header("dpop-nonce", dpop.nonce(tenant));
    const url = `${tenants.issuerOf(tenantOf(request))}${paths.token}`;
    return (await dpop.check({ tenant, proof: String(proof), method: request.method, url })).thumbprint;
  };

  endpoint(paths.token, "oauthToken", async (asker, form, request, reply) => {
    const answer = await grants.token(asker, {
      grantType: required(form, "grant_type"),
      parameters: form.parameters,
      scopes: scopesIn(form),
      targets: form.targets,
      dpopThumbprint: await provenKey(asker, request, reply),
    });
    return reply.send(answerBody(answer));
  });

  endpoint(paths.introspect, "oauthIntrospect", async (asker, form, _request, reply) =>
    reply.send(introspectionBody(await grants.introspect(asker, required(form, "token")))),
  );

  endpoint(paths.revoke, "oauthRevoke", async (asker, form, _request, reply) => {
    await grants.revoke(asker, required(form, "token"));
    return reply.code(200).send();
  });
};
