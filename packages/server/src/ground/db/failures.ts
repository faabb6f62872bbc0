import { Refusal } from "../kernel/index.ts";

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
};

/** Whether a statement failed because a unique index already holds its values. On PostgreSQL the transaction is over then. */
export const isUniqueViolation = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === "23505" || code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY";
};

/** Whether SQLite could not have a file because another process has it. */
export const isBusy = (error: unknown): boolean => codeOf(error).startsWith("SQLITE_BUSY");

/** What is there is no store, a damaged one, one that cannot be opened, or one of a newer Legate. */
export class StoreBroken extends Error {}

/** What keeps a SQLite store from being opened, said plainly; what is not about the file is left as it is. */
export const asBroken = (error: unknown, path: string): unknown => {
  const why = error instanceof Refusal ? error.cause : error;
  if (!(why instanceof Error) || (why.name !== "SqliteError" && !why.message.startsWith("ConnectionFailed"))) return error;
  const said = why.message.startsWith("ConnectionFailed") ? "it, or its folder, cannot be opened for writing" : why.message;
  return new StoreBroken(`The store ${path} cannot be used: ${said}.`, { cause: why });
};

/** Whether a PostgreSQL transaction may simply be run again: serialization failure or deadlock. */
export const isWorthRetrying = (error: unknown): boolean => codeOf(error) === "40001" || codeOf(error) === "40P01";

/** Others stood in the way of a transaction each time it was tried. */
export const asContended = (error: unknown): Refusal => {
  const refusal = new Refusal("unavailable", "Too many change the same at once. Try again.");
  refusal.cause = error;
  return refusal;
};

const storeCodes =
  /^(SQLITE_(FULL|IOERR.*|READONLY.*|CANTOPEN.*|BUSY.*|LOCKED.*|CORRUPT.*|NOTADB)|08.{3}|53.{3}|57014|57P0[123]|58.{3}|25006|25P03|ECONNREFUSED|ECONNRESET|ENOTFOUND|EPIPE|ETIMEDOUT)$/;

/** Whether a statement was given up because the server did not answer it in time. */
export const isUnanswered = (error: unknown): boolean => error instanceof Error && error.message === "Query read timeout";

const storeMessages =
  /^(Query read timeout|Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool after)/;

/** A store that is full, gone or read-only is not the caller's fault and not a bug: `unavailable`, with the cause kept for the log. */
export const asRefusal = (error: unknown): unknown => {
  if (!(error instanceof Error) || error instanceof Refusal) return error;
  if (!storeCodes.test(codeOf(error)) && !storeMessages.test(error.message)) return error;
  const refusal = new Refusal("unavailable", "The store cannot be reached or written right now.");
  refusal.cause = error;
  return refusal;
};

/**
 * What was committed did not come to disk. Asking again would answer yes, though what failed is not there (the system forgets it); so nothing that
 * follows can be promised either, until the log is read anew.
 */
export const asUnsynced = (error: unknown): Refusal => {
  const refusal = new Refusal("unavailable", "The store cannot be written until Legate is started anew.");
  refusal.cause = new Error("The disk failed to keep what was committed.", { cause: error });
  return refusal;
};
