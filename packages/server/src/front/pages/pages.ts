import cookies from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Cookies, Sessions, Step } from "../../access/vault/index.ts";
import { anonymous, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { addressOf, type Fields, readForm, refusalOf, setRefusalHeaders, tenantOf } from "../http/index.ts";
import { consentPage } from "./consent-page.ts";
import { connectedPage, deniedPage, refusalPage } from "./ending-pages.ts";
import { sendOnward, sendPage, setPageCookie } from "./send-page.ts";

/** The rooms these pages speak for. */
export interface PagesRooms {
  readonly sessions: Pick<Sessions, "visit" | "glance" | "decide" | "loginCallback" | "providerCallback">;
  /** Answers a login that was begun for something else than a consent of the vault; false where it knows nothing of it. */
  readonly otherLogin?: OtherLogin;
}

/** Whoever else sends people to log in: all issuers know one address of ours to send them back to. */
export type OtherLogin = (request: FastifyRequest, reply: FastifyReply) => Promise<boolean>;

/** Whoever opens a page: nobody we know. */
export const whoAsks = (request: FastifyRequest): Principal => anonymous(tenantOf(request), request.id, addressOf(request));

export const cookiesOf =
  ({ cookies }: FastifyRequest): Cookies =>
  (name) =>
    cookies[name];

/** As sent: a repeated parameter stays repeated. */
export const paramsOf = ({ url }: FastifyRequest): URLSearchParams =>
  new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "");

const send = (reply: FastifyReply, step: Step): FastifyReply => {
  if ("cookie" in step && step.cookie) setPageCookie(reply, step.cookie);
  switch (step.kind) {
    case "redirect":
      return sendOnward(reply, step.to, reply.request.method === "POST" ? "form" : "link");
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
export const servePages = async (app: FastifyInstance, { sessions, otherLogin }: PagesRooms): Promise<void> => {
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
    scope.get("/login/callback", { ...alone, config: { operation: "loginCallback" } }, async (request, reply) => {
      if (await otherLogin?.(request, reply)) return reply;
      return send(reply, await sessions.loginCallback(whoAsks(request), paramsOf(request), cookiesOf(request)));
    });
    scope.get<{ Params: { provider: string } }>(
      "/callback/:provider",
      { ...alone, config: { operation: "providerCallback" } },
      async (request, reply) =>
        send(reply, await sessions.providerCallback(whoAsks(request), request.params.provider, paramsOf(request), cookiesOf(request))),
    );
  });
};
