import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Code } from "@legate/contract";
import type { Log } from "./log.ts";

const answers: Readonly<Record<string, readonly [status: number, code: Code, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "payload_too_large", "The request's headers are larger than this server reads."],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "invalid_request", "The request did not arrive in time."],
};
const unreadable = [400, "invalid_request", "This is not an HTTP request that this server reads."] as const;

/** Answers what Node could not read as a request at all: there is no route, no hook and no reply, only a socket. */
export const answerMalformed = (newRequestId: () => string, log: Log) => {
  return (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === "ECONNRESET" || socket.destroyed) return;
    const requestId = newRequestId();
    const [status, code, message] = answers[error.code ?? ""] ?? unreadable;
    log.info({ requestId, status, reason: error.code, address: socket.remoteAddress }, "request unreadable");
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const body = JSON.stringify({ error: { code, message, requestId } });
    socket.end(
      [
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
        "content-type: application/json; charset=utf-8",
        `content-length: ${Buffer.byteLength(body)}`,
        `x-request-id: ${requestId}`,
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "connection: close",
        "",
        body,
      ].join("\r\n"),
    );
  };
};
