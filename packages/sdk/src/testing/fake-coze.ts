import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Which of the endpoints was asked. */
export type CozeRoute = "id" | "access" | "integration" | "env" | "skill" | "elsewhere";

/** One request as it arrived. */
export interface CozeSeen {
  readonly route: CozeRoute;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What to answer, well or badly. */
export interface CozeReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly text?: string | Buffer;
  /** `hang`: no byte ever comes. `stall`: headers and a part of the body, then nothing. `cut`: the connection breaks. */
  readonly way?: "hang" | "stall" | "cut";
}
type Handler = (seen: CozeSeen) => CozeReply | undefined | Promise<CozeReply | undefined>;

const envelope = (data: unknown): CozeReply => ({ body: { code: 0, msg: "success", data } });

/** Coze's platform as its clients see it, with every way in which it could fail. */
export class FakeCoze {
  readonly seen: CozeSeen[] = [];
  /** Access tokens that are accepted. */
  readonly accessTokens = new Set<string>();
  readonly idTokens = new Set<string>();
  idTokenLife: unknown = 120;
  accessTokenLife: unknown = 3600;
  credentials: Record<string, string> = { github: "credential-of-github" };
  secrets: { key: string; value: string }[] = [{ key: "GREETING", value: "hello" }];
  url = "";
  readonly #handlers = new Map<CozeRoute, Handler>();
  #minted = 0;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<FakeCoze> {
    const fake = new FakeCoze();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    fake.url = `http://127.0.0.1:${(fake.#server.address() as AddressInfo).port}`;
    return fake;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What a client needs to know of this server. */
  get options() {
    return {
      clientId: "client-1",
      clientSecret: "secret-of-client-1",
      tokenEndpoint: `${this.url}/id`,
      accessTokenEndpoint: `${this.url}/access`,
      outboundEndpoint: `${this.url}/secret`,
      lane: "NONE",
    };
  }

  /** Answers a route before the fake itself does; undefined leaves it to the fake. */
  on(route: CozeRoute, handler: Handler): void {
    this.#handlers.set(route, handler);
  }

  /** The answers of one route, in this order, then the fake's own. */
  script(route: CozeRoute, ...replies: readonly CozeReply[]): void {
    const left = [...replies];
    this.on(route, () => left.shift());
  }

  asked(route: CozeRoute): readonly CozeSeen[] {
    return this.seen.filter((seen) => seen.route === route);
  }

  count(route: CozeRoute): number {
    return this.asked(route).length;
  }

  static #routeOf(method: string, path: string, form: URLSearchParams): CozeRoute {
    if (method === "POST" && path === "/token") return form.get("grant_type") === "client_credentials" ? "id" : "access";
    if (method === "POST" && path === "/id") return "id";
    if (method === "POST" && path === "/access") return "access";
    if (method === "POST" && (path === "/secret" || path === "/secret/integration")) return "integration";
    if (method === "GET" && path === "/secret/env") return "env";
    return method === "POST" && path === "/skill" ? "skill" : "elsewhere";
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { method = "", url = "", headers } = request;
    const route = FakeCoze.#routeOf(method, new URL(url, this.url).pathname, new URLSearchParams(text));
    const seen: CozeSeen = { route, method, url, headers, text };
    this.seen.push(seen);
    const reply = (await this.#handlers.get(route)?.(seen)) ?? this.#own(seen);
    if (reply.way === "cut") return void request.socket.destroy();
    if (reply.way === "hang") return;
    response.writeHead(reply.status ?? 200, { "content-type": "application/json", "x-request-id": "req-1", ...reply.headers });
    const sent = reply.text ?? JSON.stringify(reply.body ?? {});
    if (reply.way === "stall") response.write(sent.slice(0, 5));
    else response.end(sent);
  }

  #own(seen: CozeSeen): CozeReply {
    const form = new URLSearchParams(seen.text);
    this.#minted += 1;
    switch (seen.route) {
      case "id": {
        if (form.get("client_secret") !== this.options.clientSecret) return { status: 401, body: { error: "invalid_client" } };
        const token = `id.${this.#minted}`;
        this.idTokens.add(token);
        return { body: { access_token: token, expires_in: this.idTokenLife } };
      }
      case "access": {
        if (!this.idTokens.has(form.get("subject_token") ?? "")) return { status: 400, body: { error: "invalid_grant" } };
        const token = `access.${this.#minted}`;
        this.accessTokens.add(token);
        return { body: { access_token: token, expires_in: this.accessTokenLife } };
      }
      case "integration":
      case "env": {
        const bearer = /^Bearer (.+)$/.exec(String(seen.headers.authorization))?.[1] ?? "";
        if (!this.accessTokens.has(bearer)) return { status: 401, body: { code: 401, msg: "unauthorized" } };
        if (seen.route === "env") return envelope({ secrets: this.secrets });
        const { integration_name: name } = JSON.parse(seen.text) as { integration_name: string };
        const credential = this.credentials[name];
        return credential === undefined ? { status: 404, body: { code: 4040, msg: "no such integration" } } : envelope({ credential });
      }
      default:
        return { status: 404, body: {} };
    }
  }
}
