import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sleep } from "./extent.ts";

/** What a person granted, as the provider knows it. */
export interface Grant {
  readonly id: string;
  /** Of the tokens that work; all former ones are spent. */
  generation: number;
  /** A spent refresh token came back: whoever has it stole it, or lost what it gave. The grant is over. */
  dead: boolean;
  inFlight: number;
  mostInFlight: number;
  /** When refresh answers went out, by `performance.now()`. */
  readonly answers: number[];
}

/** How it behaves at its token endpoint when tokens are refreshed. */
export interface Manners {
  /** Milliseconds to wait before an answer. */
  readonly latency: () => number;
  /** What goes wrong this time. Nothing is granted or spent then. */
  readonly failure: () => "500" | "reset" | "silence" | undefined;
  /** Called when an answer with new tokens has been handed to the network. */
  readonly onAnswered: (grant: Grant) => void;
}

const wellMannered: Manners = { latency: () => 0, failure: () => undefined, onAnswered: () => undefined };

const formOf = async (request: IncomingMessage): Promise<URLSearchParams> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
};

const send = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
};

/**
 * The strictest provider there is: each refresh gives a new refresh token and spends the old one, and a spent one that comes back ends the grant
 * (RFC 9700 4.14.2). Any code is good for a new grant of that name. The first access token of a grant has expired by the time it is used.
 */
export const startStrictProvider = async () => {
  const grants = new Map<string, Grant>();
  let manners = wellMannered;
  const counts = { refreshes: 0, answered: 0, refused: 0, failed: 0, abandoned: 0, reuses: 0 };

  const tokensOf = ({ id, generation }: Grant, life: number) => ({
    access_token: `at.${id}.${generation}`,
    refresh_token: `rt.${id}.${generation}`,
    token_type: "Bearer",
    expires_in: life,
  });

  const refresh = async (token: string, response: ServerResponse): Promise<void> => {
    const [, id = "", generation = ""] = token.split(".");
    const grant = grants.get(id);
    counts.refreshes += 1;
    if (!grant) {
      counts.refused += 1;
      return send(response, 400, { error: "invalid_grant" });
    }
    grant.inFlight += 1;
    grant.mostInFlight = Math.max(grant.mostInFlight, grant.inFlight);
    response.once("close", () => {
      grant.inFlight -= 1;
    });
    await sleep(manners.latency());
    if (response.destroyed) {
      counts.abandoned += 1;
      return undefined;
    }
    const failure = manners.failure();
    if (failure !== undefined) {
      counts.failed += 1;
      if (failure === "500") response.writeHead(500, { "content-type": "text/html" }).end("<h1>out of order</h1>");
      else if (failure === "reset") response.socket?.resetAndDestroy();
      return undefined;
    }
    if (Number(generation) !== grant.generation && !grant.dead) {
      grant.dead = true;
      counts.reuses += 1;
    }
    if (grant.dead) {
      counts.refused += 1;
      return send(response, 400, { error: "invalid_grant", error_description: "This grant is over." });
    }
    grant.generation += 1;
    grant.answers.push(performance.now());
    counts.answered += 1;
    response.once("finish", () => manners.onAnswered(grant));
    return send(response, 200, tokensOf(grant, 3600));
  };

  const server = createServer((request, response) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    void formOf(request).then(
      (form) => {
        if (form.get("grant_type") === "refresh_token") return refresh(form.get("refresh_token") ?? "", response);
        const id = form.get("code") ?? "";
        const grant: Grant = { id, generation: 1, dead: false, inFlight: 0, mostInFlight: 0, answers: [] };
        grants.set(id, grant);
        return send(response, 200, tokensOf(grant, 1));
      },
      () => undefined,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    grants,
    counts: () => ({ ...counts }),
    behave: (as: Partial<Manners>): void => {
      manners = { ...wellMannered, ...as };
    },
    /** Whether this access token would be let in now. */
    isLive: (accessToken: string): boolean => {
      const [, id = "", generation = ""] = accessToken.split(".");
      const grant = grants.get(id);
      return grant !== undefined && !grant.dead && Number(generation) === grant.generation;
    },
    /** How many refreshes are on their way now. */
    inFlight: (): number => [...grants.values()].reduce((sum, grant) => sum + grant.inFlight, 0),
    stop: async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

export type StrictProvider = Awaited<ReturnType<typeof startStrictProvider>>;
