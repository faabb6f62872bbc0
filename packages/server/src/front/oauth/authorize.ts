import cookies from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AuthorizationRequests, RequestPage, RequestStep } from "../../access/grants/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { type Fields, readForm, refusalOf, setRefusalHeaders } from "../http/index.ts";
import { cookiesOf, type OtherLogin, paramsOf, sendOnward, sendPage, setPageCookie, whoAsks } from "../pages/index.ts";
import { answerUrl, AuthorizeFault, outcomeFor } from "./authorize-errors.ts";
import { consentPage, issuersPage, refusalPage, strangerPage } from "./authorize-pages.ts";
import { askerOf, askOf, isForeign, stateOf } from "./authorize-parameters.ts";
import { paths } from "./paths.ts";

/** The rooms that the authorization endpoint speaks for. */
export interface AuthorizeRooms {
  readonly authorizationRequests: Pick<AuthorizationRequests, "client" | "begin" | "page" | "choose" | "decide" | "loginCallback">;
  readonly tenants: { readonly issuerOf: (tenant: string) => string };
}

const sendRefusal = (request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply => {
  const refusal = refusalOf(thrown, request);
  setRefusalHeaders(reply, refusal);
  const { status, body } = refusalPage(refusal, request.id);
  return sendPage(reply, status, body);
};

const bodyOf = (page: RequestPage): string => (page.kind === "consent" ? consentPage(page) : issuersPage(page));

/** RFC 6749 3.1: the same parameters, in the query of a GET or in the form of a POST. */
const parametersOf = (request: FastifyRequest): URLSearchParams => {
  if (request.method !== "POST") return paramsOf(request);
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries((request.body ?? {}) as Fields)) for (const each of [value].flat()) params.append(name, each);
  return params;
};

const formOf = (body: unknown): { token: string; decision: "allow" | "deny" } | { token: string; issuer: string } => {
  const { formToken: token, decision, issuer } = (body ?? {}) as Fields;
  if (typeof token === "string") {
    if (issuer === undefined && (decision === "allow" || decision === "deny")) return { token, decision };
    if (decision === undefined && typeof issuer === "string") return { token, issuer };
  }
  throw new Refusal("invalid_request", "The form needs formToken, and either decision (allow or deny) or issuer, each once.");
};

/** To the client, or to a page that says so to a person who may go there (RFC 9700 4.11.2). */
const sendAnswer = (reply: FastifyReply, to: string, atOnce: boolean, after: "form" | "link"): FastifyReply =>
  atOnce ? sendOnward(reply, to, after) : sendPage(reply, 400, strangerPage(to));

/** Sends a step of a request to its browser. */
const makeSend =
  ({ tenants }: AuthorizeRooms) =>
  (request: FastifyRequest, reply: FastifyReply, step: RequestStep, after: "form" | "link"): FastifyReply => {
    const issuer = tenants.issuerOf(whoAsks(request).tenant);
    if ("cookie" in step && step.cookie) setPageCookie(reply, step.cookie);
    switch (step.kind) {
      case "login":
        return sendOnward(reply, step.to, after);
      case "page":
        return sendOnward(reply, `${issuer}${paths.authorize}/${step.request}`, after);
      case "answer":
        return sendAnswer(reply, answerUrl(step.answer, issuer), step.answer.atOnce, after);
    }
  };

/** Answers the logins that the authorization endpoint began; for whoever serves the address that all issuers send people back to. */
export const makeOtherLogin = (rooms: AuthorizeRooms): OtherLogin => {
  const send = makeSend(rooms);
  return async (request, reply) => {
    try {
      const step = await rooms.authorizationRequests.loginCallback(whoAsks(request), paramsOf(request), cookiesOf(request));
      if (!step) return false;
      send(request, reply, step, "link");
    } catch (thrown) {
      sendRefusal(request, reply, thrown);
    }
    return true;
  };
};

/** Adds the authorization endpoint (RFC 6749 3.1) and its pages. */
export const serveAuthorize = async (app: FastifyInstance, rooms: AuthorizeRooms): Promise<void> => {
  const { authorizationRequests: requests, tenants } = rooms;
  const send = makeSend(rooms);

  /** Until client and redirect URI hold, whatever is wrong is told here; from then on, at the redirect URI (RFC 6749 4.1.2.1). */
  const begin = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const [who, params] = [whoAsks(request), parametersOf(request)];
    const asker = askerOf(params);
    const { client, redirectUri } = await requests.client(who, asker.clientId, asker.redirectUri);
    try {
      return send(request, reply, await requests.begin(who, client, redirectUri, askOf(params, isForeign(request.headers))), "link");
    } catch (thrown) {
      const outcome = outcomeFor(thrown instanceof AuthorizeFault ? thrown : refusalOf(thrown, request));
      const to = answerUrl({ redirectUri, state: stateOf(params), outcome }, tenants.issuerOf(who.tenant));
      // Anybody can write a document that names their own site; a bad request of it would make our address one that leads there.
      return sendAnswer(reply, to, client.kind !== "document", "link");
    }
  };

  await app.register(async (scope) => {
    await scope.register(cookies);
    readForm(scope);
    scope.setErrorHandler((thrown, request, reply) => sendRefusal(request, reply, thrown));

    const config = { operation: "authorize" };
    // Fastify would answer HEAD by running GET, which here begins something.
    scope.head(paths.authorize, { config }, async (request, reply) => {
      const { clientId, redirectUri } = askerOf(paramsOf(request));
      await requests.client(whoAsks(request), clientId, redirectUri);
      return sendPage(reply, 200, "");
    });
    scope.get(paths.authorize, { exposeHeadRoute: false, config }, begin);
    scope.post(paths.authorize, { config }, begin);

    const pageConfig = { operation: "authorizePage" };
    scope.get<{ Params: { request: string } }>(`${paths.authorize}/:request`, { config: pageConfig }, async (request, reply) =>
      sendPage(reply, 200, bodyOf(await requests.page(whoAsks(request), request.params.request, cookiesOf(request)))),
    );
    scope.post<{ Params: { request: string } }>(`${paths.authorize}/:request`, { config: pageConfig }, async (request, reply) => {
      const form = formOf(request.body);
      const ask = [whoAsks(request), request.params.request, cookiesOf(request)] as const;
      return send(request, reply, "issuer" in form ? await requests.choose(...ask, form) : await requests.decide(...ask, form), "form");
    });
  });
};
