import type { FastifyInstance } from "fastify";
import { type House, type HouseSettings, openHouse } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { systemRandom } from "../../ground/kernel/index.ts";
import { testAdminKey } from "../../testing/house.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import { handClock } from "../../testing/stores.ts";
import { makeHttp, makeLog } from "./index.ts";

interface Settings extends Pick<HouseSettings, "rateLimits"> {
  /** Where the clock that is moved by hand starts. */
  readonly now?: number | undefined;
  readonly kindBelow?: readonly string[];
}

/** The whole house behind one wire, which `serve` adds, on the store given, with a clock moved by hand. */
export const openBehindHttp = async (
  store: StoreAddress,
  serve: (app: FastifyInstance, house: House) => Promise<void>,
  { rateLimits, now, kindBelow }: Settings = {},
) => {
  const hand = handClock(now);
  const house = await openHouse(
    {
      store,
      masterKey: Buffer.alloc(32, 7),
      publicUrl: testPublicUrl,
      secureCookies: false,
      egressAllow: ["127.0.0.0/8"],
      adminKey: testAdminKey,
      ...(rateLimits !== undefined && { rateLimits }),
    },
    { clock: hand.clock },
  );
  const http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl: testPublicUrl, trustedProxies: [], corsOrigins: [] },
    {
      log: makeLog("silent"),
      random: systemRandom,
      ping: () => Promise.resolve(),
      isOpen: house.tenants.isOpen,
      ...(kindBelow !== undefined && { kindBelow }),
      ...(rateLimits !== undefined && { rates: house.limits }),
    },
  );
  await serve(http.app, house);
  return {
    house,
    hand,
    http,
    close: async (): Promise<void> => {
      await http.close();
      await house.close();
    },
  };
};
