import { chmodSync, mkdirSync } from "node:fs";
import { type House, openHouse } from "./compose.ts";
import type { Config } from "./config/index.ts";
import { makeHttp, makeLog } from "./front/http/index.ts";
import { serveNative } from "./front/native/index.ts";
import { servePages } from "./front/pages/index.ts";
import { systemRandom } from "./ground/kernel/index.ts";
import { masterKeyFile, masterKeyPath } from "./ground/seal/index.ts";

/** A server that listens. */
export interface Server {
  /** Where it listens: `http://127.0.0.1:8700`. */
  readonly address: string;
  /** Accepts no more, answers what was accepted, then closes the store. */
  close(): Promise<void>;
}

/** What a person who started it wants to know. */
const greeting = (config: Config, address: string, madeAdminKey: string | undefined): string => {
  const key = madeAdminKey ?? "$LEGATE_ADMIN_KEY";
  return [
    `Legate listens on ${address}`,
    ...(madeAdminKey === undefined ? [] : ["", `  Admin key: ${madeAdminKey}`, "  It is shown this once; only its hash is stored."]),
    "",
    "Register your first agent:",
    `  curl ${config.publicUrl}/v1/agents -H "Authorization: Bearer ${key}" -H "content-type: application/json" -d '{"name":"my-agent"}'`,
    "",
    `Every operation: ${config.publicUrl}/docs`,
    "",
  ].join("\n");
};

const prepareDataDir = (dataDir: string): void => {
  // Somebody else's folder is not ours to close; one that we make is for its owner only.
  if (mkdirSync(dataDir, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(dataDir, 0o700);
};

/**
 * Builds the house, opens its front and listens.
 * @param tell Where the greeting goes, and with it the admin key where this start made it.
 * @throws StoreInUse, SealBroken, and whatever keeps it from listening
 */
export const openServer = async (config: Config, tell: (text: string) => void = () => undefined): Promise<Server> => {
  const log = makeLog(config.logLevel);
  for (const warning of config.warnings) log.warn(warning);
  if (config.secrets.masterKey === undefined || config.database.engine === "sqlite") prepareDataDir(config.dataDir);
  const masterKey = config.secrets.masterKey ?? masterKeyFile(masterKeyPath(config.dataDir), systemRandom);
  const house: House = await openHouse({
    store: config.database,
    masterKey,
    publicUrl: config.publicUrl,
    secureCookies: config.secureCookies,
    egressAllow: config.egressAllow,
    adminKey: config.secrets.adminKey,
  });
  try {
    const http = await makeHttp(config, { log, random: systemRandom, ping: () => house.tenants.ping() });
    await serveNative(http.app, house);
    await servePages(http.app, house);
    const address = await http.listen();
    log.info({ address, store: house.db.engine }, "listening");
    tell(greeting(config, address, house.madeAdminKey));
    return {
      address,
      close: async () => {
        log.info("closing");
        await http.close();
        await house.close();
        log.info("closed");
      },
    };
  } catch (error) {
    await house.close();
    throw error;
  }
};
