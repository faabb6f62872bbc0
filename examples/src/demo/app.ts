import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AgentContext, AuthorizationRequiredError, callbackHandler, type LegateClient } from "@legate/sdk";
import type { Findings } from "./agent.ts";
import { beginLogin, finishLogin, type LoginAttempt, type LoginClient } from "./login.ts";

/** One browser's session with the application. */
interface Session {
  readonly login: LoginAttempt;
  /** Travels through the consent, so that the callback knows that it was begun in this browser. */
  readonly customState: string;
  userToken?: string;
}

/** A user of the application for whom the agent has done its work. */
export interface Visit {
  readonly userToken: string;
  readonly findings: Findings;
}

/** A small web application: it logs people in, and lets the agent work for whoever is logged in. */
export interface App {
  readonly url: string;
  readonly loginCallbackUrl: string;
  readonly consentCallbackUrl: string;
  /** Tells it what it needs to know before the first person comes. */
  serve(parts: Parts): void;
  stop(): Promise<void>;
}

interface Parts {
  readonly login: LoginClient;
  readonly client: LegateClient;
  readonly agent: () => Promise<Findings>;
  readonly onVisit: (visit: Visit) => void;
}

const cookieName = "legate_demo_app";

const cookieOf = (request: IncomingMessage): string | undefined =>
  request.headers.cookie
    ?.split(";")
    .map((pair) => pair.trim().split("="))
    .find(([name]) => name === cookieName)?.[1];

const escaped = (text: string) => text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

const page = (response: ServerResponse, status: number, title: string, text: string) =>
  response
    .writeHead(status, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" })
    .end(
      `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>` +
        `<body style="font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:10vh auto;padding:0 1rem"><h1>${title}</h1><p>${escaped(text)}</p></body></html>`,
    );

const see = (response: ServerResponse, location: string, headers: Record<string, string> = {}) =>
  response.writeHead(303, { location, ...headers }).end();

export const startApp = async (): Promise<App> => {
  const sessions = new Map<string, Session>();
  const sessionOf = (request: IncomingMessage) => sessions.get(cookieOf(request) ?? "");
  let parts: Parts | undefined;

  /** Runs the agent for the person of this session; where they have not consented yet, sends them to do so. */
  const work = async ({ agent, onVisit }: Parts, session: Session, response: ServerResponse) => {
    const { userToken, customState } = session;
    if (userToken === undefined) return page(response, 401, "Not logged in", "Open the link of the demo again.");
    try {
      const findings = await AgentContext.run({ userToken, customState }, agent);
      onVisit({ userToken, findings });
      return page(
        response,
        200,
        "The agent has done its work",
        `It acted for ${findings.user}. See the terminal; you may close this page.`,
      );
    } catch (error) {
      if (error instanceof AuthorizationRequiredError) return see(response, error.url);
      throw error;
    }
  };

  const answer = async (ready: Parts, request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const session = sessionOf(request);
    switch (url.pathname) {
      case "/": {
        const id = randomBytes(32).toString("base64url");
        const login = beginLogin(ready.login);
        sessions.set(id, { login, customState: randomBytes(32).toString("base64url") });
        return see(response, login.url, { "set-cookie": `${cookieName}=${id}; Path=/; HttpOnly; SameSite=Lax` });
      }
      case "/login/callback":
        if (!session) return page(response, 401, "Not logged in", "Open the link of the demo again.");
        session.userToken = await finishLogin(ready.login, session.login, url.searchParams);
        return work(ready, session, response);
      case "/consent/callback": {
        // The SDK's handler: is it the browser that began this consent, and who is logged in here? Only then does Legate exchange the code.
        const finish = callbackHandler({
          client: ready.client,
          sessionOf: (asking: IncomingMessage) => sessionOf(asking),
          redirectTo: "/result",
        });
        return finish(request, response);
      }
      case "/result":
        if (!session) return page(response, 401, "Not logged in", "Open the link of the demo again.");
        return work(ready, session, response);
      default:
        return page(response, 404, "Nothing here", "This application has no such page.");
    }
  };

  const server = createServer((request, response) => {
    const failed = (error: unknown) =>
      page(response, 500, "The demo failed", error instanceof Error ? error.message : "Something went wrong.");
    if (parts) answer(parts, request, response).catch(failed);
    else page(response, 503, "Not ready yet", "The demo is still starting.");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    loginCallbackUrl: `${url}/login/callback`,
    consentCallbackUrl: `${url}/consent/callback`,
    serve: (given) => {
      parts = given;
    },
    stop: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
};
