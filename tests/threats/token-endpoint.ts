import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Canaries } from "./canaries.ts";

/** What a token endpoint was sent. */
export interface TokenRequest {
  readonly authorization: string;
  readonly form: URLSearchParams;
}

interface TokenAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly location?: string;
}

const secretFields = ["client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "access_token", "id_token"];

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
};

/**
 * Stands before a provider's token endpoint: every secret that passes, either way, is watched from then on. It passes on to `behind`, or answers
 * what it is bent to. Whatever is sent to `/v1/traces` is kept as well.
 */
export const startTokenEndpoint = async (canaries: Canaries) => {
  let bent: ((asked: TokenRequest) => TokenAnswer | Promise<TokenAnswer>) | undefined;
  let behind = "";
  let traces = "";

  const watchAll = (fields: Iterable<readonly [string, unknown]>) => {
    for (const [name, value] of fields) if (secretFields.includes(name) && typeof value === "string") canaries.watch(name, value);
  };

  const server = createServer((request, response) => {
    void (async () => {
      const body = await textOf(request);
      if (request.url === "/v1/traces") {
        traces += body;
        response.writeHead(200, { "content-type": "application/json" }).end("{}");
        return;
      }
      const authorization = request.headers.authorization ?? "";
      const form = new URLSearchParams(body);
      watchAll(form);
      if (authorization !== "") canaries.watch("authorization header", authorization.replace(/^\w+ /, ""));
      if (bent) {
        const { status, type, body: said, location } = await bent({ authorization, form });
        response.writeHead(status, { "content-type": type, ...(location !== undefined && { location }) }).end(said);
        return;
      }
      const { host: _, connection: __, ...headers } = request.headers;
      const answer = await fetch(behind, { method: "POST", headers: headers as Record<string, string>, body });
      const text = await answer.text();
      watchAll(Object.entries(JSON.parse(text) as Record<string, unknown>));
      response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    tokenUrl: `${url}/token`,
    passOnTo: (to: string) => {
      behind = to;
      bent = undefined;
    },
    bend: (to: typeof bent) => {
      bent = to;
    },
    traces: () => traces,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};
