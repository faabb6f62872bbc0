import { type DestinationStream, type Logger, pino } from "pino";
import type { Config } from "../../config/index.ts";

export type Log = Logger;

const secrets: readonly [RegExp, string][] = [
  [/\b(sk|cs|op|rt)_[A-Za-z0-9_-]{8,}/g, "$1_[hidden]"],
  [/\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, "[hidden token]"],
  [/\b(Bearer|Basic|DPoP)\s+[^\s"',]+/gi, "$1 [hidden]"],
  [
    /\b(code|state|access_token|refresh_token|id_token|client_secret|password|(?:client_)?assertion|code_verifier)=[^&\s"']+/gi,
    "$1=[hidden]",
  ],
  [/(:\/\/[^:/\s@]*):[^@/\s]+@/g, "$1:[hidden]@"],
];

/** Takes what looks like a secret out of text that others wrote: messages and stacks of errors. */
export const scrub = (text: string): string => secrets.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text);

/** An error as it is logged: what it is and where it comes from, none of what it may carry besides. */
const errorForLog = (thrown: unknown, depth = 0): unknown => {
  if (!(thrown instanceof Error)) return { type: typeof thrown };
  const code = (thrown as { code?: unknown }).code;
  return {
    type: thrown.name,
    message: scrub(thrown.message),
    stack: scrub(thrown.stack ?? ""),
    ...(typeof code === "string" && { code }),
    ...(thrown.cause !== undefined && depth < 4 && { cause: errorForLog(thrown.cause, depth + 1) }),
  };
};

const headers = ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-acs-security-token"];
const fields = ["body", "query", "headers", "url", "originalUrl", "password", "secret", "token", "apiKey"];

/** The log: one JSON line per event. Credentials, cookies, bodies and query strings never reach it. */
export const makeLog = (level: Config["logLevel"], to?: DestinationStream): Log =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (thrown: unknown) => errorForLog(thrown), req: () => undefined, res: () => undefined },
      redact: {
        paths: [...fields, ...headers].flatMap((name) => [`["${name}"]`, `*["${name}"]`]),
        censor: "[hidden]",
      },
    },
    to ?? pino.destination({ dest: 1, sync: false }),
  );
