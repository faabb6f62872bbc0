import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { makeHttp, makeLog } from "../../packages/server/src/front/http/index.ts";
import { serveNative } from "../../packages/server/src/front/native/index.ts";
import { servePages } from "../../packages/server/src/front/pages/index.ts";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import { systemRandom } from "../../packages/server/src/ground/kernel/index.ts";
import { openTestHouse, testAdminKey } from "../../packages/server/src/testing/house.ts";
import { testPublicUrl } from "../../packages/server/src/testing/identity.ts";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { handClock } from "../../packages/server/src/testing/stores.ts";

export interface Asked {
  readonly method?: string;
  readonly url: string;
  readonly key?: string | undefined;
  /** Sent as JSON; text as it is. */
  readonly body?: unknown;
  readonly cookie?: string;
}

/** A token endpoint that gives a new token to whoever asks. */
const startGiver = async () => {
  let given = 0;
  const server = createServer((_request, response) => {
    given += 1;
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ access_token: `given-token-${given}`, token_type: "Bearer", expires_in: 3600 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    given: () => given,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

/** The whole house with its fronts, and what stands around it. */
export const openManyTenants = async (store: StoreAddress, publicUrl = testPublicUrl) => {
  const hand = handClock(Date.now());
  const house = await openTestHouse(store, { clock: hand.clock }, publicUrl);
  const http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl, trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve(), isOpen: house.tenants.isOpen },
  );
  await serveNative(http.app, house);
  await servePages(http.app, house);
  const giver = await startGiver();
  const issuers: TestIssuer[] = [];

  const ask = ({ method = "GET", url, key, body, cookie }: Asked) =>
    http.app.inject({
      method: method as "POST",
      url,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(cookie !== undefined && { cookie }),
      },
      ...(body !== undefined && { payload: typeof body === "string" ? body : JSON.stringify(body) }),
    });

  return {
    house,
    http,
    hand,
    giver,
    ask,
    /** Asks for what has to succeed. */
    had: async <T = Readonly<Record<string, string>>>(asked: Asked): Promise<T> => {
      const answer = await ask(asked);
      if (answer.statusCode >= 300) throw new Error(`${asked.method ?? "GET"} ${asked.url}: ${answer.statusCode} ${answer.body}`);
      return (answer.body === "" ? {} : answer.json()) as T;
    },
    startIssuer: async (): Promise<TestIssuer> => {
      const issuer = await startTestIssuer({ clock: hand.clock });
      issuers.push(issuer);
      return issuer;
    },
    /** Makes a tenant, and answers its first admin's key. */
    makeTenant: async (name: string): Promise<string> => {
      const made = await ask({ method: "POST", url: "/v1/tenants", key: testAdminKey, body: { name } });
      if (made.statusCode !== 201) throw new Error(made.body);
      return made.json<{ adminKey: string }>().adminKey;
    },
    close: async () => {
      await http.close();
      await house.close();
      await giver.stop();
      for (const issuer of issuers) await issuer.stop();
    },
  };
};

const partOf = (token: string, part: number) =>
  JSON.parse(Buffer.from(token.split(".")[part] ?? "", "base64url").toString("utf8")) as Readonly<Record<string, unknown>>;

/** What a token says in its header, whoever signed it. */
export const headerOf = (token: string) => partOf(token, 0);
/** What a token says, whoever signed it. */
export const claimsOf = (token: string) => partOf(token, 1);

export type ManyTenants = Awaited<ReturnType<typeof openManyTenants>>;
export { testAdminKey };
