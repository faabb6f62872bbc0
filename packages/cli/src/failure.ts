import { ConfigurationError, LegateApiError, LegateConnectionError } from "@legate/sdk";

/** What the process ends with. Scripts decide by these; they do not change. */
export const exitCodes = {
  ok: [0, "Done, or already so."],
  failed: [1, "Failed for another reason than those below. Of `doctor`: something is broken."],
  usage: [2, "The command line is wrong, or the server does not take what it says (HTTP 400)."],
  unauthenticated: [3, "There is no key, or the server does not know it (HTTP 401)."],
  forbidden: [4, "The key is known, and may not do this (HTTP 403)."],
  not_found: [5, "What was named is not there (HTTP 404)."],
  conflict: [6, "It is there already, or in a state in which this cannot be done (HTTP 409)."],
  unreachable: [7, "The server cannot be reached, did not answer in time, or is not a Legate server."],
  warnings: [8, "Of `doctor`: nothing is broken, and something should be mended."],
  busy: [9, "The server has too much to do (HTTP 429 or 503): try again later."],
  run_failed: [125, "Of `run`: the line holds, and the command was not started. Otherwise `run` ends as the command does."],
  not_executable: [126, "Of `run`: the command cannot be executed."],
  command_unknown: [127, "Of `run`: there is no such command."],
  interrupted: [130, "Interrupted from the keyboard."],
} as const satisfies Readonly<Record<string, readonly [code: number, meaning: string]>>;

export type Ending = keyof typeof exitCodes;

/** A command that cannot go on, said in a sentence for people. */
export class CommandFailure extends Error {
  override readonly name: string = "CommandFailure";
  readonly ending: Ending;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(ending: Ending, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.ending = ending;
    this.details = details;
  }
}

/** What the system calls an error: `ENOENT`. */
export const systemCode = (error: unknown): string => {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "error";
};

/** The command line is wrong. */
export const misused = (message: string): CommandFailure => new CommandFailure("usage", message);

const byStatus: Readonly<Record<number, Ending>> = {
  400: "usage",
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  413: "usage",
  415: "usage",
  429: "busy",
  503: "busy",
};

/** Codes of Alibaba Cloud's wire whose status says something else. */
const byCode: readonly (readonly [RegExp, Ending])[] = [
  [
    /^(InvalidAccessKeyId|IncompleteSignature|InvalidSecurityToken|MissingSecurityToken|SignatureDoesNotMatch|SignatureNonceUsed)\b/,
    "unauthenticated",
  ],
  [/^(NoPermission|Forbidden)\b/, "forbidden"],
  [/^EntityNotExists?\b/, "not_found"],
  [/^(EntityAlreadyExists?|DeleteConflict)\b/, "conflict"],
  [/^Throttling\b/, "busy"],
];

/** Why a command failed, for people and for programs. Never a stack, never a secret. */
export interface Failure {
  readonly ending: Ending;
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly requestId?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";

const endingOf = (error: unknown): Ending => {
  if (error instanceof CommandFailure) return error.ending;
  if (error instanceof LegateConnectionError) return "unreachable";
  if (error instanceof LegateApiError) {
    if (error.code === "unexpected_answer") return "unreachable";
    return byCode.find(([pattern]) => pattern.test(error.code))?.[1] ?? byStatus[error.status] ?? "failed";
  }
  if (error instanceof ConfigurationError) return "usage";
  if (isAbort(error)) return "interrupted";
  return "failed";
};

/** Fields that the server names in `details.issues`, each with what is wrong. */
export const issuesOf = (details: Readonly<Record<string, unknown>>): readonly { readonly path: string; readonly message: string }[] =>
  Array.isArray(details["issues"])
    ? details["issues"].flatMap((issue: unknown) => {
        const { path, message } = (issue ?? {}) as { path?: unknown; message?: unknown };
        return typeof path === "string" && typeof message === "string" ? [{ path, message }] : [];
      })
    : [];

/** What is told of an error. */
export const failureOf = (error: unknown): Failure => {
  const ending = endingOf(error);
  const [exitCode] = exitCodes[ending];
  const message = isAbort(error) ? "Interrupted." : error instanceof Error ? error.message : String(error);
  if (error instanceof LegateApiError) {
    return {
      ending,
      exitCode,
      code: error.code,
      message,
      ...(error.requestId !== undefined && { requestId: error.requestId }),
      ...(Object.keys(error.details).length > 0 && { details: error.details }),
    };
  }
  const details = error instanceof CommandFailure && Object.keys(error.details).length > 0 ? { details: error.details } : {};
  return { ending, exitCode, code: ending, message, ...details };
};
