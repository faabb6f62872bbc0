import type { FastifyReply } from "fastify";
import { onwardPage } from "./ending-pages.ts";
import { styleSource } from "./style.ts";

/** No script at all, one stylesheet known by its hash, never in a frame. */
const policy = `default-src 'none'; style-src ${styleSource}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;

/** Sends a page of ours. */
export const sendPage = (reply: FastifyReply, status: number, body: string): FastifyReply =>
  reply
    .code(status)
    .header("content-security-policy", policy)
    .header("referrer-policy", "no-referrer")
    .header("cache-control", "no-store")
    .type("text/html; charset=utf-8")
    .send(body);

/**
 * Sends the browser on. Chromium holds every redirect that follows a form to `form-action`, and nobody knows through which hosts a login goes. So a
 * form of ours is answered by a page that goes on by itself, which is a navigation of its own.
 */
export const sendOnward = (reply: FastifyReply, to: string, after: "form" | "link"): FastifyReply => {
  if (after === "form") {
    reply.header("refresh", `0; url=${to}`);
    return sendPage(reply, 200, onwardPage(to));
  }
  // RFC 9700 4.12: 303, never 307.
  return reply.header("referrer-policy", "no-referrer").redirect(to, 303);
};

/** A cookie that ties a browser to what it began: no script reads it, and it comes back from another site's link. */
export interface PageCookie {
  readonly name: string;
  readonly value: string;
  /** Seconds. */
  readonly maxAge: number;
  readonly secure: boolean;
}

export const setPageCookie = (reply: FastifyReply, { name, value, maxAge, secure }: PageCookie): void => {
  reply.setCookie(name, value, { path: "/", httpOnly: true, sameSite: "lax", secure, maxAge });
};
