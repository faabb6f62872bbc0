import type { IncomingMessage, ServerResponse } from "node:http";
import helmet from "helmet";

/**
 * The security headers of every answer, by name. They are the same for all, so helmet makes them once: run at each request it costs more than
 * reading the request.
 * @param secure Whether browsers reach this server by https, and are to stay with it.
 */
export const securityHeaders = (secure: boolean): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {};
  const answer = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => undefined,
  };
  const set = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"], frameAncestors: ["'none'"] },
    },
    strictTransportSecurity: secure && { maxAge: 31_536_000, includeSubDomains: false },
    referrerPolicy: { policy: "no-referrer" },
    crossOriginResourcePolicy: { policy: "same-origin" },
    xFrameOptions: { action: "deny" },
  });
  set({} as IncomingMessage, answer as unknown as ServerResponse, (problem?: unknown) => {
    if (problem !== undefined) throw new Error("The security headers could not be made.", { cause: problem });
  });
  return headers;
};
