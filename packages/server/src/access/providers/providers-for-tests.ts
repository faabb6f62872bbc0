import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Db, StoreAddress } from "../../ground/db/index.ts";
import { makeEgress } from "../../ground/egress/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import type { Agent } from "../../identity/agents/index.ts";
import { openIdentity } from "../../testing/identity.ts";
import { makeProviders } from "./providers.ts";
import { makeVaults } from "./vaults.ts";

/** The room on the real floors below it, on a fresh store; what it would ask of the vault is written down. */
export const openProviders = async (
  address: StoreAddress,
  { limits, onRemoved }: { limits?: { callMs?: number; checkMs?: number }; onRemoved?: () => Promise<void> } = {},
) => {
  const identity = await openIdentity(address);
  const egress = makeEgress({ allow: ["127.0.0.0/8", "localhost"] });
  const suspended: string[] = [];
  const removed: string[] = [];
  const rebound: string[] = [];
  const consentChanged: string[] = [];
  const vaultsOver = (db: Db) => makeVaults({ ...identity, db, tenantMadeAt: () => Promise.resolve(identity.clock()) });
  const over = (db: Db) =>
    makeProviders({
      ...identity,
      db,
      vaults: vaultsOver(db),
      egress,
      issuerOf: identity.tenants.issuerOf,
      clientAssertion: identity.tokens.clientAssertion,
      onSuspended: (_tx, _who, id) => {
        suspended.push(id);
        return Promise.resolve();
      },
      onRemoved: async (_tx, _who, id) => {
        await onRemoved?.();
        removed.push(id);
      },
      onRebound: (_tx, _who, id) => {
        rebound.push(id);
        return Promise.resolve();
      },
      onConsentChanged: (_tx, _who, id) => {
        consentChanged.push(id);
        return Promise.resolve();
      },
      ...(limits && { limits }),
    });
  return {
    ...identity,
    providers: over(identity.db),
    vaults: vaultsOver(identity.db),
    /** The same room over a store that a test watches. */
    over,
    suspended,
    removed,
    rebound,
    consentChanged,
    close: async () => {
      await egress.close();
      await identity.close();
    },
  };
};
export type OpenProviders = Awaited<ReturnType<typeof openProviders>>;

/** An agent that asks, as `authn` makes it. */
export const asking = (tenant: string, { id, name, labels, origin, project, epoch }: Agent): Principal => ({
  tenant,
  caller: { kind: "agent", id },
  agent: { id, name, labels, origin, project, epoch },
  actors: [id],
  method: "workload_token",
  requestId: "req_test",
});

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body: unknown;
}

/** A provider that says exactly what a test wants; `undefined` leaves the caller hanging. It keeps what it was asked. */
export const startScripted = async (answer: (seen: Seen) => Answer | undefined) => {
  const seen: Seen[] = [];
  let script = answer;
  const reply = (response: ServerResponse, { status = 200, headers, body }: Answer) => {
    const isText = typeof body === "string";
    response.writeHead(status, { "content-type": isText ? "text/html" : "application/json", ...headers });
    response.end(isText ? body : JSON.stringify(body));
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const asked = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      seen.push(asked);
      const answered = script(asked);
      if (answered) reply(response, answered);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    endpoints: { authorizationEndpoint: `${url}/authorize`, tokenEndpoint: `${url}/token` },
    seen,
    /** What the token endpoint was asked last. */
    last: (): Seen => {
      const found = seen.findLast(({ method }) => method === "POST");
      if (!found) throw new Error("The token endpoint was never asked.");
      return found;
    },
    tokenCalls: () => seen.filter(({ method }) => method === "POST").length,
    answer: (next: (asked: Seen) => Answer | undefined) => {
      script = next;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};
export type Scripted = Awaited<ReturnType<typeof startScripted>>;
