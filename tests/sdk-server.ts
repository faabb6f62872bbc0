import { dirname } from "node:path";
import type { StoreAddress } from "../packages/server/src/ground/db/index.ts";
import { openServer, readConfig, type Server } from "../packages/server/src/index.ts";
import type { TestProvider } from "../packages/server/src/testing/provider.ts";

/** A server for a client of the SDK, which may ask providers on loopback. */
export const openLegate = (store: StoreAddress, adminKey: string): Promise<Server> =>
  openServer(
    readConfig({
      LEGATE_PORT: "0",
      LEGATE_ADMIN_KEY: adminKey,
      LEGATE_MASTER_KEY: Buffer.alloc(32, 7).toString("base64"),
      LEGATE_EGRESS_ALLOW: "127.0.0.0/8",
      LEGATE_LOG_LEVEL: "silent",
      ...(store.engine === "sqlite" ? { LEGATE_DATA_DIR: dirname(store.path) } : { LEGATE_DATABASE_URL: store.url }),
    }),
  );

/** Opens a consent's link as this person and answers the last address that the browser is sent to, or undefined where a page ends it. */
export const consent = async (upstream: TestProvider, link: string, person: string, answer: "allow" | "deny" = "allow") => {
  const begun = await fetch(link, { redirect: "manual" });
  const cookie = begun.headers.getSetCookie().map((line) => line.split(";")[0]);
  const back = await upstream.walk(begun.headers.get("location") ?? "", person, answer);
  const ended = await fetch(back, { redirect: "manual", headers: { cookie: cookie.join("; ") } });
  await ended.text();
  return ended.headers.get("location") ?? undefined;
};
