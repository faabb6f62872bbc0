import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";

/** A proxy on this machine. It leads every tunnel here, whatever host is named, and refuses the host `refused`. */
export const startProxy = async () => {
  /** What it was asked for: `CONNECT host:port`, or a whole address; then the credentials, if any. */
  const asked: string[] = [];
  const tunnels = new Set<Duplex>();
  const server = createServer((request, response) => {
    const { "proxy-authorization": credentials = "", connection: _, host = "", ...headers } = request.headers;
    asked.push(`${request.url} ${credentials}`.trim());
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const init = { method: request.method ?? "", headers: headers as Record<string, string>, ...(body.length > 0 && { body }) };
      fetch(request.url ?? "", init).then(
        async (answer) => response.writeHead(answer.status, { "x-seen-host": host }).end(await answer.text()),
        () => response.writeHead(502).end(),
      );
    });
  });
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    const [host, port] = (request.url ?? "").split(":");
    if (host === "refused") {
      socket.end("HTTP/1.1 403 No\r\n\r\n");
      return;
    }
    const upstream = connect(Number(port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Yes\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    tunnels.add(socket).add(upstream);
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    asked,
    /** Its address; `credentials` end in an at sign. */
    url: (credentials = "") => `http://${credentials}127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      for (const tunnel of tunnels) tunnel.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
