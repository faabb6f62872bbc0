import cookies from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Cookies, Sessions, Step } from "../../access/vault/index.ts";
import { anonymous, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { addressOf, type Fields, readForm, refusalOf, setRefusalHeaders, tenantOf } from "../http/index.ts";
import { consentPage } from "./consent-page.ts";
import { connectedPage, deniedPage, onwardPage, refusalPage } from "./ending-pages.ts";
import { styleSource } from "./style.ts";

/** The rooms these pages speak for. */
export interface PagesRooms {
  readonly sessions: Pick<Sessions, "visit" | "glance" | "decide" | "loginCallback" | "providerCallback">;
}

/** No script at all, one stylesheet known by its hash, never in a frame. */
const policy = `default-src 'none'; style-src ${styleSource}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;

const whoAsks = (request: FastifyRequest): Principal => anonymous(tenantOf(request), request.id, addressOf(request));

const cookiesOf =
  ({ cookies }: FastifyRequest): Cookies =>
  (name) =>
    cookies[name];

/** As sent: a repeated parameter stays repeated. */
const paramsOf = ({ url }: FastifyRequest): URLSearchParams =>
  new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "");

const sendPage = (reply: FastifyReply, status: number, body: string): FastifyReply =>
  reply
    .code(status)
    .header("content-security-policy", policy)
    .header("referrer-policy", "no-referrer")
    .header("cache-control", "no-store")
    .type("text/html; charset=utf-8")
    .send(body);

const send = (reply: FastifyReply, step: Step): FastifyReply => {
  if ("cookie" in step && step.cookie) {
    const { name, value, maxAge, secure } = step.cookie;
    reply.setCookie(name, value, { path: "/", httpOnly: true, sameSite: "lax", secure, maxAge });
  }
  switch (step.kind) {
    case "redirect":
      // Chromium holds every redirect that follows a form to `form-action`, and nobody knows through which hosts a login goes. So a form is
      // answered by a page that goes on by itself, which is a navigation of its own.
      if (reply.request.method === "POST") {
        reply.header("refresh", `0; url=${step.to}`);
        return sendPage(reply, 200, onwardPage(step.to));
      }
      // RFC 9700 4.12: 303, never 307.
      return reply.header("referrer-policy", "no-referrer").redirect(step.to, 303);
    case "ask":
      return sendPage(reply, 200, consentPage(step.consent));
    case "connected":
      return sendPage(reply, 200, connectedPage(step.agent, step.provider));
    case "denied":
      return sendPage(reply, 200, deniedPage());
  }
};

const answerOf = (body: unknown): { formToken: string; decision: "allow" | "deny" } => {
  const { formToken, decision } = (body ?? {}) as Fields;
  if (typeof formToken !== "string" || (decision !== "allow" && decision !== "deny")) {
    throw new Refusal("invalid_request", "The form needs formToken, and decision allow or deny, each once.");
  }
  return { formToken, decision };
};

/** Adds the pages of a consent: where it is opened and answered, and where browsers come back. */
export const servePages = async (app: FastifyInstance, { sessions }: PagesRooms): Promise<void> => {
  await app.register(async (scope) => {
    await scope.register(cookies);
    readForm(scope);
    scope.setErrorHandler((thrown, request, reply) => {
      const refusal = refusalOf(thrown, request);
      setRefusalHeaders(reply, refusal);
      const { session } = request.params as { session?: string };
      const { status, body } = refusalPage(refusal, request.id, session);
      return sendPage(reply, status, body);
    });

    // Fastify would answer HEAD by running GET; here that would be a visit, or use a callback up.
    const alone = { exposeHeadRoute: false };
    scope.head<{ Params: { session: string } }>("/consent/:session", { config: { operation: "consent" } }, async (request, reply) => {
      await sessions.glance(whoAsks(request), request.params.session);
      return sendPage(reply, 200, "");
    });
    scope.get<{ Params: { session: string } }>(
      "/consent/:session",
      { ...alone, config: { operation: "consent" } },
      async (request, reply) => send(reply, await sessions.visit(whoAsks(request), request.params.session)),
    );
    scope.post<{ Params: { session: string } }>("/consent/:session", { config: { operation: "consent" } }, async (request, reply) =>
      send(reply, await sessions.decide(whoAsks(request), request.params.session, cookiesOf(request), answerOf(request.body))),
    );
    scope.get("/login/callback", { ...alone, config: { operation: "loginCallback" } }, async (request, reply) =>
      send(reply, await sessions.loginCallback(whoAsks(request), paramsOf(request), cookiesOf(request))),
    );
    scope.get<{ Params: { provider: string } }>(
      "/callback/:provider",
      { ...alone, config: { operation: "providerCallback" } },
      async (request, reply) =>
        send(reply, await sessions.providerCallback(whoAsks(request), request.params.provider, paramsOf(request), cookiesOf(request))),
    );
  });
};
