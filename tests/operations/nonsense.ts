import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a provider does instead of answering. */
export type Nonsense = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Stands before a provider's token endpoint and passes on to it, or does as it is bent to. */
export const bendableEndpoint = async (behind: string) => {
  let bent: Nonsense | undefined;
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    if (bent) {
      request.resume();
      bent(request, response);
      return;
    }
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { authorization } = request.headers;
      const answer = await fetch(behind, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded", ...(authorization !== undefined && { authorization }) },
        body: Buffer.concat(chunks),
      });
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
      response.end(await answer.text());
    })().catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    bend: (to: Nonsense | undefined) => {
      bent = to;
    },
    /** How often it was asked since the last time this was. */
    asked: () => {
      const often = asked;
      asked = 0;
      return often;
    },
    stop: async () => {
      const gone = once(server, "close");
      server.close();
      server.closeAllConnections();
      await gone;
    },
  };
};
