import type { LightMyRequestResponse } from "fastify";
import type { StoreAddress } from "../../ground/db/index.ts";
import { systemRandom } from "../../ground/kernel/index.ts";
import { openTestHouse, testAdminKey } from "../../testing/house.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import { makeHttp, makeLog } from "../http/index.ts";
import { serveNative } from "./index.ts";

export interface Sent {
  readonly method?: string;
  readonly url: string;
  readonly key?: string | undefined;
  /** Sent as JSON; text as it is. */
  readonly body?: unknown;
  readonly type?: string;
}

export type Failure = {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly requestId: string;
    readonly details?: { readonly issues?: readonly { readonly path: string; readonly message: string }[] };
  };
};

/** The whole house behind this wire, on the store given, and a way to ask it as the admin. */
export const openWire = async (store: StoreAddress) => {
  const house = await openTestHouse(store);
  const http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl: testPublicUrl, trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve(), isOpen: house.tenants.isOpen },
  );
  await serveNative(http.app, house);
  const ask = ({ method = "GET", url, key = testAdminKey, body, type = "application/json" }: Sent): Promise<LightMyRequestResponse> =>
    http.app.inject({
      method: method as "POST",
      url,
      headers: { ...(key !== "" && { authorization: `Bearer ${key}` }), ...(body !== undefined && { "content-type": type }) },
      ...(body !== undefined && { payload: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  return {
    house,
    http,
    ask,
    close: async () => {
      await http.close();
      await house.close();
    },
  };
};

export type Wire = Awaited<ReturnType<typeof openWire>>;
