import { type CallbackPage, pageHeaders, pageHtml, plainHeaders } from "./callback-page.ts";
import { environmentClient, type LegateClient } from "./client.ts";
import { AuthorizationDeniedError, AuthorizationExpiredError, LegateApiError } from "./errors.ts";

/** The part of Node's `IncomingMessage` (and Express's and Fastify's raw request) that is read. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** The part of Node's `ServerResponse` that is written. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body?: string): unknown;
}

/** Who is logged in to the application in this browser. */
export interface CallbackSession {
  /** The `customState` that the agent's context had when the consent began. */
  readonly customState: string;
  readonly userId?: string | undefined;
  readonly userToken?: string | undefined;
}

/** A client that completes consents in words of its own. */
export interface ConsentClient {
  confirmUserAuth(of: {
    readonly sessionUri: string;
    readonly userId?: string | undefined;
    readonly userToken?: string | undefined;
  }): Promise<unknown>;
}

/** How a callback ended. */
export type CallbackOutcome = "completed" | "denied" | "refused" | "failed";

/** How {@link callbackHandler} knows the browser's session, and where it sends the browser. */
export interface CallbackOptions<R extends Request | NodeRequest> {
  /** The application's own session of the browser that sends the request; undefined when nobody is logged in. */
  readonly sessionOf: (request: R) => CallbackSession | undefined | Promise<CallbackSession | undefined>;
  /** Where the browser goes once it is completed, or by a function after any outcome; undefined shows a small page that says how it ended. */
  readonly redirectTo?: string | ((outcome: CallbackOutcome, request: R) => string | undefined) | undefined;
  /** Told what went wrong, for the application's logs. */
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly client?: LegateClient | ConsentClient | undefined;
}

type FetchHandler<R> = (request: R) => Promise<Response>;
type NodeHandler<R> = (request: R, response: NodeResponse) => Promise<void>;

/** A fetch-style handler, a Node-style handler, or both, by the request that `sessionOf` takes. */
export type CallbackHandler<R> = [R] extends [Request]
  ? FetchHandler<R>
  : [R] extends [NodeRequest]
    ? NodeHandler<R>
    : FetchHandler<Request> & NodeHandler<NodeRequest>;

interface Ending {
  readonly outcome: CallbackOutcome;
  readonly page: CallbackPage;
}

const refused = (status: number, text: string): Ending => ({
  outcome: "refused",
  page: { status, title: "This cannot be completed", text },
});
const denied: Ending = {
  outcome: "denied",
  page: { status: 403, title: "Access was denied", text: "Nothing was shared. You may close this window." },
};
const completed: Ending = {
  outcome: "completed",
  page: { status: 200, title: "Done", text: "Access was granted. You may close this window." },
};

/** Equal or not, in a time that tells nothing of where they differ: digests are compared, whole. */
const same = async (left: string, right: string): Promise<boolean> => {
  const digest = async (text: string) => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const [a, b] = await Promise.all([digest(left), digest(right)]);
  let difference = 0;
  for (const [index, byte] of a.entries()) difference |= byte ^ (b[index] ?? 0);
  return difference === 0;
};

const failure = (error: unknown): Ending => {
  if (!(error instanceof LegateApiError)) {
    return { outcome: "failed", page: { status: 500, title: "Something went wrong", text: "Please try again from the application." } };
  }
  const { requestId, code } = error;
  const told = (status: number, text: string): Ending => ({
    outcome: "failed",
    page: { status, title: "This cannot be completed", text, requestId },
  });
  if (error instanceof AuthorizationDeniedError) return { ...denied, page: { ...denied.page, requestId } };
  if (error instanceof AuthorizationExpiredError) return told(410, "It took too long. Please begin again in the application.");
  // Each in the words of the native wire, then of Alibaba Cloud's.
  if (code === "session_user_mismatch" || code === "Forbidden.UserIdentifier") return told(403, "This was begun by another user.");
  if (code === "session_used" || code === "AuthorizationSessionUsed") return told(409, "This has already been completed.");
  if (code === "session_unknown" || code === "EntityNotExists.AuthorizationSession") return told(404, "There is nothing here to complete.");
  return told(502, "The credential service refused. Please try again from the application.");
};

