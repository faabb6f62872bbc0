import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type Egress, makeEgress } from "../../ground/egress/index.ts";

/** What stands at a path: a document, or whatever answers. */
export type Answering = Readonly<Record<string, unknown>> | RequestListener;

/** Where the host pretends to be. */
export const hostOrigin = "https://app.example";

/**
 * A host of metadata documents, and a door that reaches it as if it were at {@link hostOrigin}: all that the guarded door does, but for TLS, whose
 * authority only a process of its own can be told.
 */
export const startDocumentHost = async () => {
  const paths = new Map<string, Answering>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(`${request.method} ${path} ${request.headers.accept}`);
    const answer = paths.get(path);
    if (typeof answer === "function") answer(request, response);
    else if (answer === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const egress = makeEgress({ allow: ["127.0.0.0/8"] });
  const door: Pick<Egress, "fetch"> = {
    fetch: (url, init, tighter) => egress.fetch(String(url).replace(hostOrigin, here), init, tighter),
  };
  return {
    door,
    /** Puts something at a path, and answers the URL that it is at. */
    put: (path: string, answer: Answering): string => {
      paths.set(path, answer);
      return `${hostOrigin}${path}`;
    },
    /** Each request so far. */
    asked,
    stop: async () => {
      await egress.close();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};
export type DocumentHost = Awaited<ReturnType<typeof startDocumentHost>>;

/** A good document for this URL, with some of it otherwise. */
export const documentAt = (clientId: string, given: Readonly<Record<string, unknown>> = {}) => ({
  client_id: clientId,
  client_name: "The App",
  client_uri: `${hostOrigin}/about`,
  redirect_uris: [`${hostOrigin}/cb`],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
  ...given,
});
