import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Operation, operations } from "@legate/contract";

type OperationId = keyof typeof operations;
/** One request as the fake understood it. */
export interface Seen {
  readonly id: OperationId;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
  readonly bearer: string | undefined;
}
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly text?: string;
  readonly headers?: Record<string, string>;
}
type Handler = (seen: Seen) => Reply | undefined | Promise<Reply | undefined>;

export const no = (status: number, code: string, extra: { details?: unknown; headers?: Record<string, string> } = {}): Reply => ({
  status,
  body: {
    error: { code, message: `Refused: ${code}.`, requestId: "req-1", ...(extra.details !== undefined && { details: extra.details }) },
  },
  ...(extra.headers && { headers: extra.headers }),
});

/** A JWT that nobody signed: what is under test never verifies one. */
export const unsignedJwt = (payload: Record<string, unknown>): string =>
  `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`;

export const keyOf = (agent: string) => `sk_${agent}`;
export const operatorKey = "op_0123456789abcdef0123456789abcdef";
const now = "2026-01-01T00:00:00.000Z";
const agentOf = (name: string) => ({
  ...{ id: `agt_${name}`, name, status: "active", origin: "operator", permissions: [], allowedReturnUrls: [], assertedUsers: true },
  ...{ project: "default", labels: {}, createdAt: now, updatedAt: now },
});

/** A server that speaks the contract from memory: bodies and answers pass the contract's own schemas. Tokens say for whom they are. */
export class FakeLegate {
  readonly seen: Seen[] = [];
  readonly agents = new Map<string, Record<string, unknown>>();
  /** Workload tokens by what they stand for; delete one and it is refused. */
  readonly workloadTokens = new Map<string, { agent: string; user: string }>();
  /** How a consent stands: absent where none is needed. */
  consent: "not-needed" | "pending" | "granted" | "authorization_denied" | "authorization_expired" | "authorization_failed" = "not-needed";
  workloadTokenLife = 1800;
  /** Milliseconds; undefined leaves the expiry out. */
  accessTokenLife: number | undefined = 3_600_000;
  clock: () => number = Date.now;
  url = "";
  readonly #handlers = new Map<OperationId, Handler>();
  #count = 0;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<FakeLegate> {
    const fake = new FakeLegate();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    fake.url = `http://127.0.0.1:${(fake.#server.address() as AddressInfo).port}`;
    return fake;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Answers an operation before the fake itself does; undefined leaves it to the fake. */
  on(id: OperationId, handler: Handler): void {
    this.#handlers.set(id, handler);
  }

  /** The answers of one operation, in this order, then the fake's own. */
  script(id: OperationId, ...replies: readonly Reply[]): void {
    const left = [...replies];
    this.on(id, () => left.shift());
  }

  count(id: OperationId): number {
    return this.seen.filter((seen) => seen.id === id).length;
  }

  bodies(id: OperationId): readonly unknown[] {
    return this.seen.filter((seen) => seen.id === id).map((seen) => seen.body);
  }