/** One value, or undefined where it is missing or repeated: a repeated one means something else to each reader. */
const only = (query: URLSearchParams, name: string): string | undefined => {
  const values = query.getAll(name);
  return values.length === 1 && values[0] !== "" ? values[0] : undefined;
};

/**
 * The return URL of a consent: checks that the browser's own session began it, completes it for the user who is logged in, and says how
 * it ended. Without a session, or with another's state, nothing is completed.
 *
 * @example
 * ```ts
 * import { createServer, type IncomingMessage } from "node:http";
 * import { type CallbackSession, callbackHandler } from "@legate/sdk";
 *
 * const sessions = new Map<string | undefined, CallbackSession>();
 * const handler = callbackHandler({ sessionOf: (request: IncomingMessage) => sessions.get(request.headers.cookie) });
 * createServer((request, response) => void handler(request, response)).listen(3000);
 * ```
 */
export const callbackHandler = <R extends Request | NodeRequest>(options: CallbackOptions<R>): CallbackHandler<R> => {
  const finish = async (request: R): Promise<Ending> => {
    // HEAD is what a link preview sends: it must not use the consent up.
    if (request.method !== undefined && request.method !== "GET") return refused(405, "This address answers GET only.");
    const query = new URL(request.url ?? "/", "http://localhost").searchParams;
    const state = only(query, "state");
    const session = await options.sessionOf(request);
    if (!session) return refused(401, "You are not logged in to the application in this browser.");
    if (state === undefined || !(await same(state, session.customState))) {
      return refused(400, "This was not begun in this browser session.");
    }
    const error = only(query, "error");
    if (error === "access_denied") return denied;
    if (query.has("error"))
      return { outcome: "failed", page: { status: 502, title: "Access was not granted", text: "The provider reported an error." } };
    const sessionUri = only(query, "session_uri");
    if (sessionUri === undefined) return refused(400, "The address is incomplete.");
    // A user token that is there must do: the id never stands in for it.
    const user = session.userToken !== undefined ? { userToken: session.userToken } : { userId: session.userId };
    if (!Object.values(user)[0]) return refused(401, "You are not logged in to the application in this browser.");
    const client = options.client ?? environmentClient();
    if ("confirmUserAuth" in client) {
      await client.confirmUserAuth({ sessionUri, ...user });
      return completed;
    }
    const asUser = !client.hasKey && session.userToken !== undefined ? { bearer: session.userToken } : {};
    await client.authorizations.complete({ sessionUri, ...user }, asUser);
    return completed;
  };

  const redirect = (outcome: CallbackOutcome, request: R): string | undefined => {
    if (typeof options.redirectTo === "function") return options.redirectTo(outcome, request);
    return outcome === "completed" ? options.redirectTo : undefined;
  };

  const answer = async (request: R): Promise<{ status: number; headers: Record<string, string>; body: string }> => {
    let ending: Ending;
    try {
      ending = await finish(request);
    } catch (error) {
      options.onError?.(error);
      ending = failure(error);
    }
    const { outcome, page } = ending;
    const target = redirect(outcome, request);
    if (target !== undefined && page.status !== 405) return { status: 303, headers: { ...plainHeaders, location: target }, body: "" };
    return {
      status: page.status,
      headers: { ...(await pageHeaders()), ...(page.status === 405 && { allow: "GET" }) },
      body: pageHtml(page),
    };
  };

  const handler = async (request: R, response?: NodeResponse): Promise<Response | undefined> => {
    const { status, headers, body } = await answer(request);
    if (!response) return new Response(body, { status, headers });
    response.writeHead(status, headers);
    response.end(body);
    return undefined;
  };
  return handler as unknown as CallbackHandler<R>;
};
