import { connect, type Socket } from "node:net";

/** One answer, as far as a load needs it. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** One kept-alive connection that has one request under way at a time. */
export interface Wire {
  /** Sends one whole request; `done` hears its answer. */
  send(request: string, done: (answer: Answer) => void): void;
  close(): void;
}

/** One request of a load. */
export interface Ask {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const newline = "\r\n";
const blankLine = Buffer.from("\r\n\r\n");
const nothing = Buffer.alloc(0);

/** A request as it goes over the wire (RFC 9112 2.1). */
export const written = ({ method, path, headers, body = "" }: Ask, host: string): string => {
  let text = `${method} ${path} HTTP/1.1${newline}host: ${host}${newline}`;
  for (const name of Object.keys(headers)) text += `${name}: ${headers[name]}${newline}`;
  return `${text}content-length: ${Buffer.byteLength(body)}${newline}${newline}${body}`;
};

/** Chunks joined (RFC 9112 7.1), and where they end; undefined until the last one has come. */
const unchunked = (bytes: Buffer, from: number): { readonly body: Buffer; readonly end: number } | undefined => {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf(newline, at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const start = lineEnd + 2;
    if (bytes.length < start + size + 2) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), end: start + 2 };
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
};

/** The first answer in these bytes and where it ends; undefined until it is whole. */
const answerIn = (bytes: Buffer): { readonly answer: Answer; readonly end: number } | undefined => {
  const headEnd = bytes.indexOf(blankLine);
  if (headEnd < 0) return undefined;
  const head = bytes.toString("latin1", 0, headEnd);
  const status = Number(head.slice(9, 12));
  const start = headEnd + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return bytes.length < end ? undefined : { answer: { status, body: bytes.subarray(start, end) }, end };
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return { answer: { status, body: nothing }, end: start };
  const whole = unchunked(bytes, start);
  return whole && { answer: { status, body: whole.body }, end: whole.end };
};

/**
 * Opens a connection that does no more than HTTP/1.1 needs: a load generator must cost less than what it loads.
 * @param failed Hears once that the connection broke or was closed by the other side.
 */
export const openWire = (url: string, failed: (error: Error) => void): Promise<Wire> => {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let bytes: Buffer = nothing;
    let waiting: ((answer: Answer) => void) | undefined;
    let closed = false;
    const fail = (error: Error) => {
      if (closed) return;
      closed = true;
      socket.destroy();
      reject(error);
      failed(error);
    };
    const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true }, () => {
      resolve({
        send: (request, done) => {
          waiting = done;
          socket.write(request, "utf8");
        },
        close: () => {
          closed = true;
          socket.destroy();
        },
      });
    });
    socket.on("data", (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const whole = answerIn(bytes);
      if (!whole || !waiting) return;
      bytes = bytes.subarray(whole.end);
      const done = waiting;
      waiting = undefined;
      done(whole.answer);
    });
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("The server closed a connection.")));
  });
};
