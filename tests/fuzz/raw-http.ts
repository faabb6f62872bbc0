import { connect, type Socket } from "node:net";

/** An answer as it came over the socket. */
export interface RawAnswer {
  readonly status: number;
  /** By names in lower case; of a header that repeats, the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Head and body, byte by byte (Latin-1). */
  readonly bytes: string;
}

/** What to put on a socket, each character a byte. */
export interface RawRequest {
  readonly bytes: string;
  /** Whether nothing can be wrong with its framing, so that its connection may serve another. */
  readonly isWhole: boolean;
  /** Whether the answer has no body whatever its headers say. */
  readonly isHead: boolean;
  /** How we leave when a moment has passed without an answer: by saying that we are done, or without a word. */
  readonly leave: "end" | "destroy";
}

/** `closed`: the server ended the connection without a word. `left`: we did. `silent`: nobody did anything for too long. */
export type Exchange = RawAnswer | "closed" | "left" | "silent";

/** Milliseconds. */
const patienceWithWhole = 30_000;
const patienceWithBroken = 150;
const patienceAfterEnd = 30_000;

/** Where a body ends that comes in chunks; undefined while it has not. */
const chunkedBody = (text: string): string | undefined => {
  let body = "";
  for (let at = 0; ; ) {
    const line = text.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const length = Number.parseInt(text.slice(at, line), 16);
    if (Number.isNaN(length)) throw new Error(`a chunk of no length: ${JSON.stringify(text.slice(at, line))}`);
    if (length === 0) return body;
    if (text.length < line + 2 + length + 2) return undefined;
    body += text.slice(line + 2, line + 2 + length);
    at = line + 2 + length + 2;
  }
};

const parse = (text: string, isHead: boolean, isOver: boolean): RawAnswer | undefined => {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? Number.NaN);
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const rest = text.slice(end + 4);
  // RFC 9110 15.2: what comes first may only say that it goes on.
  if (status >= 100 && status < 200) return parse(rest, isHead, isOver);
  const told = headers["content-length"];
  const answer = (body: string): RawAnswer => ({ status, headers, body, bytes: text });
  if (isHead || status === 204 || status === 304) return answer("");
  if (told !== undefined) return rest.length >= Number(told) ? answer(rest.slice(0, Number(told))) : undefined;
  if (headers["transfer-encoding"] === "chunked") {
    const body = chunkedBody(rest);
    return body === undefined ? undefined : answer(body);
  }
  return isOver ? answer(rest) : undefined;
};

/** A client that sends whatever it is given, and reads answers. */
export const rawClient = (port: number) => {
  const idle: Socket[] = [];

  const open = (): Socket => {
    for (let socket = idle.pop(); socket; socket = idle.pop()) if (!socket.destroyed && socket.writable) return socket;
    return connect({ port, host: "127.0.0.1", noDelay: true });
  };

  const exchange = (request: RawRequest, socket: Socket): Promise<Exchange> =>
    new Promise((resolve) => {
      let text = "";
      let timer: NodeJS.Timeout | undefined;
      const settle = (outcome: Exchange): void => {
        clearTimeout(timer);
        socket
          .removeAllListeners("data")
          .removeAllListeners("close")
          .removeAllListeners("error")
          .on("error", () => undefined);
        const stays = request.isWhole && typeof outcome === "object" && outcome.headers["connection"] !== "close";
        if (stays && !socket.destroyed) idle.push(socket);
        else socket.destroy();
        resolve(outcome);
      };
      const look = (isOver: boolean): void => {
        const answer = parse(text, request.isHead, isOver);
        if (answer) settle(answer);
        else if (isOver) settle("closed");
      };
      socket
        .on("data", (chunk: Buffer) => {
          text += chunk.toString("latin1");
          look(false);
        })
        .once("close", () => look(true))
        .on("error", () => undefined);
      timer = setTimeout(
        () => {
          if (request.isWhole) settle("silent");
          else if (request.leave === "destroy") settle("left");
          else {
            socket.end();
            timer = setTimeout(() => settle("silent"), patienceAfterEnd);
          }
        },
        request.isWhole ? patienceWithWhole : patienceWithBroken,
      );
      socket.write(request.bytes, "latin1");
    });

  return {
    send: async (request: RawRequest): Promise<Exchange> => {
      const outcome = await exchange(request, request.isWhole ? open() : connect({ port, host: "127.0.0.1", noDelay: true }));
      // A connection that was kept may have been ended while we were not looking (RFC 9112 9.3.1); a new one decides.
      return outcome === "closed" && request.isWhole ? exchange(request, connect({ port, host: "127.0.0.1" })) : outcome;
    },
    close: (): void => {
      for (const socket of idle) socket.destroy();
    },
  };
};