  #route(method: string, path: string): { id: OperationId; operation: Operation; params: Record<string, string> } | undefined {
    for (const [id, operation] of Object.entries(operations)) {
      const match = new RegExp(`^${operation.path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`).exec(path);
      if (match && operation.method === method) {
        const params = Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]);
        return { id: id as OperationId, operation, params: Object.fromEntries(params) };
      }
    }
    return undefined;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const reply = await this.#answer(request, Buffer.concat(chunks).toString());
    response.writeHead(reply.status, { "x-request-id": "req-header", "content-type": "application/json", ...reply.headers });
    response.end(reply.text ?? (reply.body === undefined ? "" : JSON.stringify(reply.body)));
  }

  async #answer(request: IncomingMessage, text: string): Promise<Reply> {
    const url = new URL(request.url ?? "/", this.url);
    const route = this.#route(request.method ?? "", url.pathname);
    if (!route) return no(404, "not_found");
    const { id, operation } = route;
    const params = operation.params.safeParse(route.params);
    const query = operation.query.safeParse(Object.fromEntries(url.searchParams));
    const body = operation.body.safeParse(text === "" ? {} : JSON.parse(text));
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const seen: Seen = { id, params: route.params, query: query.data ?? {}, body: body.data, bearer };
    this.seen.push(seen);
    const early = await this.#handlers.get(id)?.(seen);
    if (early) return early;
    if (bearer === undefined) return no(401, "unauthenticated");
    if (!params.success || !query.success || !body.success) return no(400, "invalid_request", { details: { issues: body.error?.issues } });
    const reply = this.#own(seen);
    if (reply.status === operation.status && reply.status !== 204) operation.answer.parse(reply.body);
    if (reply.status === operation.also?.status) operation.also.answer.parse(reply.body);
    return reply;
  }

  #own(seen: Seen): Reply {
    const { body, params } = seen;
    switch (seen.id) {
      case "getAgent":
        return this.agents.has(params.name ?? "") ? { status: 200, body: this.agents.get(params.name ?? "") } : no(404, "agent_unknown");
      case "createAgent":
        if (this.agents.has(body.name)) return no(409, "agent_exists");
        this.agents.set(body.name, { ...agentOf(body.name), ...body });
        return { status: 201, body: this.agents.get(body.name) };
      case "listAgents": {
        const { limit, cursor } = seen.query as { limit: number; cursor?: string };
        const from = Number(cursor ?? 0);
        const items = [...this.agents.values()].slice(from, from + limit);
        return { status: 200, body: { items, ...(from + limit < this.agents.size && { nextCursor: String(from + limit) }) } };
      }
      case "deleteAgent":
        this.agents.delete(params.name ?? "");
        return { status: 204 };
      case "createWorkloadToken": {
        const agent = seen.bearer?.startsWith("sk_") ? seen.bearer.slice(3) : body.agent;
        if (agent === undefined) return no(400, "invalid_request");
        const claims = body.userToken && JSON.parse(Buffer.from(body.userToken.split(".")[1], "base64url").toString());
        const user = claims ? `${claims.iss}#${claims.sub}` : (body.userId ?? "-");
        this.#count += 1;
        const token = `wat.${this.#count}`;
        this.workloadTokens.set(token, { agent, user });
        return { status: 200, body: { token, expiresIn: this.workloadTokenLife, agent: { id: `agt_${agent}`, name: agent } } };
      }
      case "getApiKey": {
        const who = this.workloadTokens.get(seen.bearer ?? "");
        return who ? { status: 200, body: { apiKey: `key-of-${body.provider}-for-${who.agent}` } } : no(401, "unauthenticated");
      }
      case "getStsCredential": {
        const who = this.workloadTokens.get(seen.bearer ?? "");
        if (!who) return no(401, "unauthenticated");
        this.#count += 1;
        const expiration = new Date(this.clock() + (body.durationSeconds ?? 3_600) * 1_000).toISOString();
        const accessKeyId = `${who.agent}/${who.user}/${[body.provider, body.vault, body.policy, body.sessionName].map((part) => part ?? "-").join("/")}`;
        return {
          status: 200,
          body: { accessKeyId, accessKeySecret: `secret-${this.#count}`, securityToken: `token-${this.#count}`, expiration },
        };
      }
      case "getOauth2Token":
        return this.#oauth2(seen);
      case "completeAuthorization":
        return { status: 200, body: { connection: "con_1", scopes: [] } };
      default:
        return no(500, "internal");
    }
  }

  #oauth2({ body, bearer }: Seen): Reply {
    const who = this.workloadTokens.get(bearer ?? "");
    if (!who) return no(401, "unauthenticated");
    if (this.consent === "pending" || (this.consent !== "not-needed" && body.sessionUri === undefined)) {
      const pending = { authorizationUrl: `${this.url}/consent/s1`, sessionUri: "urn:legate:session:s1", status: "pending" };
      return { status: 202, body: pending };
    }
    if (this.consent.startsWith("authorization_")) return no(403, this.consent, { details: { reason: "test" } });
    this.#count += 1;
    const what = [body.provider, body.vault, body.flow, body.scopes?.join("+"), body.resource, body.audience].map((part) => part ?? "-");
    const accessToken = `${who.agent}/${who.user}/${what.join("/")}/${this.#count}`;
    const life = this.accessTokenLife;
    const expiresAt = life === undefined ? {} : { expiresAt: new Date(this.clock() + life).toISOString() };
    return { status: 200, body: { accessToken, tokenType: "Bearer", scopes: body.scopes ?? [], ...expiresAt } };
  }
}
