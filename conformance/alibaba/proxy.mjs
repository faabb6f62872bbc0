// Ways to Legate for clients that only know the cloud's own addresses: each hands requests on as they came, byte for byte, since their headers are signed.
import { once } from "node:events";
import { createServer, request as ask } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { TLSSocket } from "node:tls";

const listen = async (server) => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
};

const close = async (server) => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
};

/** Whose key signed it, if anybody's: `tk_` is a temporary one. */
const signer = ({ authorization }) => /Credential=([^,/]+)/.exec(authorization ?? "")?.[1];

/** Hands each request on to Legate, and tells `seen` of it. */
const forwardTo = (target, seen) => {
  const { hostname, port } = new URL(target);
  return (incoming, outgoing) => {
    const note = { action: incoming.headers["x-acs-action"], host: incoming.headers.host, key: signer(incoming.headers) };
    const onward = ask({
      hostname,
      port,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.rawHeaders,
      setHost: false,
      agent: false,
    });
    onward.once("response", (answer) => {
      seen({ ...note, status: answer.statusCode });
      outgoing.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onward.once("error", () => outgoing.destroy());
    incoming.pipe(onward);
  };
};

/** Counts what passes: `GET /seen` answers it and begins anew. */
const makeRecord = () => {
  let notes = [];
  return {
    seen: (note) => notes.push(note),
    take: () => {
      const taken = notes;
      notes = [];
      return taken;
    },
  };
};

/**
 * Three ways to a server, with one record of what passed: plain HTTP, HTTPS, and an HTTP proxy that takes every CONNECT for its own and ends its TLS
 * with the same certificate.
 */
export const startWays = async (target, { cert, key }) => {
  const record = makeRecord();
  const forward = forwardTo(target, record.seen);
  const plain = createServer((request, response) => {
    if (request.url === "/seen") response.end(JSON.stringify(record.take()));
    else forward(request, response);
  });
  const secure = createSecureServer({ cert, key }, forward);
  const tunnelled = createServer(forward);
  const proxy = createServer((_, response) => response.writeHead(405).end());
  const tunnels = new Set();
  proxy.on("connect", (_, socket, head) => {
    socket.on("error", () => socket.destroy());
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) socket.unshift(head);
    const inner = new TLSSocket(socket, { isServer: true, cert, key });
    inner.on("error", () => inner.destroy());
    tunnels.add(inner);
    inner.once("close", () => tunnels.delete(inner));
    tunnelled.emit("connection", inner);
  });
  const [plainPort, securePort, proxyPort] = [await listen(plain), await listen(secure), await listen(proxy)];
  return {
    plain: `http://127.0.0.1:${plainPort}`,
    secure: `https://127.0.0.1:${securePort}`,
    proxy: `http://127.0.0.1:${proxyPort}`,
    stop: async () => {
      for (const tunnel of tunnels) tunnel.destroy();
      await Promise.all([close(plain), close(secure), close(proxy)]);
    },
  };
};
