import { Buffer } from "node:buffer";
import { request as plainRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as secureRequest } from "node:https";
import type { Socket } from "node:net";
import { connect as startTls, type TLSSocket } from "node:tls";
import { processVariables, type Variables } from "./environment.ts";
import { proxyFor } from "./proxy.ts";

const longestAnswer = 8 * 1024 * 1024;

const failed = (message: string, code: string): Error => Object.assign(new Error(message), { code });

/** @throws whatever is wrong with an answer that no `Response` can stand for */
const responseOf = (message: IncomingMessage, chunks: readonly Buffer[]): Response => {
  const status = message.statusCode ?? 0;
  // RFC 9110 15: no other is final. `Response` takes no other either.
  if (status < 200 || status > 599) throw failed(`The answer has the status ${status}.`, "UNEXPECTED_STATUS");
  const headers = new Headers();
  for (let at = 0; at + 1 < message.rawHeaders.length; at += 2)
    headers.append(message.rawHeaders[at] ?? "", message.rawHeaders[at + 1] ?? "");
  const empty = status === 204 || status === 205 || status === 304;
  // The reason is left out: RFC 9112 4 lets a client ignore it, and `Response` refuses some.
  return new Response(empty ? null : Buffer.concat(chunks), { status, headers });
};

/** One request's header fields, and the answer to it; `open` says how it is sent. */
const exchange = (
  open: (options: RequestOptions) => ReturnType<typeof plainRequest>,
  options: RequestOptions,
  body: string | undefined,
): Promise<Response> =>
  new Promise((resolve, reject) => {
    const sent = open(options);
    // They stay: an error that nobody hears ends the process.
    sent.on("error", reject);
    sent.once("upgrade", (_: IncomingMessage, socket: Socket) => {
      socket.destroy();
      reject(failed("The answer changes to another protocol.", "UNEXPECTED_STATUS"));
    });
    sent.once("response", (message: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let length = 0;
      message.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > longestAnswer) message.destroy(new Error(`The answer is larger than ${longestAnswer} bytes.`));
        else chunks.push(chunk);
      });
      message.on("error", reject);
      message.once("end", () => {
        try {
          resolve(responseOf(message, chunks));
        } catch (error) {
          reject(error);
        }
      });
    });
    sent.end(body);
  });

const credentialsOf = (proxy: URL): Record<string, string> => {
  if (proxy.username === "" && proxy.password === "") return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
};

const openerOf = (protocol: string) => (protocol === "https:" ? secureRequest : plainRequest);
const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, "$1");
const addressOf = (url: URL): RequestOptions => ({
  host: hostOf(url),
  ...(url.port !== "" && { port: Number(url.port) }),
});

/** A connection through the proxy to the server itself, which alone can read what travels on it. */
const tunnelTo = (url: URL, proxy: URL, signal: AbortSignal | undefined): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const target = `${url.hostname}:${url.port || "443"}`;
    const asked = openerOf(proxy.protocol)({
      ...addressOf(proxy),
      method: "CONNECT",
      path: target,
      headers: { host: target, ...credentialsOf(proxy) },
      agent: false,
      ...(signal && { signal }),
    });
    asked.on("error", reject);
    asked.once("response", (message: IncomingMessage) => {
      message.destroy();
      reject(failed("The proxy refused the connection.", "PROXY_REFUSED"));
    });
    asked.once("connect", (message: IncomingMessage, socket: Socket) => {
      if (message.statusCode !== 200) {
        socket.destroy();
        reject(failed(`The proxy answered ${message.statusCode}.`, "PROXY_REFUSED"));
        return;
      }
      const host = hostOf(url);
      const named = /[a-z]/i.test(host) && !host.includes(":");
      // An address is no name: RFC 6066 3.
      const secure = startTls({ socket, host, ...(named && { servername: host }), ALPNProtocols: ["http/1.1"] });
      const abort = () => secure.destroy(new Error("The request was ended."));
      signal?.addEventListener("abort", abort, { once: true });
      secure.once("close", () => {
        signal?.removeEventListener("abort", abort);
        socket.destroy();
      });
      secure.once("secureConnect", () => resolve(secure));
      // It stays: an error that nobody hears ends the process.
      secure.on("error", reject);
    });
    asked.end();
  });

const through = async (url: URL, init: RequestInit, proxy: URL): Promise<Response> => {
  const signal = init.signal ?? undefined;
  signal?.throwIfAborted();
  const body = typeof init.body === "string" ? init.body : undefined;
  const headers: Record<string, string> = {
    ...Object.fromEntries(new Headers(init.headers).entries()),
    host: url.host,
    ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
  };
  const common: RequestOptions = { method: init.method ?? "GET", ...(signal && { signal }) };
  if (url.protocol === "http:") {
    // RFC 9112 3.2.2: a proxy is asked for the whole address.
    const options = {
      ...common,
      agent: false,
      ...addressOf(proxy),
      path: url.origin + url.pathname + url.search,
      headers: { ...headers, ...credentialsOf(proxy) },
    };
    return exchange(openerOf(proxy.protocol), options, body);
  }
  const secure = await tunnelTo(url, proxy, signal);
  try {
    const options = {
      ...common,
      path: url.pathname + url.search,
      headers: { ...headers, connection: "close" },
      createConnection: () => secure,
    };
    return await exchange(plainRequest, options, body);
  } finally {
    secure.destroy();
  }
};

/**
 * `fetch`, by way of the proxy that the environment names at the moment of asking. Certificates are checked as everywhere in Node: its own list, and what
 * `NODE_EXTRA_CA_CERTS` adds.
 */
export const fetchAsEnvironmentSays =
  (variables: () => Variables = processVariables): typeof globalThis.fetch =>
  async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const proxy = input instanceof Request ? undefined : proxyFor(url, variables());
    return proxy ? through(url, init, proxy) : globalThis.fetch(input, init);
  };
