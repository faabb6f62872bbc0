import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { type House, openHouse } from "./compose.ts";
import type { Config } from "./config/index.ts";
import { freePort, makeHttp, makeLog } from "./front/http/index.ts";
import { serveAlibaba } from "./front/alibaba/index.ts";
import { cozePrefix, serveCoze } from "./front/coze/index.ts";
import { serveNative } from "./front/native/index.ts";
import { makeOtherLogin, serveAuthorize, serveOauth } from "./front/oauth/index.ts";
import { servePages } from "./front/pages/index.ts";
import { anonymous, systemRandom } from "./ground/kernel/index.ts";
import { masterKeyFile, masterKeyPath, oldMasterKeyFile, oldMasterKeyPath, SealBroken } from "./ground/seal/index.ts";
import { defaultTenant } from "./identity/tenants/index.ts";

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
 * The master key that was given, else the data directory's own, and the former one. A store without its key file gets no new one: nothing in it
 * would open; but for one whose file was moved aside to be changed for another.
 */
const masterKeysOf = ({ secrets, dataDir, database }: Config): { masterKey: Buffer; oldMasterKey: Buffer | undefined } => {
  if (secrets.masterKey !== undefined) return { masterKey: secrets.masterKey, oldMasterKey: secrets.oldMasterKey };
  const path = masterKeyPath(dataDir);
  const oldMasterKey = secrets.oldMasterKey ?? oldMasterKeyFile(oldMasterKeyPath(dataDir));
  if (database.engine === "sqlite" && existsSync(database.path) && !existsSync(path) && !oldMasterKey) {
    throw new SealBroken(`There is a store in ${dataDir}, and not the key it was sealed with: put ${path} back, or set LEGATE_MASTER_KEY.`);
  }
  return { masterKey: masterKeyFile(path, systemRandom), oldMasterKey };
};

/** Port 0 means a free one. The URLs that others are told name the port, so it is chosen before anything is built. */
const withPort = async (config: Config): Promise<Config> => {
  if (config.port !== 0) return config;
  const port = await freePort(config.host);
  const publicUrl = new URL(config.publicUrl);
  if (publicUrl.port === "0") publicUrl.port = String(port);
  return { ...config, port, publicUrl: publicUrl.origin };
};

/**
 * Builds the house, opens its front and listens.
 * @param tell Where the greeting goes, and with it the admin key where this start made it.
 * @throws StoreInUse, SealBroken, and whatever keeps it from listening
 */
export const openServer = async (settings: Config, tell: (text: string) => void = () => undefined): Promise<Server> => {
  const config = await withPort(settings);
  const log = makeLog(config.logLevel);
  for (const warning of config.warnings) log.warn(warning);
  if (config.secrets.masterKey === undefined || config.database.engine === "sqlite") prepareDataDir(config.dataDir);
  const house: House = await openHouse({
    store: config.database,
    ...masterKeysOf(config),
    publicUrl: config.publicUrl,
    secureCookies: config.secureCookies,
    egressAllow: config.egressAllow,
    rateLimits: config.rateLimits,
    region: config.region,
    adminKey: config.secrets.adminKey,
    auditRetentionDays: config.auditRetentionDays,
    onJobFailure: (job, error) => log.warn({ job, err: error }, "background work failed and will be tried again"),
    onProgress: (about, sentence) => log.info(about, sentence),
  });
  try {
    const http = await makeHttp(config, {
      log,
      random: systemRandom,
      ping: async () => {
        house.db.checkWritable();
        await house.tenants.ping();
      },
      isOpen: house.tenants.isOpen,
      rates: house.limits,
      onLimited: ({ requestId, address }, limit) => {
        const refused = { details: { reason: "rate_limited", limit } };
        house.audit.refused(anonymous(defaultTenant, requestId, address), "request.refused", refused).catch(() => undefined);
      },
      kindBelow: [cozePrefix],
      waiting: () => house.db.waiting(),
    });
    await serveNative(http.app, house);
    await serveOauth(http.app, house);
    await serveAuthorize(http.app, house);
    await serveCoze(http.app, house);
    await serveAlibaba(http.app, house);
    await servePages(http.app, { ...house, otherLogin: makeOtherLogin(house) });
    const address = await http.listen();
    house.jobs.start();
    house.limits.start();
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
