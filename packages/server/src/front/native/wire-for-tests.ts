import type { LightMyRequestResponse } from "fastify";
import { openHouse } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { type Clock, systemClock, systemRandom } from "../../ground/kernel/index.ts";
import { makeHttp, makeLog } from "../http/index.ts";
import { serveNative } from "./index.ts";

export const adminKey = "an-admin-key-for-tests-0123456789abcdef";

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
export const openWire = async (store: StoreAddress, clock: Clock = systemClock) => {
  const publicUrl = "http://127.0.0.1:8700";
  const house = await openHouse(
    { store, masterKey: Buffer.alloc(32, 7), publicUrl, secureCookies: false, egressAllow: ["127.0.0.1"], adminKey },
    { clock, random: systemRandom },
  );
  const http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl, trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve() },
  );
  await serveNative(http.app, house);
  const ask = ({ method = "GET", url, key = adminKey, body, type = "application/json" }: Sent): Promise<LightMyRequestResponse> =>
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
